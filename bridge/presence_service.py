"""The presence service (RFC 3859), put together of what is known, who is told, who looks, and who may."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import structlog

from bridge.asking import Asking
from bridge.contract import Adapter
from bridge.looks import ANSWER_WITHIN, Fetched, Looks
from bridge.model.address import Address
from bridge.model.presence import Presence
from bridge.model.result import Failure
from bridge.model.rule import ANONYMOUS, Decision, Rule, RuleKind
from bridge.model.subscription import Response, Subscribe, Subscription
from bridge.permissions import Permissions
from bridge.presences import Presences
from bridge.rules import Policy
from bridge.store import Store
from bridge.subscriptions import LOOK_EVERY, Subscriptions
from bridge.upstream import Upstream
from bridge.visibility import Visibility
from bridge.watchers import WatcherInfo, Watchers

log = structlog.get_logger(__name__)


class Admits(Protocol):
    """What the operator lets people do."""

    def may_watch(self, watcher: Address, watched: Address) -> bool:
        """Whether the first may ask for the presence of the second."""

    def may_still_watch(self, watcher: Address, watched: Address) -> bool:
        """Whether the first, who once might, may go on to know of it."""


class PresenceService:
    """Built when the gateway starts. Called on the event loop."""

    def __init__(
        self,
        store: Store,
        adapters: Mapping[str, Adapter],
        permissions: Permissions,
        admits: Admits,
        *,
        exists: Callable[[Address], bool],
        denies: Callable[[Address], bool],
        is_online: Callable[[str], bool],
        say: Callable[[Address, str], None],
        written: Callable[[Address], str],
        clock: Callable[[], float] = time.time,
        answer_within: float = ANSWER_WITHIN,
    ) -> None:
        """`exists`, `denies`: see `Visibility`. `say` something to a person, by the bot; `written`: how people write an
        address; `clock`: seconds since the epoch; `answer_within`: see `Looks`."""
        visibility = Visibility(
            permissions,
            exists=exists,
            may_watch=admits.may_watch,
            may_still_watch=admits.may_still_watch,
            denies=denies,
        )
        self._permissions = permissions
        asking = Asking(permissions, say=say, written=written, clock=clock)
        self._presences = Presences(adapters, denies=denies, decided=self._decided, clock=clock)
        self._upstream = Upstream(adapters, clock)
        self._looks = Looks(
            store,
            visibility,
            self._presences,
            self._upstream,
            is_online=is_online,
            clock=clock,
            answer_within=answer_within,
        )
        self._subscriptions = Subscriptions(
            store,
            adapters,
            visibility,
            self._upstream,
            presence_of=self._presences.of,
            is_online=is_online,
            ask=asking.ask,
            look=self._looks.note,
            clock=clock,
        )
        self.watchers = Watchers(
            self._subscriptions, self._looks, visibility, question=asking.question, written=written, clock=clock
        )
        self._presences.listen(self._subscriptions.changed)
        permissions.listen(self._ruled)

    async def start(self) -> None:
        """Take up what the store has kept."""
        await self._subscriptions.start()

    async def run(self) -> None:
        """End what expires, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                self.expire()
            except Exception:
                # The fault of one must not leave all others running for ever.
                log.exception("what has expired could not be ended")

    def expire(self) -> None:
        """End what has expired by now."""
        self._subscriptions.expire()
        self._upstream.expire()

    async def forget(self) -> None:
        """Erase what need not be kept any longer."""
        await self._looks.forget()

    # For adapters (`bridge.contract.Core`)

    def heard(self, presence: Presence, *, passing: bool = False) -> None:
        """A network told what a person of it shows now; `passing`: see `bridge.contract.Core.presence`."""
        self._presences.heard(presence, passing=passing)

    def public(self, address: Address) -> Presence:
        """What all readers of a room may see of somebody."""
        return self._presences.public(address)

    async def subscribe(self, wanted: Subscribe) -> Response:
        """RFC 3859's subscribe: see `Subscriptions.subscribe`."""
        return await self._subscriptions.subscribe(wanted)

    def subscription(self, watcher: Address, target: Address) -> Subscription | None:
        """The subscription between these two that runs or waits, if there is one."""
        return self._subscriptions.of(watcher, target)

    def is_watched(self, address: Address) -> bool:
        """Whether anybody watches them, waits for that, or has lately: they have something to decide."""
        return any(True for _ in self._subscriptions.to(address))

    def online(self, network: str) -> None:
        """The network can be spoken to."""
        self._upstream.online(network)
        self._subscriptions.online(network)

    def offline(self, network: str) -> None:
        """Nothing is known any more of that network's people."""
        self._presences.offline(network)

    # For programs

    async def fetch(self, watcher: Address | None, target: Address) -> Fetched | Failure:
        """What the watcher may see of the target now; None is whoever does not say who they are. See `Looks.fetch`."""
        return await self._looks.fetch(watcher, target)

    async def watcher_info(self, target: Address, asker: Address) -> WatcherInfo | Failure:
        """What the asker may know of those who watch the target. See `Watchers.of`."""
        return await self.watchers.of(target, asker)

    # Helpers

    def _ruled(self, person: Address) -> None:
        self._presences.publish(person)
        self._subscriptions.ruled(person)

    def _decided(self, owner: Address) -> Iterator[Decision]:
        """All that a person, or the operator for them, decided about anybody who says who they are."""
        rules: tuple[Rule | Policy, ...] = (*self._permissions.rules_of(owner), *self._permissions.policies_of(owner))
        for each in rules:
            if each.kind is RuleKind.ACCESS and each.who != ANONYMOUS:
                yield each.decision
