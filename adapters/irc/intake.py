"""The way of reports to the core: in order, as many at a time as have gathered."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from bridge.contract import Core
from bridge.inlet import Inlet
from bridge.model.event import Event, State
from bridge.model.weight import weight

log = structlog.get_logger(__name__)

DRAINED_WITHIN: Final = 2.0
"""Seconds that the core has for what waits at a stop."""


class Intake:
    """Takes reports without waiting. `choke` is called with true when too many wait, with false when few do."""

    def __init__(self, core: Core, choke: Callable[[bool], None], mark: Callable[[], Callable[[], None]]) -> None:
        """`mark` is called before reports are handed on, and what it gives when all before it is durable."""
        self._mark = mark
        self._core = core
        self._notes: dict[str, str | None] = {}
        self._inlet: Inlet[Event | State] = Inlet(core.network, choke, weight)
        self._wake = asyncio.Event()

    @property
    def choked(self) -> bool:
        """Whether too many wait."""
        return self._inlet.stopped

    def put(self, item: Event | State) -> None:
        """Report something."""
        self._inlet.put((item,))
        self._wake.set()

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
            while self._inlet:
                await self._hand_on()

    async def drain(self, within: float = DRAINED_WITHIN) -> None:
        """Hand on what waits, when `run` has ended, in that many seconds at most: the core may take nothing."""
        try:
            async with asyncio.timeout(within):
                while self._inlet or self._notes:
                    await self._hand_on()
        except TimeoutError:
            log.warning("not everything was taken in", network=self._core.network, left=len(self._inlet))

    async def _hand_on(self) -> None:
        batch, notes = self._inlet.take(), dict[str, str | None]()
        # While more waits, not all that was heard will be durable then.
        durable = None
        if not self._inlet:
            durable = self._mark()
            notes, self._notes = self._notes, notes
        try:
            if batch or notes:
                await self._core.accept(*batch, remember=notes)
        except asyncio.CancelledError:
            # Whether it became durable is unknown; what has an id of the network is recognised if it comes again.
            self._inlet.back()
            self._notes = notes | self._notes
            raise
        if durable is not None:
            durable()
        self._inlet.done()
