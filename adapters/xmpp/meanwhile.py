"""What a room said to the bot while nobody of ours could listen, on a stream that was taken up again in the middle.

The bot was in the room all the time, but who else was is only known when it has entered anew. Until then, lines are
kept; then they are taken in as the room's history is, before what the room itself gives of that.
"""

from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element, SubElement

from adapters.xmpp import ids

KEPT: Final = 10_000
"""Lines of one room that are kept. The room's own history has the newest of what is beyond."""


class Meanwhile:
    """The lines of one room."""

    def __init__(self) -> None:
        self._lines: list[Element] | None = None

    @property
    def is_kept(self) -> bool:
        """Whether lines are being kept."""
        return self._lines is not None

    def begin(self) -> None:
        """The stream goes on, and the bot is about to enter."""
        self._lines = []

    def take(self, stanza: Element, room: str, when: float) -> None:
        """A line of the room, which came at that time (seconds since the epoch). Its subject the room tells again."""
        if self._lines is None or len(self._lines) >= KEPT:
            return
        if any(child.tag.endswith("}subject") for child in stanza):
            return
        stamp = datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        SubElement(stanza, "{urn:xmpp:delay}delay", {"from": room, "stamp": f"{stamp}Z"})
        self._lines.append(stanza)

    def end(self, *, named: bool = False) -> list[Element]:
        """The bot is in, or will not be: what was kept, and nothing is from now on.

        Unless the room has `named` them (XEP-0359), lines that cannot be known again are left to its history: they are
        known by their time there, which is not quite ours.
        """
        lines, self._lines = self._lines, None
        return [line for line in lines or () if named or len(line.get("id", "")) >= ids.STRONG]
