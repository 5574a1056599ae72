"""Presence, purely: stanza to tuple, presence to what a puppet shows, subscriptions, and how sightings are composed."""

from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.xmpp import outbound
from adapters.xmpp.presence import (
    GONE,
    ID_CHARACTERS,
    NOTE_CHARACTERS,
    NOTES,
    PLAIN,
    Appearance,
    appearance,
    in_room,
    read_tuple,
)
from adapters.xmpp.sightings import DEVICES, Sightings
from adapters.xmpp.subscriptions import PER_PERSON, Subscription, Subscriptions, read
from bridge.model.address import Address
from bridge.model.presence import Activity, Basic, Presence, Show, Tuple, best
from tests.unit.xmpp.folk import ANA, KESTREL, ME, presence
from tests.unit.xmpp.muc import ROOM
from tests.unit.xmpp.test_xmpp_inbound import ELEMENTS, element

AWAY, BUSY, VACATION = (frozenset({each}) for each in (Activity.AWAY, Activity.BUSY, Activity.VACATION))
NOTHING: frozenset[Activity] = frozenset()
OPEN = Tuple("a", Basic.OPEN)
CLOSED = Tuple("a", Basic.CLOSED)


@pytest.mark.conforms("RFC3922:5.1.8")
@pytest.mark.parametrize(
    ("inner", "found"),
    [
        ("", OPEN),
        ("<show>chat</show>", replace(OPEN, show=Show.CHAT)),
        ("<show> away\n</show>", replace(OPEN, activities=AWAY)),
        ("<show>xa</show>", replace(OPEN, activities=AWAY, show=Show.XA)),
        ("<show>dnd</show>", replace(OPEN, activities=BUSY)),
        ("<show>nonsense</show>", OPEN),
        ("<show xmlns='urn:x'>dnd</show>", OPEN),
        ("<status> tea </status><status xml:lang='de'>Tee</status>", replace(OPEN, notes=(("", "tea"), ("de", "Tee")))),
        ("<status>one</status><status>two</status><status/>", replace(OPEN, notes=(("", "one"),))),
        ('<status xml:lang="&quot;&gt;">x</status>', replace(OPEN, notes=(("", "x"),))),
        ("<priority>1</priority>", replace(OPEN, priority=0.007)),
        ("<priority>127</priority>", replace(OPEN, priority=1.0)),
        ("<priority>-1</priority>", OPEN),
        ("<priority>128</priority>", OPEN),
        ("<priority>\u0663</priority>", OPEN),
        ("<idle xmlns='urn:xmpp:idle:1' since='1970-01-01T00:01:00Z'/>", replace(OPEN, idle_since=60.0)),
        ("<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:02:00Z'/>", replace(OPEN, since=120.0)),
        ("<idle xmlns='urn:xmpp:idle:1' since='never'/>", OPEN),
        ("<idle xmlns='urn:xmpp:idle:1' since='0001-01-01T00:00:00+23:59'/>", OPEN),
    ],
)
def test_what_a_device_shows(inner: str, found: Tuple) -> None:
    assert read_tuple(presence("", inner), "a") == found


@given(
    st.builds(
        element, st.just("{jabber:component:accept}presence"), st.just({}), st.none(), st.lists(ELEMENTS, max_size=9)
    ),
    st.text(),
)
def test_any_presence_has_an_answer_and_is_bounded(stanza: Element, tuple_id: str) -> None:
    found = read_tuple(stanza, tuple_id)
    assert len(found.id) <= ID_CHARACTERS
    assert len(found.notes) <= NOTES
    assert all(0 < len(text) <= NOTE_CHARACTERS for _, text in found.notes)
    assert found.priority is None or 0 <= found.priority <= 1


