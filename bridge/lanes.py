"""All lanes: one per place, started and woken together."""

import asyncio
import time
from collections.abc import Callable, Mapping

import structlog
from sqlalchemy import Connection

from bridge.contract import Adapter
from bridge.counts import Counts
from bridge.delivery import Delivery, State, parse_part_id, tag
from bridge.lane import IN_MEMORY, Lane
from bridge.model.address import Address, Place
from bridge.model.result import Failure, Receipt
from bridge.outcomes import Outcomes
from bridge.reconcile import Reconciler
from bridge.store import Store, deliveries
from bridge.store.deliveries import Piece
from bridge.tasks import cancel, spawn

log = structlog.get_logger(__name__)


class Lanes:
    """The lanes of one gateway. Called on the event loop."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        store: Store,
        counts: Counts,
        *,
        failed: Callable[[Delivery, Failure], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`failed` is called for each delivery that will not be brought."""
        self._adapters = adapters
        self._store = store
        self._outcomes = Outcomes(store)
        self._counts = counts
        self._failed = failed
        self._clock = clock
        self._lanes: dict[Place, Lane] = {}
        self._by_tag: dict[str, Lane] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, places: list[Place], reconciler: Reconciler) -> None:
        """Make the lanes of these places, load what waits for them, and start them. They rest until `online`."""
        self._numbers = await self._store.read(deliveries.numbers)
        for place in places:
            lane = Lane(
                place,
                self._adapters[place.network],
                reconciler,
                self._store,
                self._outcomes,
                self._counts,
                failed=self._failed,
                clock=self._clock,
            )

            def kept(connection: Connection, place: Place = place) -> list[tuple[Delivery, list[Piece]]]:
                waiting = deliveries.waiting(connection, place, after=-1, most=IN_MEMORY)
                return [
                    (each, deliveries.pieces(connection, each) if each.state is State.SENDING else [])
                    for each in waiting
                ]

            lane.load(await self._store.read(kept))
            if lane.waiting:
                log.info("deliveries from before wait", place=str(place), waiting=lane.waiting)
            self._lanes[place] = self._by_tag[tag(place)] = lane
            self._tasks.append(spawn(lane.run(), name=f"lane {place}"))

    async def stop(self) -> None:
        """Stop all lanes. What is in flight is in doubt at the next start."""
        await cancel(self._tasks)
        for lane in self._lanes.values():
            await lane.stop()
        await self._outcomes.stop()

    def number(self, place: Place) -> int:
        """The next number in the lane of that place."""
        key = (place.network, place.native)
        self._numbers[key] = self._numbers.get(key, 0) + 1
        return self._numbers[key]

    def put(self, delivery: Delivery) -> None:
        """A new delivery, durable already."""
        self._lanes[delivery.place].put(delivery)

    def busy(self, place: Place, address: Address) -> bool:
        """Whether deliveries of that person to that place wait."""
        lane = self._lanes.get(place)
        return lane is not None and lane.busy(address)

    def online(self, network: str) -> None:
        """The network can be spoken to."""
        for place, lane in self._lanes.items():
            if place.network == network:
                lane.online()

    def offline(self, network: str) -> None:
        """The network cannot be spoken to."""
        for place, lane in self._lanes.items():
            if place.network == network:
                lane.offline()

    def confirmed(self, part_id: str, receipt: Receipt) -> None:
        """A part was seen on the network though nobody waits for it any more. Raises `ValueError` for a strange id."""
        event_id, place_tag, index = parse_part_id(part_id)
        lane = self._by_tag.get(place_tag)
        if lane is not None:
            lane.confirmed(event_id, index, receipt)

    def snapshot(self) -> list[dict[str, object]]:
        """What the status page shows of each lane."""
        return [
            {"place": str(place), "waiting": lane.waiting, "oldest": lane.oldest, "retrying": lane.retrying}
            for place, lane in sorted(self._lanes.items(), key=lambda item: str(item[0]))
        ]
