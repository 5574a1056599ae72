"""From XMPP to a presence document and back: RFC 3922 section 5, RFC 8048, RFC 4479."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element, fromstring
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.irc.people import Known
from adapters.irc.presence import online
from adapters.matrix.presence import presence_of
from adapters.xmpp import outbound
from adapters.xmpp.presence import NOTES, appearance, read_tuple
from bridge.model import pidf
from bridge.model.address import Address
from bridge.model.pidf import Document, PidfError, Service, UserInput
from bridge.model.presence import Activity, Basic, Presence, Show, Tuple
from tests.unit.matrix.test_matrix_inbound import JSON
from tests.unit.model.documents import document
from tests.unit.model.schemata import presence_schema
from tests.unit.xmpp.folk import presence
from tests.unit.xmpp.test_xmpp_inbound import ELEMENTS, element

ANA = Address("office", "ana@xmpp.example")
OPEN = Tuple("a", Basic.OPEN)
WORDS = ["", "chat", "away", "xa", "dnd"]
LANGUAGES = ["", "en", "de-AT", "zh-Hant", "x-klingon"]


def over(known: Presence) -> Presence:
    """What is left of a presence after it was a document, which is valid."""
    written = pidf.dumps(known)
    presence_schema().validate(written.decode())
    return pidf.loads(written).presence(known.presentity)


def stanza(show: str, priority: int | None, notes: list[tuple[str, str]], idle: str = "", delay: str = "") -> str:
    """The inside of a presence stanza, as a client writes it."""
    parts = [f"<show>{show}</show>" if show else "", "" if priority is None else f"<priority>{priority}</priority>"]
    parts += [f"<status xml:lang={quoteattr(language)}>{escape(text)}</status>" for language, text in notes]
    parts.append(f"<idle xmlns='urn:xmpp:idle:1' since='{idle}'/>" if idle else "")
    parts.append(f"<delay xmlns='urn:xmpp:delay' stamp='{delay}'/>" if delay else "")
    return "".join(parts)


@pytest.mark.conforms(
    "RFC3922:5.1.5", "RFC3922:5.1.7:range", "RFC3922:5.1.7:negative", "RFC3922:5.2.10", "RFC8048:5.2:show"
)
@pytest.mark.parametrize("show", WORDS)
def test_every_show_and_priority_comes_back(show: str) -> None:
    """All 256 priorities, in one document. Those below zero are not mapped, and come back as none."""
    devices = tuple(read_tuple(presence("", stanza(show, each, [])), f"r{each}") for each in range(-128, 128))
    back = over(Presence(ANA, devices))
    assert back.tuples == devices
    for device, priority in zip(back.tuples, range(-128, 128), strict=True):
        shown = appearance(Presence(ANA, (device,)))
        assert (shown.available, shown.show, shown.priority) == (True, show, max(priority, 0))
        assert (device.priority is None) == (priority < 0)


@pytest.mark.conforms("RFC3922:5.1.7:range")
@pytest.mark.parametrize(
    ("priority", "written"), [(0, "0"), (1, "0.007"), (2, "0.015"), (13, "0.102"), (126, "0.992"), (127, "1")]
)
def test_the_priorities_of_the_rfc(priority: int, written: str) -> None:
    device = read_tuple(presence("", stanza("", priority, [])), "a")
    assert f'<contact priority="{written}">'.encode() in pidf.dumps(Presence(ANA, (device,)))


@pytest.mark.conforms("RFC3922:5.2.13:range", "RFC3922:5.2.13:negative")
def test_every_priority_of_a_document_has_one_of_a_stanza() -> None:
    """None is negative, and the larger is never the smaller."""
    shown = [appearance(Presence(ANA, (replace(OPEN, priority=each / 1000),))).priority for each in range(1001)]
    assert (shown[0], shown[7], shown[8], shown[992], shown[999], shown[1000]) == (0, 1, 2, 126, 126, 127)
    assert shown == sorted(shown)


MICROSECONDS = st.integers(0, 7 * 10**15)
MOMENTS = st.none() | MICROSECONDS.map(lambda each: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=each))
STATUSES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))


@pytest.mark.conforms(
    "RFC3863:4.1.2:same",
    "RFC3863:4.1.7:there",
    "RFC3922:5.1.1:id",
    "RFC3922:5.1.6",
    "RFC3922:5.2.11:note",
    "RFC8048:5.2:language",
)
@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(WORDS),
    st.none() | st.integers(-128, 127),
    st.lists(st.tuples(st.sampled_from(LANGUAGES), STATUSES), max_size=NOTES, unique_by=lambda note: note[0]),
    MOMENTS,
    MOMENTS,
    st.text(min_size=1, max_size=20),
)
def test_every_stanza_comes_back(
    show: str,
    priority: int | None,
    notes: list[tuple[str, str]],
    idle: datetime | None,
    delay: datetime | None,
    resource: str,
) -> None:
    moments = [each.isoformat() if each else "" for each in (idle, delay)]
    device = read_tuple(presence("", stanza(show, priority, notes, *moments)), resource)
    known = Presence(ANA, (device,))
    assert over(known) == known
    shown = appearance(over(known))
    assert shown.notes == tuple((language, text.strip()) for language, text in notes if text.strip())
    assert shown.show == (show or ("away" if idle else ""))
    again = outbound.appear("a@b/c", "d@e", shown).replace("<presence", "<presence xmlns='jabber:client'", 1)
    assert read_tuple(fromstring(again), resource).notes == device.notes


@pytest.mark.conforms("RFC3922:6.3.1:one")
@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.builds(
            lambda show, priority, name: read_tuple(presence("", stanza(show, priority, [])), name),
            st.sampled_from(WORDS),
            st.integers(-1, 3),
            st.text(max_size=3),
        )
        | st.builds(lambda name: Tuple(name, Basic.CLOSED), st.text(max_size=3)),
        min_size=1,
        max_size=5,
        unique_by=lambda device: device.id,
    )
)
def test_many_devices_are_one_document(devices: list[Tuple]) -> None:
    known = Presence(ANA, tuple(devices), (("en", "on the road"),))
    assert over(known) == known


@pytest.mark.conforms(
    "RFC2779:2.1.3",
    "RFC2779:3.1.1",
    "RFC3859:3.2",
    "RFC3863:4.1.1:entity",
    "RFC3863:4.1.2:contact",
    "RFC3863:4.1.7:there",
    "RFC3922:5.1.1:entity",
    "RFC3922:5.1.4",
    "RFC3922:5.1.9.2:contact",
    "RFC3922:5.1.9.2:timestamp",
)
def test_what_a_document_says_of_a_user() -> None:
    known = Presence(ANA, (replace(OPEN, since=60.0), Tuple("b c", Basic.CLOSED)))
    assert Document.of(known, "pres:ana@gw.example") == Document(
        "pres:ana@gw.example",
        (
            Service("ID-a", Basic.OPEN, None, "im:ana@gw.example", timestamp=60.0),
            Service("ID-b_20_c", Basic.CLOSED, None, "im:ana@gw.example"),
        ),
    )
    assert Document.of(known).entity == "pres:ana%40xmpp.example@office"
    assert Document.of(known).services[0].contact == "im:ana%40xmpp.example@office"


@pytest.mark.conforms("RFC3922:6.3.2:written")
def test_nothing_known_makes_no_document() -> None:
    with pytest.raises(PidfError, match="nothing is known"):
        pidf.dumps(Presence(ANA))
    assert pidf.loads(document("<note>in Tokyo</note>")).presence(ANA) == Presence(ANA, (), (("", "in Tokyo"),))


@pytest.mark.conforms("RFC3922:5.2.11:alone", "RFC3922:6.3.2:read")
def test_notes_without_a_tuple_make_nobody_appear() -> None:
    shown = appearance(pidf.loads(document("<note>in Tokyo</note>")).presence(ANA))
    assert (shown.available, shown.notes) == (False, ())


@pytest.mark.conforms("RFC4479:3.2", "RFC4480:3.2:values")
@pytest.mark.parametrize(
    ("activities", "found", "show"),
    [
        ("<r:away/>", {Activity.AWAY}, "away"),
        ("<r:meeting/><r:away/>", {Activity.MEETING, Activity.AWAY}, "dnd"),
        ("<r:vacation/><r:meal/>", {Activity.VACATION, Activity.MEAL}, "xa"),
        ("<r:working/>", {Activity.WORKING}, ""),
        ("<r:unknown/>", set(), ""),
        ("<r:lunch/>", {Activity.MEAL}, "away"),
        ("<r:other>knitting</r:other>", set(), ""),
    ],
)
def test_what_a_person_does_counts_for_open_devices(activities: str, found: set[Activity], show: str) -> None:
    person = f'<dm:person id="p"><r:activities>{activities}</r:activities><dm:note>mine</dm:note></dm:person>'
    known = pidf.loads(
        document(
            '<tuple id="a"><status><basic>open</basic></status></tuple>'
            f'<tuple id="b"><status><basic>closed</basic></status></tuple>{person}'
        )
    ).presence(ANA)
    assert [(each.id, each.activities) for each in known.tuples] == [("a", found), ("b", frozenset())]
    assert known.notes == (("", "mine"),)
    assert (appearance(known).show, appearance(known).notes) == (show, (("", "mine"),))


@pytest.mark.conforms("RFC4480:3.2:time")
def test_activities_have_their_time() -> None:
    span = 'from="1970-01-01T00:01:00Z" until="1970-01-01T00:02:00Z"'
    found = pidf.loads(
        document(
            '<tuple id="a"><status><basic>open</basic></status></tuple>'
            f'<dm:person id="p"><r:activities {span}><r:meeting/></r:activities></dm:person>'
        )
    )
    for at, holds in ((None, False), (59.0, False), (60.0, True), (119.0, True), (120.0, False)):
        (device,) = found.presence(ANA, at).tuples
        assert device.activities == (frozenset({Activity.MEETING}) if holds else frozenset())


@pytest.mark.conforms("RFC3863:4.2", "RFC3863:4.2.3:must", "RFC3863:4.2.3:within", "RFC3863:4.3.3")
@pytest.mark.parametrize(
    ("inner", "bars"),
    [
        ('<r:activities><r:away/><x:how p:mustUnderstand="1"/></r:activities>', True),
        ('<r:activities><r:away/></r:activities><x:how p:mustUnderstand="true"/>', True),
        ("<r:activities><r:away/><x:how/></r:activities>", False),
        ('<r:activities><r:away/><x:how p:mustUnderstand="0"/></r:activities>', False),
        ('<r:activities><r:away/><x:how><x:why p:mustUnderstand="1"/></x:how></r:activities>', False),
    ],
)
def test_what_must_be_understood_and_is_not_bars_what_holds_it(inner: str, bars: bool) -> None:
    """And nothing else: the basic status is as it was."""
    known = pidf.loads(
        document(
            '<tuple id="a"><status><basic>open</basic><x:s p:mustUnderstand="1"/></status>'
            f'<x:t p:mustUnderstand="1"/></tuple><dm:person id="p">{inner}</dm:person>'
        )
    ).presence(ANA)
    assert known.tuples == (replace(OPEN, activities=frozenset() if bars else frozenset({Activity.AWAY})),)


@pytest.mark.conforms("RFC4480:3.14")
@pytest.mark.parametrize(
    ("service", "device"),
    [
        (Service("a", Basic.OPEN, user_input=UserInput(True, 5.0)), replace(OPEN, idle_since=5.0)),
        (Service("a", Basic.OPEN, user_input=UserInput(False, 5.0)), OPEN),
        (Service("a", Basic.OPEN, user_input=UserInput(True)), replace(OPEN, activities=frozenset({Activity.AWAY}))),
        (Service("a", Basic.OPEN, Show.CHAT, user_input=UserInput(True)), replace(OPEN, show=Show.CHAT)),
        (Service("a", Basic.CLOSED, user_input=UserInput(True)), Tuple("a", Basic.CLOSED)),
    ],
)
def test_the_idle(service: Service, device: Tuple) -> None:
    assert Document("pres:a@b", (service,)).presence(ANA).tuples == (device,)


@pytest.mark.conforms("RFC3922:5.2.12", "RFC3922:5.2.14")
def test_contacts_and_times_are_not_said_in_a_stanza() -> None:
    there = Presence(ANA, (OPEN,))
    more = Presence(ANA, (replace(OPEN, contact="tel:+123", since=60.0),))
    assert b"tel:+123" in pidf.dumps(more)
    assert b"<timestamp>1970-01-01T00:01:00Z</timestamp>" in pidf.dumps(more)
    stanzas = {outbound.appear("a@b/c", "d@e", appearance(over(each))) for each in (there, more)}
    assert len(stanzas) == 1


@pytest.mark.conforms("RFC3863:4.1.2:id")
def test_devices_that_would_be_called_alike_keep_their_ids() -> None:
    services = tuple(Service(each, Basic.OPEN) for each in ("a", "ID-a", "ID-b"))
    known = Document("pres:a@b", services).presence(ANA)
    assert [each.id for each in known.tuples] == ["a", "ID-a", "b"]


@pytest.mark.conforms("RFC4479:3.6")
def test_no_basic_status_is_no_device() -> None:
    assert Document("pres:a@b", (Service("a"),)).presence(ANA) == Presence(ANA)


def test_other_contacts_stay() -> None:
    known = Presence(ANA, (replace(OPEN, contact="tel:+123"), replace(OPEN, id="b")))
    assert over(known) == known


# Whatever a network tells


TIMES = st.sampled_from(["1970-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "20240101"])
HOSTILE = st.lists(
    ELEMENTS
    | st.builds(
        element,
        st.sampled_from(["{urn:xmpp:idle:1}idle", "{urn:xmpp:delay}delay", "{jabber:component:accept}status"]),
        st.fixed_dictionaries({"since": TIMES, "stamp": TIMES}),
        st.none() | st.text(),
        st.just([]),
    ),
    max_size=6,
)


@pytest.mark.conforms("RFC2779:3.1.1", "RFC3859:3.3:format")
@settings(deadline=None)
@given(HOSTILE, st.text())
def test_whatever_a_stanza_holds_there_is_a_document(children: list[Element], resource: str) -> None:
    device = read_tuple(element("{jabber:component:accept}presence", {}, None, children), resource)
    _like(Presence(ANA, (device,)))


@pytest.mark.conforms("RFC2779:3.1.1", "RFC3859:3.3:format")
@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {"presence": st.sampled_from(["online", "unavailable", "offline", "busy"])},
        optional={"status_msg": JSON, "last_active_ago": JSON | st.integers() | st.floats(), "currently_active": JSON},
    ),
    st.floats(0, 2e10),
)
def test_whatever_matrix_tells_there_is_a_document(content: dict[str, Any], now: float) -> None:
    found = presence_of(ANA, content, now)
    assert found is not None
    _like(found)


@pytest.mark.conforms("RFC2779:3.1.1", "RFC2779:4.4.1", "RFC3859:3.3:format")
@settings(deadline=None)
@given(st.booleans(), st.text())
def test_whatever_irc_tells_there_is_a_document(away: bool, note: str) -> None:
    _like(online(ANA, Known("kim", away=away, note=note)))


def _like(known: Presence) -> None:
    """A document says of each device what is known of it, but for characters that XML does not have."""
    back = over(known)
    for device, again in zip(known.tuples, back.tuples, strict=True):
        assert replace(again, notes=()) == replace(device, notes=())
        assert len(again.notes) <= len(device.notes)
