"""How fast we may talk: a token bucket, and the queue of lines behind it."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from adapters.irc.protocol.errors import LocalProtocolError
from adapters.irc.protocol.message import Wire

BURST: Final = 5.0
PER_SECOND: Final = 0.5
"""Most networks let a stranger send five lines at once and one every two seconds after that (RFC 1459 section 8.10)."""

QUEUE_LINES: Final = 1000


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
    """What goes before what. Lines of one urgency keep their order; only the first is not paced."""

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


class Outbox:
    """Lines on their way to the server, in order of urgency and at the pace of a bucket."""

    def __init__(self, bucket: TokenBucket, clock: Callable[[], float], limit: int = QUEUE_LINES) -> None:
        self._bucket = bucket
        self._clock = clock
        self._limit = limit
        self._queues: dict[Urgency, deque[Queued]] = {urgency: deque() for urgency in Urgency}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def put(self, item: Queued, urgency: Urgency) -> None:
        """Queue a line. Raises `LocalProtocolError` when too many wait."""
        if urgency is not Urgency.NOW and len(self) >= self._limit:
            raise LocalProtocolError(f"{self._limit} lines are waiting for this connection")
        self._queues[urgency].append(item)

    def due(self) -> list[Queued]:
        """The lines that may go now; they are taken out."""
        now = self._clock()
        out = list(self._queues[Urgency.NOW])
        self._queues[Urgency.NOW].clear()
        for urgency, queue in self._queues.items():
            while urgency is not Urgency.NOW and queue and self._bucket.take(now):
                out.append(queue.popleft())
        return out

    def deadline(self) -> float | None:
        """When `due` has something to give; None while nothing waits."""
        if self._queues[Urgency.NOW]:
            return self._clock()
        return self._bucket.ready_at(self._clock()) if len(self) else None

    def waits(self, token: int) -> bool:
        """Whether the line of this token is still held back."""
        return any(item.token == token for queue in self._queues.values() for item in queue)

    def withdraw(self, token: int) -> None:
        """Take out the line of this token, if it still waits."""
        for urgency, queue in self._queues.items():
            if any(item.token == token for item in queue):
                self._queues[urgency] = deque(item for item in queue if item.token != token)

    def purge(self, targets: Iterable[str] | None = None) -> list[int]:
        """Take out what waits, or only what is for one of `targets`; the tokens of what was taken out."""
        only = None if targets is None else set(targets)
        tokens: list[int] = []
        for urgency, queue in self._queues.items():
            kept: deque[Queued] = deque()
            for item in queue:
                if only is not None and item.target not in only:
                    kept.append(item)
                elif item.token is not None:
                    tokens.append(item.token)
            self._queues[urgency] = kept
        return tokens
