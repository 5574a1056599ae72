"""The state machine of a room: who is who, who observes, what is confirmed. Without a server, case by case."""

from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from adapters.xmpp.errors import Refused
from bridge.contract import SendError
from bridge.model.address import Address, Person
from bridge.model.event import Cause, Event, Joined, Left, Protection, PuppetGone, Renamed, Roster, State, TopicSet
from bridge.model.message import Kick, Message, Opaque, Reaction, Retraction, Text
from bridge.model.result import Reason, Receipt
from tests.unit.xmpp.muc import BOT, DOMAIN, PLACE, ROOM, Muc


def person(native: str, name: str) -> Person:
    return Person(Address("office", native), name)


ANA = person("ana@example.org", "Ana")


def there(*people: Person) -> Roster:
    return Roster(PLACE, people)


async def test_the_roster_is_told_when_the_room_has_told_of_everybody() -> None:
    muc = Muc()
    muc.room.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "Ana", jid="ana@example.org/a")
    muc.presence(muc.bot, "Bo", occ="bo-id")
    muc.presence(muc.bot, "Cy")
    muc.presence(muc.bot, "Bo", gone=True)
    assert muc.link.taken() == []
    muc.presence(muc.bot, "rialto", "110")
    assert muc.link.taken() == [there(ANA, person(f"{ROOM}/Cy", "Cy"))]
    assert muc.room.observer_jid == BOT
    assert not muc.room.here.is_set()
    muc.line("", "<subject>tea</subject>")
    assert muc.link.taken() == [TopicSet(PLACE, "tea", initial=True)]
    assert muc.room.here.is_set()


async def test_two_nicks_of_one_person_are_one_person() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.link.taken()
    muc.presence(muc.bot, "Ana", jid="ana@example.org/a")
    muc.presence(muc.bot, "Anna", jid="ana@example.org/b")
    muc.presence(muc.bot, "Ana", gone=True)
    assert muc.link.taken() == [Joined(PLACE, ANA)]
    muc.presence(muc.bot, "Anna", gone=True)
    assert muc.link.taken() == [Left(PLACE, ANA.address)]


async def test_status_changes_are_no_news() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "Ana", jid="ana@example.org/a")
    muc.link.taken()
    muc.presence(muc.bot, "Ana", jid="ana@example.org/a")
    assert muc.link.taken() == []


@pytest.mark.parametrize(
    ("shown", "kept"), [({"jid": "ana@example.org/a"}, True), ({"occ": "ana-id"}, True), ({}, False)]
)
async def test_a_change_of_nick_keeps_who_can_be_known_again(shown: Any, kept: bool) -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "Ana", **shown)
    (joined,) = muc.link.taken()[-1:]
    assert isinstance(joined, Joined)
    muc.presence(muc.bot, "Ana", "303", gone=True, new="Anna", **shown)
    muc.presence(muc.bot, "Anna", **shown)
    if kept:
        assert muc.link.taken() == [Renamed(PLACE, Person(joined.person.address, "Anna"))]
    else:
        new = person(f"{ROOM}/Anna", "Anna")
        assert muc.link.taken() == [Left(PLACE, joined.person.address, Cause.NICK), Joined(PLACE, new)]


async def test_occupant_ids_are_only_believed_where_the_room_offers_them() -> None:
    muc = Muc(features=frozenset())
    muc.enter(muc.bot, "rialto")
    muc.link.taken()
    muc.presence(muc.bot, "Eve", occ="ana-id")
    assert muc.link.taken() == [Joined(PLACE, person(f"{ROOM}/Eve", "Eve"))]
    muc.body("Eve", "x", sid="forged", occ="ana-id")
    (event,) = muc.link.taken()
    assert isinstance(event, Event)
    assert event.origin.native_id.startswith("sha256:")
    assert event.sender == person(f"{ROOM}/Eve", "Eve")


