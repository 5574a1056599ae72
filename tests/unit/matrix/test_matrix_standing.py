"""Marks of stand-ins and of gateways' bots: written, read, kept, and what comes of them."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.matrix import standing
from adapters.matrix.account.ids import Own
from adapters.matrix.inbound import Change, Outcome, message_event
from adapters.matrix.members import member_event
from adapters.matrix.outbound import content_of, part_id_of
from adapters.matrix.puppets import Puppets
from adapters.matrix.rooms import Room, Rooms
from adapters.matrix.standing import BOT, PERSON, STAMP, Mark, mark_of
from bridge.contract import IDENTITY_BYTES, NoPuppetError
from bridge.model.address import Address, Person
from bridge.model.event import Event, Joined, Left, Renamed
from tests.networks.matrix.support import RecordingCore
from tests.unit.matrix.homeserver import Homeserver, homeserver
from tests.unit.matrix.scenes import ANA, KESTREL, LOBBY, OURS, member, part, pdu, scene

BO = "@_other_bo:matrix.org"
ADDRESS = Address("home", BO)
BO_STANDS = Mark("xmpp:bo@example.org")
WHO = Person(Address("libera", "kestrel"), "kestrel")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)
STAMPS = st.fixed_dictionaries({}, optional={"stands_for": JSON, "gateway": JSON, "part": JSON}) | JSON


def marked(stands_for: object) -> dict[str, Any]:
    return {STAMP: {"stands_for": stands_for}}


@pytest.mark.parametrize(
    "none", ["", None, 7, ["xmpp:a"], "x" * (IDENTITY_BYTES + 1), "é" * IDENTITY_BYTES, "a\nb", "\0"]
)
def test_what_is_no_identity_is_not_read_and_not_said(none: Any) -> None:
    assert mark_of(marked(none)) == PERSON
    if isinstance(none, str):
        assert Mark(none).content() == {}
        assert content_of(part(), none) == content_of(part())


@given(st.text(st.characters(codec=None), max_size=600))
def test_what_is_said_of_a_stand_in_is_read_again(identity: str) -> None:
    said = standing.usable(identity)
    assert said in ("", identity)
    assert mark_of(content_of(part(), identity)).stands_for == mark_of(Mark(identity).content()).stands_for == said


@given(STAMPS)
def test_anything_may_stand_there(stamp: Any) -> None:
    mark = mark_of({STAMP: stamp})
    assert len(mark.stands_for.encode()) <= IDENTITY_BYTES
    assert not mark.stands_for or mark.stands_for.isprintable()
    outcome = message_event(pdu("m.room.message", {"msgtype": "m.text", "body": "x", STAMP: stamp}), scene())
    (said,) = outcome.items
    assert isinstance(said, Event)
    assert said.sender.stands_for == mark.stands_for or not part_id_of({STAMP: stamp})
    assert member_event(member(BO, "join", **{STAMP: stamp}), scene()).change == Change(BO, "_other_bo", mark)


def test_the_largest_part_has_room_for_an_identity() -> None:
    content = content_of(part('"' * 30_000), '"' * IDENTITY_BYTES)
    assert mark_of(content).stands_for == '"' * IDENTITY_BYTES


@pytest.mark.parametrize(
    ("stamp", "mark", "stands_for"),
    [
        ({"part": "p", "stands_for": "xmpp:x@y"}, PERSON, "xmpp:x@y"),
        ({"part": "p", "stands_for": "xmpp:x@y"}, BO_STANDS, "xmpp:x@y"),
        # A bot speaks now for this one and now for that one: what it joined as says nothing of what it brings.
        ({"part": "p"}, BO_STANDS, ""),
        # A reaction carries no stamp.
        (None, BO_STANDS, "xmpp:bo@example.org"),
        ({"gateway": True}, PERSON, ""),
    ],
)
def test_who_speaks(stamp: object, mark: Mark, stands_for: str) -> None:
    content = {"msgtype": "m.text", "body": "x"} | ({STAMP: stamp} if stamp else {})
    (said,) = message_event(pdu("m.room.message", content, BO), scene({BO: "bo"}, marks={BO: mark})).items
    assert isinstance(said, Event)
    assert (said.sender, said.sender.stands_for) == (Person(ADDRESS, "bo"), stands_for)


@pytest.mark.parametrize(
    ("people", "before", "content", "outcome"),
    [
        ({}, PERSON, BO_STANDS.content(), Joined),
        ({BO: "bo"}, PERSON, BO_STANDS.content(), Joined),  # it turns out that they are a stand-in
        ({BO: "bo"}, BO_STANDS, BO_STANDS.content(), None),
        ({BO: "bo"}, BO_STANDS, {}, None),
        ({BO: "old"}, BO_STANDS, {}, Renamed),  # the homeserver brought the name from the profile, without the mark
        ({BO: "old"}, BO_STANDS, BO_STANDS.content(), Renamed),
    ],
)
def test_a_stand_in_stays_one_until_it_goes(
    people: dict[str, str], before: Mark, content: dict[str, Any], outcome: type | None
) -> None:
    told = member_event(
        member(BO, "join", displayname="bo", **content), scene(people, marks={BO: before} if before != PERSON else {})
    )
    assert told.change == Change(BO, "bo", BO_STANDS)
    assert [type(item) for item in told.items] == ([outcome] if outcome else [])
    for item in told.items:
        assert isinstance(item, Joined | Renamed)
        assert (item.person, item.person.stands_for) == (Person(ADDRESS, "bo"), "xmpp:bo@example.org")


def test_a_gateways_bot_is_nobody_and_what_it_says_crosses() -> None:
    join = member(BO, "join", displayname="bot", **BOT.content())
    assert member_event(join, scene()) == Outcome(ignored="another gateway", change=Change(BO, "bot", BOT))
    known = member_event(join, scene({BO: "bot"}))
    assert known == Outcome((Left(LOBBY, ADDRESS),), change=Change(BO, "bot", BOT))
    content = {"msgtype": "m.text", "body": "<x> hi", STAMP: {"part": "p", "stands_for": "irc:net/x"}}
    (said,) = message_event(pdu("m.room.message", content, BO), scene({BO: "bot"}, marks={BO: BOT})).items
    assert isinstance(said, Event)
    assert said.sender.stands_for == "irc:net/x"


def lobby() -> Room:
    return Rooms([LOBBY]).bind(LOBBY, "!lobby")


def test_a_roster_tells_stand_ins_and_leaves_gateways_out() -> None:
    room = lobby()
    room.begin_loading()
    room.load([Change(ANA, "Ana"), Change(BO, "bo", BO_STANDS), Change("@bot:x.org", "bot", BOT)], OURS)
    told = {person.address.native: person.stands_for for person in room.roster().people}
    assert told == {ANA: "", BO: "xmpp:bo@example.org"}
    room.apply(Change(BO, None), OURS)
    assert room.marks == {"@bot:x.org": BOT}


def test_a_mark_that_one_of_ours_loses_is_told_once() -> None:
    room, mark = lobby(), Mark("irc:net/kestrel")
    assert room.apply(Change(KESTREL, "kestrel"), OURS) is None  # never had one: a homeserver that takes none
    assert room.apply(Change(KESTREL, "kestrel", mark), OURS) is None
    assert room.apply(Change(KESTREL, "kes"), OURS) == mark
    assert room.apply(Change(KESTREL, "kes"), OURS) is None
    assert room.apply(Change(KESTREL, "kes", mark), OURS) is None
    assert room.apply(Change(KESTREL, None), OURS) is None
    assert room.apply(Change(OURS.bot_id, "bot", BOT), OURS) is None
    assert room.apply(Change(OURS.bot_id, "bot"), OURS) == BOT
    assert room.apply(Change(BO, "bo", BO_STANDS), OURS) is None
    assert room.apply(Change(BO, "bo"), OURS) is None


@pytest.mark.parametrize("ours", [OURS, Own.of("@rialto:example.org")])
def test_identities(ours: Any) -> None:
    assert standing.identity(ANA) == f"matrix:{ANA}"
    assert standing.native("home", f"matrix:{ANA}", ours) == Address("home", ANA)
    assert standing.is_ours("matrix:@rialto:example.org", ours)
    for strange in ("", "matrix:", "matrix:ana", "xmpp:ana@x", ANA, "matrix:@a\n:b.org", "matrix:@rialto:example.org"):
        assert standing.native("home", strange, ours) is None
        assert standing.is_ours(strange, ours) == (strange == "matrix:@rialto:example.org")
    puppet = f"matrix:{KESTREL}"
    assert standing.is_ours(puppet, ours) == (ours is OURS)
    assert (standing.native("home", puppet, ours) is None) == (ours is OURS)


async def entered(server: Homeserver, client: Any, room: Room) -> list[tuple[str, Any]]:
    """What was asked to bring Kestrel's puppet in, after it had been made."""
    rooms = Rooms([LOBBY])
    puppets = Puppets(RecordingCore(LOBBY.native), client, OURS, rooms)
    await puppets.ensure(WHO)
    server.asked.clear()
    await puppets.enter(room, WHO)
    return [(path.rsplit("/", 1)[-1], body) for _, path, body in server.asked]


