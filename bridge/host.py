"""What hosts one adapter: the core as that adapter sees it (`bridge.contract.Core`)."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat

import structlog

from bridge.commands import Commands
from bridge.contract import Adapter, Keeping, SendError
from bridge.counts import Counts
from bridge.directory import Directory
from bridge.doubles import Doubles
from bridge.journal import Journal, Keep
from bridge.lanes import Lanes
from bridge.model.address import Address, Person, Place
from bridge.model.command import Offer
from bridge.model.event import Event, State
from bridge.model.presence import Presence
from bridge.model.result import Failure, Reason, Receipt, Status
from bridge.model.room import Member
from bridge.model.subscription import Response, Subscribe, Subscription
from bridge.names import Names
from bridge.presence_service import PresenceService
from bridge.reconcile import Reconciler
from bridge.reports import Reports
from bridge.router import Router
from bridge.store import Store, states
from bridge.tasks import cancel, spawn
from bridge.topics import Topics

log = structlog.get_logger(__name__)

UNHEARD = Failure(Reason.UNEXPECTED_REQUEST, "not entered yet")
"""What is known of a place before its network has said anything of it."""

PRESENT_WITHIN = 10.0
"""Seconds a network may take to say whose puppets are in a place."""

ASK_AGAIN = (2.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds between attempts at asking that, the last one for ever. Meanwhile the place is spoken to."""


@dataclass(slots=True)
class Shared:
    """The parts of the core that all networks share."""

    store: Store
    router: Router
    names: Names
    counts: Counts
    journal: Journal
    lanes: Lanes
    reconciler: Reconciler
    reports: Reports
    topics: Topics
    presence: PresenceService
    directory: Directory
    doubles: Doubles
    commands: Commands


@dataclass(slots=True)
class Condition:
    """Whether a network can be spoken to, since when (seconds since the epoch), and if not, why."""

    online: bool = False
    since: float = 0.0
    failure: Failure | None = field(default=None)


