"""How fast we may talk: a token bucket, and the queue of lines behind it."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Final

from adapters.irc.protocol.errors import LocalProtocolError
from adapters.irc.protocol.message import Wire

BURST: Final = 5.0
PER_SECOND: Final = 0.5
"""Most networks let a stranger send five lines at once and one every two seconds after that (RFC 1459 section 8.10)."""

QUEUE_LINES: Final = 1000

RESERVED: Final = 10
"""Lines of a target that are taken in however many wait for others."""


class TokenBucket:
    """Up to `burst` at once, `per_second` in the long run. Times are seconds of one monotonic clock."""

    def __init__(self, burst: float, per_second: float, now: float) -> None:
        self._burst = burst
        self._rate = per_second
        self._tokens = burst
        self._at = now

    def _refill(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        self._refill(now)
        # Whole tokens are counted with a grain of tolerance: a timer set for `ready_at` must find its token there.
        if self._tokens < 1 - 1e-6:
            return False
        self._tokens -= 1
        return True

    def reserve(self, now: float) -> float:
        """Take a token, perhaps one that is yet to come; the seconds until it is there."""
        self._refill(now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)

    def ready_at(self, now: float) -> float:
        """When there will be a token."""
        self._refill(now)
        return now if self._tokens >= 1 - 1e-6 else now + (1 - self._tokens) / self._rate


class Urgency(IntEnum):
    """What goes before what. Lines of one urgency for one target keep their order; only the first is not paced."""

    NOW = 0
    CONTROL = 1
    SPEECH = 2
    REPLY = 3


@dataclass(frozen=True, slots=True)
class Queued:
    """A line that waits. `token` names it to whoever wants to hear how it ended; `target` is whom it is for. `key`
    is the same whenever the same is sent, also by another process after us."""

    wire: Wire
    token: int | None = None
    target: str = ""
    key: str = ""


class _Lines:
    """The lines of one urgency: in order for each target, and the targets take turns."""

    def __init__(self) -> None:
        self._by_target: OrderedDict[str, deque[Queued]] = OrderedDict()  # whose turn it is, first
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[Queued]:
        return chain.from_iterable(self._by_target.values())

    def put(self, item: Queued) -> None:
        self._by_target.setdefault(item.target, deque()).append(item)
        self._number += 1

    def take(self) -> Queued:
        """The next one; raises `KeyError` if there is none."""
        target, waiting = self._by_target.popitem(last=False)
        item = waiting.popleft()
        self._number -= 1
        if waiting:
            self._by_target[target] = waiting
        return item

    def of(self, target: str) -> int:
        """How many are for the target."""
        return len(self._by_target.get(target, ()))

    def before(self, target: str) -> int:
        """How many would go before another one for the target."""
        own = self.of(target)
        return own + sum(min(len(each), own + 1) for name, each in self._by_target.items() if name != target)

    def remove(self, goes: Callable[[Queued], bool]) -> list[Queued]:
        """Take out those of which that is true; the turns of the others stay as they are."""
        gone = [item for item in self if goes(item)]
        if gone:
            for target, waiting in list(self._by_target.items()):
                left = deque(item for item in waiting if not goes(item))
                if left:
                    self._by_target[target] = left
                else:
                    del self._by_target[target]
            self._number -= len(gone)
        return gone


class Outbox:
    """Lines on their way to the server, in order of urgency and at the pace of a bucket. Among lines of one urgency,
    those for one target keep their order, and targets take turns: thousands for one hold up no other."""

    def __init__(self, bucket: TokenBucket, clock: Callable[[], float], limit: int = QUEUE_LINES) -> None:
        self._bucket = bucket
        self._clock = clock
        self._limit = limit
        self._queues: dict[Urgency, _Lines] = {urgency: _Lines() for urgency in Urgency}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def put(self, item: Queued, urgency: Urgency) -> None:
        """Queue a line. Raises `LocalProtocolError` when too many wait, and not just a few for its target."""
        lines = self._queues[urgency]
        if urgency is not Urgency.NOW and len(self) >= self._limit and lines.of(item.target) >= RESERVED:
            raise LocalProtocolError(f"{self._limit} lines are waiting for this connection")
        lines.put(item)

    def before(self, target: str) -> int:
        """How many lines would be sent before something said now to the target."""
        sooner = len(self._queues[Urgency.NOW]) + len(self._queues[Urgency.CONTROL])
        return sooner + self._queues[Urgency.SPEECH].before(target)

    def due(self) -> list[Queued]:
        """The lines that may go now; they are taken out."""
        now = self._clock()
        out: list[Queued] = []
        for urgency, lines in self._queues.items():
            while lines and (urgency is Urgency.NOW or self._bucket.take(now)):
                out.append(lines.take())
        return out

    def deadline(self) -> float | None:
        """When `due` has something to give; None while nothing waits."""
        if self._queues[Urgency.NOW]:
            return self._clock()
        return self._bucket.ready_at(self._clock()) if len(self) else None

    def waits(self, token: int) -> bool:
        """Whether the line of this token is still held back."""
        return any(item.token == token for lines in self._queues.values() for item in lines)

    def withdraw(self, token: int) -> None:
        """Take out the line of this token, if it still waits."""
        for lines in self._queues.values():
            lines.remove(lambda item: item.token == token)

    def purge(self, targets: Iterable[str] | None = None) -> list[int]:
        """Take out what waits, or only what is for one of `targets`; the tokens of what was taken out."""
        only = None if targets is None else set(targets)
        gone = [
            item
            for lines in self._queues.values()
            for item in lines.remove(lambda item: only is None or item.target in only)
        ]
        return [item.token for item in gone if item.token is not None]
