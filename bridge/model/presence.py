"""Presence (RFC 2778 section 2.3): one tuple per device, and the words the networks share for it."""

from dataclasses import dataclass
from enum import StrEnum

from bridge.model.address import Address


class Basic(StrEnum):
    """RFC 3863 section 4.1.4: is the inbox able to take an instant message?"""

    OPEN = "open"
    CLOSED = "closed"


class Activity(StrEnum):
    """The RPID activities (RFC 4480 section 3.2) that any of our networks can say."""

    AWAY = "away"
    BUSY = "busy"
    VACATION = "vacation"


@dataclass(frozen=True, slots=True)
class Tuple:
    """The state of one device. `priority` is between 0 and 1; times are seconds since the epoch (UTC).

    `notes` holds pairs of language tag ("" where unknown) and text.
    """

    id: str
    basic: Basic
    activities: frozenset[Activity] = frozenset()
    notes: tuple[tuple[str, str], ...] = ()
    priority: float | None = None
    since: float | None = None
    idle_since: float | None = None
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """What a presentity tells its watchers. No tuple means that nothing is known, which is not CLOSED."""

    presentity: Address
    tuples: tuple[Tuple, ...] = ()
