"""Counting: what one witness saw said, what another saw arrive, and what became of the difference. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

NUMBERED = re.compile(r"\b(fast|slow)-(xmpp|matrix|irc)-(\d+)\b")
"""A numbered message: its room, its source, its number."""

UNREAD_WITHIN = 2.0
"""Seconds before a connection of the bridge is gone in which a line may have been written to it and never been read."""


def numbered(room: str, source: str, number: int) -> str:
    return f"{room}-{source}-{number}"


@dataclass(frozen=True, slots=True)
class Line:
    """A numbered message as a witness saw it, at `when` (seconds since the epoch)."""

    room: str
    source: str
    number: int
    when: float = 0.0


@dataclass(frozen=True, slots=True)
class Gap:
    """In a witness's sight: from here on (`gone`), or until here, no connection of the bridge was in the room."""

    room: str
    gone: bool
    when: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """The sender was told that so many of their messages were not delivered."""

    room: str
    text: str
    messages: int = 1


Sighting = Line | Gap | Report


@dataclass(slots=True)
class Count:
    """What became of what one source said in one room, at one target.

    `unheard` was said while no connection of the bridge was in the room; `unread` was said in the last moment before
    one ended: written to a socket whose owner was dead. Neither is `lost`, which is what the bridge had heard.
    `refused` did not arrive, and the bridge says so; `belied` arrived though the bridge says that it could not.
    """

    room: str
    source: str
    target: str
    said: int = 0
    lost: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    overtaken: list[int] = field(default_factory=list)
    unheard: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    belied: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.room} {self.source}->{self.target}: said {self.said} lost {_some(self.lost)} doubled "
            f"{_some(self.doubled)} overtaken {_some(self.overtaken)} unheard {_some(self.unheard)} unread "
            f"{_some(self.unread)} refused {_some(self.refused)}"
        )


def count(
    room: str,
    source: str,
    target: str,
    witness: Sequence[Sighting],
    receiver: Iterable[Sighting],
    known: Iterable[int],
    given_up: Iterable[int] = (),
    perhaps: Iterable[int] = (),
) -> Count:
    """`witness` saw it said, in its own network; `receiver` is who it should come to. `known` are the numbers that the
    bridge has in its store: these it heard, whatever the witness thinks. `given_up` are those that it says it could not
    bring there, `perhaps` those of which it says that they may not have arrived."""
    result = Count(room, source, target)
    heard = [line.number for line in receiver if isinstance(line, Line) and _is(line, room, source)]
    said = list(dict.fromkeys(line.number for line in witness if isinstance(line, Line) and _is(line, room, source)))
    result.said = len(said)
    seen: set[int] = set()
    highest = 0
    for number in heard:
        if number in seen:
            result.doubled.append(number)
        elif number < highest:
            result.overtaken.append(number)
        seen.add(number)
        highest = max(highest, number)
    kept = set(known)
    unheard, before = _away(witness, room, source)
    missing = [number for number in said if number not in seen]
    result.unheard = [number for number in missing if number in unheard and number not in kept]
    excused = set(result.unheard)
    for end in before:
        # Backwards from where the bridge was gone: what it did not read is the end of what was written to it.
        for number in reversed(end):
            if number in seen or number in kept:
                break
            result.unread.append(number)
            excused.add(number)
    result.unread.sort()
    gone = set(given_up)
    told = gone | set(perhaps)
    result.lost = [number for number in missing if number not in excused | told]
    result.refused = [number for number in missing if number in told]
    result.belied = sorted(gone & seen)
    return result


def _is(line: Line, room: str, source: str) -> bool:
    return line.room == room and line.source == source


def _away(witness: Iterable[Sighting], room: str, source: str) -> tuple[set[int], list[list[int]]]:
    """What was said while nobody of the bridge was there, and what was said just before each such time."""
    unheard: set[int] = set()
    before: list[list[int]] = []
    recent: list[Line] = []
    gone = False
    for sighting in witness:
        match sighting:
            case Line() if _is(sighting, room, source):
                if gone:
                    unheard.add(sighting.number)
                else:
                    recent.append(sighting)
            case Gap() if sighting.room == room:
                if sighting.gone and not gone:
                    before.append([line.number for line in recent if line.when >= sighting.when - UNREAD_WITHIN])
                    recent = []
                gone = sighting.gone
    return unheard, before


def lines(room: str, source: str, sightings: Iterable[Sighting]) -> Iterator[int]:
    """The numbers of one source in one room, as they were seen."""
    return (line.number for line in sightings if isinstance(line, Line) and _is(line, room, source))


def _some(numbers: Sequence[int]) -> str:
    shown = ",".join(map(str, numbers[:6])) + (",..." if len(numbers) > 6 else "")
    return f"{len(numbers)}" + (f" ({shown})" if numbers else "")
