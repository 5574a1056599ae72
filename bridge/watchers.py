"""Watcher information (RFC 2778 section 2.1): who watches somebody, who did lately, and who has looked at them."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from bridge.looks import Looks
from bridge.model.address import Address, Person
from bridge.model.command import Offer
from bridge.model.result import Failure, Reason
from bridge.model.rule import Decision
from bridge.model.subscription import Subscription, SubscriptionEvent, SubscriptionState
from bridge.store.subscriptions import Look
from bridge.subscriptions import Subscriptions
from bridge.visibility import Visibility

Run: TypeAlias = Callable[[Person, str], Awaitable[str]]

LISTED: Final = 50
"""Watchers of whom the bot tells in one answer."""

REMEMBERED: Final = 10_000
"""Documents of which it is known whether anything has changed since."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """One ``watcher`` element of RFC 3858. `who` is None for those who do not say who they are.

    `since` is when their subscription, or their look, was made; `expires` when it ends or ended, None without end.
    Seconds since the epoch. `looks` is how often they have looked; 0 for a subscription.
    """

    id: str
    who: Address | None
    state: SubscriptionState
    event: SubscriptionEvent
    since: float
    expires: float | None = None
    looks: int = 0


@dataclass(frozen=True, slots=True)
class WatcherInfo:
    """A whole ``watcherinfo`` document of RFC 3858. `version` grows with whatever changes, over restarts too, and is
    the same as long as nothing does."""

    target: Address
    version: int
    watchers: tuple[Watcher, ...]


class Watchers:
    """Answers. What it tells is held by others."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        looks: Looks,
        visibility: Visibility,
        *,
        question: Callable[[Address, Address], str],
        written: Callable[[Address], str] = str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`question`: what the second person is asked about the first (`Asking.question`); `written`: how people write
        an address; `clock`: seconds since the epoch."""
        self._subscriptions = subscriptions
        self._looks = looks
        self._visibility = visibility
        self._question = question
        self._written = written
        self._clock = clock
        self._told: OrderedDict[tuple[Address, Address], tuple[int, int]] = OrderedDict()

    async def of(self, target: Address, asker: Address) -> WatcherInfo | Failure:
        """What `asker` may know of those who watch the target: everything, of themself; else of themself alone.

        Those who hide from the target are left out, but to their own eyes. Of a politely blocked watcher it says what
        the subscription said to them: ``active``.
        """
        found = [
            *(_subscribed(each) for each in self._subscriptions.to(target)),
            *(_looked(target, each) for each in await self._looks.at(target)),
        ]
        if asker == target:
            found = [each for each in found if each.who is None or not self._visibility.hides(each.who, target)]
        else:
            found = [each for each in found if each.who == asker]
            if not found:
                return Failure(Reason.FORBIDDEN, "who watches somebody is for them alone to know")
        return WatcherInfo(target, self._version(target, asker, tuple(found)), tuple(found))

    # Words to the bot

    def commands(self) -> Iterator[tuple[Offer, Run]]:
        """What the bot understands of this, for `bridge.commands.Commands.add`."""
        yield Offer("watchers", "", "who watches you, and who has looked at you"), self._watchers
        yield Offer("pending", "", "who waits for your permission to see you"), self._pending

    async def _watchers(self, person: Person, arguments: str) -> str:
        return await self.listed(person.address)

    async def _pending(self, person: Person, arguments: str) -> str:
        return await self.pending(person.address)

    async def listed(self, person: Address) -> str:
        """Who watches the person, and who has looked at them, a line for each."""
        told = await self.of(person, person)
        if isinstance(told, Failure):
            return told.text
        shown = [each for each in told.watchers if each.looks or each.state is not SubscriptionState.TERMINATED]
        lines = [f"- {self._line(person, each)}" for each in sorted(shown, key=_order)[:LISTED]]
        if len(shown) > LISTED:
            lines.append(f"and {len(shown) - LISTED} more")
        return "\n".join(lines) or "Nobody watches you, and nobody has looked at you in the last 30 days."

    async def pending(self, person: Address) -> str:
        """Who waits for the person's permission, those too who have waited for too long."""
        told = await self.of(person, person)
        asked = (SubscriptionState.PENDING, SubscriptionState.WAITING)
        watchers = () if isinstance(told, Failure) else told.watchers
        lines = [f"- {self._line(person, each)}" for each in watchers if each.state in asked][:LISTED]
        return "\n".join(lines) or "Nobody waits for your permission."

    def _version(self, target: Address, asker: Address, told: tuple[Watcher, ...]) -> int:
        """That of what they were told last, if it is the same. Seconds, so that it grows over a restart too."""
        last, digest = self._told.pop((target, asker), (0, 0))
        version = last if last and digest == hash(told) else max(last + 1, int(self._clock()))
        self._told[target, asker] = version, hash(told)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return version

    def _line(self, person: Address, each: Watcher) -> str:
        day = datetime.fromtimestamp(each.since, UTC).date().isoformat()
        who = "somebody who does not say who they are" if each.who is None else self._written(each.who)
        if each.looks or each.who is None:
            return f"{who} looked at you, last on {day}" + (f" ({each.looks} times)" if each.looks > 1 else "")
        if each.state is SubscriptionState.ACTIVE:
            blocked = self._visibility.decision(each.who, person) is Decision.POLITE_BLOCK
            return f"{who} watches you since {day}" + (", and sees you offline" if blocked else "")
        return f"{who}, since {day}, {self._question(each.who, person)}"


def _subscribed(each: Subscription) -> Watcher:
    over = each.state is SubscriptionState.TERMINATED
    ends = each.changed if over else each.expires
    return Watcher(
        _id(each.watcher, each.target, each.created), each.watcher, each.state, each.event, each.created, ends
    )


def _looked(target: Address, each: Look) -> Watcher:
    """A fetcher is one whose subscription was over at once (RFC 3857 section 4.7.1)."""
    state, event = SubscriptionState.TERMINATED, SubscriptionEvent.TIMEOUT
    return Watcher(_id(each.watcher, target, 0), each.watcher, state, event, each.last, each.last, each.times)


def _id(watcher: Address | None, target: Address, created: float) -> str:
    """Unique in the document, the same for as long as the subscription lasts, and nothing that could be used."""
    return hashlib.sha256(f"{watcher} {target} {created}".encode()).hexdigest()[:16]


def _order(each: Watcher) -> tuple[bool, float]:
    return bool(each.looks), -each.since
