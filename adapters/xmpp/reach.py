"""How far back what a room says again reaches on our return: whether lines are missing that nobody will say again.

A room's history ends after few lines (Prosody: 20), is often kept in memory alone, and may be switched off. So it has
to hold something from before we went, for it to have all from since then.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final

from adapters.xmpp import memory
from adapters.xmpp.beginning import LATEST, Beginning
from bridge.gaps import Gaps
from bridge.model.address import Place

FEW: Final = 10
"""Lines that a history has room for, so that one with fewer is whole. Only where nothing is known that it ought to
hold; services keep 20 by default (Prosody, ejabberd)."""


class Before(Enum):
    """By what means that is heard which was said before one of ours enters."""

    NOTHING = auto()
    FIRST = auto()
    """Not at all, for it is the first time; history only tells where our time begins."""
    HISTORY = auto()
    ARCHIVE = auto()


class Reach:
    """One room's. `recalled` is what `notes` gave before a restart; the rest is remembered by `gaps`."""

    def __init__(self, place: Place, gaps: Gaps, recalled: Mapping[str, str]) -> None:
        self.newest = _seconds(recalled.get(memory.newest(place.native)))
        """When a line was said last (seconds since the epoch) that the room's history ought to hold, ours included;
        None: it held nothing when we came, and nothing was said since."""
        self.beginning = Beginning(recalled.get(memory.beginning(place.native)))
        self._place, self._gaps = place, gaps
        self._wanted = self._before = Before.NOTHING
        self._open = False
        self._waiting: list[tuple[float, Callable[[], None]]] = []
        self._noted: dict[str, str | None] = self._state()

    def since(self, last_seen: float | None) -> float | None:
        """From when on what was said has to be said again, if that is not to be missed which was said since we went.
        `last_seen` is when the newest known line of a person's was said. None: we never were there."""
        known = [when for when in (last_seen, self.newest) if when is not None]
        return min(known) if known else self._gaps.until(self._place)

    def ask(self, before: Before) -> None:
        """So it will be, when the bot enters next."""
        self._wanted = before

    @property
    def latest(self) -> int:
        """How many lines of its history are needed, though none of them is for us."""
        return LATEST if self._wanted is Before.FIRST else 0

    def begin(self, *, asked: bool, covered: bool = False) -> None:
        """One of ours is in, where none was. `asked`: it is the bot, for whom `ask` holds. `covered`: nothing was
        missed, for somebody else listened."""
        self._before = self._wanted if asked else Before.NOTHING
        self._waiting.clear()
        self._open = self._before is not Before.NOTHING and not covered
        if self._open and self._before is Before.FIRST:
            self.beginning.learn()
        elif covered:
            self.whole()
        elif not self._open:
            self._gaps.heard(self._place)

    def whole(self) -> None:
        """Nothing is missing in what is said again."""
        self._open = False
        self._gaps.heard(self._place, wait=True)
        self._gaps.covered(self._place)

    def again(self, when: float, work: Callable[[], None]) -> None:
        """A line that is said again, oldest first, was said then (seconds since the epoch). `work` takes it in: at
        once, or when it is known whether there is a gap before it."""
        if self._open and self._before is Before.HISTORY and self.newest is None:
            self._waiting.append((when, work))
            if len(self._waiting) == FEW:
                self._judge(self._waiting[0][0])
                self._flush()
            return
        if self._open and self._before is Before.ARCHIVE and self.newest is None:
            self.whole()
        elif self._open and self._before is not Before.FIRST:
            self._judge(when)
        self.said(when)
        work()

    def said(self, when: float, *, kept: bool = True) -> None:
        """A line was said; `kept`: the room's history will hold it, if any."""
        if kept:
            self.newest = max(when, self.newest or when)

    def end(self) -> None:
        """All is said again that will be."""
        if not self._open:
            return
        if self._before is Before.FIRST:
            self._open = False
            self.beginning.learnt()
            self._gaps.heard(self._place)
        elif self.newest is None:
            self.whole()
            self._flush()
        else:
            # It has forgotten even what it had when we went, or keeps nothing.
            self._open, self.newest = False, None
            self._gaps.heard(self._place, wait=True)
            self._gaps.settle(self._place)

    def lost(self, silent_for: float = 0.0) -> None:
        """None of ours is there any more, and has not heard anything for that many seconds, for certain."""
        self._open = False
        self._waiting.clear()
        self._gaps.unheard(self._place, silent_for)

    def notes(self) -> dict[str, str | None]:
        """What is to be remembered now, of what has changed."""
        state = self._state()
        changed = {key: value for key, value in state.items() if value != self._noted[key]}
        self._noted = state
        return changed

    def _state(self) -> dict[str, str | None]:
        return {
            memory.newest(self._place.native): None if self.newest is None else f"{self.newest:.3f}",
            memory.beginning(self._place.native): self.beginning.value,
        }

    def _judge(self, oldest: float) -> None:
        self._open = False
        self._gaps.heard(self._place, wait=True)
        self._gaps.repeated(self._place, oldest)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for when, work in waiting:
            self.said(when)
            work()


def _seconds(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
