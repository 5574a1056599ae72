"""What a bouncer (ZNC) repeats to whoever attaches: which of it was not heard before.

It gives its lines no ids, but each the same time whenever it tells it. So what is not newer than the newest that was
known when we attached is known. Times are the bouncer's, in seconds since the epoch.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bridge.gaps import Gaps
from bridge.model.address import Place, PlaceKind

PRIVATE: Final = "playback/private"
"""Under this it is remembered when the newest line to us alone was said: not everything said to the bot is accepted."""


class Playback:
    """What is known of each place since we attached. `places` are the configured ones; `last_seen` and `recall` are as
    in `bridge.contract.Core`, `remember` keeps values once all that was reported before is durable."""

    def __init__(
        self,
        gaps: Gaps,
        places: Sequence[Place],
        *,
        last_seen: Callable[[Place], float | None],
        recall: Callable[[str], Mapping[str, str]],
        remember: Callable[[Mapping[str, str | None]], None],
    ) -> None:
        self._gaps = gaps
        self._places = places
        self._last_seen = last_seen
        self._remember = remember
        self._known: dict[Place, float] = {}
        self._newest = 0.0
        with contextlib.suppress(ValueError):
            self._newest = float(recall(PRIVATE).get(PRIVATE, "0"))
        self._attached = self._newest
        self._complained: float | None = None

    def begin(self) -> None:
        """We have attached; what is repeated comes next."""
        self._known.clear()
        self._attached = self._newest
        self._complained = None

    def complained(self, now: float) -> None:
        """The bouncer itself said something (ZNC as ``*status``), as it does when it has lost the network."""
        self._complained = self._complained or now

    def heard(self) -> None:
        """Something was said in a channel: it is on the network."""
        self._complained = None

    def lost_for(self, now: float) -> float:
        """It enters a channel again that it was in for us: for how long it had lost the network, as far as it said."""
        return now - self._complained if self._complained is not None else 0.0

    def is_news(self, place: Place, when: float) -> bool:
        """Whether what was said then in a channel, or to us alone by the user of the place, was not heard before.

        What was said before we came the first time is no news either.
        """
        if place not in self._known:
            self._known[place] = max(self._last_seen(place) or 0.0, self._since(place))
        return when > self._known[place]

    def heard_alone(self, when: float) -> None:
        """Something was said to us alone."""
        if when > self._newest:
            self._newest = when
            self._remember({PRIVATE: f"{when:.3f}"})

    def _since(self, place: Place) -> float:
        if place.kind is PlaceKind.ROOM:
            return self._gaps.first(place)
        entries = filter(None, map(self._gaps.first, self._places))
        return max(self._attached, min(entries, default=0.0))
