"""Telling people: what could not be delivered, what is not allowed, that their puppet was removed.

A report goes to the sender in their own network's manner, through that network's adapter. Reports of failures are kept
in the store until they are told; the others are tried while the process lives. Whoever has many messages that are not
delivered is told of the first ones, and then how many more there were.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from bridge.breaker import Looping
from bridge.contract import Adapter, Notice, SendError, Telling
from bridge.delivery import Delivery
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.event import Event, Origin
from bridge.model.message import Gap
from bridge.model.result import Failure
from bridge.store import Store, StoreError, deliveries
from bridge.submissions import is_submitted
from bridge.tasks import cancel, spawn

log = structlog.get_logger(__name__)

WAITING = 1000
"""Reports that wait for one network before further ones are told in summaries only."""

ATTEMPTS = 5
"""How often a report is tried before it is given up, and logged."""

PAUSE = 5.0
"""Seconds between attempts."""

KEEP = 24 * 3600.0
"""Seconds after which an old failure is not told any more at a start."""

IN_A_ROW = 5
"""Messages not delivered of which one person is told one by one in one place; of more there is a summary."""

SUMMARY_AFTER = 30.0
"""Seconds in which further messages are gathered into a summary; after so long without one, telling begins anew."""


@dataclass(slots=True)
class _Row:
    """Reports to one person in one place that follow each other."""

    told: int = 0
    held: dict[str, list[Callable[[], None]]] = field(default_factory=dict)
    summary_waits: bool = False
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Report:
    notice: Notice
    on_told: Callable[[], None] | None = None
    attempts: int = 0


class Reports:
    """One queue of reports per network."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        store: Store,
        clock: Callable[[], float],
        admins: Sequence[Address] = (),
    ) -> None:
        """`admins` are told what an operator must know."""
        self._admins = admins
        self._adapters = adapters
        self._store = store
        self._clock = clock
        self._rows: dict[tuple[Place, Address], _Row] = {}
        self._desks = {name: _Desk(name, adapter) for name, adapter in adapters.items() if isinstance(adapter, Telling)}

    async def start(self) -> None:
        """Begin, with what was not told before."""
        for desk in self._desks.values():
            desk.start()
        for each in await self._store.read(partial(deliveries.untold, since=self._clock() - KEEP)):
            self._tell_limited(
                _not_delivered(each.said_in, each.sender, each.origin, each.place, each.failure),
                partial(self._mark, each.event_id, each.place),
            )

    async def stop(self) -> None:
        """End; what is not told stays in the store."""
        for row in self._rows.values():
            if row.timer is not None:
                row.timer.cancel()
        if held := sum(len(row.held) for row in self._rows.values()):
            log.info("summaries not told before the end; failures are told at the next start", messages=held)
        self._rows.clear()
        for desk in self._desks.values():
            await desk.stop()

    def online(self, network: str, *, online: bool) -> None:
        """The network can, or cannot, be spoken to."""
        desk = self._desks.get(network)
        if desk is not None:
            desk.online(online=online)

    def failed(self, delivery: Delivery, failure: Failure) -> None:
        """A delivery will not be brought: tell who said it."""
        event = delivery.event
        if isinstance(event.content, Gap):
            # Nobody said it, and nobody is to be told.
            self._mark(event.id, delivery.place)
            return
        # Each private message that was taken in has an answer of its own, while there are not too many.
        desk = self._desks.get(event.place.network)
        each = delivery.place.kind is PlaceKind.USER and (desk is None or not desk.full)
        tell = self._tell if each else self._tell_limited
        tell(
            _not_delivered(event.place, event.sender, event.origin, delivery.place, failure),
            partial(self._mark, event.id, delivery.place),
        )

    def known(self, delivery: Delivery) -> None:
        """A delivery will not be brought, and who said it knows already."""
        self._mark(delivery.event.id, delivery.place)

    def refused(self, event: Event, failure: Failure) -> None:
        """A rule forbids the event: tell who said it."""
        self._tell_limited(_notice(event.place, event.sender, "Not delivered", event.origin, event.to, failure))

    def looping(self, looping: Looping) -> None:
        """Messages go in circles: tell those who can do something about it."""
        text = (
            f"Messages go in circles in the room {looping.room!r}: {looping.sender.native} on {looping.place.network} "
            f"returns what others say in {looping.place.native}. Nothing they say is bridged for {looping.seconds:.0f} "
            "seconds. If that is another bridge, name it under rules.bots, or take it away."
        )
        for admin in self._admins:
            self.tell(admin, text)

    def tell(self, address: Address, text: str) -> None:
        """Tell somebody something else, in private."""
        self._tell(
            Notice(Place(address.network, address.native, PlaceKind.USER), Person(address, address.native), text)
        )

    def say(self, place: Place, person: Person, text: str) -> None:
        """Tell somebody who is in the place something else."""
        self._tell(Notice(place, person, text))

    def _tell(self, notice: Notice, on_told: Callable[[], None] | None = None) -> bool:
        """Queue a report. Returns whether there is anybody to tell it."""
        desk = self._desks.get(notice.place.network)
        if desk is None:
            log.warning("nobody can be told on this network", network=notice.place.network)
            return False
        desk.add(_Report(notice, on_told))
        return True

    def _tell_limited(self, notice: Notice, on_told: Callable[[], None] | None = None) -> None:
        """Tell of a message that was not delivered, in a summary if there were many before it."""
        place, person = notice.place, notice.person
        key = place, person.address
        row = self._rows.setdefault(key, _Row())
        if row.timer is None:
            self._arm(row, place, person)
        if row.told < IN_A_ROW:
            row.told += 1
            self._tell(notice, on_told)
            return
        callbacks = row.held.setdefault(notice.about or "", [])
        if on_told is not None:
            callbacks.append(on_told)

    def _arm(self, row: _Row, place: Place, person: Person) -> None:
        row.timer = asyncio.get_running_loop().call_later(SUMMARY_AFTER, self._sum_up, row, place, person)

    def _sum_up(self, row: _Row, place: Place, person: Person) -> None:
        if not row.held and not row.summary_waits:
            del self._rows[place, person.address]
            return
        self._arm(row, place, person)
        if row.summary_waits:
            # The network is offline, or slow: the next summary says it all, instead of a queue of them.
            return
        held, row.held = row.held, {}
        row.summary_waits = True

        def told() -> None:
            row.summary_waits = False
            for callbacks in held.values():
                for callback in callbacks:
                    callback()

        many = f"{len(held)} more messages were" if len(held) > 1 else "1 more message was"
        log.info("told in a summary", place=str(place), person=str(person.address), messages=len(held))
        if not self._tell(Notice(place, person, f"{many} not delivered."), told):
            row.summary_waits = False

    def _mark(self, event_id: str, place: Place) -> None:
        self._store.write(partial(deliveries.told, event_id=event_id, place=place)).add_done_callback(_log_failure)


