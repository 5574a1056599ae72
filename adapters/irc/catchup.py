"""What was said in places while nobody of ours was there, asked for where the server keeps it (draft/chathistory).

While a place's history is read, what is heard there is held, so that nothing newer is taken in before. Only at the end
the place counts as heard: if we end before, it is read again from the same moment, and what has come already is known
by its id. Where the history does not reach back as far as we were away, the rest is a gap, and said to be.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import structlog

from adapters.irc.link.connection import Connection
from adapters.irc.protocol.chathistory import Reader
from adapters.irc.protocol.events import Said
from adapters.irc.protocol.servertime import timestamp, written
from bridge.contract import SendError
from bridge.gaps import Gaps
from bridge.model.address import Place
from bridge.model.event import Event, State
from bridge.model.message import Message

log = structlog.get_logger(__name__)

OVERLAP: Final = 60.0
"""Seconds by which the server's clock may differ from ours."""

HELD: Final = 5000
"""Items that are held of a place. Of more, the messages are let go: the history has them."""


async def pages(connection: Connection, channel: str, after: float) -> AsyncGenerator[Sequence[Said], None]:
    """What was said in a channel later than `after` (seconds since the epoch), in order, a page at a time, as far as
    the server keeps it. Raises `SendError`."""
    reader = Reader(after, connection.session.isupport)
    while not reader.done:
        page = await connection.history("AFTER", channel, reader.selector, reader.limit)
        if new := reader.take(page):
            yield new


async def reaches(connection: Connection, channel: str, when: float) -> bool:
    """Whether the server still keeps anything that was said in the channel before that time. Raises `SendError`."""
    return bool(await connection.history("BEFORE", channel, f"timestamp={written(when)}", 1))


@dataclass(slots=True)
class Reading:
    """A place whose history is read. `since` is when we heard it last, by our own clock; of what has no id, what was
    said until `known` is known. With `stayed`, a keeper heard it meanwhile: nothing can be a gap. `connection` and
    `task` are None while nobody reads."""

    since: float
    known: float | None
    stayed: bool
    connection: Connection | None = None
    task: asyncio.Task[None] | None = None
    held: list[Event | State] = field(default_factory=list)

    def halt(self) -> None:
        """Read no further for now."""
        if self.task is not None:
            self.task.cancel()
        self.task = self.connection = None

    def overlap(self) -> Callable[[Said, float], bool]:
        """Whether a line of the history was heard meanwhile, so that all after it was, too."""
        heard = [item for item in self.held if isinstance(item, Event) and isinstance(item.content, Message)]
        ids = {event.origin.native_id for event in heard}

        def is_held(said: Said, when: float) -> bool:
            if said.msgid or not heard:
                return said.msgid in ids
            # Without an id it is known by its time, and by who said it.
            return (when, said.source.nick) == (heard[0].when, heard[0].sender.name) or when > heard[0].when

        return is_held


