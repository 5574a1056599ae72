"""Whom the networks follow for us: each person once, however many want to know of them (RFC 2779 2.2.5)."""

from collections import Counter
from collections.abc import Callable, Mapping

from bridge.contract import Adapter, Watchable
from bridge.model.address import Address

GLANCE = 600.0
"""Seconds for which somebody is followed who was looked at once. To look again meanwhile costs nothing."""

GLANCES = 1000
"""People who are followed at once for no other reason; beyond, those looked at longest ago are let go."""


class Upstream:
    """Owns who is followed. Called on the event loop."""

    def __init__(self, adapters: Mapping[str, Adapter], clock: Callable[[], float]) -> None:
        """`clock`: seconds since the epoch."""
        self._adapters = adapters
        self._clock = clock
        self._watchers: Counter[Address] = Counter()
        self._glances: dict[Address, float] = {}

    def __contains__(self, target: object) -> bool:
        return target in self._watchers or target in self._glances

    def follow(self, target: Address, *, quiet: bool = False) -> None:
        """One more wants to be told of them. `quiet`: their network is asked no sooner than it is online."""
        before = target in self
        self._watchers[target] += 1
        if not before and not quiet:
            self._ask(target, wanted=True)

    def unfollow(self, target: Address) -> None:
        """One of these no longer does."""
        self._watchers[target] -= 1
        if not self._watchers[target]:
            del self._watchers[target]
            if target not in self:
                self._ask(target, wanted=False)

    def glance(self, target: Address) -> bool:
        """Somebody looks at them once. Returns whether the network is asked only now."""
        before = target in self
        self._glances.pop(target, None)
        self._glances[target] = self._clock() + GLANCE
        if not before:
            self._ask(target, wanted=True)
        while len(self._glances) > GLANCES:
            self._look_away(next(iter(self._glances)))
        return not before

    def expire(self) -> None:
        """Let go of those who are not looked at any more."""
        now = self._clock()
        for target in [target for target, until in self._glances.items() if until <= now]:
            self._look_away(target)

    def online(self, network: str) -> None:
        """The network can be spoken to: it is to follow again whom others want to know of."""
        for target in [*self._watchers, *(each for each in self._glances if each not in self._watchers)]:
            if target.network == network:
                self._ask(target, wanted=True)

    def _look_away(self, target: Address) -> None:
        del self._glances[target]
        if target not in self:
            self._ask(target, wanted=False)

    def _ask(self, target: Address, *, wanted: bool) -> None:
        adapter = self._adapters.get(target.network)
        if adapter is not None and isinstance(adapter, Watchable):
            adapter.watch(target, wanted=wanted)
