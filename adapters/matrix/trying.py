"""Trying the rooms of the configured places as they would be entered, and leaving those not entered before."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import cast

import structlog

from adapters.matrix.client import Client
from adapters.matrix.entering import Entering
from adapters.matrix.errors import MatrixError
from adapters.matrix.ids import Namespace
from adapters.matrix.inbound import identifier
from adapters.matrix.rooms import Rooms
from bridge.contract import Core, Finding
from bridge.model.address import Place
from bridge.model.event import Event, State
from bridge.model.result import Failure
from bridge.model.room import Member

log = structlog.get_logger(__name__)

_V3 = "/_matrix/client/v3"
_LEAVE_WITHIN = 5.0


class Trial:
    """One check of all rooms. `leave` has to follow."""

    def __init__(self, client: Client, ours: Namespace, network: str, members: Iterable[Member]) -> None:
        self._client = client
        self._places = [member.place for member in members]
        self._ours = ours
        self._network = network
        self._rooms = Rooms(())
        self._before: frozenset[str] = frozenset()

    async def run(self) -> AsyncIterator[Finding]:
        """Enter every room. One to which there is an invitation is left alone: leaving it again would use that up."""
        if not self._places:
            return
        try:
            self._before = await self._joined()
        except MatrixError as error:
            yield Finding(False, f"the homeserver does not tell in which rooms the bot is: {error.text}")
            return
        places = []
        for place in self._places:
            if await self._invited(place):
                yield Finding(True, f"{place.native}: the bot is invited, and will go in when Rialto starts")
            else:
                places.append(place)
        told: asyncio.Queue[Finding] = asyncio.Queue()
        entering = asyncio.create_task(self._enter(places, told), name="probe rooms")
        try:
            for _ in places:
                yield await told.get()
        finally:
            entering.cancel()
            await asyncio.gather(entering, return_exceptions=True)

    async def leave(self) -> None:
        """Leave the rooms in which the bot was not before."""
        entered = [room.room_id for room in self._rooms if room.entered and room.room_id not in self._before]
        try:
            async with asyncio.timeout(_LEAVE_WITHIN):
                for room_id in entered:
                    await self._client.request("POST", f"{_V3}/rooms", room_id, "leave", body={})
        except (MatrixError, TimeoutError) as error:
            log.warning("rooms not left", network=self._network, error=str(error))

    async def _enter(self, places: list[Place], told: asyncio.Queue[Finding]) -> None:
        """Tells one finding for each place, whatever happens."""
        ear = _Ear(self._network, told)
        self._rooms = Rooms(places)
        # Of all that a core is, this asks for no more than an _Ear has.
        entering = Entering(cast(Core, ear), self._client, self._ours, self._rooms)
        try:
            await entering.enter_all()
        except MatrixError as error:
            why = error.text
        else:
            why = "it was not tried"
        for place in places:
            if place not in ear.heard:
                told.put_nowait(Finding(False, f"{place.native}: {why}"))

    async def _joined(self) -> frozenset[str]:
        found = (await self._client.request("GET", f"{_V3}/joined_rooms")).get("joined_rooms")
        return frozenset(filter(None, map(identifier, found))) if isinstance(found, list) else frozenset()

    async def _invited(self, place: Place) -> bool:
        """Whether somebody has invited the bot, as far as the homeserver tells (v1.15, "room_summary")."""
        try:
            found = await self._client.request("GET", "/_matrix/client/v1/room_summary", place.native)
        except MatrixError:
            return False
        return found.get("membership") == "invite"


class _Ear:
    """What `Entering` tells a core, turned into findings; nothing is kept."""

    def __init__(self, network: str, told: asyncio.Queue[Finding]) -> None:
        self.network = network
        self.heard: set[Place] = set()
        self._told = told

    def inside(self, place: Place, failure: Failure | None) -> None:
        """The bot is in the place, or not."""
        self.heard.add(place)
        words = f"{place.native}: the bot can be in it" if failure is None else f"{place.native}: {failure.text}"
        self._told.put_nowait(Finding(failure is None, words))

    async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
        """Who is there, and what the topic is."""

    def recall(self, prefix: str = "") -> Mapping[str, str]:
        """Nothing is known from before."""
        return {}

    async def remember(self, values: Mapping[str, str | None]) -> None:
        """Nothing is kept."""
