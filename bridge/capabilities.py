"""What a place can express, with limits, on the connection as negotiated at this moment."""

from dataclasses import dataclass
from enum import StrEnum

from bridge.model.message import Style


class Ordering(StrEnum):
    """How a lane keeps its order toward a place without waiting more than it must (design section 4).

    SERIAL: the next part is sent when the one before is confirmed. For request-response networks.
    STREAM: parts follow each other at once; the connection itself keeps the order.
    SPEAKER: as STREAM for one speaker; another speaker, who writes on another connection, waits for the previous
    confirmation, at most `HAND_OVER` seconds, and never behind a flood-throttled backlog.
    """

    SERIAL = "serial"
    STREAM = "stream"
    SPEAKER = "speaker"


HAND_OVER = 2.0
"""Seconds one speaker's line waits for the confirmation of another's (design section 4, order)."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Declared by the adapter for one place and one voice; read by `bridge.downgrade` at send time.

    `part_bytes` is the room for text in one part, in bytes of UTF-8, after everything the network itself adds
    (prefix, command, target); an emote and a line spoken by the bot have less, by `emote_bytes` and by the marked
    name. `lines` is whether a part may hold line feeds. `max_parts` bounds what one message may become; beyond it the
    message is refused, and its sender told.
    """

    part_bytes: int
    lines: bool
    ordering: Ordering
    max_parts: int = 10
    emotes: bool = True
    notices: bool = True
    emote_bytes: int = 0
    styles: frozenset[Style] = frozenset()
    replies: bool = False
    edits: bool = False
    reactions: bool = False
    retractions: bool = False
    media: bool = False