@pytest.mark.conforms("RFC3863:4.1.5:higher", "RFC3922:5.2.9")
@pytest.mark.parametrize(
    ("tuples", "shown", "room"),
    [
        ((), GONE, PLAIN),
        ((OPEN,), PLAIN, PLAIN),
        ((CLOSED,), GONE, Appearance(show="xa")),
        (
            (replace(CLOSED, notes=(("", "bye"),)),),
            Appearance(available=False, notes=(("", "bye"),)),
            Appearance(show="xa", notes=(("", "bye"),)),
        ),
        ((replace(OPEN, activities=AWAY),), Appearance(show="away"), Appearance(show="away")),
        ((replace(OPEN, activities=VACATION),), Appearance(show="xa"), Appearance(show="xa")),
        ((replace(OPEN, activities=BUSY | AWAY),), Appearance(show="dnd"), Appearance(show="dnd")),
        ((replace(OPEN, activities=AWAY, show=Show.XA),), Appearance(show="xa"), Appearance(show="xa")),
        ((replace(OPEN, show=Show.CHAT),), Appearance(show="chat"), Appearance(show="chat")),
        ((replace(OPEN, activities=frozenset({Activity.PERMANENT_ABSENCE})),), GONE, Appearance(show="xa")),
        (
            (replace(OPEN, idle_since=9.0),),
            Appearance(show="away", idle_since=9.0),
            Appearance(show="away", idle_since=9.0),
        ),
        ((CLOSED, OPEN), PLAIN, PLAIN),
        ((OPEN, replace(OPEN, activities=BUSY)), PLAIN, PLAIN),
        (
            (OPEN, replace(OPEN, activities=BUSY, priority=0.5)),
            Appearance(show="dnd", priority=64),
            Appearance(show="dnd", priority=64),
        ),
        (
            (replace(OPEN, since=2.0, activities=AWAY), replace(OPEN, since=1.0)),
            Appearance(show="away"),
            Appearance(show="away"),
        ),
    ],
)
def test_what_a_puppet_shows(tuples: tuple[Tuple, ...], shown: Appearance, room: Appearance) -> None:
    known = Presence(KESTREL.address, tuples)
    assert appearance(known) == shown
    assert in_room(known) == room


def test_nothing_known_is_no_tuple() -> None:
    assert best(Presence(ME)) is None


@pytest.mark.conforms("RFC3863:4.1.5:missing")
@pytest.mark.parametrize(
    ("value", "priority"), [(None, 0), (0.0, 0), (0.001, 1), (0.5, 64), (0.992, 126), (0.995, 126), (1.0, 127)]
)
def test_priorities_of_others(value: float | None, priority: int) -> None:
    assert appearance(Presence(ME, (replace(OPEN, priority=value),))).priority == priority


@given(st.integers(0, 127))
def test_priorities_come_back(priority: int) -> None:
    """The formulas for RFC 3922 sections 5.1.7 and 5.2.13 are each other's inverse."""
    found = read_tuple(presence("", f"<priority>{priority}</priority>"), "a")
    assert appearance(Presence(ME, (found,))).priority == priority


@given(
    st.sampled_from(["", "chat", "away", "xa", "dnd"]),
    st.lists(
        st.tuples(st.sampled_from(["", "en", "de-AT"]), st.text(min_size=1)), max_size=3, unique_by=lambda note: note[0]
    ),
    st.none() | st.floats(0, 4e9),
)
def test_what_is_shown_is_seen(show: str, notes: list[tuple[str, str]], idle: float | None) -> None:
    shown = Appearance(True, show, tuple(notes), 0, idle)
    stanza = fromstring(
        outbound.appear("a@b/c", "d@e", shown).replace("<presence", "<presence xmlns='jabber:client'", 1)
    )
    found = read_tuple(stanza, "a")
    assert found.activities == {"": NOTHING, "chat": NOTHING, "away": AWAY, "xa": AWAY, "dnd": BUSY}[show]
    assert found.show == (show if show in ("chat", "xa") else None)
    kept = [language for language, _ in found.notes]
    assert kept == [language for language, text in notes if (stanza_text(stanza, language) or "").strip()]
    assert (found.idle_since is None) == (idle is None)


def stanza_text(stanza: Element, language: str) -> str | None:
    key = "{http://www.w3.org/XML/1998/namespace}lang"
    return next((each.text for each in stanza if each.tag.endswith("}status") and each.get(key, "") == language), None)


# Subscriptions


