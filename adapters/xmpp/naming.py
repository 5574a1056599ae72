"""By which ids the lines of a room are known, and up to which line it was heard."""

from collections.abc import Callable

from adapters.xmpp import ids
from adapters.xmpp.inbound import Line

ARCHIVE = "urn:xmpp:mam:2"
"""What a room names among its features if it has an archive (XEP-0313)."""

SKEW = 60.0
"""Seconds by which a room's clock may differ from ours."""


class Naming:
    """One room's. `position` is the room's own id of the last line that was dealt with; empty: it gave none. None:
    nothing is known. `reached` is told of each new one.

    `stanza_ids`: the room can be believed about its own ids for lines (XEP-0359).
    """

    def __init__(self, position: str | None, reached: Callable[[str], None]) -> None:
        self.position = position
        self.stanza_ids = False
        self._reached = reached
        self._by_digest = False
        self._digests: dict[str, str] = {}

    def features(self, found: frozenset[str]) -> None:
        """What the room offers."""
        # XEP-0359 section 5: by those who do not offer them, they may be anybody's.
        self.stanza_ids = "urn:xmpp:sid:0" in found or ARCHIVE in found
        # Ids that a room begins to give, its history may have for lines, too, that were taken in without.
        self._by_digest = self.stanza_ids and self.position == ""
        self._digests.clear()
        if not self.stanza_ids:
            self._go_on("")

    def name(self, line: Line, when: float, *, known_until: float | None = None) -> tuple[str, bool]:
        """What the line is known by for ever; and whether little but the time at which it was said makes that sure.

        `known_until` is for history: when the newest line of the room that is known was said.
        """
        stanza_id = line.stanza_id if self.stanza_ids else None
        if stanza_id in self._digests:
            return self._digests[stanza_id], False
        before = self._by_digest and known_until is not None and when < known_until + SKEW
        named_by = None if before else stanza_id
        native_id = ids.line_id(stanza_id=named_by, sender=line.nick, message_id=line.message_id, stamp=when)
        if before and stanza_id:
            self._digests[stanza_id] = native_id
        return native_id, not named_by and len(line.message_id) < ids.STRONG

    def done(self, line: Line) -> None:
        """The line was dealt with."""
        if line.stanza_id and self.stanza_ids:
            self._go_on(line.stanza_id)

    def history_ended(self) -> None:
        """From now on every line is known by the room's id."""
        self._by_digest = False

    def _go_on(self, line: str) -> None:
        if line != self.position:
            self.position = line
            self._reached(line)
