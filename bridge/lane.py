"""One lane: the FIFO of deliveries to one place, and the only owner of how far each has got.

The lane decides how, at send time: it has the speaker's puppet made present first, asks what the place can express at
this moment, downgrades, notes durably what it is about to send, and hands the parts to the adapter in order. How far it
may run ahead of confirmations, the place's `Ordering` says. When a confirmation fails for the moment (a connection
broke), everything in flight is *in doubt*: the lane stops, asks the network what arrived where the network can say, and
sends the rest again, unchanged and in order, before anything newer.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from random import uniform
from typing import Any

import structlog

from bridge.attempt import Attempt
from bridge.backlog import IN_MEMORY, Backlog
from bridge.capabilities import Capabilities, Ordering
from bridge.contract import Adapter, Handover, Rechecking, SendError, Voice
from bridge.counts import Counts
from bridge.crashpoints import Point, reach
from bridge.delivery import Delivery, State, minted_at
from bridge.downgrade import Refused, downgrade
from bridge.model.address import Address, Place
from bridge.model.event import Event
from bridge.model.message import Gap
from bridge.model.result import Failure, Reason, Receipt
from bridge.outcomes import EXPIRE_AFTER, EXPIRED, FAULT, PERHAPS, Outcomes
from bridge.rewording import reword
from bridge.speakers import Speakers, Undeliverable
from bridge.store import Store, StoreError, deliveries
from bridge.store.deliveries import Piece
from bridge.tasks import cancel, spawn
from bridge.turn import turn

log = structlog.get_logger(__name__)

IN_FLIGHT = 64
"""Deliveries that may wait for their confirmation at once."""

CONFIRM_WITHIN = 90.0
"""Seconds without any word after which what was sent is in doubt."""

LOOK_EVERY = 60.0
"""Seconds between two looks for what has grown too old, while the network is away."""

PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between attempts, the last one for ever; each is varied by a quarter, so that lanes do not march in step."""


