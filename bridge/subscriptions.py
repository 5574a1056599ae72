"""Who is told of whose presence: the presence service of RFC 3859, with the states of RFC 3857 for what takes time.

Where RFC 3859 leaves a gap: a subscribe with the id of the running subscription refreshes it; until the target has
allowed it, the watcher is told what they would be of one who is offline, by the state ``pending``; and when the target
ends it, the last notify says so. A subscription without end is what the networks know and the RFC does not.
"""

import asyncio
import heapq
import itertools
import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog

from bridge.contract import Adapter, Notifying
from bridge.model.address import Address
from bridge.model.presence import Presence
from bridge.model.result import Failure, Reason, Status
from bridge.model.rule import Decision
from bridge.model.subscription import Notify, Response, Subscribe, Subscription, SubscriptionEvent, SubscriptionState
from bridge.store import Store, subscriptions
from bridge.upstream import Upstream
from bridge.views import closed, view
from bridge.visibility import Visibility

log = structlog.get_logger(__name__)

DAY: Final = 86400.0

PER_WATCHER: Final = 1000
"""People whom one person may watch."""

LONGEST: Final = 7 * DAY
"""Seconds for which a subscription that has an end is granted at most."""

PENDING_FOR: Final = 14 * DAY
"""Seconds a target has to answer. Then it is waiting: it does not run, but its target can still find it."""

