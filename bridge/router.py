"""Who hears an event: over a snapshot of rooms and rules."""

from collections.abc import Iterable

from bridge.admission import Admission
from bridge.model.address import Address, Place
from bridge.model.event import Event
from bridge.model.message import Gap
from bridge.model.result import Failure, Reason
from bridge.model.room import Member, Room
from bridge.route import NOWHERE, Route


class Router:
    """The configured rooms, looked up by place."""

    def __init__(self, rooms: Iterable[Room], admission: Admission) -> None:
        self._rooms: dict[Place, Room] = {}
        self._members: dict[Place, Member] = {}
        self._admission = admission
        for room in rooms:
            for member in room.members:
                self._rooms[member.place] = room
                self._members[member.place] = member

    def route(self, event: Event) -> Route:
        """The places that hear the event. Loops end here: an event without hops left goes nowhere."""
        if isinstance(event.content, Gap):
            # Our own word on a place, which no rule of the operator is about.
            room = self._rooms.get(event.place)
            return Route(tuple(member.place for member in room.others(event.place)) if room else ())
        if self._admission.is_bot(event.sender.address):
            return NOWHERE
        if event.hops <= 0:
            return Route(refusal=Failure(Reason.POLICY_VIOLATION, "this message has passed too many bridges"))
        if event.to is not None:
            return self._admission.private(event)
        room = self._rooms.get(event.place)
        if room is None:
            return NOWHERE
        if not self._admission.may_use(event.sender.address):
            return Route(refusal=Failure(Reason.FORBIDDEN, "you may not speak through this bridge"))
        refusal = self._admission.looping(event, room)
        if refusal is not None:
            return Route(refusal=refusal)
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
        return self._admission.may_use(address) and not self._admission.is_bot(address)