@pytest.mark.parametrize(
    ("codes", "cause"),
    [
        (("307",), Cause.KICKED),
        (("301",), Cause.BANNED),
        (("301", "307"), Cause.BANNED),
        (("321",), Cause.KICKED),
        (("322",), Cause.KICKED),
        (("332",), Cause.LEFT),
        (("333",), Cause.LEFT),
        (("307", "333"), Cause.LEFT),
        ((), Cause.LEFT),
    ],
)
async def test_why_people_and_puppets_are_gone(codes: tuple[str, ...], cause: Cause) -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "Ana", jid="ana@example.org/a")
    muc.presence(muc.bot, "Mod", jid="mod@example.org/a")
    muc.link.taken()
    mod = person("mod@example.org", "Mod")
    by_hand = cause in (Cause.KICKED, Cause.BANNED)

    muc.presence(muc.bot, "Ana", *codes, gone=True, actor="Mod", reason="why")
    *events, left = muc.link.taken()
    assert left == Left(PLACE, ANA.address, cause, "why", "Mod")
    kicks = [(event.sender, event.content) for event in events if isinstance(event, Event)]
    assert kicks == ([(mod, Kick(ANA.address, "Ana", "why", cause is Cause.BANNED))] if by_hand else [])

    kestrel = muc.puppet("kestrel")
    muc.enter(kestrel, "Kestrel", subject=False)
    # Both the observer's copy and the puppet's own; the room's own copy for us may lack 110 (XEP-0045 example 113).
    muc.presence(muc.bot, "Kestrel", *codes, gone=True, actor="Mod", reason="why")
    muc.presence(kestrel, "Kestrel", *codes, gone=True, actor="Mod", reason="why")
    *events, gone = muc.link.taken()
    address = Address("libera", "kestrel")
    assert gone == PuppetGone(PLACE, address, cause, "why", "Mod")
    kicks = [(event.sender, event.content) for event in events if isinstance(event, Event)]
    assert kicks == ([(mod, Kick(address, "Kestrel", "why", cause is Cause.BANNED))] if by_hand else [])


async def test_what_a_puppet_did_is_no_event() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.enter(muc.puppet("kestrel"), "Kestrel", subject=False)
    muc.presence(muc.bot, "Ana", jid="ana@example.org/a")
    muc.link.taken()
    muc.presence(muc.bot, "Ana", "307", gone=True, actor="Kestrel")
    assert [type(item) for item in muc.link.taken()] == [Left]


@pytest.mark.parametrize("observer_first", [True, False])
@pytest.mark.parametrize("shown", [{}, {"jid": f"kestrel%libera@{DOMAIN}/rialto"}, {"occ": "k-id"}])
async def test_a_puppet_is_nobody_whoever_hears_of_it_first(observer_first: bool, shown: Any) -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.link.taken()
    kestrel = muc.puppet("kestrel")
    entered = muc.room.enter(kestrel, "Kestrel")
    for to in (muc.bot, kestrel) if observer_first else (kestrel, muc.bot):
        muc.presence(to, "Kestrel", *(["110"] if to is kestrel else []), **shown)
    assert await entered == "Kestrel"
    changed = muc.room.change_nick(kestrel, "Falcon")
    for to in (muc.bot, kestrel) if observer_first else (kestrel, muc.bot):
        own = ["110"] if to is kestrel else []
        muc.presence(to, "Kestrel", "303", *own, gone=True, new="Falcon", **shown)
        muc.presence(to, "Falcon", *own, **shown)
    assert await changed == "Falcon"
    gone = muc.room.leave(kestrel, "bye")
    for to in (muc.bot, kestrel) if observer_first else (kestrel, muc.bot):
        muc.presence(to, "Falcon", *(["110"] if to is kestrel else []), gone=True, **shown)
    await gone
    assert muc.link.taken() == []


async def test_the_other_one_who_wanted_the_nick_is_a_person() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.link.taken()
    kestrel = muc.puppet("kestrel")
    entered = muc.room.enter(kestrel, "Kestrel")
    muc.presence(muc.bot, "Kestrel", occ="other")
    assert muc.link.taken() == []
    muc.refuse(kestrel, "Kestrel", "conflict")
    with pytest.raises(Refused) as refused:
        await entered
    assert refused.value.error.reason is Reason.CONFLICT
    assert muc.link.taken() == [Joined(PLACE, person(f"{ROOM}/other", "Kestrel"))]


async def test_whoever_speaks_under_a_nick_we_wait_for_is_a_person() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.link.taken()
    muc.room.enter(muc.puppet("kestrel"), "Kestrel")
    muc.presence(muc.bot, "Kestrel", occ="other")
    muc.body("Kestrel", "hi", occ="other")
    joined, event = muc.link.taken()
    assert joined == Joined(PLACE, person(f"{ROOM}/other", "Kestrel"))
    assert isinstance(event, Event)
    assert event.sender == person(f"{ROOM}/other", "Kestrel")


