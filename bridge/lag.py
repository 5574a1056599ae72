"""How late the event loop is: everything else waits as long."""

import asyncio
from collections.abc import Callable
from typing import Final

EVERY: Final = 0.5
"""Seconds between two measurements."""


async def measure(observe: Callable[[float], None]) -> None:
    """Tell, for ever, by how many seconds the loop was late to do what was due."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + EVERY
        await asyncio.sleep(EVERY)
        observe(max(0.0, loop.time() - due))
