"""When a room was heard last: by a clock that nobody sets for as long as we run, by the calendar only before that.

What is asked for of a room's history follows from it. The machine's clock may be wrong, or be put right while we run;
what was said meanwhile is not to be lost for that.
"""

import time
from collections.abc import Callable


class Listening:
    """One room's. `clock` gives seconds since the epoch, `pulse` seconds that only grow."""

    def __init__(self, clock: Callable[[], float], pulse: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pulse = pulse
        self._heard = pulse()
        self._whole: float | None = None

    def heard(self, *, whole: bool) -> float:
        """The room says something now. `whole`: all that it said before is taken in. Returns when that is (seconds
        since the epoch)."""
        self._heard = self._pulse()
        if whole:
            self._whole = self._heard
        return self._clock()

    def silent_for(self) -> float:
        """Seconds since the room last said anything."""
        return self._pulse() - self._heard

    def last(self, known: float | None) -> float | None:
        """Until when everything was heard, in seconds since the epoch by our clock as it stands now. `known` is when
        the newest line was said by the store, None if there is none; it counts until the room was heard by us."""
        if self._whole is None:
            return known
        return self._clock() - (self._pulse() - self._whole)

    def ago(self, when: float) -> float:
        """How many seconds that is ago; for ever, if our clock has not come so far: then nobody knows."""
        now = self._clock()
        return now - when if when <= now else now
