"""A puppet that we had leave: what is pushed of it says nothing new, and may come long after."""

from adapters.matrix.rooms import Room
from bridge.model.address import Address
from bridge.model.event import Cause, PuppetGone
from tests.unit.matrix.homeserver import homeserver
from tests.unit.matrix.parlour import Parlour, parlour
from tests.unit.matrix.scenes import KESTREL, LOBBY, member

KESTRELS = Address("libera", "kestrel")


def with_kestrel(parts: Parlour) -> Room:
    """The lobby, with Kestrel's puppet in it."""
    room = parts.rooms.bind(LOBBY, "!lobby")
    room.loaded = True
    room.puppets[KESTREL] = "kestrel"
    return room


async def test_a_departure_that_is_pushed_after_the_return() -> None:
    async with homeserver() as (_, client):
        parts = parlour(client=client)
        room = with_kestrel(parts)
        await parts.puppets.leave(room, KESTRELS, "quit")
        assert KESTREL not in room.puppets
        room.puppets[KESTREL] = "kestrel"  # it has joined again
        await parts.intake.transaction({"events": [member(KESTREL, "leave", before="join") | {"event_id": "$1"}]})
        assert parts.core.items == []
        assert KESTREL in room.puppets
        assert parts.core.labels == ["own membership"]
        # The next departure is nobody's order: it did go.
        await parts.intake.transaction({"events": [member(KESTREL, "leave", before="join") | {"event_id": "$2"}]})
        assert parts.core.items == [PuppetGone(LOBBY, KESTRELS, Cause.LEFT)]
        assert KESTREL not in room.puppets


async def test_an_arrival_that_is_pushed_after_the_departure() -> None:
    async with homeserver() as (_, client):
        parts = parlour(client=client)
        room = with_kestrel(parts)
        await parts.puppets.leave(room, KESTRELS, "quit")
        for number, membership in enumerate(("join", "leave")):
            await parts.intake.transaction({"events": [member(KESTREL, membership) | {"event_id": f"${number}"}]})
            assert KESTREL not in room.puppets
        assert parts.core.items == []
        await parts.intake.transaction({"events": [member(KESTREL, "join") | {"event_id": "$2"}]})
        assert KESTREL in room.puppets


async def test_a_departure_that_the_homeserver_did_not_know_of() -> None:
    """Nothing will be pushed of it, so nothing later is taken for it."""
    async with homeserver() as (server, client):
        parts = parlour(client=client)
        room = with_kestrel(parts)
        server.refuse["/leave"] = (403, {"errcode": "M_FORBIDDEN", "error": "not in the room"})
        await parts.puppets.leave(room, KESTRELS, None)
        assert KESTREL not in room.puppets
        assert not room.leaving
        room.puppets[KESTREL] = "kestrel"
        await parts.intake.transaction({"events": [member(KESTREL, "leave", before="join") | {"event_id": "$1"}]})
        assert parts.core.items == [PuppetGone(LOBBY, KESTRELS, Cause.LEFT)]