def _log_failure(done: asyncio.Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        # The person is told once more after a restart, which is better than never.
        log.error("could not be noted as told", error=f"{type(error).__name__}: {error}")


def _not_delivered(said_in: Place, sender: Person, origin: Origin, place: Place, failure: Failure) -> Notice:
    what = f"Not delivered to {place.native} on {place.network}"
    to = Address(place.network, place.native) if place.kind is PlaceKind.USER else None
    return _notice(said_in, sender, what, origin, to, failure)


def _notice(said_in: Place, sender: Person, what: str, origin: Origin, to: Address | None, failure: Failure) -> Notice:
    text = f"{what}: {failure.text}."
    if is_submitted(origin):
        # What a program wrote is nowhere on the sender's network, where an answer to it could be seen.
        return Notice(said_in, sender, text, failure=failure)
    return Notice(said_in, sender, text, origin.native_id, to, failure)


class _Desk:
    """The reports of one network, told one after another while it is online."""

    def __init__(self, network: str, adapter: Telling) -> None:
        self._network = network
        self._adapter = adapter
        self._waiting: deque[_Report] = deque()
        self._wake = asyncio.Event()
        self._is_online = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = spawn(self._run(), name=f"reports {self._network}")

    async def stop(self) -> None:
        if self._task is not None:
            await cancel([self._task])

    def online(self, *, online: bool) -> None:
        if online:
            self._is_online.set()
        else:
            self._is_online.clear()

    @property
    def full(self) -> bool:
        """Whether more wait than are to be told one by one."""
        return len(self._waiting) >= WAITING

    def add(self, report: _Report) -> None:
        self._waiting.append(report)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._is_online.wait()
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            report = self._waiting.popleft()
            if not await self._told(report) or report.on_told is None:
                continue
            # Given up or told: either way it is not to be tried for ever.
            try:
                report.on_told()
            except StoreError:
                log.warning("could not be noted as told: the store is closed", network=self._network)

    async def _told(self, report: _Report) -> bool:
        """One attempt. Returns False if there is to be another, for which the report has been put back."""
        try:
            await self._adapter.tell(report.notice)
        except SendError as error:
            report.attempts += 1
            if error.temporary and report.attempts < ATTEMPTS:
                self._waiting.appendleft(report)
                await asyncio.sleep(error.retry_after or PAUSE)
                return False
            log.warning(
                "could not be told", network=self._network, person=str(report.notice.person.address), error=str(error)
            )
        except Exception:
            # The fault of one report, or of the adapter, must not silence the others.
            log.exception("a report was given up", network=self._network, person=str(report.notice.person.address))
        return True
