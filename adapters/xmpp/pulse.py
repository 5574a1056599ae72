"""Whether the server still answers: by round trips, for a connection can be half open, or carry one way alone. Pure."""


class Pulse:
    """Of one connection. Times are seconds of one clock, whichever."""

    def __init__(self, silence: float, now: float) -> None:
        """`silence`: seconds without a round trip after which the server is asked for one, and after as many more is
        given up."""
        self._silence = silence
        self.answered = now
        """When the server last answered."""
        self._asked: float | None = None

    def answer(self, now: float) -> None:
        """It has answered."""
        self.answered = now
        self._asked = None

    def excuse(self, now: float) -> None:
        """What it says is not read at the moment, so no answer can be missed."""
        if self._asked is not None:
            self._asked = now

    def asks(self, now: float) -> bool:
        """Whether it has to be asked now; then it is taken to be."""
        if self._asked is not None or now - self.answered < self._silence:
            return False
        self._asked = now
        return True

    def is_gone(self, now: float) -> bool:
        """Whether it has not answered in time."""
        return self._asked is not None and now - self._asked >= self._silence