class Lane:
    """The ordered queue of deliveries to one place. Called on the event loop; `run` is its one task."""

    def __init__(
        self,
        place: Place,
        adapter: Adapter,
        speakers: Speakers,
        store: Store,
        outcomes: Outcomes,
        counts: Counts,
        *,
        failed: Callable[[Delivery, Failure], None],
        clock: Callable[[], float],
    ) -> None:
        """`failed` is called for each delivery that will not be brought, so that its sender is told."""
        self.place = place
        self.retrying: str | None = None
        self._adapter = adapter
        self._speakers = speakers
        self._store = store
        self._outcomes = outcomes
        self._counts = counts
        self._failed = failed
        self._clock = clock
        self._backlog = Backlog()
        self._flight: deque[Attempt] = deque()
        self._doubt: list[Attempt] = []
        self._failures = 0
        self._pause = 0.0
        self._held: dict[Address, asyncio.TimerHandle] = {}
        self._online = asyncio.Event()
        self._arrived = asyncio.Event()
        self._wake = asyncio.Event()
        self._carriers: set[asyncio.Task[None]] = set()

    def busy(self, address: Address) -> bool:
        """Whether deliveries of that person wait here."""
        return self._backlog.busy(address)

    @property
    def waiting(self) -> int:
        """Deliveries that have not ended (as far as they are in memory)."""
        return self._backlog.waiting

    @property
    def idle(self) -> bool:
        """Whether nothing waits, in memory or in the store."""
        return not self._backlog.waiting and not self._backlog.more_in_store

    @property
    def under_way(self) -> list[asyncio.Future[None]]:
        """One for each delivery that is being sent, which ends when nothing more will be heard of that attempt."""
        return [attempt.done for attempt in self._flight if attempt.done is not None]

    @property
    def oldest(self) -> float | None:
        """When the oldest of them was said, in seconds since the epoch."""
        heads = [attempt.delivery for attempt in (*self._doubt, *self._flight)]
        heads += [first] if (first := self._backlog.next()) is not None else []
        return min((delivery.event.when for delivery in heads), default=None)

    def load(self, waiting: Iterable[tuple[Delivery, list[Piece]]]) -> None:
        """Take over what the store kept from before, in order; the pieces of what was being sent come along."""
        queued, kept = [], list(waiting)
        for delivery, pieces in kept:
            if delivery.state is State.SENDING and pieces:
                self._backlog.count(delivery)
                self._doubt.append(Attempt.resumed(delivery, pieces))
            else:
                queued.append(delivery)
        self._backlog.load(queued, more=len(kept) >= IN_MEMORY)

    def put(self, delivery: Delivery) -> None:
        """A new delivery, durable already."""
        if self._backlog.put(delivery):
            self._wake.set()

    def online(self) -> None:
        """The network can be spoken to."""
        self._pause = 0.0
        for address in list(self._held):
            self._let_go(address)
        self._arrived.set()
        self._online.set()
        self._wake.set()

    def offline(self) -> None:
        """The network cannot be spoken to: wait."""
        self._arrived.clear()
        self._online.clear()

    def confirmed(self, event_id: str, index: int, receipt: Receipt) -> None:
        """A part was seen on the network after all."""
        for attempt in (*self._doubt, *self._flight):
            if attempt.delivery.event.id == event_id:
                if index not in attempt.outcome:
                    self._settle(attempt, index, receipt)
                return
        # It has ended, perhaps without anybody knowing what the network calls it.
        note = partial(
            deliveries.confirm_by_id,
            event_id=event_id,
            place=self.place,
            index=index,
            receipt=receipt,
            state=State.CONFIRMED,
        )
        self._outcomes.note(note)

    # The task

    async def run(self) -> None:
        """Bring deliveries for ever."""
        while True:
            try:
                await self._step()
            except StoreError as error:
                log.error("the store is closed; the lane ends", place=str(self.place), why=str(error))
                return
            except Exception:
                # Whatever is wrong, the place's other messages are not to suffer for ever.
                log.exception("the lane stumbled", place=str(self.place))
                await asyncio.sleep(PAUSES[1])

    async def stop(self) -> None:
        """Let go of what is in flight; it is in doubt at the next start."""
        for address in list(self._held):
            self._let_go(address)
        await cancel(self._carriers)

    async def _step(self) -> None:
        while True:
            if not self._online.is_set():
                await self._away()
            elif self._stalled:
                await self._recover()
            elif self._doubt:
                await self._guarded(self._doubt[0].delivery, self._resend(self._doubt[0]))
            elif len(self._flight) < IN_FLIGHT and (delivery := self._backlog.next(self._held)) is not None:
                # Taken from the queue only when it is in flight or has ended: a cancelled lane loses nothing.
                await self._guarded(delivery, self._bring(delivery))
            elif not self._backlog and self._backlog.more_in_store:
                await self._refill()
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _away(self) -> None:
        """Wait for the network, however long. What grows too old meanwhile ends now, and its sender is told."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._online.wait(), LOOK_EVERY)
        while (first := self._backlog.next()) is not None and self._expired(first):
            self._expire(first)
        if not self._backlog and self._backlog.more_in_store:
            await self._refill()

    async def _guarded(self, delivery: Delivery, work: Coroutine[Any, Any, None]) -> None:
        """A fault of ours with one delivery fails that one, and its sender is told."""
        try:
            await work
        except StoreError:
            raise
        except Exception:
            log.exception("a delivery could not be made", msg=delivery.event.id, place=str(self.place))
            for attempt in [each for each in (*self._doubt, *self._flight) if each.delivery is delivery]:
                self._withdraw(attempt)
            self._backlog.take(delivery)
            self._end(delivery, State.FAILED, FAULT)

    async def _bring(self, delivery: Delivery) -> None:
        event = delivery.event
        if self._expired(delivery):
            self._expire(delivery)
            return
        try:
            voice, capabilities, pieces = await self._prepare(event)
            if await turn(self._flight, capabilities, event.sender.address, voice):
                # Time went by: the puppet may be gone, the connection another.
                voice, capabilities, pieces = await self._prepare(event)
            if pieces:
                begin = partial(deliveries.begin, each=delivery, pieces=pieces, now=self._clock())
                await self._store.write(begin)
                reach(Point.NOTED, self.place.network)
            self._speakers.check(self.place, event.sender.address)
        except (Undeliverable, Refused) as refusal:
            self._backlog.take(delivery)
            self._end(delivery, State.FAILED, refusal.failure)
            return
        except SendError as error:
            self._hold(event, error)
            return
        self._backlog.take(delivery)
        if not pieces:
            self._end(delivery, State.CONFIRMED)
            return
        attempt = Attempt(delivery, voice, pieces)
        if self._stalled or not self._online.is_set():
            self._doubt.append(attempt)
            return
        await self._send(attempt, capabilities)

    async def _prepare(self, event: Event) -> tuple[Voice, Capabilities, list[Piece]]:
        """Who says it, what can be expressed there now, and what is so to be said."""
        own_word = isinstance(event.content, Gap)
        voice = Voice.BOT if own_word else await self._speakers.ensure(self.place, event.sender)
        capabilities = self._adapter.capabilities(self.place, event.sender, voice)
        return voice, capabilities, self._reduce(event, 0, voice=voice, capabilities=capabilities)

    def _reduce(self, event: Event, first: int, *, voice: Voice, capabilities: Capabilities) -> list[Piece]:
        reduced = downgrade(event, voice, capabilities, self.place.network)
        for step in reduced.steps:
            self._counts.downgraded.labels(self.place.network, step.value).inc()
        return [
            Piece(index, voice is Voice.BOT, kind, text)
            for index, (kind, text) in enumerate(reduced.parts, start=first)
        ]

    def _hold(self, event: Event, error: SendError) -> None:
        """They cannot speak there for the moment: what they say waits, in order, and holds up nobody else."""
        self._defer(event, error)
        pause, self._pause = self._pause, 0.0
        self._failures += 1
        address = event.sender.address
        self._held[address] = asyncio.get_running_loop().call_later(pause, self._let_go, address)

    def _let_go(self, address: Address) -> None:
        if (timer := self._held.pop(address, None)) is not None:
            timer.cancel()
        self._wake.set()

    def _expired(self, delivery: Delivery) -> bool:
        return self._clock() - minted_at(delivery.event.id) > EXPIRE_AFTER

    def _expire(self, delivery: Delivery) -> None:
        self._backlog.take(delivery)
        self._end(delivery, State.EXPIRED, EXPIRED)

    async def _send(self, attempt: Attempt, capabilities: Capabilities) -> None:
        attempt.begin()
        self._flight.append(attempt)
        if capabilities.ordering is Ordering.SERIAL:
            for piece in attempt.open:
                handover = self._hand_over(attempt, piece)
                if handover is None or not await self._await_confirmation(attempt, piece.index, handover):
                    break
            self._landed(attempt)
            return
        handed: list[tuple[int, Handover]] = []
        for piece in attempt.open:
            handover = self._hand_over(attempt, piece)
            if handover is None:
                break
            handed.append((piece.index, handover))
        carrier = spawn(self._carry(attempt, handed), name=f"carry {attempt.delivery.event.id}")
        self._carriers.add(carrier)
        carrier.add_done_callback(self._carriers.discard)

    def _hand_over(self, attempt: Attempt, piece: Piece) -> Handover | None:
        try:
            handover = self._adapter.send(attempt.part(piece))
        except SendError as error:
            self._trouble(attempt, error)
            return None
        reach(Point.HANDED, self.place.network)
        attempt.handed.add(piece.index)
        attempt.throttled = attempt.throttled or handover.throttled
        return handover

    async def _carry(self, attempt: Attempt, handed: list[tuple[int, Handover]]) -> None:
        # All at once: trouble with any part is known the moment it comes, before anything newer is sent.
        await asyncio.gather(*(self._await_confirmation(attempt, index, handover) for index, handover in handed))
        self._landed(attempt)

    async def _await_confirmation(self, attempt: Attempt, index: int, handover: Handover) -> bool:
        confirmation = handover.confirmation
        await asyncio.wait([confirmation], timeout=CONFIRM_WITHIN)
        if index in attempt.outcome:
            # Its echo was quicker, and whatever else is to come says less.
            confirmation.cancel()
            return True
        if not confirmation.done() or confirmation.cancelled():
            confirmation.cancel()
            self._trouble(attempt, SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "no confirmation came"))
            return False
        error = confirmation.exception()
        if error is None:
            self._settle(attempt, index, confirmation.result())
            return True
        if not isinstance(error, SendError):
            log.error("a confirmation failed", msg=attempt.delivery.event.id, place=str(self.place), exc_info=error)
            error = SendError(FAULT)
        self._trouble(attempt, error)
        return False

    def _trouble(self, attempt: Attempt, error: SendError) -> None:
        if not error.temporary:
            attempt.failure = attempt.failure or error.failure
            return
        attempt.error = attempt.error or error
        self._defer(attempt.delivery.event, error)

    def _defer(self, event: Event, error: SendError) -> None:
        """Note how long to wait before trying again."""
        self._counts.retries.labels(self.place.network).inc()
        self.retrying = str(error.failure)
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)] * uniform(0.75, 1.25)  # noqa: S311 - not for secrecy
        self._pause = max(pause, error.retry_after or 0.0)
        log.info("to be tried again", msg=event.id, place=str(self.place), error=str(error))

    async def _rest(self) -> None:
        """Wait as long as was noted, or for a new connection, which is as good a reason to go on as time."""
        if not self._pause:
            return
        pause, self._pause = self._pause, 0.0
        self._failures += 1
        self._arrived.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), pause)

    def _settle(self, attempt: Attempt, index: int, receipt: Receipt) -> None:
        state = attempt.settle(index, receipt, can_ask=self._asker is not None)
        reach(Point.CONFIRMED, self.place.network)
        self._outcomes.note(
            partial(deliveries.confirm, each=attempt.delivery, index=index, receipt=receipt, state=state)
        )

    def _landed(self, attempt: Attempt) -> None:
        """Nothing more will be heard of this attempt."""
        self._withdraw(attempt)
        if attempt.failure is not None:
            self._end(attempt.delivery, State.FAILED, attempt.failure)
        elif not attempt.open:
            self._end(attempt.delivery, attempt.state)
        else:
            self._doubt.append(attempt)
            self._doubt.sort(key=lambda each: each.delivery.seq)
        self._wake.set()

    def _withdraw(self, attempt: Attempt) -> None:
        if attempt in self._flight:
            self._flight.remove(attempt)
        if attempt in self._doubt:
            self._doubt.remove(attempt)
        if attempt.done is not None and not attempt.done.done():
            attempt.done.set_result(None)

    def _end(self, delivery: Delivery, state: State, failure: Failure | None = None) -> None:
        now = self._clock()
        reach(Point.ENDED, self.place.network)
        if state in (State.CONFIRMED, State.UNCERTAIN):
            self._failures = 0
            self.retrying = None
        self._outcomes.end(delivery, state, now, failure)
        self._counts.ended.labels(self.place.network, state.value).inc()
        self._counts.latency.labels(self.place.network).observe(max(0.0, now - minted_at(delivery.event.id)))
        log.info(
            "ended", msg=delivery.event.id, place=str(self.place), state=state.value, failure=failure and str(failure)
        )
        address = delivery.event.sender.address
        if self._backlog.ended(address):
            self._speakers.drained(self.place, address)
        if failure is not None:
            self._failed(delivery, failure)

    # In doubt

    @property
    def _asker(self) -> Rechecking | None:
        """The network, where it can say what arrived in this place."""
        adapter = self._adapter
        return adapter if isinstance(adapter, Rechecking) and adapter.rechecks(self.place) else None

    @property
    def _stalled(self) -> bool:
        """Something did not arrive for the moment, or is in doubt and has not been asked after yet."""
        return any(attempt.error is not None for attempt in self._flight) or any(
            not attempt.asked for attempt in self._doubt
        )

    async def _recover(self) -> None:
        """Wait until nothing is in flight any more, then ask the network what arrived."""
        while self._flight:
            self._wake.clear()
            await self._wake.wait()
        await self._rest()
        await self._online.wait()
        if (adapter := self._asker) is not None:
            handed = [
                (attempt, piece) for attempt in self._doubt for piece in attempt.open if piece.index in attempt.handed
            ]
            try:
                arrived = await adapter.recheck([attempt.part(piece) for attempt, piece in handed]) if handed else {}
            except SendError as error:
                self._trouble(self._doubt[0], error)
                if error.temporary:
                    return
                arrived = {}
            for attempt, piece in handed:
                receipt = arrived.get(attempt.part(piece).id)
                if receipt is not None and piece.index not in attempt.outcome:
                    self._settle(attempt, piece.index, receipt)
        for attempt in list(self._doubt):
            attempt.asked = True
            attempt.failure = None
            if not attempt.open:
                self._landed(attempt)

    async def _resend(self, attempt: Attempt) -> None:
        """Send once more what did not arrive, or may not have."""
        if not attempt.open:
            self._landed(attempt)
            return
        delivery, event = attempt.delivery, attempt.delivery.event
        if self._expired(delivery):
            self._withdraw(attempt)
            perhaps = attempt.handed and self._asker is None
            self._end(delivery, State.UNCERTAIN if perhaps else State.EXPIRED, PERHAPS if perhaps else EXPIRED)
            return
        try:
            voice, capabilities, pieces = await self._prepare(event)
            if voice is not attempt.voice:
                reduce = partial(self._reduce, voice=voice, capabilities=capabilities)
                await reword(attempt, voice, pieces, reduce, self._store, self._outcomes, self._clock())
            await turn(self._flight, capabilities, event.sender.address, voice)
        except (Undeliverable, Refused) as refusal:
            self._withdraw(attempt)
            self._end(delivery, State.FAILED, refusal.failure)
            return
        except SendError as error:
            self._defer(event, error)
            await self._rest()
            return
        if not self._online.is_set():
            return
        self._withdraw(attempt)
        await self._send(attempt, capabilities)

    async def _refill(self) -> None:
        found = await self._store.read(
            partial(deliveries.waiting, place=self.place, after=self._backlog.last_seq, most=IN_MEMORY)
        )
        self._backlog.refill(found, more=len(found) == IN_MEMORY)
        if not self._backlog.more_in_store:
            # While nobody knew whose deliveries wait, nobody could leave.
            self._speakers.refresh(self.place)
