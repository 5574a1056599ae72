"""A few workers for one network: each takes one puppet in one place at a time, never two the same."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import structlog

from bridge.model.address import Address, Place
from bridge.tasks import cancel, spawn

log = structlog.get_logger(__name__)

Pair = tuple[Place, Address]


class Crew:
    """Works off pairs of place and address, urgent ones first, `size` at once, while not paused."""

    def __init__(self, network: str, size: int, settle: Callable[[Place, Address], Awaitable[None]]) -> None:
        self._network = network
        self._size = size
        self._settle = settle
        self._waiting: OrderedDict[Pair, None] = OrderedDict()
        self._working: set[Pair] = set()
        self._again: dict[Pair, bool] = {}  # to be looked at once more, when its worker is done; urgently?
        self._running = asyncio.Event()
        self._available = asyncio.Semaphore(0)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the workers, paused."""
        self._tasks = [spawn(self._work(), name=f"crew {self._network} {number}") for number in range(self._size)]

    async def stop(self) -> None:
        """End the workers, whatever they are at."""
        await cancel(self._tasks)

    def pause(self) -> None:
        """Take up nothing new."""
        self._running.clear()

    def resume(self) -> None:
        """Go on."""
        self._running.set()

    def add(self, place: Place, address: Address, *, urgent: bool = False) -> None:
        """Have the pair looked at, soon or, if `urgent`, next. Adding it twice is adding it once."""
        pair = (place, address)
        if pair in self._working:
            self._again[pair] = urgent or self._again.get(pair, False)
            return
        known = pair in self._waiting
        self._waiting[pair] = None
        if urgent:
            self._waiting.move_to_end(pair, last=False)
        if not known:
            self._available.release()

    async def _work(self) -> None:
        while True:
            await self._available.acquire()
            while not self._running.is_set():
                await self._running.wait()
            pair, _ = self._waiting.popitem(last=False)
            self._working.add(pair)
            try:
                await self._settle(*pair)
            except Exception:
                # One puppet's trouble must not end the worker for all others; the adapter's fault is logged whole.
                log.exception("reconciling failed", network=self._network, place=str(pair[0]), person=str(pair[1]))
            finally:
                self._working.discard(pair)
                if pair in self._again:
                    self.add(*pair, urgent=self._again.pop(pair))
