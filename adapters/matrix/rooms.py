"""The rooms of this network's places: their ids, who is in them, their topic. Memory only, no I/O.

Owned by the event loop's one adapter: changed by what the homeserver pushes and by what it answers.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import structlog

from adapters.matrix.ids import Namespace
from adapters.matrix.inbound import Change
from adapters.matrix.standing import PERSON, Mark
from bridge.model.address import Address, Person, Place
from bridge.model.event import Roster

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Room:
    """One Matrix room that is a configured place.

    `people` and `puppets` hold the members by user id, with the name each shows; the bot is in neither. `marks` is what
    memberships, ours included, say of who is no person. `entered`: the bot is in the room. `invites`: puppets need an
    invitation. `plain`: the homeserver takes no marks. `removed`: those of ours that somebody took out. `leaving`: how
    many departures of each puppet, by our own doing, are yet to be pushed back to us.
    """

    place: Place
    room_id: str
    people: dict[str, str] = field(default_factory=dict)
    puppets: dict[str, str] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    leaving: Counter[str] = field(default_factory=Counter)
    topic: str | None = None
    entered: bool = False
    loaded: bool = False
    invites: bool = False
    plain: bool = False
    encrypted: bool = False
    _changes: dict[str, Change] | None = None

    def apply(self, change: Change, ours: Namespace) -> Mark | None:
        """Note one membership, as the homeserver pushed it. Returns the mark that one of ours has lost by it."""
        if self._changes is not None:
            self._changes[change.user_id] = change
        before = self.marks.get(change.user_id)
        self._put(change, ours)
        lost = ours.owns(change.user_id) and change.name is not None and change.mark == PERSON
        return before if lost else None

    def departed(self, user_id: str) -> bool:
        """A puppet's departure was pushed. Whether it was our doing, and so may be from before the puppet came back."""
        if user_id not in self.leaving:
            return False
        self.leaving[user_id] -= 1
        self.leaving += Counter()  # drops what is zero
        return True

    def begin_loading(self) -> None:
        """The members are being asked for: remember what changes meanwhile."""
        self._changes = {}

    def load(self, members: Iterable[Change], ours: Namespace) -> None:
        """The members as the homeserver listed them, and after that what changed while it did."""
        changes, self._changes = self._changes or {}, None
        self.people.clear()
        self.puppets.clear()
        self.marks.clear()
        for change in (*members, *changes.values()):
            self._put(change, ours)
        self.loaded = True

    def mark(self, user_id: str) -> Mark:
        """What the user's membership says of them."""
        return self.marks.get(user_id, PERSON)

    def roster(self) -> Roster:
        """The Matrix users who are in the room now, without other gateways' bots."""
        network = self.place.network
        return Roster(
            self.place,
            tuple(
                Person(Address(network, key), name, self.mark(key).stands_for)
                for key, name in self.people.items()
                if not self.mark(key).gateway
            ),
        )

    def _put(self, change: Change, ours: Namespace) -> None:
        user_id, name = change.user_id, change.name
        if name is not None:
            self.removed.discard(user_id)
        if name is None or change.mark == PERSON:
            self.marks.pop(user_id, None)
        else:
            self.marks[user_id] = change.mark
        if user_id == ours.bot_id:
            self.entered = name is not None
            return
        members = self.puppets if ours.is_puppet(user_id) else self.people
        if name is None:
            members.pop(user_id, None)
        else:
            members[user_id] = name


class Rooms:
    """The configured places, and the rooms found for them."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._places = tuple(dict.fromkeys(places))
        self._by_place: dict[Place, Room] = {}
        self._by_id: dict[str, Room] = {}

    def __iter__(self) -> Iterator[Room]:
        return iter(tuple(self._by_place.values()))

    @property
    def places(self) -> tuple[Place, ...]:
        """The configured places."""
        return self._places

    def by_id(self, room_id: object) -> Room | None:
        """The configured room with this id."""
        return self._by_id.get(room_id) if isinstance(room_id, str) else None

    def by_place(self, place: Place) -> Room | None:
        """The room found for this place; None while it has not been found."""
        return self._by_place.get(place)

    def bind(self, place: Place, room_id: str) -> Room:
        """From now on, this is the place's room. Raises `ValueError` if it is another place's already."""
        taken = self._by_id.get(room_id)
        if taken is not None and taken.place != place:
            raise ValueError(f"{place.native} and {taken.place.native} are the same Matrix room; configure it once")
        room = self._by_place.get(place)
        if room is not None and room.room_id == room_id:
            return room
        if room is not None:
            log.warning("the alias names another room now", place=place.native, was=room.room_id, now=room_id)
            del self._by_id[room.room_id]
        room = Room(place, room_id)
        self._by_place[place] = self._by_id[room_id] = room
        return room

    def rooms_of(self, puppet_id: str) -> int:
        """In how many rooms this puppet is."""
        return sum(puppet_id in room.puppets for room in self._by_place.values())
