"""What came in, on its way to the core: one queue in the order of the stream, taken in batches."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from bridge.model.event import Event, State

log = structlog.get_logger(__name__)

BATCH = 256
"""Items given to the core at once: they share one commit."""
NOTES = 64
"""Notes that are kept back for items to go along with; then they go by themselves."""
HIGH, LOW = 10_000, 2_000
"""Waiting items at which the stream stops being read, and is read again."""


class Taker(Protocol):
    """Who takes it: the core, or who passes it on."""

    network: str

    async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
        """As `bridge.contract.Core.accept`."""


class Intake:
    """Owned by its task, `run`. `pause` is told when to stop reading the stream and when to go on."""

    def __init__(
        self,
        core: Taker,
        pause: Callable[[bool], None],
        mark: Callable[[], Callable[[], None]] = lambda: lambda: None,
    ) -> None:
        """`mark` is called when all that came is about to be given to the core, and what it gives when that is
        durable."""
        self._mark = mark
        self._core = core
        self._pause = pause
        self._waiting: deque[Event | State | tuple[str, str]] = deque()
        self._noted = 0
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()

    def put(self, *items: Event | State) -> None:
        """Have the core take these, after all before."""
        if not items:
            return
        self._waiting.extend(items)
        self._wake()
        if len(self._waiting) > HIGH:
            self._pause(True)

    def touch(self) -> None:
        """Something came, of which there may be nothing to report."""
        self._some.set()

    def note(self, key: str, value: str) -> None:
        """Have the core remember this with the items before it. What is noted last may be lost in a crash: it is not
        worth a commit of its own."""
        if self._waiting and isinstance(last := self._waiting[-1], tuple) and last[0] == key:
            self._waiting.pop()
        self._waiting.append((key, value))
        self._noted += 1
        if self._noted >= NOTES:
            self._wake()

    def _wake(self) -> None:
        self._noted = 0
        self._some.set()
        self._none.clear()

    async def run(self) -> None:
        """Give everything to the core, in order, until cancelled."""
        while True:
            await self._some.wait()
            durable = self._mark() if len(self._waiting) <= BATCH else None
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if batch:
                notes = dict(each for each in batch if isinstance(each, tuple))
                await self._core.accept(*(each for each in batch if not isinstance(each, tuple)), remember=notes)
            if durable is not None:
                durable()
            if len(self._waiting) <= LOW:
                self._pause(False)
            if not self._waiting:
                self._some.clear()
                self._none.set()

    async def drained(self, within: float) -> None:
        """Wait until the core has everything, that many seconds at most."""
        if self._waiting:
            self._wake()
        try:
            async with asyncio.timeout(within):
                await self._none.wait()
        except TimeoutError:
            log.warning("not everything was taken in", network=self._core.network, left=len(self._waiting))