class Host:
    """The core as one adapter sees it."""

    def __init__(
        self,
        network: str,
        adapter: Adapter,
        shared: Shared,
        memory: Mapping[str, str],
        clock: Callable[[], float] = time.time,
        *,
        crashed: Callable[[BaseException], None],
    ) -> None:
        """`memory`: what the adapter was told to remember, as the store has it. `crashed`: see `Core.crashed`."""
        self.network = network
        self.condition = Condition(since=clock())
        self.places: dict[str, Failure | None] = {
            member.place.native: UNHEARD for member in shared.router.members(network)
        }
        self._adapter = adapter
        self._shared = shared
        self._memory = dict(memory)
        self._clock = clock
        self._arrival: asyncio.Task[None] | None = None
        self._closed = False
        self.crashed = crashed

    @property
    def names(self) -> Names:
        """How people and rooms of every network are named on every other."""
        return self._shared.names

    async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
        """See `bridge.contract.Core.accept`."""
        keep = Keep(self.network, rosters=isinstance(self._adapter, Keeping), memory=dict(remember or {}))
        self._note(keep.memory)
        taken = [item for item in items if not isinstance(item, Event) or not self._shared.doubles.says_again(item)]
        for _ in range(len(items) - len(taken)):
            self.ignored("in the room already")
        await self._shared.journal.accept(taken, keep)

    def presence(self, presence: Presence, *, passing: bool = False) -> None:
        """See `bridge.contract.Core.presence`."""
        self._shared.presence.heard(presence, passing=passing)

    def presence_of(self, address: Address) -> Presence:
        """See `bridge.contract.Core.presence_of`."""
        return self._shared.presence.public(address)

    async def subscribe(self, wanted: Subscribe) -> Response:
        """See `bridge.contract.Core.subscribe`. Nobody of another network asks through this one (RFC 2779 5.1.6)."""
        if wanted.watcher.network != self.network:
            failure = Failure(Reason.FORBIDDEN, "nobody can ask for somebody else")
            return Response(wanted.transaction_id, Status.FAILURE, failure=failure)
        return await self._shared.presence.subscribe(wanted)

    def subscription(self, watcher: Address, target: Address) -> Subscription | None:
        """See `bridge.contract.Core.subscription`."""
        return self._shared.presence.subscription(watcher, target)

    def identity(self, person: Person) -> str:
        """See `bridge.contract.Core.identity`."""
        return self._shared.doubles.identity(person)

    def find(self, text: str) -> Address:
        """See `bridge.contract.Core.find`."""
        return self._shared.directory.find(text)

    def written(self, address: Address) -> str:
        """See `bridge.contract.Core.written`."""
        return self._shared.directory.written(address)

    async def command(self, person: Person, text: str) -> str | None:
        """See `bridge.contract.Core.command`."""
        return await self._shared.commands.run(person, text)

    @property
    def commands(self) -> Mapping[str, Offer]:
        """See `bridge.contract.Core.commands`."""
        return self._shared.commands.offers

    def online(self) -> None:
        """See `bridge.contract.Core.online`. Once closed, nothing is asked of the adapter whatever it says."""
        if self._closed:
            return
        if not self.condition.online:
            self._shared.counts.connects.labels(self.network).inc()
        self.condition = Condition(online=True, since=self._clock())
        self._shared.counts.online.labels(self.network).set(1)
        log.info("online", network=self.network)
        if self._arrival is not None:
            self._arrival.cancel()
        self._arrival = spawn(self._arrive(), name=f"arrival {self.network}")

    def offline(self, failure: Failure) -> None:
        """See `bridge.contract.Core.offline`."""
        if self._closed:
            return
        repeated = not self.condition.online and self.condition.failure == failure
        self.condition = Condition(
            online=False, since=self.condition.since if repeated else self._clock(), failure=failure
        )
        if not repeated:
            log.warning("offline", network=self.network, why=str(failure))
        self._halt()

    def _halt(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
        self._shared.counts.online.labels(self.network).set(0)
        self._shared.lanes.offline(self.network)
        self._shared.reconciler.offline(self.network, keeping=isinstance(self._adapter, Keeping))
        self._shared.topics.online(self.network, online=False)
        self._shared.reports.online(self.network, online=False)
        self._shared.presence.offline(self.network)

    def inside(self, place: Place, failure: Failure | None) -> None:
        """See `bridge.contract.Core.inside`."""
        if self.places.get(place.native, UNHEARD) != failure:
            log.info("place", place=str(place), entered=failure is None, why=failure and str(failure))
        self.places[place.native] = failure
        self._shared.counts.entered.labels(self.network).set(sum(each is None for each in self.places.values()))

    def ignored(self, what: str, native_id: str = "") -> None:
        """See `bridge.contract.Core.ignored`."""
        self._shared.counts.ignored.labels(self.network, what).inc()
        log.debug("ignored", network=self.network, what=what, native_id=native_id)

    def confirmed(self, part_id: str, receipt: Receipt) -> None:
        """See `bridge.contract.Core.confirmed`."""
        try:
            self._shared.lanes.confirmed(part_id, receipt)
        except ValueError:
            self.ignored("strange part id", part_id)

    def recall(self, prefix: str = "") -> Mapping[str, str]:
        """See `bridge.contract.Core.recall`."""
        return {key: value for key, value in self._memory.items() if key.startswith(prefix)}

    async def remember(self, values: Mapping[str, str | None]) -> None:
        """See `bridge.contract.Core.remember`."""
        self._note(values)
        await self._shared.store.write(partial(states.remember, network=self.network, values=dict(values)))

    def _note(self, values: Mapping[str, str | None]) -> None:
        for key, value in values.items():
            if value is None:
                self._memory.pop(key, None)
            else:
                self._memory[key] = value

    def members(self, network: str | None = None) -> Sequence[Member]:
        """See `bridge.contract.Core.members`."""
        return self._shared.router.members(network or self.network)

    def last_seen(self, place: Place) -> float | None:
        """See `bridge.contract.Core.last_seen`."""
        return self._shared.journal.last_seen(place)

    async def close(self) -> None:
        """Nothing more is asked of the adapter, which is about to be stopped. What it still says is taken in."""
        self._closed = True
        if self.condition.online:
            self.condition = Condition(since=self._clock())
        self._halt()
        if self._arrival is not None:
            await cancel([self._arrival])

    async def _arrive(self) -> None:
        adapter = self._adapter
        present: dict[Place, list[Person]] = {}
        unknown: list[Place] = []
        if isinstance(adapter, Keeping):
            present, unknown = await self._ask(adapter, [member.place for member in self.members()])
        self._shared.reconciler.online(self.network, present)
        self._shared.lanes.online(self.network)
        self._shared.topics.online(self.network, online=True)
        self._shared.reports.online(self.network, online=True)
        self._shared.presence.online(self.network)
        # Where it is not known who is there, puppets are joined as they are needed (joining is idempotent); only
        # those who should not be there any more have to wait for an answer.
        for pause in chain(ASK_AGAIN, repeat(ASK_AGAIN[-1])):
            if not unknown or not isinstance(adapter, Keeping):
                return
            await asyncio.sleep(pause)
            present, unknown = await self._ask(adapter, unknown)
            for place, people in present.items():
                self._shared.reconciler.present(place, people)

    async def _ask(self, adapter: Keeping, places: Sequence[Place]) -> tuple[dict[Place, list[Person]], list[Place]]:
        """Whose puppets are in these places, and the places that did not say."""
        answers = await asyncio.gather(*(self._present(adapter, place) for place in places))
        present = {place: answer for place, answer in zip(places, answers, strict=True) if answer is not None}
        return present, [place for place in places if place not in present]

    async def _present(self, adapter: Keeping, place: Place) -> list[Person] | None:
        try:
            async with asyncio.timeout(PRESENT_WITHIN):
                return list(await adapter.present(place))
        except (SendError, TimeoutError) as error:
            log.warning("who is present is not known", place=str(place), error=str(error) or "timed out")
        except Exception:
            # An adapter's fault must not leave its network half open.
            log.exception("who is present is not known", place=str(place))
        return None