async def test_the_service_may_give_another_nick() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.link.taken()
    kestrel = muc.puppet("kestrel")
    entered = muc.room.enter(kestrel, "Kestrel")
    muc.presence(muc.bot, "Kestrel", occ="other")
    muc.presence(kestrel, "kestrel-1", "110", "210")
    assert await entered == "kestrel-1"
    assert muc.link.taken() == [Joined(PLACE, person(f"{ROOM}/other", "Kestrel"))]
    muc.body("kestrel-1", "mine")
    assert muc.link.taken() == []


async def test_lines_are_confirmed_by_the_observers_copy() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    kestrel = muc.puppet("kestrel")
    muc.enter(kestrel, "Kestrel", subject=False)
    muc.link.taken()
    said = muc.room.say(kestrel, "part-1", Text("caw"))
    assert 'id="rialto-part-1"' in muc.link.written[-1]
    muc.body("Kestrel", "caw", mid="rialto-part-1", sid="s1")
    assert await said == Receipt("s1")
    muc.body("Kestrel", "caw", mid="rialto-part-0", sid="s0")
    assert muc.link.receipts == {"part-0": Receipt("s0")}
    assert muc.link.taken() == []
    # A person who copies our id is a person, and confirms nothing.
    waiting = muc.room.say(kestrel, "part-2", Text("caw"))
    muc.presence(muc.bot, "Ana", jid="ana@example.org/a")
    muc.body("Ana", "copycat", mid="rialto-part-2", sid="s2")
    assert not waiting.done()
    assert isinstance(muc.link.taken()[-1], Event)
    # Without ids by the room: by sender and message id, as it will be in history.
    bare = Muc(features=frozenset({"urn:xmpp:occupant-id:0"}))
    bare.enter(bare.bot, "rialto", occ="bot-id")
    said = bare.room.say(bare.bot, "part-with-a-long-id", Text("x"))
    bare.body("rialto", "x", mid="rialto-part-with-a-long-id", occ="bot-id")
    native = (await said).native_id
    again = Muc(features=frozenset({"urn:xmpp:occupant-id:0"}))
    again.room.enter(again.bot, "rialto", since=0.0)
    again.presence(again.bot, "rialto", "110", occ="bot-id")
    again.body("rialto", "x", mid="rialto-part-with-a-long-id", occ="bot-id", stamp="2026-01-01T00:00:00Z")
    assert again.link.receipts == {"part-with-a-long-id": Receipt(native)}


async def test_lines_fail_as_the_room_says() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    kestrel = muc.puppet("kestrel")
    muc.enter(kestrel, "Kestrel", subject=False)
    muc.link.taken()

    def fail(part_id: str, condition: str) -> None:
        muc.room.message_error(
            kestrel,
            fromstring(
                f"<message xmlns='jabber:component:accept' type='error' id='rialto-{part_id}'><error type='auth'>"
                f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
            ),
        )

    forbidden = muc.room.say(kestrel, "p1", Text("x"))
    fail("p1", "forbidden")
    with pytest.raises(SendError) as error:
        await forbidden
    assert not error.value.temporary
    # Not an occupant any more, and nobody told us: reconciliation has to bring it back.
    absent = muc.room.say(kestrel, "p2", Text("x"))
    fail("p2", "not-acceptable")
    with pytest.raises(SendError) as error:
        await absent
    assert error.value.temporary
    assert [item for item in muc.link.taken() if isinstance(item, PuppetGone)] == [
        PuppetGone(PLACE, Address("libera", "kestrel"), Cause.LEFT)
    ]
    with pytest.raises(SendError):
        muc.room.say(kestrel, "p3", Text("x"))
    late = muc.room.say(muc.bot, "p4", Text("x"))
    muc.now += 61
    muc.room.expire()
    with pytest.raises(SendError) as error:
        await late
    assert error.value.temporary


