"""Rooms: several places bridged into one conversation."""

from dataclasses import dataclass
from enum import StrEnum

from bridge.model.address import Place


class Direction(StrEnum):
    """What may cross between a place and the rest of its room, seen from the place."""

    BOTH = "both"
    IN = "in"  # only into the place: it hears the room
    OUT = "out"  # only out of the place: the room hears it


@dataclass(frozen=True, slots=True)
class Member:
    """A place's part in a room.

    `key` opens the place where it is locked. `puppets` is false where people of the other places shall not appear
    as members, and are spoken for by the bot.
    """

    place: Place
    direction: Direction = Direction.BOTH
    key: str | None = None
    puppets: bool = True

    @property
    def hears(self) -> bool:
        """Whether what is said elsewhere reaches this place."""
        return self.direction is not Direction.OUT

    @property
    def speaks(self) -> bool:
        """Whether what is said here reaches the others."""
        return self.direction is not Direction.IN


@dataclass(frozen=True, slots=True)
class Room:
    """One conversation, by its configured name."""

    name: str
    members: tuple[Member, ...]

    def others(self, place: Place) -> tuple[Member, ...]:
        """The members that hear what is said in `place`; none where that place does not speak."""
        if not any(member.place == place and member.speaks for member in self.members):
            return ()
        return tuple(member for member in self.members if member.place != place and member.hears)
