"""What a room says before it is known what it offers: kept in order, and taken in as soon as that is known."""

from collections.abc import Callable

HELD = 10_000
"""How much is kept. A room that says more within the time that an answer takes is taken as one that offers nothing."""


class Held:
    """Passes everything on at once, unless told to hold it.

    Who somebody is, whether a line is one of ours, and by which id it is known for ever depend on what the room offers
    (XEP-0421, XEP-0359). A room that does not exist yet, or hides from those outside, says so only to its occupants.
    """

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] | None = None

    @property
    def holds(self) -> bool:
        """Whether what comes is kept."""
        return self._waiting is not None

    def hold(self) -> None:
        """Keep what comes until `release`."""
        if self._waiting is None:
            self._waiting = []

    def do(self, work: Callable[[], None]) -> None:
        """Now, or in turn when it is released."""
        if self._waiting is None:
            work()
            return
        self._waiting.append(work)
        if len(self._waiting) >= HELD:
            self.release()

    def advance(self) -> None:
        """Do the first that was kept, and go on keeping the rest."""
        if self._waiting:
            self._waiting.pop(0)()

    def drop(self) -> None:
        """We are not in the room any more: what it said was for nobody."""
        if self._waiting is not None:
            self._waiting.clear()

    def release(self) -> None:
        """Do all that was kept, and keep nothing from now on."""
        waiting, self._waiting = self._waiting, None
        for work in waiting or ():
            work()
