"""Who looks once at somebody's presence (RFC 2778's fetchers), what they are told, and that it is noted."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from bridge.model.address import Address
from bridge.model.presence import Presence
from bridge.model.result import Failure, Reason
from bridge.model.rule import Decision
from bridge.presences import Presences
from bridge.store import Store, subscriptions
from bridge.store.subscriptions import Look
from bridge.upstream import Upstream
from bridge.views import closed, view
from bridge.visibility import Visibility

log = structlog.get_logger(__name__)

KEPT_FOR: Final = 30 * 86400.0
"""Seconds for which it is kept who has looked at somebody."""

MOST: Final = 1000
"""Of so many who looked at one person it is kept at most, the latest."""

HOUR: Final = 3600.0

PEOPLE: Final = 1000
"""People whom one person may look at within an hour: anybody can be asked after, and all of it is noted."""

REMEMBERED: Final = 1000
"""People of whom it is remembered at whom they have looked lately."""

ANSWER_WITHIN: Final = 2.0
"""Seconds a network may take to tell of somebody whom it was not following before."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What somebody may see of a presence.

    `since`: seconds since the epoch when they began to show this, None of whoever is offline; where nothing is known,
    when something last was, None if it never was. `stale`: nothing is known now, but something was.
    """

    presence: Presence
    since: float | None = None
    stale: bool = False


class Looks:
    """Owns fetches. Called on the event loop."""

    def __init__(
        self,
        store: Store,
        visibility: Visibility,
        presences: Presences,
        upstream: Upstream,
        *,
        is_online: Callable[[str], bool] = lambda network: True,
        clock: Callable[[], float] = time.time,
        answer_within: float = ANSWER_WITHIN,
    ) -> None:
        """`is_online`: can that network be asked? `clock`: seconds since the epoch."""
        self._store = store
        self._visibility = visibility
        self._presences = presences
        self._upstream = upstream
        self._is_online = is_online
        self._clock = clock
        self._answer_within = answer_within
        self._waiting: dict[Address, list[asyncio.Future[None]]] = {}
        self._lately: OrderedDict[Address, OrderedDict[Address, float]] = OrderedDict()
        presences.listen(self._heard)

    async def fetch(self, watcher: Address | None, target: Address) -> Fetched | Failure:
        """What the watcher may see of the target now; None is whoever does not say who they are.

        The last that was known where the target's network is out of reach (RFC 2779 3.2.1). Whoever is politely
        blocked goes the same way, and waits as long, as whoever looks at one who is offline.
        """
        refusal = self._visibility.refusal(watcher, target)
        if refusal is not None:
            return refusal
        if watcher is not None and self._too_many(watcher, target):
            return Failure(Reason.POLICY_VIOLATION, f"you looked at {PEOPLE} people within an hour, which is the limit")
        if watcher != target:
            self.note(watcher, target)
        if self._upstream.glance(target) and self._presences.known(target) is None and self._is_online(target.network):
            await self._wait(target)
        return self._told(self._visibility.decision(watcher, target), target)

    def note(self, watcher: Address | None, target: Address) -> None:
        """Keep that somebody looked."""
        kept = self._store.write(partial(subscriptions.looked, watcher=watcher, target=target, now=self._clock()))
        kept.add_done_callback(_log_failure)

    async def at(self, target: Address) -> list[Look]:
        """Who has looked at somebody, the latest first."""
        looks = await self._store.read(partial(subscriptions.looks, target=target))
        since = self._clock() - KEPT_FOR
        return [look for look in looks if look.last >= since]

    async def forget(self) -> None:
        """Erase what need not be kept any longer."""
        before = self._clock() - KEPT_FOR
        await self._store.write(partial(subscriptions.forget_looks, before=before, most=MOST))

    def _too_many(self, watcher: Address, target: Address) -> bool:
        now, lately = self._clock(), self._lately.setdefault(watcher, OrderedDict())
        self._lately.move_to_end(watcher)
        while len(self._lately) > REMEMBERED:
            self._lately.popitem(last=False)
        lately.pop(target, None)
        while lately and next(iter(lately.values())) <= now - HOUR:
            lately.popitem(last=False)
        if len(lately) >= PEOPLE:
            return True
        lately[target] = now
        return False

    def _told(self, decision: Decision, target: Address) -> Fetched:
        known = self._presences.known(target)
        if known is None:
            lost = self._presences.lost(target)
            return Fetched(Presence(target), lost, stale=lost is not None)
        shown = view(known.presence, decision)
        # Whoever is offline shows no time: for one who is politely blocked it would be when the other came.
        return Fetched(shown, None if shown == closed(target) else known.changed)

    async def _wait(self, target: Address) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(target, [])
        waiting.append(answer)
        try:
            async with asyncio.timeout(self._answer_within):
                await answer
        except TimeoutError:
            log.debug("no presence in time", target=str(target))
        finally:
            waiting.remove(answer)
            if not waiting:
                self._waiting.pop(target, None)

    def _heard(self, address: Address) -> None:
        for answer in self._waiting.get(address, ()):
            if not answer.done():
                answer.set_result(None)


def _log_failure(done: asyncio.Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("a look could not be noted", error=f"{type(error).__name__}: {error}")