async def test_when_the_bot_is_put_out_a_puppet_observes_at_once_and_only_until_it_is_back() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    kestrel = muc.puppet("kestrel")
    muc.enter(kestrel, "Kestrel", subject=False)
    muc.presence(muc.bot, "Ana", jid="ana@example.org/a")
    muc.link.taken()

    for to in (BOT, kestrel.jid):
        muc.body("Ana", "one", to=to, sid="s1")
    muc.presence(muc.bot, "rialto", "110", "307", gone=True, actor="Ana")
    muc.presence(kestrel, "rialto", "307", gone=True, actor="Ana")
    muc.body("Ana", "two", to=kestrel.jid, sid="s2")
    assert texts(muc.link.taken()) == ["one", "two"]
    assert muc.room.bot_gone.is_set()
    muc.presence(kestrel, "Bo", jid="bo@example.org/a")
    assert muc.link.taken() == [Joined(PLACE, person("bo@example.org", "Bo"))]

    muc.room.enter(muc.bot, "rialto")
    assert 'maxstanzas="0"' in muc.link.written[-1]
    muc.presence(muc.bot, "Ana", jid="ana@example.org/a")
    muc.presence(muc.bot, "Bo", jid="bo@example.org/a")
    muc.presence(muc.bot, "Kestrel")
    muc.body("Ana", "three", to=kestrel.jid, sid="s3")
    muc.presence(kestrel, "rialto")
    muc.presence(muc.bot, "rialto", "110")
    for to in (kestrel.jid, BOT):
        muc.body("Ana", "four", to=to, sid="s4")
    items = muc.link.items
    assert there(ANA, person("bo@example.org", "Bo")) in items
    assert [item for item in items if isinstance(item, Joined | Left)] == []
    assert texts(muc.link.taken()) == ["three", "four"]


def texts(items: list[Event | State]) -> list[str]:
    """What was said, of what was reported."""
    said = [item.content for item in items if isinstance(item, Event)]
    return [content.body.text for content in said if isinstance(content, Message)]


async def test_history_is_told_with_its_times_and_live_lines_with_ours() -> None:
    muc = Muc()
    muc.room.enter(muc.bot, "rialto", since=1.0)
    assert '<history seconds="999"/>' in muc.link.written[-1]
    muc.presence(muc.bot, "Ana", jid="ana@example.org/a", occ="ana-id")
    muc.presence(muc.bot, "rialto", "110")
    muc.link.taken()
    muc.body("Ana", "old", sid="s1", occ="ana-id", stamp="1970-01-01T00:01:00Z")
    # Said by who had the nick then.
    muc.body("Ana", "older", sid="s2", occ="gone-id", stamp="1970-01-01T00:01:00Z")
    muc.line("", "<subject/>")
    muc.body("Ana", "new", sid="s3", occ="ana-id", stamp="1970-01-01T00:01:00Z")
    events = [item for item in muc.link.taken() if isinstance(item, Event)]
    assert [(event.sender, event.when) for event in events] == [
        (ANA, 60.0),
        (person(f"{ROOM}/gone-id", "Ana"), 60.0),
        (ANA, 1000.0),
    ]


@pytest.mark.parametrize("shows_jids", [True, False])
async def test_whom_history_is_from_is_only_believed_where_the_room_shows_jids(shows_jids: bool) -> None:
    muc = Muc(features=frozenset({"urn:xmpp:sid:0"} | ({"muc_nonanonymous"} if shows_jids else set())))
    muc.room.enter(muc.bot, "rialto", since=1.0)
    muc.presence(muc.bot, "rialto", "110")
    muc.link.taken()
    told = "<addresses xmlns='http://jabber.org/protocol/address'><address type='ofrom' jid='ana@example.org/a'/>"
    for sid, stamp in (("s1", "1970-01-01T00:01:00Z"), ("s2", "")):
        muc.line("Ana", f"<body>x</body>{told}</addresses>", sid=sid, stamp=stamp)
    old, live = (item.sender for item in muc.link.taken() if isinstance(item, Event))
    assert old == (ANA if shows_jids else person(f"{ROOM}/Ana", "Ana"))
    # Live, it is whatever the sender wrote there.
    assert live == person(f"{ROOM}/Ana", "Ana")


async def test_history_without_subject_ends_with_the_first_live_line() -> None:
    muc = Muc()
    muc.room.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "rialto", "110")
    assert not muc.room.here.is_set()
    muc.body("Ana", "x")
    assert muc.room.here.is_set()


