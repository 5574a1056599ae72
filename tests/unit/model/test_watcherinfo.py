"""Watcher information read, written and followed: RFC 3858."""

from dataclasses import replace

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model import watcherinfo
from bridge.model.watcherinfo import Event, Status, Watcher, WatcherInfo, WatcherInfoError, WatcherList, merged
from tests.unit.model.documents import LANGUAGES, TEXTS
from tests.unit.model.schemata import watcher_schema

NS = "urn:ietf:params:xml:ns:watcherinfo"
KIM = Watcher("pres:kim@oakleaf.example", "s1", Status.ACTIVE, Event.APPROVED, duration=509)
BO = Watcher("pres:bo@xmpp.example", "s2", Status.PENDING, Event.SUBSCRIBE, "Herr Bo", "de", 600)
ANA = "pres:ana@xmpp.example"

DOCUMENT = f"""<?xml version="1.0"?>
<w:watcherinfo xmlns:w="{NS}" xmlns:x="urn:x" version="7" state="full" x:more="1">
  <w:watcher-list resource="{ANA}" package="presence">
    <w:watcher status="active" id="s1" duration-subscribed="509" event="approved" > {KIM.uri}
    </w:watcher>
    <w:watcher status="pending" id="s2" event="subscribe" display-name="Herr Bo" xml:lang="de" expiration=" 600 "
      x:more="1">{BO.uri}</w:watcher>
    <x:more><w:watcher/></x:more>
  </w:watcher-list>
  <x:more/>
</w:watcherinfo>"""
FOUND = WatcherInfo(7, True, (WatcherList(ANA, (KIM, BO)),))


@pytest.mark.conforms("RFC3858:3:foreign", "RFC3858:3:attributes")
def test_a_document() -> None:
    """What is foreign in it is passed over."""
    assert watcherinfo.loads(DOCUMENT.encode()) == FOUND
    assert watcherinfo.loads(watcherinfo.dumps(FOUND)) == FOUND


@pytest.mark.conforms("RFC3858:3:attributes")
def test_how_it_is_written() -> None:
    assert (
        watcherinfo.dumps(FOUND)
        == (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<watcherinfo xmlns="{NS}" version="7" state="full">'
            f'<watcher-list resource="{ANA}" package="presence">'
            f'<watcher id="s1" status="active" event="approved" duration-subscribed="509">{KIM.uri}</watcher>'
            f'<watcher id="s2" status="pending" event="subscribe" display-name="Herr Bo" xml:lang="de" '
            f'expiration="600">{BO.uri}</watcher></watcher-list></watcherinfo>\n'
        ).encode()
    )


@pytest.mark.conforms("RFC3858:3:mandatory")
@pytest.mark.parametrize(
    ("part", "instead", "why"),
    [
        ('version="7"', "", "no version"),
        ('version="7"', 'version="-1"', "no number"),
        ('version="7"', 'version="4294967296"', "no number"),
        ('version="7"', f'version="{"9" * 5000}"', "no number"),
        ('state="full"', "", "no state"),
        ('state="full"', 'state="whole"', "neither full nor partial"),
        (f'resource="{ANA}"', "", "no resource"),
        (f'resource="{ANA}"', 'resource="ana"', "no absolute URI"),
        ('package="presence"', "", "no package"),
        ('id="s1"', "", "no id"),
        ('id="s1"', 'id="s2"', "twice"),
        ('id="s1"', 'id="s 1"', "no token"),
        ('id="s1"', 'id=""', "no token"),
        ('status="active"', "", "no status"),
        ('status="active"', 'status="init"', "not known"),
        ('event="approved"', "", "no event"),
        ('event="approved"', 'event="bribed"', "not known"),
        ('expiration=" 600 "', 'expiration="soon"', "no number"),
        ("509", "18446744073709551616", "no number"),
        (KIM.uri, "kim", "no absolute URI"),
        (NS, NS + ":", "the root"),
        ("<w:watcherinfo", "<!DOCTYPE a><w:watcherinfo", "document type"),
        ("</w:watcherinfo>", "", "not well-formed"),
    ],
)
def test_what_is_refused(part: str, instead: str, why: str) -> None:
    assert part in DOCUMENT
    with pytest.raises(WatcherInfoError, match=why):
        watcherinfo.loads(DOCUMENT.replace(part, instead).encode())


