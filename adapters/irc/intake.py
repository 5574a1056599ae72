"""The way of reports to the core: in order, as many at a time as have gathered."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from bridge.contract import Core
from bridge.model.event import Event, State

HIGH: Final = 2000
LOW: Final = 500


class Intake:
    """Takes reports without waiting. `choke` is called with true when too many wait, with false when few do."""

    def __init__(self, core: Core, choke: Callable[[bool], None], mark: Callable[[], Callable[[], None]]) -> None:
        """`mark` is called before reports are handed on, and what it gives when all before it is durable."""
        self._mark = mark
        self._core = core
        self._choke = choke
        self._choked = False
        self._items: deque[Event | State] = deque()
        self._notes: dict[str, str | None] = {}
        self._wake = asyncio.Event()

    def put(self, item: Event | State) -> None:
        """Report something."""
        self._items.append(item)
        self._wake.set()
        if len(self._items) > HIGH and not self._choked:
            self._choked = True
            self._choke(True)

    def remember(self, notes: Mapping[str, str | None]) -> None:
        """Have something remembered durably, never before what was reported until now is durable."""
        self._notes.update(notes)
        self._wake.set()

    def touch(self) -> None:
        """Something was heard, of which there may be nothing to report."""
        self._wake.set()

    async def run(self) -> None:
        """Hand reports on, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._hand_on()
            while self._items:
                await self._hand_on()

    async def drain(self) -> None:
        """Hand on what waits, when `run` has ended."""
        while self._items or self._notes:
            await self._hand_on()

    async def _hand_on(self) -> None:
        durable = self._mark()
        batch, notes = list(self._items), self._notes
        self._items.clear()
        self._notes = {}
        try:
            if batch or notes:
                await self._core.accept(*batch, remember=notes)
        except asyncio.CancelledError:
            # Whether it became durable is unknown; what has an id of the network is recognised if it comes again.
            self._items.extendleft(reversed(batch))
            self._notes = notes | self._notes
            raise
        durable()
        if self._choked and len(self._items) < LOW:
            self._choked = False
            self._choke(False)
