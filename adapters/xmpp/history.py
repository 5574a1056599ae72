"""What a room's history says of parts that were being sent when the connection broke. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.contract import Part
from bridge.model.result import Receipt

RESOLUTION = 1.0
"""Seconds. Services may leave out fractions in their stamps (XEP-0082); Prosody does."""


@dataclass(frozen=True, slots=True)
class Findings:
    """`arrived` by part id. `unproven` parts are not in the history, which does not reach back to them either."""

    arrived: dict[str, Receipt] = field(default_factory=dict)
    unproven: int = 0


def judge(parts: Sequence[Part], said: Callable[[str], Receipt | None], oldest: float | None) -> Findings:
    """Which of the parts of one room, in the order they were handed over, have arrived.

    `said` gives the receipt of a part that the room has reflected; `oldest` is when the oldest line of its history was
    said, None if there was none. Rooms keep few lines (Prosody: 20) and end their history there, whatever was asked
    for. A part from before that end has arrived all the same if one after it has, for a stream keeps its order; it
    gets a receipt without the room's id. If none has, nobody knows, and it has to be sent again.
    """
    found = {part.id: receipt for part in parts if (receipt := said(part.id)) is not None}
    first = next((place for place, part in enumerate(parts) if part.id in found), len(parts))
    beyond = [part.id for part in parts[:first] if oldest is not None and part.when < oldest + RESOLUTION]
    if not found:
        return Findings(unproven=len(beyond))
    return Findings(dict.fromkeys(beyond, Receipt()) | found)
