"""What a homeserver did not push, though it should have: read from the rooms, while that is in doubt.

Synapse keeps in memory what it is about to push, which dies with it; and what it writes down in the very moment in
which it takes us to be up again rests until our next absence. So for a while after the link has come up, the rooms of a
transaction are read back to the last message that is known, and what is found is taken in where it belongs.
Client-server API, specification v1.19, "GET /rooms/{roomId}/messages".
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from adapters.matrix.client import Client
from adapters.matrix.errors import MatrixError
from adapters.matrix.ids import Namespace
from adapters.matrix.inbound import identifier, mapping
from adapters.matrix.rooms import Room, Rooms
from bridge.contract import Core

log = structlog.get_logger(__name__)

Pdu = Mapping[str, Any]

DOUBT = 30.0
"""Seconds after the link came up in which pushes are not believed to be all there was."""

PAGE = 100
"""Events asked for at once."""

PATIENCE = 10.0
"""Seconds for which a page is asked for again where it does not come."""

MOST = 2000
"""Events of one room that are looked through. Beyond it, what was not pushed in such a crowd stays unknown."""

SIDE_BY_SIDE = 4
"""Rooms that are read at once."""

REACH = 3600.0
"""Seconds that are looked back at most. A room that was not configured for long is not to bring all that was said."""

_ROOMS = "/_matrix/client/v3/rooms"


class Missed:
    """Owned by the adapter. Reads; what comes of it is taken in by `Intake`."""

    def __init__(
        self,
        core: Core,
        client: Client,
        ours: Namespace,
        rooms: Rooms,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives seconds that only grow, `now` those since the epoch."""
        self._core = core
        self._client = client
        self._ours = ours
        self._rooms = rooms
        self._clock = clock
        self._now = now
        self._until = float("-inf")
        self._turn = asyncio.Semaphore(SIDE_BY_SIDE)

    def begin(self) -> None:
        """The link comes up: doubt begins."""
        self._until = self._clock() + DOUBT

    @property
    def in_doubt(self) -> bool:
        """Whether something may have been left out of what is pushed now."""
        return self._clock() < self._until

    async def everywhere(self) -> list[Pdu]:
        """What people said in the rooms since the last message that is known of each, each room's in its order.

        Raises `MatrixError` where a room cannot be read now: half of it would overtake the other half.
        """
        found = await asyncio.gather(*(self._since(room) for room in self._rooms))
        return [pdu for timeline in found for pdu in timeline]

    async def completed(self, pdus: Sequence[Pdu]) -> list[Pdu]:
        """A transaction's events, and among them what should have come before them. Raises `MatrixError`."""
        rooms = {room.room_id: room for pdu in pdus if (room := self._spoken_in(pdu)) is not None}
        read = await asyncio.gather(*(self._since(room) for room in rooms.values()))
        timelines = {room_id: deque(timeline) for room_id, timeline in zip(rooms, read, strict=True)}
        pushed = {_id(pdu) for pdu in pdus}
        whole: list[Pdu] = []
        for pdu in pdus:
            timeline = timelines.get(str(pdu.get("room_id")), deque())
            if any(_id(each) == _id(pdu) for each in timeline):
                while _id(before := timeline.popleft()) != _id(pdu):
                    if _id(before) not in pushed:
                        log.warning("the homeserver had not pushed a message", event_id=_id(before))
                        whole.append(before)
            whole.append(pdu)
        return whole

    def _spoken_in(self, pdu: Pdu) -> Room | None:
        """The configured room in which somebody says this."""
        return self._rooms.by_id(pdu.get("room_id")) if self._is_said(pdu) else None

    def _is_said(self, pdu: Pdu) -> bool:
        sender = pdu.get("sender")
        return "state_key" not in pdu and isinstance(sender, str) and not self._ours.owns(sender)

    async def _since(self, room: Room) -> list[Pdu]:
        """What was said in the room since the last message that is known, in its order; nothing, where none is known,
        or the homeserver does not let us read. Raises `MatrixError` where it may later."""
        known = self._core.last_seen(room.place)
        if known is None or not room.entered:
            return []
        known = max(known, self._now() - REACH)
        found: list[Pdu] = []
        query = {"dir": "b", "limit": str(PAGE)}
        looked = 0
        async with self._turn:
            while looked < MOST:
                try:
                    page = await self._client.request(
                        "GET", _ROOMS, room.room_id, "messages", query=query, patience=PATIENCE
                    )
                except MatrixError as error:
                    if error.temporary:
                        raise
                    log.info("a room could not be read", place=room.place.native, error=str(error))
                    break
                chunk = page.get("chunk")
                events = [mapping(event) for event in chunk] if isinstance(chunk, list) else []
                # Not what our puppets said: that bears the time at which it was said elsewhere, however late it came.
                said = [event for event in events if self._is_said(event)]
                new = [event for event in said if _time(event) > known]
                found += [{**event, "room_id": room.room_id} for event in new]
                looked += len(events)
                end = page.get("end")
                if (said and not new) or not events or not isinstance(end, str):
                    break
                query["from"] = end
        return found[::-1]


def _id(pdu: Pdu) -> str:
    return identifier(pdu.get("event_id"))


def _time(pdu: Pdu) -> float:
    """When it was said, in seconds since the epoch, by the clock of who said it."""
    when = pdu.get("origin_server_ts")
    return when / 1000 if isinstance(when, int) and not isinstance(when, bool) and abs(when) < 2**53 else 0.0
