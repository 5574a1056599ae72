"""The archive of a room (XEP-0313), read forward page by page (XEP-0059): all that was said, however long ago.

A room's history ends after few lines (Prosody: 20). Its archive, where there is one, reaches back for days.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol
from xml.etree.ElementTree import Element

import structlog

from adapters.xmpp import ids
from adapters.xmpp.errors import Refused
from adapters.xmpp.inbound import Line, read_line
from adapters.xmpp.naming import ARCHIVE, Naming
from adapters.xmpp.outbound import ask_archive
from adapters.xmpp.presence import read_time
from adapters.xmpp.queries import Queries
from adapters.xmpp.reach import Reach
from bridge.model.result import Reason

log = structlog.get_logger(__name__)

PAGE = 100
"""Lines asked for at once. Services give fewer, as many as they like (Prosody: 50)."""
PAGE_WITHIN = 30.0
"""Seconds a page may take."""

_RESULT = f"{{{ARCHIVE}}}result"
_FORWARDED = "{urn:xmpp:forward:0}forwarded"
_DELAY = "{urn:xmpp:delay}delay"
_RSM = "{http://jabber.org/protocol/rsm}"
_ITEM = "{http://jabber.org/protocol/muc#user}x/{http://jabber.org/protocol/muc#user}item"


@dataclass(frozen=True, slots=True)
class Page:
    """Lines in the order in which they were said. `last` is the id to go on after, `complete` that nothing follows."""

    lines: tuple[Line, ...]
    last: str | None
    complete: bool


class Pages:
    """Pages of one room's archive that are coming in: the lines come one by one, before the answer itself."""

    def __init__(self, room: str) -> None:
        self._room = room
        self._open: dict[str, list[Line]] = {}

    def add(self, stanza: Element) -> bool:
        """A message from the room itself; tells whether it is a line that was asked for."""
        result = stanza.find(_RESULT)
        lines = self._open.get(result.get("queryid", "")) if result is not None else None
        if result is None or lines is None:
            return False
        line = read_result(result, self._room)
        if line is not None and len(lines) < PAGE:
            lines.append(line)
        return True

    async def ask(self, queries: Queries, sender: str, *, after: str | None, start: float | None) -> Page:
        """The next page. Raises `Refused`, `bridge.contract.SendError`."""
        lines: list[Line] = []
        asked: list[str] = []

        def request(token: str) -> str:
            asked.append(token)
            self._open[token] = lines
            return ask_archive(sender, self._room, token, after=after, start=start, most=PAGE)

        try:
            answer = await queries.ask(self._room, request, PAGE_WITHIN)
        finally:
            for token in asked:
                del self._open[token]
        fin = answer.find(f"{{{ARCHIVE}}}fin")
        last = fin.findtext(f"{_RSM}set/{_RSM}last") if fin is not None else None
        complete = fin is None or fin.get("complete") == "true" or not last or last == after
        return Page(tuple(lines), last or None, complete)


def read_result(result: Element, room: str) -> Line | None:
    """A line of the archive, with the id and the time by which the archive knows it; None if there is no line in it."""
    forwarded = result.find(_FORWARDED)
    delay = forwarded.find(_DELAY) if forwarded is not None else None
    message = next((each for each in forwarded or () if each.tag.rpartition("}")[2] == "message"), None)
    if delay is None or message is None or message.get("type") != "groupchat":
        return None
    if ids.bare(message.get("from", "")) != room:
        return None
    line = read_line(message, room)
    item = message.find(_ITEM)
    # XEP-0313 section 4.1.2 has the room put it there itself, and only where all may see it.
    real_jid = ids.bare(item.get("jid", "")) if item is not None else ""
    return replace(
        line,
        stanza_id=result.get("id") or None,
        stamp=read_time(delay.get("stamp")),
        real_jid=real_jid or line.real_jid,
    )


class Recalling(Protocol):
    """The room that the lines are of."""

    jid: str
    pages: Pages
    naming: Naming
    reach: Reach

    def recall(self, line: Line) -> None:
        """A line of the archive."""


class Archive:
    """Reads one room's archive into the room. `taken` returns when what was reported is taken in: that is the pace."""

    def __init__(self, room: Recalling, queries: Queries, taken: Callable[[], Awaitable[None]]) -> None:
        self._room = room
        self._queries = queries
        self._taken = taken

    async def read(self, sender: str, *, start: float) -> bool:
        """Everything after the last line that is known, by its id; where that is none of the archive's (any more),
        everything from `start` on. Tells whether the id was found. Raises `Refused`, `bridge.contract.SendError`."""
        position = self._room.naming.position
        if position:
            try:
                await self._follow(sender, position, None, whole=True)
            except Refused as refused:
                if refused.error.reason is not Reason.ITEM_NOT_FOUND:
                    raise
                log.warning("the archive has lost the last line that is known", room=self._room.jid)
            else:
                return True
        await self.look_back(sender, start=start)
        return False

    async def look_back(self, sender: str, *, start: float) -> None:
        """Everything from then on (seconds since the epoch). Raises as `read`."""
        await self._follow(sender, None, start)

    async def _follow(self, sender: str, after: str | None, start: float | None, *, whole: bool = False) -> None:
        lines = 0
        while True:
            page = await self._room.pages.ask(self._queries, sender, after=after, start=start)
            if whole:
                self._room.reach.whole()
                whole = False
            for line in page.lines:
                self._room.recall(line)
            lines += len(page.lines)
            await self._taken()
            if page.complete:
                break
            after = page.last
        log.info("read the archive", room=self._room.jid, lines=lines)
