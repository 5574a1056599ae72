"""Who hears an event: pure over a snapshot of rooms and rules."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bridge.model.address import Address, Place
from bridge.model.event import Event
from bridge.model.result import Failure, Reason
from bridge.model.room import Member, Room


@dataclass(frozen=True, slots=True)
class Route:
    """Where an event goes. With `refusal`, nowhere, and its sender is told why."""

    targets: tuple[Place, ...] = ()
    refusal: Failure | None = None


NOWHERE = Route()


class Router:
    """The configured rooms, looked up by place."""

    def __init__(self, rooms: Iterable[Room], may_use: Callable[[Address], bool]) -> None:
        """`may_use` is the access rule: may this person be bridged?"""
        self._rooms: dict[Place, Room] = {}
        self._members: dict[Place, Member] = {}
        self._may_use = may_use
        for room in rooms:
            for member in room.members:
                self._rooms[member.place] = room
                self._members[member.place] = member

    def route(self, event: Event) -> Route:
        """The places that hear the event. Loops end here: an event without hops left goes nowhere."""
        room = self._rooms.get(event.place)
        if room is None:
            return NOWHERE
        if not self._may_use(event.sender.address):
            return Route(refusal=Failure(Reason.FORBIDDEN, "you may not speak through this bridge"))
        if event.hops <= 0:
            return Route(refusal=Failure(Reason.POLICY_VIOLATION, "this message has passed too many bridges"))
        return Route(tuple(member.place for member in room.others(event.place)))

    def room(self, place: Place) -> Room | None:
        """The room the place belongs to."""
        return self._rooms.get(place)

    def member(self, place: Place) -> Member | None:
        """The place's part in its room."""
        return self._members.get(place)

    def members(self, network: str) -> tuple[Member, ...]:
        """The configured places of a network."""
        return tuple(member for place, member in self._members.items() if place.network == network)

    def welcome(self, address: Address) -> bool:
        """Whether the person may have puppets: the same rule as for speaking."""
        return self._may_use(address)