@pytest.mark.parametrize("mid", ["0123456789abcdef", "1", ""])
async def test_what_was_heard_live_is_known_again_in_history_without_the_rooms_ids(mid: str) -> None:
    features = frozenset({"urn:xmpp:occupant-id:0"})
    live = Muc(features=features)
    live.enter(live.bot, "rialto")
    live.link.taken()
    live.body("Ana", "ok", mid=mid, occ="ana-id")
    if mid != "0123456789abcdef":
        # An id that clients use twice, or none, says nothing: the same again is another line.
        live.now += 1
        live.body("Ana", "ok", mid=mid, occ="ana-id")
    events = [item for item in live.link.taken() if isinstance(item, Event)]
    ids = {event.origin.native_id for event in events}
    assert len(ids) == len(events)

    later = Muc(features=features)
    later.room.enter(later.bot, "rialto", since=0.0, seen=events[-1].when)
    later.presence(later.bot, "rialto", "110")
    later.link.taken()
    later.body("Ana", "ok", mid=mid, occ="ana-id", stamp="1970-01-01T00:16:40Z")
    known = [item.origin.native_id for item in later.link.taken() if isinstance(item, Event)]
    assert set(known) <= ids
    later.body("Ana", "ok", mid=mid and mid + "2", occ="ana-id", stamp="1970-01-01T00:16:50Z")
    (missed,) = later.link.taken()
    assert isinstance(missed, Event)
    assert missed.origin.native_id not in ids


async def test_edits_reactions_and_retractions_name_lines_as_we_do() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "Ana", jid="ana@example.org/a")
    muc.presence(muc.bot, "Eve", jid="eve@example.org/a")
    muc.link.taken()
    muc.body("Ana", "helo", mid="m1", sid="s1")
    muc.body("Eve", "other", mid="m1", sid="s0")
    muc.line("Ana", "<body>hello</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/>", mid="m2", sid="s2")
    reactions = "<reactions xmlns='urn:xmpp:reactions:0' id='s1'>{}</reactions>"
    muc.line("Eve", reactions.format("<reaction>A</reaction><reaction>B</reaction>"), mid="m3", sid="s3")
    muc.line("Eve", reactions.format("<reaction>B</reaction><reaction>C</reaction>"), mid="m4", sid="s4")
    muc.line("Ana", "<retract xmlns='urn:xmpp:message-retract:1' id='s2'/>", mid="m5", sid="s5")
    said = "<retract xmlns='urn:xmpp:message-retract:1' id='s0'><moderated xmlns='urn:xmpp:message-moderate:1'"
    muc.line("", f"{said} by='{ROOM}/Ana'/></retract>", mid="m6", sid="s6")
    events = [item for item in muc.link.taken() if isinstance(item, Event)][2:]
    assert [(event.origin.native_id, event.content) for event in events] == [
        ("s2", Message(Text("hello"), replaces="s1")),
        ("s3/+A", Reaction("s1", "A")),
        ("s3/+B", Reaction("s1", "B")),
        ("s4/-A", Reaction("s1", "A", withdrawn=True)),
        ("s4/+C", Reaction("s1", "C")),
        ("s5", Retraction("s2")),
        ("s6", Retraction("s0", vouched=True)),
    ]
    assert events[-1].sender == ANA


async def test_encrypted_content_is_marked_and_holds_no_words() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.link.taken()
    muc.line("Ana", "<body>fallback</body><encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:omemo:2'/>")
    (event,) = muc.link.taken()
    assert isinstance(event, Event)
    assert (event.content, event.protection) == (Opaque("an encrypted message"), Protection.END_TO_END)


async def test_a_new_room_is_unlocked_as_it_is() -> None:
    muc = Muc()
    muc.room.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "rialto", "110", "201")
    assert 'type="submit"' in muc.link.written[-1]


async def test_when_the_stream_is_lost_nothing_waits_on() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    kestrel = muc.puppet("kestrel")
    entering = muc.room.enter(kestrel, "Kestrel")
    saying = muc.room.say(muc.bot, "p1", Text("x"))
    muc.room.lost(Reason.REMOTE_SERVER_TIMEOUT, "gone")
    with pytest.raises(SendError) as error:
        await saying
    assert error.value.temporary
    with pytest.raises(Refused):
        await entering
    assert (muc.room.observer_jid, muc.room.here.is_set(), muc.room.bot_gone.is_set()) == ("", False, True)


async def test_a_room_that_has_forgotten_us_costs_all_puppets() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.enter(muc.puppet("kestrel"), "Kestrel", subject=False)
    muc.link.taken()
    muc.room.forgotten()
    (gone,) = muc.link.taken()
    assert isinstance(gone, PuppetGone)
    assert (gone.address, gone.cause) == (Address("libera", "kestrel"), Cause.LEFT)
    assert muc.room.bot_gone.is_set()
    assert muc.room.observer is None
