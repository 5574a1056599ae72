"""What waits for one place, in its order: the beginning in memory, what is beyond in the store."""

from collections import Counter, deque
from collections.abc import Container, Iterable

from bridge.delivery import Delivery
from bridge.model.address import Address
from bridge.model.weight import weight

IN_MEMORY = 1000
"""Deliveries a lane keeps in memory; what is beyond waits in the store."""

IN_MEMORY_BYTES = 4 * 1024 * 1024
"""The same by their size (`bridge.model.weight`): whichever is reached first."""


class Backlog:
    """The deliveries of one lane that have not ended. Owned by the lane.

    Counted are all of them, from when they come into memory until `ended`; queued those that have not been begun.
    """

    def __init__(self) -> None:
        self._queue: deque[Delivery] = deque()
        self._speaking: Counter[Address] = Counter()
        self._weight = 0
        self.more_in_store = False
        self.last_seq = 0
        """The number of the newest delivery that is, or was, in memory."""

    def __bool__(self) -> bool:
        return bool(self._queue)

    def next(self, held: Container[Address] = ()) -> Delivery | None:
        """The first one whose speaker is not held back; None if there is none."""
        return next((each for each in self._queue if each.event.sender.address not in held), None)

    @property
    def waiting(self) -> int:
        """Deliveries that have not ended (as far as they are in memory)."""
        return self._speaking.total()

    def busy(self, address: Address) -> bool:
        """Whether deliveries of that person are, or may be, among them."""
        return self.more_in_store or self._speaking[address] > 0

    def put(self, delivery: Delivery) -> bool:
        """A new delivery, durable already. Returns whether it is in memory; else `refill` will bring it."""
        if self.more_in_store or self._is_full:
            self.more_in_store = True
            return False
        self._queued(delivery)
        return True

    @property
    def _is_full(self) -> bool:
        return len(self._queue) >= IN_MEMORY or self._weight >= IN_MEMORY_BYTES

    def _queued(self, delivery: Delivery) -> None:
        self.count(delivery)
        self._queue.append(delivery)
        self._weight += weight(delivery.event)

    def count(self, delivery: Delivery) -> None:
        """The delivery has not ended, whether it waits here or has been begun."""
        self._speaking[delivery.event.sender.address] += 1
        self.last_seq = max(self.last_seq, delivery.seq)

    def load(self, found: Iterable[Delivery], *, more: bool) -> None:
        """Take over what the store kept from before; `more` is whether there is still more behind it."""
        for delivery in found:
            self._queued(delivery)
        self.more_in_store = more

    def refill(self, found: Iterable[Delivery], *, more: bool) -> None:
        """Take over what the store kept from `last_seq` on, in order, as far as it goes in; `more` is whether there is
        still more behind it."""
        for delivery in found:
            if self._is_full:
                more = True
                break
            self._queued(delivery)
        self.more_in_store = more

    def take(self, delivery: Delivery) -> None:
        """Take one out, most often the first: it is being sent, or has ended. Does nothing if it is out already."""
        if self._queue and self._queue[0] is delivery:
            self._queue.popleft()
        elif delivery in self._queue:
            self._queue.remove(delivery)
        else:
            return
        self._weight -= weight(delivery.event)

    def ended(self, address: Address) -> bool:
        """A delivery of that person has ended. Returns whether it was the last of theirs."""
        self._speaking[address] -= 1
        if self._speaking[address] > 0:
            return False
        del self._speaking[address]
        return True
