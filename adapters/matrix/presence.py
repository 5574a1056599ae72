"""Presence in Matrix's words and in the model's. Pure, and never raises.

Client-server API, specification v1.19, "Presence". Matrix has three states and a text: an absence that somebody
declared and one that the homeserver noticed cannot be told apart, nor can an owner who is offline from one who hides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.matrix.markup import clean
from bridge.model.address import Address
from bridge.model.presence import Activity, Basic, Presence, Tuple

NOTE_LENGTH = 500
"""Characters of a text beside the presence; the rest is cut, both ways."""

TUPLE_ID = "matrix"
"""Matrix tells of a user, not of their devices."""

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


def presence_of(address: Address, content: Mapping[str, Any], now: float) -> Presence | None:
    """What a user shows, from the content of ``m.presence`` or the answer of the status endpoint.

    None for what is no presence. `now` is in seconds since the epoch.
    """
    state = content.get("presence")
    if state not in ("online", "unavailable", "offline", "busy", "org.matrix.msc3026.busy"):
        return None
    activities = {"online": frozenset[Activity](), "offline": frozenset[Activity]()}.get(state)
    if activities is None:
        activities = frozenset({Activity.AWAY if state == "unavailable" else Activity.BUSY})
    told = content.get("status_msg")
    # Cut before it is cleaned as well: no text is gone through that nobody will see.
    note = clean(told[: NOTE_LENGTH * 2]).strip()[:NOTE_LENGTH] if isinstance(told, str) else ""
    idle_since = None if content.get("currently_active") is True else _idle_since(content, now)
    return Presence(
        address,
        (
            Tuple(
                TUPLE_ID,
                Basic.CLOSED if state == "offline" else Basic.OPEN,
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
    if not presence.tuples:
        return OFFLINE
    best = max(presence.tuples, key=_rank)
    if best.basic is Basic.CLOSED:
        state = "offline"
    else:
        state = "unavailable" if best.activities or best.idle_since is not None else "online"
    return Status(state, _message(best))


def _rank(device: Tuple) -> tuple[bool, float, float, int]:
    """Open before closed, then the higher priority, the newer, the one that is least away."""
    return (
        device.basic is Basic.OPEN,
        device.priority if device.priority is not None else 0.0,
        device.since if device.since is not None else 0.0,
        -len(device.activities),
    )


def _message(device: Tuple) -> str:
    """The note without a language, else the first; else a word for what Matrix has no state for."""
    notes = sorted(device.notes, key=lambda note: note[0] != "")
    text = clean(notes[0][1]).strip()[:NOTE_LENGTH] if notes else ""
    if text or device.basic is Basic.CLOSED:
        return text
    if Activity.BUSY in device.activities:
        return "busy"
    return "away for long" if Activity.VACATION in device.activities else ""
