"""What was said and waits for the room's answer: its reflection, or an error."""

import asyncio
from dataclasses import dataclass

from bridge.contract import SendError
from bridge.model.result import Reason, Receipt

PATIENCE = 60.0
"""Seconds a room has to reflect a line. It does so at once, or its server is in trouble."""


@dataclass(slots=True)
class _Wait:
    future: asyncio.Future[Receipt]
    until: float


class Awaiting:
    """Futures by what is waited for, oldest first."""

    def __init__(self) -> None:
        self._waits: dict[str, _Wait] = {}

    def __len__(self) -> int:
        return len(self._waits)

    def add(self, key: str, now: float) -> asyncio.Future[Receipt]:
        """Wait for that. Who waited for the same before is told that it passed."""
        self.fail(key, SendError.passing(Reason.UNEXPECTED_REQUEST, "it was sent again meanwhile"))
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        # A caller that lost interest must not be logged as an exception never retrieved.
        future.add_done_callback(_retrieved)
        self._waits[key] = _Wait(future, now + PATIENCE)
        return future

    def confirm(self, key: str, receipt: Receipt) -> bool:
        """It has arrived. Tells whether anybody waited for it."""
        wait = self._waits.pop(key, None)
        if wait is None or wait.future.done():
            return False
        wait.future.set_result(receipt)
        return True

    def fail(self, key: str, error: SendError) -> bool:
        """It has not arrived. Tells whether anybody waited for it."""
        wait = self._waits.pop(key, None)
        if wait is None or wait.future.done():
            return False
        wait.future.set_exception(error)
        return True

    def fail_all(self, reason: Reason, text: str) -> None:
        """Nothing that waits will be answered."""
        for key in tuple(self._waits):
            self.fail(key, SendError.passing(reason, text))

    def expire(self, now: float) -> int:
        """Give up on what has waited too long; tells how many."""
        late = [key for key, wait in self._waits.items() if wait.until <= now]
        for key in late:
            self.fail(key, SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "the room has not reflected it in time"))
        return len(late)


def _retrieved(future: asyncio.Future[Receipt]) -> None:
    if not future.cancelled():
        future.exception()
