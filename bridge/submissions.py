"""Messages that programs hand in for people: RFC 3860's operation *message*, and its one response in bounded time.

What is handed in is journaled and delivered as if the person had written it in private on their own network. Whoever
hands it in waits for the outcome; what comes later than that, the person is told on their network, as of any message.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.delivery import OPEN, Delivery, State
from bridge.model.address import Address, Place, PlaceKind
from bridge.model.event import Event, Origin
from bridge.model.result import Failure, Reason, Status
from bridge.route import Route
from bridge.store import Store, StoreError, deliveries
from bridge.tasks import spawn

log = structlog.get_logger(__name__)

RESULT_WITHIN: Final = 30.0
"""Seconds after which the response is indeterminant."""

MOST: Final = 1000
"""Messages of which somebody waits for the outcome at once."""

MOST_OF_ONE: Final = 20
"""The same, of one person."""

_HTTP: Final = "http:"

BUSY = Failure(Reason.RESOURCE_CONSTRAINT, "too many messages are on their way already; hand it in again later")
UNRECORDED = Failure(Reason.RESOURCE_CONSTRAINT, "it could not be recorded in time; hand it in again, by the same id")
NOBODY = Failure(Reason.FORBIDDEN, "nothing that you write is brought to anybody")
REFUSED = Failure(Reason.FORBIDDEN, "it was refused when it came; hand it in again by another id")
ANOTHER = Failure(Reason.CONFLICT, "a message to somebody else was handed in by that id")


@dataclass(frozen=True, slots=True)
class Result:
    """RFC 3860's response. `failure` says why there is one; an indeterminant result has none."""

    status: Status
    failure: Failure | None = None


SUCCESS = Result(Status.SUCCESS)
INDETERMINANT = Result(Status.INDETERMINANT)


def origin_of(owner: Address, message_id: str) -> Origin:
    """Where a message that was handed in comes from. The same id of the same person is the same message."""
    digest = hashlib.sha256(f"{owner.native}\0{message_id}".encode()).hexdigest()
    return Origin(owner.network, f"{_HTTP}{digest[:40]}")


def is_submitted(origin: Origin) -> bool:
    """Whether the message was handed in here, and is to be found on no network."""
    return origin.native_id.startswith(_HTTP)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A message of which somebody waits for the outcome."""

    owner: Address
    to: Address
    result: asyncio.Future[Result]
    task: asyncio.Task[None] | None = None
    is_recorded: bool = False
    readers: int = field(default=0)

    def settle(self, result: Result) -> None:
        if not self.result.done():
            self.result.set_result(result)


class Submissions:
    """Owns who waits for which outcome. Called on the event loop."""

    def __init__(
        self,
        store: Store,
        *,
        route: Callable[[Event], Route],
        accept: Callable[[Event], Awaitable[None]],
        within: float,
    ) -> None:
        """`route` says where an event would go; `accept` takes it in and returns when it is durable. `within`: seconds
        after which the response is indeterminant."""
        self._store = store
        self._route = route
        self._accept = accept
        self._within = within
        self._waiting: dict[Origin, _Waiting] = {}
        self._of_one: Counter[Address] = Counter()

    async def submit(self, event: Event) -> Result:
        """Bring a private message (`origin` is `origin_of`) to whom it is for, and say what became of it.

        One that was handed in before is not brought again: what became of it is said again. One that was refused was
        not taken in, and may be handed in again.
        """
        waiting = self._waiting.get(event.origin)
        if waiting is None:
            if len(self._waiting) >= MOST or self._of_one[event.sender.address] >= MOST_OF_ONE:
                return Result(Status.FAILURE, BUSY)
            waiting = self._begin(event)
        elif waiting.to != event.to:
            return Result(Status.FAILURE, ANOTHER)
        waiting.readers += 1
        try:
            await asyncio.wait([waiting.result], timeout=self._within)
        finally:
            waiting.readers -= 1
            if not waiting.readers:
                self._forget(event.origin, waiting)
        if waiting.result.done():
            return waiting.result.result()
        return INDETERMINANT if waiting.is_recorded else Result(Status.FAILURE, UNRECORDED)

    # Told by the core

    def refused(self, event: Event, failure: Failure) -> bool:
        """An event that was taken in goes nowhere. Returns whether somebody waits to hear that."""
        return self._settle(event.origin, Result(Status.FAILURE, failure))

    def failed(self, delivery: Delivery, failure: Failure) -> bool:
        """A delivery will not be brought. Returns whether somebody waits to hear that."""
        return self._settle(delivery.event.origin, Result(Status.FAILURE, failure))

    def ended(self, delivery: Delivery, state: State) -> None:
        """A delivery has ended, whichever way."""
        if state in (State.CONFIRMED, State.UNCERTAIN):
            self._settle(delivery.event.origin, SUCCESS if state is State.CONFIRMED else INDETERMINANT)

    # Helpers

    def _settle(self, origin: Origin, result: Result) -> bool:
        waiting = self._waiting.get(origin)
        if waiting is not None:
            waiting.settle(result)
        return waiting is not None

    def _begin(self, event: Event) -> _Waiting:
        assert event.to is not None  # noqa: S101 - only private messages come here
        owner = event.sender.address
        waiting = _Waiting(owner, event.to, asyncio.get_running_loop().create_future())
        self._waiting[event.origin] = waiting
        self._of_one[owner] += 1
        waiting.task = spawn(self._bring(event, waiting), name=f"submission {event.origin.native_id}")
        return waiting

    def _forget(self, origin: Origin, waiting: _Waiting) -> None:
        del self._waiting[origin]
        self._of_one[waiting.owner] -= 1
        if not self._of_one[waiting.owner]:
            del self._of_one[waiting.owner]
        if waiting.task is not None:
            # What it has handed in is taken in all the same (`Journal.accept`).
            waiting.task.cancel()

    async def _bring(self, event: Event, waiting: _Waiting) -> None:
        try:
            ending = await self._store.read(partial(deliveries.ending, origin=event.origin))
            if ending is not None:
                waiting.is_recorded = True
                self._resume(ending, waiting)
                return
            # Asked before it is taken in, so that one that is refused now can be handed in again. Each gateway takes
            # one hop off (RFC 3860 section 3.4.2).
            route = self._route(replace(event, hops=event.hops - 1))
            if not route.targets:
                waiting.settle(Result(Status.FAILURE, route.refusal or NOBODY))
                return
            await self._accept(event)
            waiting.is_recorded = True
        except (StoreError, SQLAlchemyError):
            log.exception("a message that was handed in could not be recorded")
            waiting.settle(Result(Status.FAILURE, UNRECORDED))

    @staticmethod
    def _resume(ending: deliveries.Ending, waiting: _Waiting) -> None:
        if ending.place is None:
            waiting.settle(Result(Status.FAILURE, REFUSED))
        elif ending.place != Place(waiting.to.network, waiting.to.native, PlaceKind.USER):
            waiting.settle(Result(Status.FAILURE, ANOTHER))
        elif ending.failure is not None:
            waiting.settle(Result(Status.FAILURE, ending.failure))
        elif ending.state not in OPEN:
            waiting.settle(SUCCESS if ending.state is State.CONFIRMED else INDETERMINANT)
