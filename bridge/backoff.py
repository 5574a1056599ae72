"""How long to wait before the next try."""

import random
from collections.abc import Callable
from typing import Final

HALF: Final = 0.5
"""As `Backoff.least`: what a single connection to a server of one's own waits, never long for nothing."""


class Backoff:
    """Exponential, capped and jittered: drawn below a ceiling, which doubles with each try. Times are in seconds.

    The jitter keeps many who lost the same server from coming back all at once. `least` is the part of the ceiling
    that is always waited: none by default, which spreads many connections best. `floor` is the shortest wait of all.
    """

    def __init__(
        self,
        base: float,
        cap: float,
        *,
        floor: float = 0.0,
        least: float = 0.0,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._base = base
        self._cap = cap
        self._floor = floor
        self._least = least
        self._draw = draw
        self._tries = 0

    def next(self) -> float:
        """The wait before the next try."""
        # 2 ** 30 bases are beyond any cap; without the bound the float would overflow after years of trying.
        ceiling = min(self._cap, self._base * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return max(self._floor, self._draw(self._least * ceiling, ceiling))

    def reset(self) -> None:
        """It worked."""
        self._tries = 0