MEMBER = {"membership": "join", "displayname": "kestrel", STAMP: {"stands_for": "test:kestrel"}}


async def test_a_join_is_one_request_with_the_mark() -> None:
    async with homeserver() as (server, client):
        assert await entered(server, client, lobby()) == [(KESTREL, MEMBER)]


async def test_a_homeserver_that_takes_no_member_events_is_asked_once() -> None:
    async with homeserver() as (server, client):
        server.refuse["state/m.room.member/" + KESTREL] = (400, {"errcode": "M_BAD_STATE", "error": "no"})
        room = lobby()
        assert await entered(server, client, room) == [(KESTREL, MEMBER), ("join", {})]
        room.puppets.clear()
        assert await entered(server, client, room) == [("join", {})]
        assert room.puppets == {KESTREL: "kestrel"}


async def test_a_room_that_lets_in_by_a_plain_join_only() -> None:
    async with homeserver() as (server, client):
        server.refuse["state/m.room.member/" + KESTREL] = (403, {"errcode": "M_FORBIDDEN", "error": "restricted"})
        asked = [name for name, _ in await entered(server, client, lobby())]
        assert asked == [KESTREL, "register", "invite", KESTREL, "join"]
        server.refuse["/join"] = (403, {"errcode": "M_FORBIDDEN", "error": "banned"})
        with pytest.raises(NoPuppetError, match="banned"):
            await entered(server, client, lobby())