def test_a_subscription_is_read_again() -> None:
    for address in (KESTREL.address, Address("home", "@a b:c.org"), None):
        for flags in ((True, False, False), (True, True, True), (False, True, True)):
            kept = Subscription(ANA, address, *flags)
            assert kept.value is not None
            assert read(kept.key, kept.value) == kept
    assert Subscription(ANA, KESTREL.address, asked=True).value is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sub/", "[true, true, true]"),
        ("sub/ana@example.org", "[true, true, true]"),
        (f"sub/{ANA} nonsense", "[true, true, true]"),
        (f"sub/{ANA} libera:x", "x"),
        (f"sub/{ANA} libera:x", "[1, 2, 3]"),
        (f"sub/{ANA} libera:x", "{}"),
        (f"sub/{ANA} libera:x", "[true]"),
    ],
)
def test_what_cannot_be_read_is_no_subscription(key: str, value: str) -> None:
    assert read(key, value) is None
    assert not list(Subscriptions({key: value}))


PEOPLE = ["ana@x", "bo@x"]
PUPPETS = [Address("libera", "a"), Address("libera", "b"), None]


@given(
    st.lists(
        st.builds(
            Subscription,
            st.sampled_from(PEOPLE),
            st.sampled_from(PUPPETS),
            hears=st.booleans(),
            asked=st.booleans(),
            follows=st.booleans(),
        )
    )
)
def test_the_table_holds_what_was_put_last(changes: list[Subscription]) -> None:
    table = Subscriptions({})
    last: dict[tuple[str, Address | None], Subscription] = {}
    for change in changes:
        table.put(change)
        last[change.person, change.address] = change
    kept = {key: each for key, each in last.items() if each.value is not None}
    assert {(each.person, each.address): each for each in table} == kept
    for address in PUPPETS:
        assert sorted(table.watchers(address)) == sorted(
            each.person for each in kept.values() if each.address == address and each.hears
        )
    again = Subscriptions({each.key: each.value for each in table if each.value is not None})
    assert set(again) == set(table)


def test_one_person_has_so_many_contacts_at_most() -> None:
    table = Subscriptions({})
    for number in range(PER_PERSON):
        assert not table.full(ANA)
        table.put(Subscription(ANA, Address("libera", f"{number}"), hears=True))
    assert table.full(ANA)
    assert not table.full("bo@x")
    table.put(Subscription(ANA, Address("libera", "0")))
    assert not table.full(ANA)


# Sightings


class Eye:
    """What was told, person by person, last value only, and how often."""

    def __init__(self) -> None:
        self.told: list[Presence] = []
        self.sightings = Sightings(self.told.append)

    @property
    def last(self) -> list[tuple[Basic, frozenset[Activity]]]:
        return [(each.basic, each.activities) for each in self.told[-1].tuples]


OTHER = Address("libera", "merlin")
HALL = "hall@conference.example.org"


def test_a_roster_says_more_than_rooms() -> None:
    eye = Eye()
    eye.sightings.seen(HALL, "Ana", ME, OPEN)
    eye.sightings.seen(ROOM + "2", "Ana", ME, replace(OPEN, activities=AWAY))
    assert sorted(activities for _, activities in eye.last) == [NOTHING, AWAY]
    assert len({each.id for each in eye.told[-1].tuples}) == 2
    eye.sightings.device(ME, KESTREL.address, "phone", replace(OPEN, activities=BUSY))
    assert eye.last == [(Basic.OPEN, BUSY)]
    eye.sightings.device(ME, KESTREL.address, "desk", OPEN)
    assert len(eye.last) == 2
    eye.sightings.device(ME, KESTREL.address, "phone", None)
    eye.sightings.device(ME, KESTREL.address, "desk", None)
    assert len(eye.last) == 2, "offline for their contacts, and still seen in rooms"
    eye.sightings.gone(HALL, "Ana")
    eye.sightings.cleared(ROOM + "2")
    assert eye.last == [(Basic.CLOSED, NOTHING)]
    eye.sightings.unfollowed(ME, KESTREL.address)
    assert eye.told[-1] == Presence(ME)