@settings(deadline=None)
@given(st.binary() | st.text().map(str.encode))
def test_any_octets_have_an_answer(data: bytes) -> None:
    try:
        found = watcherinfo.loads(data)
    except WatcherInfoError:
        return
    assert isinstance(found, WatcherInfo)


URIS = st.sampled_from(["pres:a@b", "pres:%C3%BC@b?x&y", "sip:a@b;q=<1>", "pres:'\"@b"])
IDS = st.text("abcXYZ019.!%*_+`'~-", min_size=1, max_size=6)
WATCHERS = st.builds(
    Watcher,
    URIS,
    IDS,
    st.sampled_from(Status),
    st.sampled_from(Event),
    TEXTS,
    LANGUAGES,
    st.none() | st.integers(0, 2**64 - 1),
    st.none() | st.integers(0, 2**64 - 1),
)


def lists(watchers: list[Watcher]) -> tuple[WatcherList, ...]:
    """Split in two, since ids are apart over all lists."""
    return WatcherList("pres:a@b", tuple(watchers[::2])), WatcherList("pres:c@d", tuple(watchers[1::2]), "x.winfo")


INFOS = st.builds(
    WatcherInfo,
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.lists(WATCHERS, max_size=5, unique_by=lambda each: each.id).map(lists) | st.just(()),
)


@pytest.mark.conforms("RFC3858:3:attributes")
@settings(deadline=None)
@given(INFOS)
def test_round_trip(info: WatcherInfo) -> None:
    assert watcherinfo.loads(watcherinfo.dumps(info)) == info


@pytest.mark.conforms("RFC3858:6")
@settings(deadline=None, max_examples=40)
@given(INFOS)
def test_what_is_written_is_valid(info: WatcherInfo) -> None:
    watcher_schema().validate(watcherinfo.dumps(info).decode())


def test_the_schema_refuses_something() -> None:
    with pytest.raises(xmlschema.XMLSchemaException):
        watcher_schema().validate(DOCUMENT.replace('status="active"', 'status="init"'))


@pytest.mark.parametrize(
    "bad",
    [
        replace(FOUND, version=-1),
        replace(FOUND, version=2**32),
        replace(FOUND, lists=(WatcherList("ana"),)),
        replace(FOUND, lists=(WatcherList(ANA, (KIM, KIM)),)),
        replace(FOUND, lists=(WatcherList(ANA, (KIM,)), WatcherList("pres:b@c", (KIM,)))),
        replace(FOUND, lists=(WatcherList(ANA, (replace(KIM, id="a b"),)),)),
        replace(FOUND, lists=(WatcherList(ANA, (replace(KIM, uri="kim"),)),)),
        replace(FOUND, lists=(WatcherList(ANA, (replace(KIM, duration=-1),)),)),
    ],
)
def test_what_cannot_be_written(bad: WatcherInfo) -> None:
    with pytest.raises(WatcherInfoError):
        watcherinfo.dumps(bad)


# Following


def told(version: int, *watchers: Watcher, full: bool = False, resource: str = ANA) -> WatcherInfo:
    return WatcherInfo(version, full, (WatcherList(resource, watchers),))


@pytest.mark.conforms("RFC3858:4:merged")
def test_changes_are_followed() -> None:
    known, missed = merged(None, told(0, KIM, full=True))
    assert (known, missed) == (told(0, KIM, full=True), False)
    known, missed = merged(known, told(1, BO))
    assert (known, missed) == (told(1, KIM, BO, full=True), False)
    active = replace(BO, status=Status.ACTIVE, event=Event.APPROVED)
    known, missed = merged(known, told(2, active))
    assert (known, missed) == (told(2, KIM, active, full=True), False)
    known, missed = merged(known, told(3, replace(KIM, status=Status.TERMINATED, event=Event.TIMEOUT)))
    assert (known, missed) == (told(3, active, full=True), False)
    known, missed = merged(known, told(4, KIM, resource="pres:b@c"))
    assert known.lists == (WatcherList(ANA, (active,)), WatcherList("pres:b@c", (KIM,)))


@pytest.mark.conforms("RFC3858:4:version")
def test_what_is_old_or_was_missed() -> None:
    known = told(5, KIM, full=True)
    assert merged(known, told(4, BO)) == (known, False)
    assert merged(known, told(5, BO, full=True)) == (known, False)
    assert merged(known, told(7, BO)) == (told(7, KIM, BO, full=True), True)
    assert merged(known, told(7, BO, full=True)) == (told(7, BO, full=True), False)
    assert merged(None, told(3, KIM)) == (told(3, KIM, full=True), True)
