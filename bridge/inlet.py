"""What an adapter heard and the core does not have yet: in order, and bounded, for its source is told to stop."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

HIGH: Final = 4 * 1024 * 1024
LOW: Final = 1024 * 1024
"""Bytes (`bridge.model.weight`) that wait when the source is told to stop, and when it may go on."""

BATCH: Final = 256
BATCH_BYTES: Final = 1024 * 1024
"""Items, and bytes, given to the core at once: they share one commit, and no network's batch holds up another's."""

T = TypeVar("T")


class Inlet(Generic[T]):
    """Filled without waiting by whoever reads the network, emptied by one task: `take`, give to the core, `done`.

    What was taken counts until it is done: whatever waits, waits in memory.
    """

    def __init__(self, network: str, stop: Callable[[bool], None], weigh: Callable[[T], int]) -> None:
        """`stop` is called with true when too much waits, with false when little does; each once in turn."""
        self._network = network
        self._stop = stop
        self._weigh = weigh
        self._waiting: deque[T] = deque()
        self._taken: list[T] = []
        self.weight = 0
        """Bytes that wait, or were taken and are not done."""
        self.stopped = False
        """Whether the source was told to stop."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def last(self) -> T | None:
        """What was put last, if it still waits."""
        return self._waiting[-1] if self._waiting else None

    def put(self, items: Iterable[T]) -> None:
        """These came, after all before."""
        for item in items:
            self._waiting.append(item)
            self.weight += self._weigh(item)
        if self.weight > HIGH and not self.stopped:
            self._turn(True)

    def replace_last(self, item: T) -> None:
        """This takes the place of what was put last."""
        self.weight -= self._weigh(self._waiting.pop())
        self.put((item,))

    def take(self) -> list[T]:
        """The next batch; empty if nothing waits. `done` or `back` is called before the next."""
        size = 0
        while self._waiting and len(self._taken) < BATCH and (not self._taken or size < BATCH_BYTES):
            item = self._waiting.popleft()
            size += self._weigh(item)
            self._taken.append(item)
        return list(self._taken)

    def done(self) -> None:
        """The core has what was taken."""
        self.weight -= sum(map(self._weigh, self._taken))
        self._taken.clear()
        if self.stopped and self.weight <= LOW:
            self._turn(False)

    def _turn(self, stopped: bool) -> None:
        self.stopped = stopped
        what = "too much waits to be taken in; reading stops" if stopped else "reading goes on"
        log.warning(what, network=self._network, waiting=len(self))
        self._stop(stopped)

    def back(self) -> None:
        """What was taken may not have reached the core: it waits again, before everything else."""
        self._waiting.extendleft(reversed(self._taken))
        self._taken.clear()