class CatchUp:
    """Reads histories, each by one of our connections, and holds what is heard meanwhile."""

    def __init__(
        self,
        gaps: Gaps,
        *,
        tell: Callable[[Connection, Said], None],
        put: Callable[[Event | State], None],
        last_seen: Callable[[Place], float | None],
        crashed: Callable[[BaseException], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """`tell` gets what the history holds, `put` what was held. `last_seen` is as `bridge.contract.Core.last_seen`.
        `crashed` is told of a fault that nobody foresaw. `now` gives seconds since the epoch."""
        self._gaps = gaps
        self._tell = tell
        self._put = put
        self._last_seen = last_seen
        self._crashed = crashed
        self._now = now
        self._readings: dict[Place, Reading] = {}

    def __contains__(self, place: Place) -> bool:
        return place in self._readings

    def begin(
        self, place: Place, connection: Connection, entered: float | None = None, *, stayed: bool = False
    ) -> None:
        """The connection hears the place from now on, as of `entered` by the server's clock if that is known. `stayed`:
        it never left (see `events.Joined`), and what was heard last may all the same not have been kept."""
        since = self._gaps.resume(place, entered=entered)
        if since is not None:
            self._readings[place] = Reading(since, self._last_seen(place), stayed)
        reading = self._readings.get(place)
        if reading is None or reading.connection is connection:
            return
        reading.halt()
        reading.connection = connection
        reading.task = asyncio.create_task(self._read(place, reading, connection), name=f"irc history {place.native}")
        reading.task.add_done_callback(self._ended)

    def halt(self, place: Place, connection: Connection) -> None:
        """The connection hears the place no longer; another may go on, by `begin`."""
        reading = self._readings.get(place)
        if reading is not None and reading.connection is connection:
            reading.halt()

    def give_up(self, place: Place) -> None:
        """Whoever hears the place now cannot ask."""
        if (reading := self._readings.get(place)) is not None:
            reading.halt()
            self._lost(place, reading, self._now())
            self._finish(place, reading)

    def drop(self, place: Place) -> None:
        """Nobody hears the place any more. What was held will be in the history when somebody does again."""
        if (reading := self._readings.pop(place, None)) is not None:
            reading.halt()

    def stop(self) -> None:
        """Read no more."""
        for place in list(self._readings):
            self.drop(place)

    def holds(self, place: Place, item: Event | State) -> bool:
        """Hold something that was heard in the place, if its history is being read."""
        reading = self._readings.get(place)
        if reading is None:
            return False
        if len(reading.held) >= HELD:
            reading.held = [each for each in reading.held if not _message(each)]
        reading.held.append(item)
        return True

    async def _read(self, place: Place, reading: Reading, connection: Connection) -> None:
        channel, until, known = place.native, self._now(), reading.known
        after = max(reading.since - OVERLAP, self._gaps.first(place))
        checked = False
        try:
            async with aclosing(pages(connection, channel, after)) as history:
                async for page in history:
                    if not checked:
                        await self._check(place, reading, connection, timestamp(page[0].when, until))
                        checked = True
                    if not self._tell_all(reading, connection, page, known):
                        break
            if not checked:
                await self._check(place, reading, connection, until)
        except SendError as error:
            if not connection.ready:
                return  # whoever learns of its end lets go of the reading, too
            log.warning("the history is not told", network=place.network, place=channel, error=str(error))
            self._lost(place, reading, until)
        self._finish(place, reading)

    def _tell_all(self, reading: Reading, connection: Connection, page: Sequence[Said], known: float | None) -> bool:
        """Tell the lines of a page, and whether there is more that was not heard meanwhile."""
        is_held = reading.overlap()
        for said in page:
            when = timestamp(said.when, 0.0)
            if is_held(said, when):
                return False
            if said.msgid or known is None or when > known:
                try:
                    self._tell(connection, said)
                except Exception:
                    # The next time it would be the same, and nothing after it would ever be heard.
                    log.exception("a line of a history was not understood")
            # Should another connection have to go on, it does from here.
            reading.since = max(reading.since, when)
            reading.known = max(reading.known or 0.0, when)
        return True

    async def _check(self, place: Place, reading: Reading, connection: Connection, begins: float) -> None:
        """Say what was missed before the history `begins`, if it does not reach back."""
        if begins > reading.since and not await reaches(connection, place.native, begins):
            self._lost(place, reading, begins)

    def _lost(self, place: Place, reading: Reading, until: float) -> None:
        if not reading.stayed:
            self._gaps.lost(place, reading.since, until)

    def _finish(self, place: Place, reading: Reading) -> None:
        del self._readings[place]
        for item in reading.held:
            self._put(item)
        self._gaps.caught_up(place)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("a history could not be read", task=task.get_name(), exc_info=error)
        self._crashed(error)


def _message(item: Event | State) -> bool:
    return isinstance(item, Event) and isinstance(item.content, Message)
