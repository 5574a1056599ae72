"""When places were not heard, for adapters of networks that do not say it again: so that the gap is said at least.

Remembered durably, so that a crash makes a gap as a broken link does. Over at most `BEAT` seconds before a crash it is
not known whether they were heard; they count as not heard.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from bridge.model.address import Address, Person, Place
from bridge.model.event import Event, Origin
from bridge.model.message import Gap

BEAT: Final = 5.0
"""Seconds between two notes of what is heard now."""

PREFIX: Final = "attended/"
"""What the keys begin with under which it is remembered."""


class Gaps:
    """The places of one network. `recalled` is what was remembered under `PREFIX`; `put` gets the gaps, as events, in
    order with what is heard. A gap of `longest` seconds or less is not told. `now` gives seconds since the epoch."""

    def __init__(
        self,
        places: Iterable[Place],
        recalled: Mapping[str, str],
        put: Callable[[Event], None],
        *,
        longest: float,
        now: Callable[[], float],
    ) -> None:
        self._put = put
        self._longest = longest
        self._now = now
        self._until: dict[Place, float] = {}
        self._first: dict[Place, float] = {}
        self._attended: set[Place] = set()
        self._since: dict[Place, float] = {}
        self._open: dict[Place, float] = {}
        self._changed = asyncio.Event()
        known = {f"{PREFIX}{place.native}": place for place in places}
        for key, value in recalled.items():
            until, _, first = value.partition(" ")
            if key in known and (seconds := _seconds(until)) is not None:
                self._until[known[key]] = seconds
                # Who remembered this may not have known since when it is so.
                self._first[known[key]] = _seconds(first) or 0.0
        self._stale = [key for key in recalled if key not in known]

    def heard(self, place: Place, *, wait: bool = False, entered: float | None = None) -> None:
        """From now on, what is said in the place is heard. Nothing is told the first time ever.

        `wait`: the network may say again what was missed; then `repeated` or `settle` has to follow. `entered` is when
        it is so by the network's clock, if that is known.
        """
        if place in self._attended:
            self._since.pop(place, None)
            return
        now, since = self._enter(place, entered)
        if since is not None and now - since > self._longest:
            if wait:
                self._open[place] = now
                return
            self._put(_told(place, since, now))
        self._until[place] = now
        self._changed.set()

    def resume(self, place: Place, *, entered: float | None = None) -> float | None:
        """As `heard`, where the network can be asked for what was missed: from when on that is, None for nothing.

        Until `caught_up` it counts as not heard, so that it is asked for again whatever happens meanwhile.
        """
        if place in self._attended:
            return None
        now, since = self._enter(place, entered)
        if since is None:
            self._until[place] = now
            self._changed.set()
        else:
            self._open[place] = now
        return since

    def lost(self, place: Place, since: float, until: float) -> None:
        """What was said in between was missed, and the network does not say it again."""
        if until - since > self._longest:
            self._put(_told(place, since, until))

    def caught_up(self, place: Place) -> None:
        """All that was asked for after `resume` has been put where what is heard goes."""
        if self._open.pop(place, None) is not None:
            self._until[place] = self._now()
            self._changed.set()

    def first(self, place: Place) -> float:
        """When the place was heard for the first time ever; 0 where nobody remembers."""
        return self._first.get(place, 0.0)

    def repeated(self, place: Place, when: float) -> None:
        """The network says again what was said from then on: only what was missed before is a gap."""
        if self._open.pop(place, None) is not None:
            self._close(place, when)

    def covered(self, place: Place) -> None:
        """All that was missed is said again: there is no gap."""
        if self._open.pop(place, None) is not None:
            self._close(place, self._until[place])

    def settle(self, place: Place) -> None:
        """It says nothing again."""
        until = self._open.pop(place, None)
        if until is not None:
            self._close(place, until)

    def until(self, place: Place) -> float | None:
        """Until when it was heard, as far as that is kept (seconds since the epoch); None: it never was."""
        return self._until.get(place)

    def missed(self, place: Place, when: float, overlap: float = 0.0) -> bool:
        """Whether what was said then, and is said again on our return, may not have been heard. `overlap` is by how
        many seconds `when` may be too early. What was said before the first time ever was never for us."""
        since = self._since.get(place)
        return since is not None and when + overlap > since and when > self.first(place)

    def _enter(self, place: Place, entered: float | None) -> tuple[float, float | None]:
        self._attended.add(place)
        now, since = self._now(), self._until.get(place)
        self._since.pop(place, None)
        if since is not None:
            self._since[place] = since
        self._first.setdefault(place, entered if entered is not None else now)
        return now, since

    def _close(self, place: Place, until: float) -> None:
        self.lost(place, self._until[place], until)
        self._until[place] = self._now()
        self._changed.set()

    async def due(self) -> None:
        """Wait until something is to be remembered: at once when a place is heard (again), else after a while."""
        try:
            async with asyncio.timeout(BEAT):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    def unheard(self, place: Place, silent_for: float = 0.0) -> None:
        """It is not heard any more, and was not for that many seconds."""
        if place in self._attended:
            self._attended.discard(place)
            if self._open.pop(place, None) is None:
                self._until[place] = self._now() - silent_for

    def beat(self) -> dict[str, str | None]:
        """What is to be remembered now; nothing if there is no news."""
        now = self._now()
        for place in self._attended - self._open.keys():
            self._until[place] = now
        stale, self._stale = self._stale, []
        notes: dict[str, str | None] = dict.fromkeys(stale)
        return notes | {
            f"{PREFIX}{place.native}": f"{self._until[place]:.3f} {self.first(place):.3f}" for place in self._attended
        }


def _told(place: Place, since: float, until: float) -> Event:
    """The gap as an event. Named by when it began, so that it is told once, whatever happens meanwhile."""
    sender = Person(Address(place.network, place.native), place.native)
    return Event(Origin(place.network, f"gap:{place.native}:{since:.3f}"), place, sender, until, Gap(since, until))


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
