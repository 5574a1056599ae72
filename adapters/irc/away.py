"""How often a puppet says AWAY: seldom, only when it changes, and always the last that was wanted in the end."""

import asyncio
from collections.abc import Callable
from typing import Final

EVERY: Final = 30.0
"""Seconds between two AWAYs of one puppet. Networks count them as commands, and tell each to everybody in sight."""


class AwayPacer:
    """What one puppet shows. `send` gives a text, empty for "here again", to the connection; false if it cannot."""

    def __init__(self, send: Callable[[str], bool], every: float = EVERY) -> None:
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._every = every
        self._wanted = ""
        self._shown = ""
        self._next = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def want(self, text: str) -> None:
        """Show this from now on, or as soon as it is time for it."""
        self._wanted = text
        if self._timer is None:
            self._show()

    def stop(self) -> None:
        """Say nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _show(self) -> None:
        self._timer = None
        if self._wanted == self._shown:
            return
        now = self._loop.time()
        if now < self._next:
            self._timer = self._loop.call_at(self._next, self._show)
        elif self._send(self._wanted):
            self._shown = self._wanted
            self._next = now + self._every
