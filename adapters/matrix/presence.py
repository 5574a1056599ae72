"""Presence in Matrix's words and in the model's. Pure, and never raises.

Client-server API, specification v1.19, "Presence". Matrix has three states and a text: an absence that somebody
declared and one that the homeserver noticed cannot be told apart, nor can an owner who is offline from one who hides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.matrix.markup import clean
from bridge.model.address import Address
from bridge.model.presence import Absence, Activity, Basic, Presence, Tuple, absence, best, words

NOTE_LENGTH = 500
"""Characters of a text beside the presence; the rest is cut, both ways."""

TUPLE_ID = "matrix"
"""Matrix tells of a user, not of their devices."""

ACTIVE_FOR = 300.0
"""Seconds after the last activity for which whoever is online is not idle: about as long as homeservers wait before
they say ``unavailable``."""

LONGEST_IDLE = 10 * 365 * 86400.0
"""Seconds; whoever is said to be idle for longer is idle for an unknown time."""


@dataclass(frozen=True, slots=True)
class Status:
    """What a puppet shows: `state` is Matrix's ``presence``, `message` its ``status_msg``."""

    state: str
    message: str = ""

    @property
    def lapses(self) -> bool:
        """Whether the homeserver takes it back if it is not told again."""
        return self.state != "offline"


OFFLINE = Status("offline")

_STATES: Final[Mapping[Absence, str]] = {
    Absence.NONE: "online",
    Absence.AWAY: "unavailable",
    Absence.LONG: "unavailable",
    Absence.BUSY: "unavailable",
    Absence.GONE: "offline",
}
_WORDS: Final[Mapping[Absence, str]] = {Absence.LONG: "away for long", Absence.BUSY: "busy"}
"""What is said instead of a text for what Matrix has no state for."""

_READ: Final[Mapping[str, tuple[Basic, frozenset[Activity]]]] = {
    "online": (Basic.OPEN, frozenset()),
    "unavailable": (Basic.OPEN, frozenset({Activity.AWAY})),
    "busy": (Basic.OPEN, frozenset({Activity.BUSY})),
    "org.matrix.msc3026.busy": (Basic.OPEN, frozenset({Activity.BUSY})),
    "offline": (Basic.CLOSED, frozenset()),
}


def presence_of(address: Address, content: Mapping[str, Any], now: float) -> Presence | None:
    """What a user shows, from the content of ``m.presence`` or the answer of the status endpoint.

    None for what is no presence. `now` is in seconds since the epoch.
    """
    state = content.get("presence")
    if not isinstance(state, str) or state not in _READ:
        return None
    basic, activities = _READ[state]
    told = content.get("status_msg")
    # Cut before it is cleaned as well: no text is gone through that nobody will see.
    note = clean(told[: NOTE_LENGTH * 2]).strip()[:NOTE_LENGTH] if isinstance(told, str) else ""
    idle_since = None if content.get("currently_active") is True else _idle_since(content, now)
    if state == "online" and idle_since is not None and now - idle_since < ACTIVE_FOR:
        idle_since = None
    return Presence(
        address,
        (
            Tuple(
                TUPLE_ID,
                basic,
                activities,
                (("", note),) if note else (),
                idle_since=idle_since,
            ),
        ),
    )


def _idle_since(content: Mapping[str, Any], now: float) -> float | None:
    """When the user was last active, to the minute: what is told differs a little every time."""
    ago = content.get("last_active_ago")
    if not isinstance(ago, int | float) or isinstance(ago, bool) or not 0 <= ago <= LONGEST_IDLE * 1000:
        return None
    return float((now - ago / 1000) // 60 * 60)


def status_of(presence: Presence) -> Status:
    """What a puppet shows for a person: the best of their devices."""
    found = best(presence)
    if found is None:
        return OFFLINE
    absent = absence(found)
    text = clean(words(presence, found)).strip()[:NOTE_LENGTH]
    return Status(_STATES[absent], text or _WORDS.get(absent, ""))
