"""How much may be under way at once; whoever wants more waits in turn."""

import asyncio
from collections import deque


class Allowance:
    """So many units, lent in the order in which they were asked for. Used from one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._coming = 0
        """Who was told that it is their turn, and does not run yet: nobody passes them."""
        self.lent = 0

    async def lend(self, units: int) -> None:
        """Return when so many are free, and nobody asked before; what is more than there can ever be, when all are.

        Cancelled, it has lent nothing.
        """
        if not self._waiting and not self._coming and self._fits(units):
            self.lent += units
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = units, turn
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._coming -= 1
                self.give_back(units)
            else:
                self._waiting.remove(entry)
                self._serve()
            raise
        self._coming -= 1
        self._serve()

    def give_back(self, units: int) -> None:
        """They are free again."""
        self.lent -= units
        self._serve()

    def _fits(self, units: int) -> bool:
        return not self.lent or self.lent + units <= self._most

    def _serve(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            units, turn = self._waiting.popleft()
            self.lent += units
            self._coming += 1
            turn.set_result(None)
