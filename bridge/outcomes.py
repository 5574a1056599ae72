"""Outcomes on their way into the store: nobody waits for them, and none may be lost."""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from bridge.store import Store
from bridge.tasks import cancel, spawn

log = structlog.get_logger(__name__)

PAUSE = 2.0
"""Seconds between attempts while the store does not work."""

Operation = Callable[[Connection], None]


class Outcomes:
    """Notes what became of deliveries. While the store does not work (disk full, locked), again and again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._retrying: set[asyncio.Task[None]] = set()

    def note(self, operation: Operation) -> None:
        """Write, soon; the order of the calls is kept while the store works."""
        self._store.write(operation).add_done_callback(partial(self._look, operation))

    async def stop(self) -> None:
        """Give up on what could not be written: it is in doubt at the next start, and is asked after."""
        await cancel(self._retrying)

    def _look(self, operation: Operation, done: asyncio.Future[None]) -> None:
        if done.cancelled() or (error := done.exception()) is None:
            return
        if isinstance(error, OperationalError):
            writer = spawn(self._insist(operation), name="outcome")
            self._retrying.add(writer)
            writer.add_done_callback(self._retrying.discard)
        else:
            log.error("an outcome could not be noted", exc_info=error)

    async def _insist(self, operation: Operation) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            try:
                await self._store.write(operation)
            except OperationalError as error:
                log.error("an outcome cannot be noted; trying again", error=str(error.orig))
            else:
                return
