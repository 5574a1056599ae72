"""How long to wait before the next try."""

import random
from collections.abc import Callable


class Backoff:
    """Exponential, capped, with full jitter: anywhere between nothing and the ceiling, which doubles with each try.

    Full jitter keeps many who lost the same server from coming back all at once. Times are in seconds.
    """

    def __init__(
        self, base: float, cap: float, *, floor: float = 0.0, draw: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._base = base
        self._cap = cap
        self._floor = floor
        self._draw = draw
        self._tries = 0

    def next(self) -> float:
        """The wait before the next try."""
        # 2 ** 30 bases are beyond any cap; without the bound the float would overflow after years of trying.
        ceiling = min(self._cap, self._base * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return max(self._floor, self._draw(0.0, ceiling))

    def reset(self) -> None:
        """It worked."""
        self._tries = 0
