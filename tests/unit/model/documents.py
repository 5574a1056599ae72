"""Presence documents to test with: written out, and made by hypothesis."""

from hypothesis import strategies as st

from bridge.model import pidf
from bridge.model.elements import Extension
from bridge.model.presence import Activity, Basic, Notes, Show

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
PIDF = "urn:ietf:params:xml:ns:pidf"


def document(inner: str, *, entity: str = "pres:ana@xmpp.example", more: str = "") -> bytes:
    """A document with the usual prefixes: dm, r and x, of a namespace nobody knows."""
    return (
        f'{HEAD}<presence xmlns="{PIDF}" xmlns:p="{PIDF}" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"'
        f' xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:x="urn:example:x" entity="{entity}"{more}>'
        f"{inner}</presence>"
    ).encode()


def one_tuple(inner: str, status: str = "<basic>open</basic>") -> bytes:
    """A document with one tuple of id ``a``."""
    return document(f'<tuple id="a"><status>{status}</status>{inner}</tuple>')


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")) | (
    st.sampled_from(["a\tb\nc\rd", "]]>", "<&\">'", " edges ", "\u202eabc", "\U0001f426"])
)
LANGUAGES = st.sampled_from(["", "en", "de-AT", "zh-Hant"])
MOMENTS = st.none() | st.integers(-(10**10), 10**11).map(float) | st.integers(0, 10**13).map(lambda each: each / 1000)
PRIORITIES = st.none() | st.integers(0, 1000).map(lambda each: each / 1000)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9._-]{0,8}", fullmatch=True) | st.text(max_size=8).map(pidf.to_xml_id)
NOTES: st.SearchStrategy[Notes] = st.lists(st.tuples(LANGUAGES, TEXTS), max_size=3).map(tuple)
INPUTS = st.none() | st.builds(pidf.UserInput, st.booleans(), MOMENTS, st.none() | st.integers(1, 10**9))
CONTACTS = st.sampled_from(["", "im:ana@xmpp.example", "tel:+123", "mailto:ana@example.org?x=1&y=2", "pres:%C3%BC@x"])
EXTENSIONS = st.lists(
    st.sampled_from(
        [
            Extension('<a xmlns="urn:example:x"></a>'),
            Extension('<a xmlns="urn:example:x"><b xmlns="" c="1&#10;2">t &amp; u</b></a>'),
            Extension(f'<a xmlns="urn:example:x" xmlns:n0="{PIDF}" n0:mustUnderstand="1" xml:lang="en">x</a>', True),
        ]
    ),
    max_size=2,
).map(tuple)
ACTIVITIES = st.builds(
    pidf.Activities,
    st.frozensets(st.sampled_from(sorted(set(Activity) - {Activity.UNKNOWN}))),
    NOTES,
    NOTES,
    MOMENTS,
    MOMENTS,
    EXTENSIONS,
) | st.just(pidf.Activities(frozenset({Activity.UNKNOWN})))
SERVICES = st.builds(
    pidf.Service,
    NAMES,
    st.none() | st.sampled_from(Basic),
    st.none() | st.sampled_from(Show),
    CONTACTS,
    PRIORITIES,
    NOTES,
    MOMENTS,
    INPUTS,
    EXTENSIONS,
    EXTENSIONS,
)
PERSONS = st.builds(pidf.Person, NAMES, st.lists(ACTIVITIES, max_size=2).map(tuple), INPUTS, NOTES, MOMENTS, EXTENSIONS)
DEVICES = st.builds(
    pidf.Device, NAMES, st.sampled_from(["urn:uuid:1", "mac:001122334455"]), INPUTS, NOTES, MOMENTS, EXTENSIONS
)


def _apart(found: pidf.Document) -> bool:
    ids = [each.id for group in (found.services, found.persons, found.devices) for each in group]
    return len(set(ids)) == len(ids)


DOCUMENTS = st.builds(
    pidf.Document,
    st.sampled_from(["pres:ana@xmpp.example", "pres:%40ana%3Ahome@matrix", "sip:a@b;x=1?y&z"]),
    st.lists(SERVICES, max_size=3).map(tuple),
    NOTES,
    st.lists(PERSONS, max_size=2).map(tuple),
    st.lists(DEVICES, max_size=2).map(tuple),
    EXTENSIONS,
).filter(_apart)
