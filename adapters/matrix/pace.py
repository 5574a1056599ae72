"""How often something may be done."""

import time
from collections.abc import Callable


class Pace:
    """At most `burst` at once, and `per_second` in the long run (a token bucket)."""

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._counted = clock()

    def allow(self) -> bool:
        """Whether it may be done now; if so, it counts."""
        if self.wait() > 0:
            return False
        self._left -= 1
        return True

    def wait(self) -> float:
        """Seconds until it may be done again."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._counted) * self._per_second)
        self._counted = now
        return max(0.0, (1 - self._left) / self._per_second)
