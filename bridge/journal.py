"""What comes in: each event once, in one transaction with its deliveries and with state that is not told again.

Only after the commit is the source told "accepted" and are the lanes woken. The order in which items are handed in is
the order in which they take effect, states included: "bye" and the leaving after it stay in that order.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from sqlalchemy import Connection

from bridge.allowance import Allowance
from bridge.conversations import pair
from bridge.counts import Counts
from bridge.crashpoints import Point, reach
from bridge.delivery import Delivery, mint
from bridge.model.address import Place
from bridge.model.event import Event, PuppetGone, State, TopicSet
from bridge.model.native import bounded
from bridge.model.result import Failure, Reason
from bridge.model.weight import ENTRY, weight
from bridge.router import Router
from bridge.store import Store, StoreError, archive, conversations, events, states
from bridge.tasks import cancel, spawn

log = structlog.get_logger(__name__)

Item = Event | State

UNRECORDED = Failure(
    Reason.INTERNAL_SERVER_ERROR, "the bridge could not record it, which its operator finds in the log"
)

AT_ONCE = 16 * 1024 * 1024
"""Bytes (`bridge.model.weight`) that may be on their way into the store at once; who has more to say waits in turn."""

STOP_WITHIN = 5.0
"""Seconds to record what was handed in before a stop."""


@dataclass(frozen=True, slots=True)
class Keep:
    """What else a transaction keeps, besides events and what follows from them.

    `rosters`: the network will not say again who is in a place. `memory`: what its adapter remembers from now on.
    """

    network: str
    rosters: bool = False
    memory: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Intake:
    """Items of one call, worked out: everything a transaction needs, and everything to be done after it."""

    items: Sequence[Item]
    deliveries: list[Delivery]
    refusals: list[tuple[Event, Failure]]
    keep: Keep
    done: asyncio.Future[None]
    kept: Sequence[tuple[Event, str | None]] = ()

    @property
    def durable(self) -> bool:
        """Whether anything of it is to be written."""
        return (
            bool(self.keep.memory)
            or self.keep.rosters
            or any(isinstance(item, Event | PuppetGone | TopicSet) for item in self.items)
        )


class Journal:
    """Takes events and states in. One task records them, in the order in which they were handed in."""

    def __init__(
        self,
        store: Store,
        router: Router,
        counts: Counts,
        *,
        number: Callable[[Place], int],
        deliver: Callable[[Delivery], None],
        apply: Callable[[State], None],
        refuse: Callable[[Event, Failure], None],
        last_seen: dict[Place, float],
        archive: Callable[[Iterable[Event]], Sequence[tuple[Event, str | None]]] = lambda events: (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`number` gives a delivery its number in its lane. After a commit, in the order of the items: `deliver` hands
        a delivery to its lane, `apply` a state to its owner, `refuse` tells a sender that the event goes nowhere.
        `archive` says which events are kept for longer, and under which room's name."""
        self._store = store
        self._router = router
        self._counts = counts
        self._number = number
        self._deliver = deliver
        self._apply = apply
        self._refuse = refuse
        self._last_seen = last_seen
        self._archive = archive
        self._clock = clock
        self._allowance = Allowance(AT_ONCE)
        self._asking: dict[object, tuple[str, int, float]] = {}
        self._pending: list[_Intake] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def last_seen(self, place: Place) -> float | None:
        """When the newest event accepted from the place was said (seconds since the epoch)."""
        return self._last_seen.get(place)

    def pending(self) -> dict[str, tuple[int, float]]:
        """By network: how many events and states were handed in and are not durable yet, and for how many seconds the
        oldest of them has waited. What an adapter keeps back because of that is not among them."""
        now, found = self._clock(), dict[str, tuple[int, float]]()
        for network, items, since in self._asking.values():
            before, age = found.get(network, (0, 0.0))
            found[network] = before + items, max(age, now - since)
        return found

    async def accept(self, items: Sequence[Item], keep: Keep) -> None:
        """Take items in; returns when they are durable. While much is on its way already, it waits for its turn: then
        nothing is taken in if whoever called goes away."""
        units, call = ENTRY + sum(map(weight, items)), object()
        self._asking[call] = keep.network, len(items), self._clock()
        try:
            await self._allowance.lend(units)
            try:
                intake = self._work_out(items, keep)
            except BaseException:
                self._allowance.give_back(units)
                raise
            intake.done.add_done_callback(lambda done: self._allowance.give_back(units))
            self._pending.append(intake)
            self._wake.set()
            # Shielded: if whoever called us goes away meanwhile, what was handed in is taken in all the same.
            await asyncio.shield(intake.done)
        finally:
            del self._asking[call]

    def start(self) -> None:
        """Start the task."""
        self._task = spawn(self._run(), name="journal")

    async def stop(self) -> None:
        """Record what was handed in before, and end. Gives up after a while: then the sources were not answered."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=STOP_WITHIN)
            await cancel([self._task])

    async def _run(self) -> None:
        """As soon as one commit has ended, take in whatever has gathered meanwhile."""
        while self._pending or self._asking or not self._stopping:
            await self._wake.wait()
            if self._stopping:
                # Whoever waited for their turn has it now.
                await asyncio.sleep(0)
            else:
                self._wake.clear()
            batch, self._pending = self._pending, []
            try:
                await self._take_in(batch)
            except StoreError as error:
                # Nobody is answered: the sources have it still, where they keep anything.
                log.error("what was handed in is not recorded", calls=len(batch), why=str(error))
                return

    def _work_out(self, items: Sequence[Item], keep: Keep) -> _Intake:
        worked_out: list[Item] = []
        deliveries: list[Delivery] = []
        refusals: list[tuple[Event, Failure]] = []
        for item in items:
            if not isinstance(item, Event):
                worked_out.append(item)
                continue
            # As the store will keep it: what is made of the id is the same after a restart.
            origin = replace(item.origin, native_id=bounded(item.origin.native_id))
            event = replace(item, origin=origin, id=mint(self._clock()), hops=item.hops - 1)
            worked_out.append(event)
            route = self._router.route(event)
            if route.refusal is not None:
                refusals.append((event, route.refusal))
            deliveries += [Delivery(event, place, self._number(place)) for place in route.targets]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        kept = self._archive({each.event.id: each.event for each in deliveries}.values())
        return _Intake(worked_out, deliveries, refusals, keep, done, kept)

    async def _take_in(self, batch: list[_Intake]) -> None:
        try:
            new = await self._write(batch)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001 - the fault of one item is that item's: it is found, and the others go on
            log.warning("a batch could not be recorded; its items are recorded one by one", calls=len(batch))
            for intake in batch:
                for item in intake.items:
                    await self._take_in_alone(intake, item)
                if intake.keep.memory:
                    # Last: how far a stream was read is true only once everything before it was taken in.
                    await self._remember_alone(intake.keep)
        else:
            for intake in batch:
                self._take_effect(intake, intake.items, new)
        for intake in batch:
            if not intake.done.done():
                intake.done.set_result(None)

    async def _take_in_alone(self, intake: _Intake, item: Item) -> None:
        alone = replace(
            intake,
            keep=replace(intake.keep, memory={}),
            items=(item,),
            deliveries=[each for each in intake.deliveries if each.event is item],
            refusals=[each for each in intake.refusals if each[0] is item],
            kept=[each for each in intake.kept if each[0] is item],
        )
        try:
            new = await self._write([alone])
        except StoreError:
            raise
        except Exception as error:
            log.exception("could not be recorded", item=type(item).__name__, place=str(item.place))
            if isinstance(item, Event):
                self._counts.quarantined.labels(item.origin.network).inc()
                words = f"{type(error).__name__}: {error}"
                await self._store.write(partial(events.set_aside, each=item, error=words, now=self._clock()))
                self._refuse(item, UNRECORDED)
            return
        self._take_effect(alone, alone.items, new)

    async def _remember_alone(self, keep: Keep) -> None:
        try:
            await self._store.write(partial(_remember, keep=keep))
        except StoreError:
            raise
        except Exception:
            # What an adapter asks to remember comes from its network: it must not end the journal.
            log.exception("could not be remembered", network=keep.network, keys=sorted(keep.memory))

    async def _write(self, batch: Sequence[_Intake]) -> frozenset[str]:
        if not any(intake.durable for intake in batch):
            return frozenset()
        # While the store does not work (disk full, locked) all wait here, and so do the sources.
        return await self._store.write(partial(_record, batch=batch, now=self._clock()))

    def _take_effect(self, intake: _Intake, items: Sequence[Item], new: frozenset[str]) -> None:
        by_event: dict[str, list[Delivery]] = {}
        for delivery in intake.deliveries:
            by_event.setdefault(delivery.event.id, []).append(delivery)
        for item in items:
            try:
                self._take_item(item, new, by_event)
            except Exception:
                # It is durable, and a start will find it; the others must not wait for that.
                log.exception("could not take effect", item=type(item).__name__, place=str(item.place))
        for event, failure in intake.refusals:
            if event.id in new:
                self._refuse(event, failure)

    def _take_item(self, item: Item, new: frozenset[str], by_event: Mapping[str, list[Delivery]]) -> None:
        if not isinstance(item, Event):
            self._apply(item)
            return
        if item.id not in new:
            self._counts.duplicates.labels(item.origin.network).inc()
            log.debug("known already", network=item.origin.network, native_id=item.origin.native_id)
            return
        reach(Point.JOURNALED, item.origin.network)
        self._counts.accepted.labels(item.origin.network).inc()
        if item.to is None:
            said = min(item.when, self._clock())
            self._last_seen[item.place] = max(said, self._last_seen.get(item.place, 0.0))
        targets = by_event.get(item.id, [])
        log.info(
            "accepted",
            msg=item.id,
            place=str(item.place),
            native_id=item.origin.native_id,
            what=type(item.content).__name__,
            targets=len(targets),
        )
        for delivery in targets:
            self._deliver(delivery)


def _record(connection: Connection, batch: Sequence[_Intake], now: float) -> frozenset[str]:
    said = [item for intake in batch for item in intake.items if isinstance(item, Event)]
    going = [delivery for intake in batch for delivery in intake.deliveries]
    new = events.record(connection, said, going, now) if said else frozenset()
    for delivery in going:
        event = delivery.event
        if event.to is not None and event.id in new:
            conversations.note(connection, pair(event.sender.address, event.to), now)
    archive.keep(connection, [each for intake in batch for each in intake.kept if each[0].id in new])
    for intake in batch:
        for item in intake.items:
            if not isinstance(item, Event):
                states.keep(connection, item, rosters=intake.keep.rosters)
        _remember(connection, intake.keep)
    return new


def _remember(connection: Connection, keep: Keep) -> None:
    if keep.memory:
        states.remember(connection, keep.network, keep.memory)
