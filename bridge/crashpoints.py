"""Crash points: where tests have this process end as if by ``kill -9``, to prove what is durable by then.

The environment names one: ``RIALTO_CRASH_AT=noted@libera:20`` ends it when the point `noted` is passed for the
twentieth time on behalf of the network `libera`; network and number may be left out. Where the variable is not set,
which is always outside of tests, `reach` is a function that does nothing.
"""

import os
import signal
from collections.abc import Callable
from enum import StrEnum

VARIABLE = "RIALTO_CRASH_AT"
"""The environment variable that names the point."""


class Point(StrEnum):
    """The moments between which something becomes durable. The network is the source's for JOURNALED, else the
    target's."""

    JOURNALED = "journaled"
    """Event and deliveries are committed; the source has no answer, and no lane knows of them."""
    NOTED = "noted"
    """It is noted that the parts are being sent; not one is handed over."""
    HANDED = "handed"
    """A part was handed to the connection; nothing has confirmed it."""
    CONFIRMED = "confirmed"
    """A part was confirmed; that is not noted."""
    ENDED = "ended"
    """A delivery has ended; that is not noted, its parts may be."""


def parse(text: str) -> tuple[Point, str, int]:
    """Point, network (empty: any) and number of a value of `VARIABLE`. Raises `ValueError`."""
    where, _, number = text.partition(":")
    name, _, network = where.partition("@")
    return Point(name), network, int(number or 1)


def armed(text: str, end: Callable[[], None]) -> Callable[[Point, str], None]:
    """What `reach` is where the variable holds `text`. Raises `ValueError` for a text that names no point."""
    wanted, where, left = parse(text)

    def reach(point: Point, network: str) -> None:
        nonlocal left
        if point is wanted and where in ("", network):
            left -= 1
            if left == 0:
                end()

    return reach


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _nothing(point: Point, network: str) -> None:
    """No test runs."""


reach: Callable[[Point, str], None] = armed(os.environ[VARIABLE], _end) if VARIABLE in os.environ else _nothing
"""Passing a crash point on behalf of a network."""
