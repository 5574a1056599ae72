"""What came in, on its way to the core: one queue in the order of the stream, taken in batches."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from bridge.inlet import Inlet
from bridge.model.event import Event, State
from bridge.model.weight import weight

log = structlog.get_logger(__name__)

NOTES = 64
"""Notes that are kept back for items to go along with; then they go by themselves."""


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
        self._inlet: Inlet[Event | State | tuple[str, str]] = Inlet(core.network, pause, _weigh)
        self._noted = 0
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()

    def put(self, *items: Event | State) -> None:
        """Have the core take these, after all before."""
        if not items:
            return
        self._inlet.put(items)
        self._wake()

    def touch(self) -> None:
        """Something came, of which there may be nothing to report."""
        self._some.set()

    def note(self, key: str, value: str) -> None:
        """Have the core remember this with the items before it. What is noted last may be lost in a crash: it is not
        worth a commit of its own."""
        if isinstance(last := self._inlet.last, tuple) and last[0] == key:
            self._inlet.replace_last((key, value))
        else:
            self._inlet.put([(key, value)])
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
            # Before the core is waited for: what comes meanwhile may be nothing but something to acknowledge.
            self._some.clear()
            batch = self._inlet.take()
            # While more waits, not all that was received will be durable then.
            durable = None if self._inlet else self._mark()
            if batch:
                notes = dict(each for each in batch if isinstance(each, tuple))
                await self._core.accept(*(each for each in batch if not isinstance(each, tuple)), remember=notes)
            if durable is not None:
                durable()
            self._inlet.done()
            if self._inlet:
                self._some.set()
            else:
                self._none.set()

    async def drained(self, within: float) -> None:
        """Wait until the core has everything, that many seconds at most."""
        if self._inlet:
            self._wake()
        try:
            async with asyncio.timeout(within):
                await self._none.wait()
        except TimeoutError:
            log.warning("not everything was taken in", network=self._core.network, left=len(self._inlet))


def _weigh(item: Event | State | tuple[str, str]) -> int:
    return sum(map(len, item)) if isinstance(item, tuple) else weight(item)
