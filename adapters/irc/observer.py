"""Who reports what is said in a place: one of our connections, and only one (design section 4, observer).

Each connection sees the same happenings, but at its own time. When the bot is removed, a puppet goes on from the very
line at which its own connection shows that; what it hears is kept back until the bot's connection has come to the
same line. So nothing is reported twice, nothing is left out, and the order holds.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item")

PATIENCE = 2.0
"""Seconds a successor waits for the one before, or for the line that shows its absence."""


class Observation(Generic[Item]):
    """One place's observer, and the one who takes over."""

    def __init__(self, emit: Callable[[Item], None]) -> None:
        self._emit = emit
        self._kept: list[Item] = []
        self._tentative = False
        self.holder: Hashable | None = None
        self.successor: Hashable | None = None

    @property
    def vacant(self) -> bool:
        """Whether nobody reports and nobody is about to."""
        return self.holder is None and self.successor is None

    def reads(self, reader: Hashable) -> bool:
        """Whether this one must look at the place's lines."""
        return reader is not None and reader in (self.holder, self.successor)

    def begin(self, reader: Hashable, *, tentative: bool = False) -> None:
        """`reader` reports from this line of its own connection on.

        Tentatively: the observer is gone, but the reader's connection has not shown that yet. It keeps what it hears
        until that shows (`begin` again), which makes all before void, or until `settle`.
        """
        if reader == self.holder:
            return
        if reader == self.successor:
            if self._tentative and not tentative:
                self._kept.clear()
                self._tentative = False
        else:
            if self.successor is not None:
                self.settle()
            self.successor, self._tentative = reader, tentative
        self._promote()

    def end(self, reader: Hashable) -> None:
        """`reader` reports no more, from this line of its connection on."""
        if reader == self.successor:
            self.successor = None
            self._kept.clear()
        elif reader == self.holder:
            self.holder = None
            self._promote()

    def settle(self) -> None:
        """It has been waited long enough: the successor takes over."""
        if self.successor is not None:
            self.holder = None
            self._tentative = False
            self._promote()

    def say(self, reader: Hashable, item: Item) -> None:
        """Report what `reader` heard, if it is for `reader` to report."""
        if reader == self.holder:
            self._emit(item)
        elif reader == self.successor:
            self._kept.append(item)

    def _promote(self) -> None:
        if self.holder is None and self.successor is not None and not self._tentative:
            self.holder, self.successor = self.successor, None
            kept, self._kept = self._kept, []
            for item in kept:
                self._emit(item)
