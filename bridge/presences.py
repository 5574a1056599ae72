"""Presence: what people show, on its way to those networks where their puppets show it. In memory, last value wins."""

from collections import Counter
from collections.abc import Callable, Mapping

import structlog

from bridge.contract import Adapter, Showing, Watchable
from bridge.model.address import Address
from bridge.model.presence import Presence

log = structlog.get_logger(__name__)

WATCHED = 1000
"""People that one person may follow."""


class Presences:
    """Owns what is known of everybody's presence, and who follows whom. Called on the event loop."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        *,
        may_watch: Callable[[Address, Address], bool] = lambda watcher, watched: True,
        denies: Callable[[Address], bool] = lambda address: False,
    ) -> None:
        """`may_watch`: may the first know of the second? `denies`: is nothing to be known of that person?"""
        self._adapters = adapters
        self._may_watch = may_watch
        self._denies = denies
        self._watching: Counter[Address] = Counter()
        self._known: dict[Address, Presence] = {}
        self._watchers: dict[Address, set[Address]] = {}

    def of(self, address: Address) -> Presence:
        """What is known; no tuples where nothing is."""
        return self._known.get(address, Presence(address))

    def heard(self, presence: Presence) -> None:
        """A network told what a person of it shows now."""
        address = presence.presentity
        if self.of(address) == presence or self._denies(address):
            return
        if presence.tuples:
            self._known[address] = presence
        else:
            del self._known[address]
        log.debug("presence", person=str(address), tuples=len(presence.tuples))
        for name, adapter in self._adapters.items():
            if name != address.network and isinstance(adapter, Showing):
                adapter.show(presence)

    def watch(self, watched: Address, watcher: Address, *, wanted: bool) -> None:
        """`watcher` wants, or no longer wants, to know of `watched`. The first and the last are told to the network."""
        watchers = self._watchers.get(watched, set())
        if (watcher in watchers) == wanted:
            return
        if not wanted:
            watchers.discard(watcher)
            self._watching[watcher] -= 1
            if not watchers:
                del self._watchers[watched]
                self._ask(watched, wanted=False)
        elif self._watching[watcher] < WATCHED and self._may_watch(watcher, watched):
            self._watching[watcher] += 1
            self._watchers.setdefault(watched, set()).add(watcher)
            if len(self._watchers[watched]) == 1:
                self._ask(watched, wanted=True)
        else:
            log.info("not to be followed", watcher=str(watcher), watched=str(watched))

    def online(self, network: str) -> None:
        """The network can be spoken to: it is to follow again whom others want to know of."""
        for watched in self._watchers:
            if watched.network == network:
                self._ask(watched, wanted=True)

    def offline(self, network: str) -> None:
        """Nothing is known any more of that network's people."""
        for address in [known for known in self._known if known.network == network]:
            self.heard(Presence(address))

    def _ask(self, watched: Address, *, wanted: bool) -> None:
        adapter = self._adapters.get(watched.network)
        if adapter is not None and isinstance(adapter, Watchable):
            adapter.watch(watched, wanted=wanted)