KEPT_FOR: Final = 30 * DAY
"""Seconds for which one that is waiting, or over, is kept to be told of."""

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at what has expired."""

Pair = tuple[Address, Address]

_DECIDED = {
    Decision.CONFIRM: SubscriptionState.PENDING,
    Decision.POLITE_BLOCK: SubscriptionState.ACTIVE,
    Decision.ALLOW: SubscriptionState.ACTIVE,
}

_REFUSALS = (SubscriptionEvent.REJECTED, SubscriptionEvent.GIVEUP)


@dataclass(slots=True)
class _Row:
    """A subscription, and what its watcher was told last. `begun`: it is durable, and they have been answered."""

    what: Subscription
    decision: Decision
    begun: bool = False
    told: tuple[Presence, SubscriptionState] | None = None


class Subscriptions:
    """Owns all subscriptions. Called on the event loop."""

    def __init__(
        self,
        store: Store,
        adapters: Mapping[str, Adapter],
        visibility: Visibility,
        upstream: Upstream,
        *,
        presence_of: Callable[[Address], Presence],
        is_online: Callable[[str], bool],
        ask: Callable[[Address, Address], None],
        look: Callable[[Address, Address], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`is_online`: does that network hear what it is told? `ask` the second person whether the first may see them;
        `look`: note that the first has looked at the second; `clock`: seconds since the epoch."""
        self._store = store
        self._adapters = adapters
        self._visibility = visibility
        self._upstream = upstream
        self._presence_of = presence_of
        self._is_online = is_online
        self._ask = ask
        self._look = look
        self._clock = clock
        self._targets: dict[Address, dict[Address, _Row]] = {}
        self._watchers: dict[Address, dict[Address, _Row]] = {}
        self._due: list[tuple[float, int, Pair]] = []
        self._serial = itertools.count()
        self._scheduled: dict[Pair, float] = {}

    async def start(self) -> None:
        """Take up what the store has kept, by what is decided now. Pending ones are asked about once more."""
        for each in await self._store.read(subscriptions.known):
            row = _Row(each, self._visibility.kept(each.watcher, each.target), begun=True)
            self._hold(row)
            if each.running:
                self._upstream.follow(each.target, quiet=True)
            self._decide(row)
            if row.what.state is SubscriptionState.PENDING:
                self._ask(each.watcher, each.target)

    # What adapters and programs ask for

    async def subscribe(self, wanted: Subscribe) -> Response:
        """RFC 3859 section 3.4.1. The response is durable; the first notify comes after it, and once more after a crash
        in between.

        Raises `sqlalchemy.exc.SQLAlchemyError` or `bridge.store.StoreError` where it could not be kept.
        """
        kept = self._targets.get(wanted.target, {}).get(wanted.watcher)
        same = kept if kept is not None and kept.what.id == wanted.subscription_id else None
        if wanted.duration == 0 and same is not None:
            return await self._cancel(wanted, same)
        failure = self._wrong(wanted) or self._visibility.refusal(wanted.watcher, wanted.target)
        if failure is not None and same is not None and same.what.running:
            await self._move(same, SubscriptionState.TERMINATED, SubscriptionEvent.REJECTED)
        if failure is None and wanted.duration == 0:
            return self._fetch(wanted)
        if failure is None and kept is not None and kept.what.running:
            failure = None if same is not None else Failure(Reason.CONFLICT, "you watch them already")
        elif failure is None and self.count(wanted.watcher) >= PER_WATCHER:
            failure = Failure(Reason.RESOURCE_CONSTRAINT, f"you watch {PER_WATCHER} people, which is the limit")
        if failure is not None:
            log.info("not to be watched", watcher=str(wanted.watcher), target=str(wanted.target), why=str(failure))
            return Response(wanted.transaction_id, Status.FAILURE, failure=failure)
        return await self._grant(wanted, same)

    def of(self, watcher: Address, target: Address) -> Subscription | None:
        """The one between these two that runs or waits, if there is one."""
        row = self._targets.get(target, {}).get(watcher)
        over = row is None or row.what.state is SubscriptionState.TERMINATED
        return None if row is None or over else row.what

    def to(self, target: Address) -> Iterator[Subscription]:
        """All to that person, those too that are over but kept."""
        return (row.what for row in self._targets.get(target, {}).values())

    def count(self, watcher: Address) -> int:
        """How many people somebody watches."""
        return sum(row.what.running for row in self._watchers.get(watcher, {}).values())

    # What happens to them

    def changed(self, target: Address) -> None:
        """The target shows something else: all who may know are told."""
        for row in self._targets.get(target, {}).values():
            if row.what.running:
                self._tell(row)

    def ruled(self, person: Address) -> None:
        """Somebody has other rules now: whoever watches them, and whomever they watch, it is decided anew."""
        for row in [*self._targets.get(person, {}).values(), *self._watchers.get(person, {}).values()]:
            self._redecide(row)

    def online(self, network: str) -> None:
        """The network can be spoken to: whoever watches from there is told everything anew."""
        for watcher, rows in self._watchers.items():
            if watcher.network == network:
                for row in rows.values():
                    if row.what.running:
                        self._tell(row, anew=True)
                    elif row.told is None and row.what.event in _REFUSALS:
                        # Whoever was refused while they could not be told, or perhaps just before we died.
                        self._end(row)

    def expire(self) -> None:
        """End what has expired by now. Nobody is notified: the watcher knows for how long it was granted."""
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            when, _, pair = heapq.heappop(self._due)
            if self._scheduled.get(pair) != when:
                continue
            del self._scheduled[pair]
            watcher, target = pair
            row = self._targets.get(target, {}).get(watcher)
            if row is None:
                continue
            if _deadline(row.what) > now:
                self._schedule(row.what)
                continue
            match row.what.state:
                case SubscriptionState.ACTIVE:
                    self._move(row, SubscriptionState.TERMINATED, SubscriptionEvent.TIMEOUT)
                case SubscriptionState.PENDING:
                    self._move(row, SubscriptionState.WAITING, SubscriptionEvent.TIMEOUT)
                case SubscriptionState.WAITING:
                    self._move(row, SubscriptionState.TERMINATED, SubscriptionEvent.GIVEUP)
                    self._end(row)
                case SubscriptionState.TERMINATED:
                    self._drop(row)

    # Helpers

    @staticmethod
    def _wrong(wanted: Subscribe) -> Failure | None:
        duration = wanted.duration
        if not wanted.subscription_id or (duration is not None and not (math.isfinite(duration) and duration >= 0)):
            return Failure(Reason.BAD_REQUEST, "a subscription has an id, and a duration of no less than 0 seconds")
        return None

    def _fetch(self, wanted: Subscribe) -> Response:
        self._look(wanted.watcher, wanted.target)
        self._upstream.glance(wanted.target)
        decision = self._visibility.decision(wanted.watcher, wanted.target)
        now = self._clock()
        once = Subscription(
            wanted.subscription_id,
            wanted.watcher,
            wanted.target,
            SubscriptionState.TERMINATED,
            SubscriptionEvent.TIMEOUT,
            now,
            now,
            now,
        )
        row = _Row(once, decision)
        self._soon(partial(self._send, row, view(self._presence_of(wanted.target), decision)))
        return Response(wanted.transaction_id, Status.SUCCESS, 0.0)

    async def _cancel(self, wanted: Subscribe, row: _Row) -> Response:
        """End it as its watcher wishes. It is answered, and followed by one last notify, which RFC 3859 has."""
        if row.what.state is not SubscriptionState.TERMINATED:
            presence = self._seen(row)
            # RFC 3857 has no event for a watcher who cancels: theirs is a subscribe that expires at once.
            await self._move(row, SubscriptionState.TERMINATED, SubscriptionEvent.TIMEOUT)
            self._soon(partial(self._send, row, presence))
        return Response(wanted.transaction_id, Status.SUCCESS, 0.0)

    async def _grant(self, wanted: Subscribe, before: _Row | None) -> Response:
        now = self._clock()
        granted = None if wanted.duration is None else min(wanted.duration, LONGEST)
        decision = self._visibility.decision(wanted.watcher, wanted.target)
        state = _DECIDED[decision]
        asked = before is not None and before.what.state is SubscriptionState.PENDING
        again = before is not None and before.what.running
        new = Subscription(
            wanted.subscription_id,
            wanted.watcher,
            wanted.target,
            state,
            before.what.event if before is not None and before.what.state is state else SubscriptionEvent.SUBSCRIBE,
            before.what.created if before is not None and again else now,
            before.what.changed if before is not None and before.what.state is state else now,
            None if granted is None else now + granted,
        )
        row = _Row(new, decision)
        if not again:
            self._make_room(wanted.watcher)
            self._upstream.follow(wanted.target)
        former = self._targets.get(wanted.target, {}).get(wanted.watcher)
        self._hold(row)
        try:
            await self._store.write(partial(subscriptions.put, new=new))
        except BaseException:
            self._restore(row, new, former)
            raise
        row.begun = True
        if row.what.state is SubscriptionState.PENDING and not asked:
            self._ask(wanted.watcher, wanted.target)
        # After whoever asked has had the answer.
        self._soon(partial(self._tell, row, anew=True))
        return Response(wanted.transaction_id, Status.SUCCESS, granted)

    def _make_room(self, watcher: Address) -> None:
        """Of those that are over, so many are kept of one watcher at most."""
        over = [row for row in self._watchers.get(watcher, {}).values() if not row.what.running]
        if len(over) >= PER_WATCHER:
            self._drop(min(over, key=lambda row: row.what.changed))

    def _restore(self, row: _Row, new: Subscription, former: _Row | None) -> None:
        """It could not be kept: all is as it was, unless it was decided otherwise meanwhile."""
        if self._targets.get(new.target, {}).get(new.watcher) is not row:
            return
        if row.what is not new:
            # It has moved on, and that is kept by a word of its own.
            row.begun = True
            return
        if former is None or not former.what.running:
            self._upstream.unfollow(new.target)
        if former is None:
            self._forget(row)
        else:
            self._hold(former)
            self._redecide(former)

    def _redecide(self, row: _Row) -> None:
        decision = self._visibility.decision(row.what.watcher, row.what.target)
        if decision is not row.decision:
            row.decision = decision
            self._decide(row)
            if row.what.running:
                self._tell(row)

    def _decide(self, row: _Row) -> None:
        """What was decided about the watcher takes effect on one that is kept."""
        state, decision = row.what.state, row.decision
        if state is SubscriptionState.TERMINATED:
            return
        if decision is Decision.BLOCK:
            self._move(row, SubscriptionState.TERMINATED, SubscriptionEvent.REJECTED)
            self._end(row)
        elif decision is Decision.CONFIRM:
            if state is SubscriptionState.ACTIVE:
                self._move(row, SubscriptionState.PENDING, SubscriptionEvent.SUBSCRIBE)
                self._ask(row.what.watcher, row.what.target)
        elif state is SubscriptionState.PENDING or (state is SubscriptionState.WAITING and row.what.expires is None):
            # One that has an end came to it while it was waiting, and is for its watcher to ask for again.
            self._move(row, SubscriptionState.ACTIVE, SubscriptionEvent.APPROVED)

    def _seen(self, row: _Row) -> Presence:
        """What the watcher may see now. Who is not allowed yet does not even learn whether anything is known."""
        if row.what.state is not SubscriptionState.ACTIVE:
            return closed(row.what.target)
        return view(self._presence_of(row.what.target), row.decision)

    def _tell(self, row: _Row, *, anew: bool = False) -> None:
        """Notify the watcher, if there is something new to them."""
        if not row.begun or not row.what.running or _deadline(row.what) <= self._clock():
            return
        now = self._seen(row), row.what.state
        if anew or row.told != now:
            row.told = now
            self._send(row, now[0])

    def _end(self, row: _Row) -> None:
        """Notify the watcher for the last time: it was ended, and not by them."""
        last = closed(row.what.target)
        row.told = (last, row.what.state) if self._is_online(row.what.watcher.network) else None
        self._send(row, last)

    def _send(self, row: _Row, presence: Presence) -> None:
        what = row.what
        adapter = self._adapters.get(what.watcher.network)
        if adapter is not None and isinstance(adapter, Notifying):
            adapter.notify(Notify(what.watcher, what.target, uuid.uuid4().hex, presence, what.state, what.event))

    def _move(self, row: _Row, state: SubscriptionState, event: SubscriptionEvent) -> asyncio.Future[None]:
        """It is in this state from now on. Durable when the future ends, which nobody has to wait for."""
        ran = row.what.running
        row.what = replace(row.what, state=state, event=event, changed=self._clock())
        if ran and not row.what.running:
            self._upstream.unfollow(row.what.target)
        elif row.what.running and not ran:
            self._upstream.follow(row.what.target)
        self._hold(row)
        return self._write(partial(subscriptions.put, new=row.what))

    def _drop(self, row: _Row) -> None:
        self._forget(row)
        self._write(partial(subscriptions.remove, pairs=[(row.what.watcher, row.what.target)]))

    def _write(self, operation: partial[None]) -> asyncio.Future[None]:
        written = self._store.write(operation)
        written.add_done_callback(_log_failure)
        return written

    def _hold(self, row: _Row) -> None:
        what = row.what
        self._targets.setdefault(what.target, {})[what.watcher] = row
        self._watchers.setdefault(what.watcher, {})[what.target] = row
        self._schedule(what)

    def _schedule(self, what: Subscription) -> None:
        """One mark for each is enough: whatever was put off meanwhile is put off when its time comes."""
        pair, deadline = (what.watcher, what.target), _deadline(what)
        if deadline < self._scheduled.get(pair, math.inf):
            self._scheduled[pair] = deadline
            heapq.heappush(self._due, (deadline, next(self._serial), pair))

    def _forget(self, row: _Row) -> None:
        what = row.what
        for table, one, other in (
            (self._targets, what.target, what.watcher),
            (self._watchers, what.watcher, what.target),
        ):
            rows = table.get(one, {})
            rows.pop(other, None)
            if not rows:
                table.pop(one, None)

    @staticmethod
    def _soon(call: partial[None]) -> None:
        asyncio.get_running_loop().call_soon(call)


def _deadline(what: Subscription) -> float:
    """When something happens to it by itself."""
    expires = math.inf if what.expires is None else what.expires
    match what.state:
        case SubscriptionState.ACTIVE:
            return expires
        case SubscriptionState.PENDING:
            return min(expires, what.changed + PENDING_FOR)
        case _:
            return what.changed + KEPT_FOR


def _log_failure(done: asyncio.Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        # At the next start it is decided anew, by the rules, which are kept.
        log.error("a subscription could not be noted", error=f"{type(error).__name__}: {error}")
