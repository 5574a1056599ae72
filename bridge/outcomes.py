"""Outcomes on their way into the store: nobody waits for them, and none may be lost."""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy import Connection

from bridge.delivery import Delivery, State
from bridge.model.result import Failure, Reason
from bridge.store import Store, StoreError, deliveries

log = structlog.get_logger(__name__)

Operation = Callable[[Connection], None]
Ended = Callable[[Delivery, State], None]

EXPIRE_AFTER = 24 * 3600.0
"""Seconds after which a message is not brought any more; its sender is told. A day-old line would only confuse."""

EXPIRED = Failure(Reason.REMOTE_SERVER_TIMEOUT, "it could not be delivered for a whole day")
PERHAPS = Failure(Reason.REMOTE_SERVER_TIMEOUT, "it may not have arrived, and for a whole day nobody could say")
FAULT = Failure(Reason.INTERNAL_SERVER_ERROR, "the bridge made a mistake with it, which its operator finds in the log")


class Outcomes:
    """Notes what became of deliveries. While the store does not work (disk full, locked), they wait in it."""

    def __init__(self, store: Store, ended: Ended = lambda delivery, state: None) -> None:
        """`ended` is called with each delivery that has ended, whichever way."""
        self._store = store
        self._ended = ended

    def note(self, operation: Operation) -> None:
        """Write, soon; the order of the calls is kept."""
        self._store.write(operation).add_done_callback(_look)

    def end(self, delivery: Delivery, state: State, now: float, failure: Failure | None) -> None:
        """A delivery has ended."""
        self.note(partial(deliveries.end, each=delivery, state=state, now=now, failure=failure))
        self._ended(delivery, state)


def _look(done: asyncio.Future[None]) -> None:
    if done.cancelled() or (error := done.exception()) is None:
        return
    if isinstance(error, StoreError):
        # It is in doubt at the next start, and is asked after.
        log.warning("an outcome could not be noted", why=str(error))
    else:
        log.error("an outcome could not be noted", exc_info=error)
