"""How to read a channel's history forward, page by page (IRCv3 draft/chathistory). No I/O.

Pages are asked for by ``CHATHISTORY AFTER``, whose selector the answer excludes: by the last line's msgid where the
server takes msgids, and else by its time. Of several lines of the same millisecond a page may hold some only; by time,
that millisecond is asked for again, and what was there already is passed over by its number.
"""

from collections.abc import Sequence
from typing import Final

from adapters.irc.protocol.events import Said
from adapters.irc.protocol.isupport import ISupport
from adapters.irc.protocol.servertime import timestamp, written

BEYOND: Final = 100
"""Lines to ask for where the server sets no limit, and at most."""

_MILLISECOND: Final = 0.001


class Reader:
    """A place in the history of one channel, which moves with each page. `after`: what was said later than that is
    read, in seconds since the epoch."""

    def __init__(self, after: float, support: ISupport) -> None:
        self.limit = min(support.number("CHATHISTORY", BEYOND), BEYOND)
        self.done = False
        self._by_msgid = "msgid" in support.get("MSGREFTYPES").split(",")
        self._after = after
        self._msgid = ""
        self._same = 0

    @property
    def selector(self) -> str:
        """What the next page is to come after."""
        return f"msgid={self._msgid}" if self._msgid else f"timestamp={written(self._after)}"

    def take(self, page: Sequence[Said]) -> Sequence[Said]:
        """What a page holds that is new. Only an empty one is the end: a server may leave out of a page what is no
        message."""
        new = page if self._msgid else page[self._same :]
        if not new:
            if self._same and not self._msgid and len(page) >= self.limit:
                # More lines of one millisecond than a page has.
                self._after, self._same = self._after + _MILLISECOND, 0
            else:
                self.done = True
            return new
        last = new[-1]
        if self._by_msgid and last.msgid:
            # A server that does not go on would be read for ever.
            self.done = last.msgid == self._msgid
            self._msgid = last.msgid
            return new
        at = timestamp(last.when, 0.0)
        if at <= 0.0:
            # Without times nobody can go on.
            self.done = True
            return new
        self._msgid = ""
        self._same = _run(page, last.when)
        self._after = at - _MILLISECOND
        return new


def _run(page: Sequence[Said], when: str) -> int:
    """How many lines at the end of a page were said at that time."""
    count = 0
    for said in reversed(page):
        if said.when != when:
            break
        count += 1
    return count
