"""Presence (RFC 2778 section 2.3): one tuple per device, and the words the networks share for it.

How absent somebody is, is decided here for all networks: `absence` puts every activity of RPID, and every show of
XMPP, on one scale, and each adapter has one table between that scale and its network's words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from bridge.model.address import Address

Notes = tuple[tuple[str, str], ...]
"""Pairs of language tag ("" where unknown) and text."""


class Basic(StrEnum):
    """RFC 3863 section 4.1.4: is the inbox able to take an instant message?"""

    OPEN = "open"
    CLOSED = "closed"


class Activity(StrEnum):
    """The RPID activities (RFC 4480 section 3.2).

    ``lunch`` is in its text but not in its schema; it is read as `MEAL`. What ``other`` says is a note.
    """

    APPOINTMENT = "appointment"
    AWAY = "away"
    BREAKFAST = "breakfast"
    BUSY = "busy"
    DINNER = "dinner"
    HOLIDAY = "holiday"
    IN_TRANSIT = "in-transit"
    LOOKING_FOR_WORK = "looking-for-work"
    MEAL = "meal"
    MEETING = "meeting"
    ON_THE_PHONE = "on-the-phone"
    PERFORMANCE = "performance"
    PERMANENT_ABSENCE = "permanent-absence"
    PLAYING = "playing"
    PRESENTATION = "presentation"
    SHOPPING = "shopping"
    SLEEPING = "sleeping"
    SPECTATOR = "spectator"
    STEERING = "steering"
    TRAVEL = "travel"
    TV = "tv"
    UNKNOWN = "unknown"
    VACATION = "vacation"
    WORKING = "working"
    WORSHIP = "worship"


class Show(StrEnum):
    """XMPP's words for availability (RFC 6121 section 4.7.2.1). RPID has none for `CHAT`, nor for `XA` as such."""

    CHAT = "chat"
    AWAY = "away"
    XA = "xa"
    DND = "dnd"


class Absence(IntEnum):
    """How little somebody can be had, the least first."""

    NONE = 0
    AWAY = 1
    LONG = 2
    BUSY = 3
    GONE = 4


@dataclass(frozen=True, slots=True)
class Tuple:
    """The state of one device. `priority` is between 0 and 1; times are seconds since the epoch (UTC).

    `show` is set only where the activities do not say it: it then counts in their place. `contact` is the URI by
    which the device is reached; empty for the presentity's own inbox.
    """

    id: str
    basic: Basic
    activities: frozenset[Activity] = frozenset()
    notes: Notes = ()
    priority: float | None = None
    since: float | None = None
    idle_since: float | None = None
    expires: float | None = None
    show: Show | None = None
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Presence:
    """What a presentity tells its watchers. No tuple means that nothing is known, which is not CLOSED.

    `notes` are the person's, and stand for those of a device that has none (RFC 4479 section 3.2).
    """

    presentity: Address
    tuples: tuple[Tuple, ...] = ()
    notes: Notes = ()


ABSENCES: Final[Mapping[Activity, Absence]] = {
    Activity.APPOINTMENT: Absence.BUSY,
    Activity.AWAY: Absence.AWAY,
    Activity.BREAKFAST: Absence.AWAY,
    Activity.BUSY: Absence.BUSY,
    Activity.DINNER: Absence.AWAY,
    Activity.HOLIDAY: Absence.LONG,
    Activity.IN_TRANSIT: Absence.AWAY,
    Activity.LOOKING_FOR_WORK: Absence.NONE,
    Activity.MEAL: Absence.AWAY,
    Activity.MEETING: Absence.BUSY,
    Activity.ON_THE_PHONE: Absence.BUSY,
    Activity.PERFORMANCE: Absence.BUSY,
    Activity.PERMANENT_ABSENCE: Absence.GONE,
    Activity.PLAYING: Absence.AWAY,
    Activity.PRESENTATION: Absence.BUSY,
    Activity.SHOPPING: Absence.AWAY,
    Activity.SLEEPING: Absence.LONG,
    Activity.SPECTATOR: Absence.AWAY,
    Activity.STEERING: Absence.BUSY,
    Activity.TRAVEL: Absence.LONG,
    Activity.TV: Absence.AWAY,
    Activity.UNKNOWN: Absence.NONE,
    Activity.VACATION: Absence.LONG,
    Activity.WORKING: Absence.NONE,
    Activity.WORSHIP: Absence.BUSY,
}
"""What each activity means for whoever would like to talk to somebody."""

SHOWS: Final[Mapping[Show, Absence]] = {
    Show.CHAT: Absence.NONE,
    Show.AWAY: Absence.AWAY,
    Show.XA: Absence.LONG,
    Show.DND: Absence.BUSY,
}
"""What each of XMPP's shows means, on the same scale."""


SHOWN: Final[Mapping[Absence, Show]] = {
    Absence.AWAY: Show.AWAY,
    Absence.LONG: Show.XA,
    Absence.BUSY: Show.DND,
}
"""How a device shows what its user does. `Absence.GONE` is no show, but a device that is not there."""

DESCRIBED: Final[Mapping[Show, tuple[frozenset[Activity], Show | None]]] = {
    Show.CHAT: (frozenset(), Show.CHAT),
    Show.AWAY: (frozenset({Activity.AWAY}), None),
    Show.XA: (frozenset({Activity.AWAY}), Show.XA),
    Show.DND: (frozenset({Activity.BUSY}), None),
}
"""A device that shows this, as activities, and as a show where activities do not say it."""


def declared(activities: frozenset[Activity]) -> Absence:
    """What activities say together: the strongest wins."""
    return max((ABSENCES[each] for each in activities), default=Absence.NONE)


def absence(device: Tuple) -> Absence:
    """How absent somebody is, by one device. Whoever is idle and says nothing is away."""
    if device.basic is Basic.CLOSED:
        return Absence.GONE
    if device.show is not None:
        return SHOWS[device.show]
    found = declared(device.activities)
    return Absence.AWAY if found is Absence.NONE and device.idle_since is not None else found


def shown(device: Tuple) -> Show | None:
    """What an open device shows, by what its user says; that they are idle is another matter."""
    return device.show or SHOWN.get(declared(device.activities))


def best(presence: Presence) -> Tuple | None:
    """The tuple that stands for the person where only one can be shown. None if nothing is known.

    Open before closed, then the higher priority, the newer, the least absent (as RFC 8048 has seen
    receivers do).
    """
    return max(presence.tuples, key=_rank, default=None)


def _rank(device: Tuple) -> tuple[bool, float, float, int]:
    return device.basic is Basic.OPEN, device.priority or 0.0, device.since or 0.0, -absence(device)


def notes_of(presence: Presence, device: Tuple) -> Notes:
    """What a device's user says: the notes with the device, else those of the person."""
    return device.notes or presence.notes


def words(presence: Presence, device: Tuple) -> str:
    """What a device's user says, where only one text can be shown: one without a language, else the first."""
    said = [(language, text.strip()) for language, text in notes_of(presence, device) if text.strip()]
    return min(said, key=lambda note: note[0] != "", default=("", ""))[1]
