"""All lanes: one per place, started and woken together. Those to people are made when somebody writes to them."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial

import structlog
from sqlalchemy import Connection

from bridge.backlog import IN_MEMORY
from bridge.contract import Adapter
from bridge.counts import Counts
from bridge.delivery import Delivery, State, parse_part_id, tag
from bridge.lane import Lane
from bridge.model.address import Address, Place, PlaceKind
from bridge.model.result import Failure, Reason, Receipt
from bridge.outcomes import Ended, Outcomes
from bridge.speakers import Meetings, Speakers
from bridge.store import Store, deliveries
from bridge.store.deliveries import Piece
from bridge.tasks import cancel, spawn

log = structlog.get_logger(__name__)

NO_NETWORK = Failure(Reason.REMOTE_SERVER_NOT_FOUND, "the bridge is attached to that network no more")

PRIVATE_LANES = 1000
"""Lanes to people that are kept when nothing waits in them; beyond it the longest idle ones end."""


class Lanes:
    """The lanes of one gateway. Called on the event loop."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        store: Store,
        counts: Counts,
        *,
        failed: Callable[[Delivery, Failure], None],
        ended: Ended = lambda delivery, state: None,
        denies: Callable[[Address], bool] = lambda address: False,
        delivers: Callable[[Address, Address], bool] = lambda owner, sender: True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`failed` is called for each delivery that will not be brought, after `ended`, which is called for each that
        has ended; `denies` is the rule about people, `delivers` whether the first takes what the second writes to them
        in private."""
        self._adapters = adapters
        self._store = store
        self._outcomes = Outcomes(store, ended)
        self._counts = counts
        self._failed = failed
        self._clock = clock
        self._meetings = Meetings(adapters, denies, delivers)
        self._online: set[str] = set()
        self._lanes: dict[Place, Lane] = {}
        self._private: OrderedDict[Place, None] = OrderedDict()  # the last written to at the end
        self._by_tag: dict[str, Lane] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._tasks: dict[Place, asyncio.Task[None]] = {}
        self._ending = False

    async def give_up(self) -> None:
        """End private messages to networks that are not configured any more; before reports start, which tell it."""
        give_up = partial(deliveries.give_up, networks=list(self._adapters), failure=NO_NETWORK, now=self._clock())
        if given_up := await self._store.write(give_up):
            log.warning("private messages to networks that are configured no more are given up", messages=given_up)

    async def start(self, places: list[Place], speakers: Speakers) -> None:
        """Make the lanes of these rooms' places, and of the people for whom something waits; load what waits, and
        start them. They rest until `online`."""
        people = await self._store.read(deliveries.people_waited_for)
        self._numbers = await self._store.read(partial(deliveries.numbers, places=[*places, *people]))
        for place in (*places, *people):
            lane = self._make(place, self._meetings if place.kind is PlaceKind.USER else speakers)

            def kept(connection: Connection, place: Place = place) -> list[tuple[Delivery, list[Piece]]]:
                waiting = deliveries.waiting(connection, place, after=-1, most=IN_MEMORY)
                return [
                    (each, deliveries.pieces(connection, each) if each.state is State.SENDING else [])
                    for each in waiting
                ]

            lane.load(await self._store.read(kept))
            if lane.waiting:
                log.info("deliveries from before wait", place=str(place), waiting=lane.waiting)
            self._begin(place, lane)

    def _make(self, place: Place, speakers: Speakers) -> Lane:
        return Lane(
            place,
            self._adapters[place.network],
            speakers,
            self._store,
            self._outcomes,
            self._counts,
            failed=self._failed,
            clock=self._clock,
        )

    def _begin(self, place: Place, lane: Lane) -> None:
        self._lanes[place] = self._by_tag[tag(place)] = lane
        self._tasks[place] = spawn(lane.run(), name=f"lane {place}")
        if place.kind is PlaceKind.USER:
            self._private[place] = None
        if place.network in self._online:
            lane.online()

    def _private_lane(self, place: Place) -> Lane:
        """The lane to a person, made if there is none: then nothing waits for them, in the store neither."""
        lane = self._lanes.get(place)
        if lane is None:
            self._end_idle()
            lane = self._make(place, self._meetings)
            self._begin(place, lane)
        self._private.move_to_end(place)
        return lane

    def _end_idle(self) -> None:
        for place in list(self._private)[: max(0, len(self._private) - PRIVATE_LANES + 1)]:
            if self._lanes[place].idle:
                lane = self._lanes.pop(place)
                del self._private[place]
                if self._by_tag.get(tag(place)) is lane:  # tags are short: two people may have the same
                    del self._by_tag[tag(place)]
                self._tasks.pop(place).cancel()

    async def drain(self, within: float) -> int:
        """Begin nothing more, and wait up to `within` seconds for what is being sent. Returns how much still is."""
        self._ending = True
        self._online.clear()
        for lane in self._lanes.values():
            lane.offline()
        under_way = [done for lane in self._lanes.values() for done in lane.under_way]
        if not under_way:
            return 0
        _, late = await asyncio.wait(under_way, timeout=within)
        return len(late)

    async def stop(self) -> None:
        """Stop all lanes. What is in flight is in doubt at the next start."""
        await cancel(self._tasks.values())
        for lane in self._lanes.values():
            await lane.stop()

    def number(self, place: Place) -> int:
        """The next number in the lane of that place."""
        key = (place.network, place.native)
        self._numbers[key] = self._numbers.get(key, 0) + 1
        return self._numbers[key]

    def put(self, delivery: Delivery) -> None:
        """A new delivery, durable already."""
        place = delivery.place
        lane = self._private_lane(place) if place.kind is PlaceKind.USER else self._lanes[place]
        lane.put(delivery)

    def busy(self, place: Place, address: Address) -> bool:
        """Whether deliveries of that person to that place wait."""
        lane = self._lanes.get(place)
        return lane is not None and lane.busy(address)

    def online(self, network: str) -> None:
        """The network can be spoken to."""
        if self._ending:
            return
        self._online.add(network)
        for place, lane in self._lanes.items():
            if place.network == network:
                lane.online()

    def offline(self, network: str) -> None:
        """The network cannot be spoken to."""
        self._online.discard(network)
        for place, lane in self._lanes.items():
            if place.network == network:
                lane.offline()

    def confirmed(self, part_id: str, receipt: Receipt) -> None:
        """A part was seen on the network though nobody waits for it any more. Raises `ValueError` for a strange id."""
        event_id, place_tag, index = parse_part_id(part_id)
        lane = self._by_tag.get(place_tag)
        if lane is not None:
            lane.confirmed(event_id, index, receipt)

    def queues(self) -> dict[str, tuple[int, float]]:
        """By network: how many deliveries wait (as far as they are in memory), and for how long the oldest of them has,
        in seconds since it was said."""
        now, found = self._clock(), dict.fromkeys(self._adapters, (0, 0.0))
        for place, lane in self._lanes.items():
            waiting, age = found[place.network]
            since = now if lane.oldest is None else lane.oldest
            found[place.network] = waiting + lane.waiting, max(age, now - since)
        return found

    def snapshot(self) -> list[dict[str, object]]:
        """What the status page shows of each lane."""
        return [
            {"place": str(place), "waiting": lane.waiting, "oldest": lane.oldest, "retrying": lane.retrying}
            for place, lane in sorted(self._lanes.items(), key=lambda item: str(item[0]))
            if place.kind is PlaceKind.ROOM or not lane.idle
        ]