def test_every_puppet_follows_by_itself() -> None:
    eye = Eye()
    for puppet in (KESTREL.address, OTHER):
        eye.sightings.device(ME, puppet, "phone", OPEN)
    assert len(eye.told) == 1, "it is the same twice"
    eye.sightings.device(ME, OTHER, "phone", None)
    assert eye.last == [(Basic.OPEN, NOTHING)]
    eye.sightings.unfollowed(ME, OTHER)
    eye.sightings.unfollowed(ME, OTHER)
    eye.sightings.all_offline(ME, KESTREL.address)
    assert eye.last == [(Basic.CLOSED, NOTHING)]


def test_a_nick_may_become_somebody_elses() -> None:
    eye = Eye()
    bo = Address("office", "bo@example.org")
    eye.sightings.seen(HALL, "Ana", ME, OPEN)
    eye.sightings.seen(HALL, "Ana", bo, OPEN)
    assert [each.presentity for each in eye.told] == [ME, ME, bo]
    assert eye.told[1] == Presence(ME)
    eye.sightings.gone(HALL, "Ana")
    eye.sightings.gone(HALL, "Ana")
    assert eye.told[-1] == Presence(bo)


def test_who_stays_while_the_room_is_looked_at_anew_shows_what_they_showed() -> None:
    eye = Eye()
    bo = Address("office", "bo@example.org")
    eye.sightings.seen(HALL, "Ana", ME, OPEN)
    eye.sightings.seen(HALL, "Bo", bo, OPEN)
    eye.sightings.only(HALL, {"Ana"})
    eye.sightings.seen(HALL, "Ana", ME, OPEN)
    assert eye.told[2:] == [Presence(bo)]


def test_who_is_renamed_is_not_out_of_sight() -> None:
    eye = Eye()
    bo = Address("office", "bo@example.org")
    eye.sightings.seen(HALL, "Ana", ME, OPEN)
    eye.sightings.seen(HALL, "Bo", bo, OPEN)
    eye.sightings.renamed(HALL, "nobody", "Ana")
    assert len(eye.told) == 2
    eye.sightings.renamed(HALL, "Ana", "Bo")
    assert eye.told[2:] == [Presence(bo)], "whoever had the nick has it no more"
    eye.sightings.seen(HALL, "Bo", ME, OPEN)
    eye.sightings.gone(HALL, "Ana")
    assert eye.told[-1].presentity == ME
    assert eye.told[-1].tuples
    eye.sightings.gone(HALL, "Bo")
    assert eye.told[-1] == Presence(ME)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("seen"), st.sampled_from("abc"), st.sampled_from("xy")),
            st.tuples(st.just("gone"), st.sampled_from("abc"), st.just("")),
            st.tuples(st.just("renamed"), st.sampled_from("abc"), st.sampled_from("abc")),
            st.tuples(st.just("only"), st.sampled_from(["", "a", "bc"]), st.just("")),
            st.tuples(st.just("cleared"), st.just(""), st.just("")),
        )
    )
)
def test_whatever_happens_in_a_room_nobody_is_seen_who_is_gone(steps: list[tuple[str, str, str]]) -> None:
    eye = Eye()
    for what, nick, other in steps:
        if what == "seen":
            eye.sightings.seen(HALL, nick, Address("office", other), OPEN)
        elif what == "gone":
            eye.sightings.gone(HALL, nick)
        elif what == "renamed":
            eye.sightings.renamed(HALL, nick, other)
        elif what == "only":
            eye.sightings.only(HALL, nick)
        else:
            eye.sightings.cleared(HALL)
    eye.sightings.cleared(HALL)
    last = {each.presentity: each for each in eye.told}
    assert not any(each.tuples for each in last.values())


def test_no_stranger_fills_the_memory() -> None:
    eye = Eye()
    for number in range(DEVICES * 2):
        eye.sightings.device(ME, KESTREL.address, f"{number}", OPEN)
    assert len(eye.last) == DEVICES
    eye.sightings.forget()
    eye.sightings.seen(HALL, "Ana", ME, OPEN)
    assert eye.last == [(Basic.OPEN, NOTHING)]