async def test_a_mark_is_put_again_only_where_it_is_missed() -> None:
    async with homeserver() as (server, client):
        puppets, mark = Puppets(RecordingCore(LOBBY.native), client, OURS, Rooms([LOBBY])), Mark("irc:net/kestrel")
        path = "state/m.room.member/" + KESTREL
        for content, again in (
            ({"membership": "join", "displayname": "kes"}, True),
            ({"membership": "join", **mark.content()}, False),
            ({"membership": "leave"}, False),
        ):
            server.refuse[path] = (200, content)
            server.asked.clear()
            room = lobby()
            room.puppets[KESTREL] = "kes"
            await puppets.mark_again(room, KESTREL, mark)
            bodies = [body for _, _, body in server.asked if body is not None]
            assert bodies == ([{**content, **mark.content()}] if again else [])


async def test_who_leaves_while_the_mark_is_put_again_stays_out() -> None:
    """The mark is written by a join, which must not come after the leaving."""
    async with homeserver() as (server, client):
        puppets, mark = Puppets(RecordingCore(LOBBY.native), client, OURS, Rooms([LOBBY])), Mark("irc:net/kestrel")
        path, room = "state/m.room.member/" + KESTREL, lobby()
        room.puppets[KESTREL] = "kes"
        server.refuse[path] = (200, {"membership": "join", "displayname": "kes"})
        server.hold[path] = asyncio.Event()
        marking = asyncio.create_task(puppets.mark_again(room, KESTREL, mark))
        await server.held.wait()
        leaving = asyncio.create_task(puppets.leave(room, WHO.address, None))
        await client.request("GET", "/_matrix/client/v3/joined_rooms")
        server.hold[path].set()
        await asyncio.gather(marking, leaving)
        asked = [path.rsplit("/", 1)[-1] for _, path, _ in server.asked]
        assert asked == [KESTREL, "joined_rooms", KESTREL, "leave"]

        # Whoever is on the way out, or was put out, needs no mark any more.
        server.asked.clear()
        await puppets.mark_again(room, KESTREL, mark)
        assert [body for _, _, body in server.asked if body is not None] == []
