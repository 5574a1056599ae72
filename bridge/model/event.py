"""What happened (events, journaled once and in order) and what is true now (states, last value wins)."""

from dataclasses import dataclass, field
from enum import StrEnum

from bridge.model.address import Address, Person, Place
from bridge.model.message import Content

HOPS = 20
"""Gateways an event may still pass (RFC 3860 MaxForwards). CPIM advises more than 100; a chain of bridges that long
could only be a loop."""


class Protection(StrEnum):
    """How well the content was protected on its way to us. End-to-end content is never stored in clear."""

    NONE = "none"
    TRANSPORT = "transport"
    END_TO_END = "end-to-end"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event was said, in the words of its network. The same origin is never bridged twice."""

    network: str
    native_id: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something said or done once.

    `when` is the original time in seconds since the epoch (UTC). `id` is given by the journal, time-sortable and
    unique; until then it is empty. `to` is set for what was said in private: the foreign person it is for. `place` is
    then the conversation with the sender (`PlaceKind.USER`, the sender's own native id), where an answer would go.
    """

    origin: Origin
    place: Place
    sender: Person
    when: float
    content: Content
    id: str = ""
    protection: Protection = Protection.NONE
    hops: int = HOPS
    to: Address | None = None


class Cause(StrEnum):
    """Why somebody is not in a place any more."""

    LEFT = "left"
    QUIT = "quit"
    KICKED = "kicked"
    BANNED = "banned"
    NICK = "nick"


@dataclass(frozen=True, slots=True)
class Joined:
    """A person of the network came into the place, or was there all along and became known.

    It tells nothing of who else is there, and it ends a removal of their puppet elsewhere only after a `Left`.
    """

    place: Place
    person: Person


@dataclass(frozen=True, slots=True)
class Left:
    """A person of the network went. `by` names who removed them, where somebody did."""

    place: Place
    address: Address
    cause: Cause = Cause.LEFT
    reason: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Renamed:
    """A person of the network shows another name in the place, and is still the same person."""

    place: Place
    person: Person


@dataclass(frozen=True, slots=True)
class Roster:
    """All people of the network who are in the place now; whoever is not named is not there."""

    place: Place
    people: tuple[Person, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class TopicSet:
    """The topic (subject) of the place is now this.

    `initial`: read on arrival, not changed before our eyes. `own`: the reading back of what we wrote, perhaps cut to
    the network's limit; it is noted and never travels.
    """

    place: Place
    text: str
    by: Person | None = None
    initial: bool = False
    own: bool = False


@dataclass(frozen=True, slots=True)
class PuppetGone:
    """The puppet of `address`, a foreign person, is in the place no more, and not by our doing.

    KICKED and BANNED are absences with a cause, which reconciliation does not undo; the others it mends.
    """

    place: Place
    address: Address
    cause: Cause
    reason: str | None = None
    by: str | None = None


State = Joined | Left | Renamed | Roster | TopicSet | PuppetGone
