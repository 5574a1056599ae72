"""Getting the bot into the rooms of the configured places, and learning who is there.

Client-server API, specification v1.19: "Room aliases", "Joining rooms", ``/members``.
"""

import asyncio
from collections.abc import Callable, Iterator

import structlog

from adapters.matrix.client import Client
from adapters.matrix.errors import MatrixError, reason_of
from adapters.matrix.ids import Namespace, is_user_id
from adapters.matrix.inbound import Change, identifier, mapping, words
from adapters.matrix.members import shown_name
from adapters.matrix.rooms import Room, Rooms
from adapters.matrix.standing import BOT, mark_of
from bridge.backoff import HALF, Backoff
from bridge.contract import Core
from bridge.model.address import Place
from bridge.model.event import TopicSet
from bridge.model.result import Failure, Reason

log = structlog.get_logger(__name__)

SLOWLY = 30.0
SLOWEST = 600.0
"""Seconds between attempts to enter a room that would not let the bot in: growing from the one to the other."""

_MEMORY = "room:"
_ROOMS = "/_matrix/client/v3/rooms"
_JOIN = "/_matrix/client/v3/join"


class NotEnteredError(Exception):
    """The bot cannot be in this room until somebody acts; the text says who and how."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.failure = Failure(reason, text)


class Entering:
    """The bot's way into its rooms. Changes `Rooms`; tells the core the roster and the topic it finds."""

    def __init__(self, core: Core, client: Client, ours: Namespace, rooms: Rooms) -> None:
        self._core = core
        self._client = client
        self._ours = ours
        self._rooms = rooms
        self._invited = asyncio.Event()
        self._told: dict[Place, Failure | None] = {}
        self._busy = False

    def recall(self) -> None:
        """Bind the rooms that were found before this start, so that what is pushed from them is known at once."""
        remembered = self._core.recall(_MEMORY)
        for place in self._rooms.places:
            room_id = remembered.get(_MEMORY + place.native)
            if room_id:
                try:
                    self._rooms.bind(place, room_id)
                except ValueError as error:
                    log.warning("room not bound", place=place.native, error=str(error))

    def trouble(self, place: Place) -> str:
        """Why the bot is not in this place, and what to do about it."""
        failure = self._told.get(place)
        return failure.text if failure else f"the bot is not in {place.native}: invite {self._ours.bot_id} to it"

    def removed(self, place: Place) -> None:
        """Somebody took the bot out of the place's room: it waits for an invitation."""
        text = f"the bot was removed from {place.native}: invite {self._ours.bot_id} to it again"
        log.error("room left", place=place.native, todo=text)
        self._tell(place, Failure(Reason.FORBIDDEN, text))

    def invited(self) -> None:
        """The bot was invited to some room: perhaps to one it waits for."""
        self._invited.set()

    async def knows(self, room_id: str) -> bool:
        """Whether this is a configured place's room, even one that has not been entered. Raises `MatrixError`."""
        if self._rooms.by_id(room_id) is not None:
            return True
        for place in self._rooms.places:
            if self._rooms.by_place(place) is None:
                try:
                    found, _ = await self._find(place)
                except NotEnteredError:
                    continue
                if found == room_id:
                    return True
        return False

    async def enter_all(self) -> int:
        """Enter every room that the bot is not in, and return how many were entered.

        A room that will not have us waits, with a word in the log; one that somebody removed the bot from waits for
        an invitation. Nothing is done while another call is at it. Raises `MatrixError` if the homeserver fails.
        """
        if self._busy:
            return 0
        self._busy = True
        try:
            return await self._enter_all()
        finally:
            self._busy = False

    async def keep_trying(self, entered: Callable[[], None]) -> None:
        """Try again, slowly, the rooms that would not have us; at once when an invitation comes. Runs for ever.

        Calls `entered` whenever at least one more room has been.
        """
        backoff = Backoff(SLOWLY, SLOWEST, least=HALF)
        while True:
            try:
                async with asyncio.timeout(backoff.next()):
                    await self._invited.wait()
                backoff.reset()
            except TimeoutError:
                pass
            self._invited.clear()
            try:
                if await self.enter_all():
                    entered()
            except MatrixError as error:
                log.info("rooms not entered", error=str(error))

    async def _enter_all(self) -> int:
        entered = 0
        for place in self._rooms.places:
            room = self._rooms.by_place(place)
            if room is not None and room.entered and room.loaded:
                self._tell(place, None)
                continue
            if room is not None and self._ours.bot_id in room.removed:
                continue
            try:
                await self._enter(place)
            except NotEnteredError as error:
                if self._told.get(place) != error.failure:
                    log.warning("room not entered", place=place.native, todo=str(error))
                self._tell(place, error.failure)
            else:
                self._tell(place, None)
                entered += 1
        return entered

    def _tell(self, place: Place, failure: Failure | None) -> None:
        """Tell the core where the bot stands, where that has changed."""
        if place not in self._told or self._told[place] != failure:
            self._told[place] = failure
            self._core.inside(place, failure)

    async def _enter(self, place: Place) -> None:
        room_id, via = await self._find(place)
        try:
            room = self._rooms.bind(place, room_id)
        except ValueError as error:
            raise NotEnteredError(Reason.CONFLICT, str(error)) from error
        await self._core.remember({_MEMORY + place.native: room_id})
        await self._join(room, via)
        room.entered = True
        await self._load(room)
        log.info("room entered", place=place.native, room=room_id, people=len(room.people), puppets=len(room.puppets))

    async def _find(self, place: Place) -> tuple[str, list[str]]:
        """The room's id, and servers that know it."""
        if place.native.startswith("!"):
            # Older room ids end with the server that made them, which may know the room still; later ones with none.
            server = place.native.partition(":")[2]
            return place.native, [server] if server else []
        try:
            found = await self._client.request("GET", "/_matrix/client/v3/directory/room", place.native)
        except MatrixError as error:
            if error.temporary:
                raise
            before = self._rooms.by_place(place)
            if before is not None:
                log.warning("the alias names no room any more; going on with the room it named", place=place.native)
                return before.room_id, []
            raise NotEnteredError(
                reason_of(error.errcode, error.status),
                f"{place.native} names no room ({error.text}): make the room, or give it this alias, or correct the "
                "place in the configuration",
            ) from error
        room_id, servers = identifier(found.get("room_id")), found.get("servers")
        if not room_id.startswith("!"):
            text = f"the homeserver's directory has no usable answer for {place.native}: check the alias"
            raise NotEnteredError(Reason.ITEM_NOT_FOUND, text)
        via = [server for server in servers if isinstance(server, str)] if isinstance(servers, list) else []
        return room_id, via[:3]

    async def _join(self, room: Room, via: list[str]) -> None:
        native = room.place.native
        try:
            # Synapse takes what stands here into the content of the membership; others leave it out.
            await self._client.request(
                "POST", _JOIN, room.room_id, query={"via": via} if via else None, body=BOT.content()
            )
        except MatrixError as error:
            if error.temporary:
                raise
            if error.status == 403:
                raise NotEnteredError(
                    Reason.FORBIDDEN,
                    f"the room does not let the bot in ({error.text}): invite {self._ours.bot_id} to {native}",
                ) from error
            raise NotEnteredError(
                reason_of(error.errcode, error.status),
                f"the bot cannot join {native} ({error.text}): check that the room exists, "
                f"and invite {self._ours.bot_id} to it",
            ) from error

    async def _load(self, room: Room) -> None:
        room.begin_loading()
        # Not /joined_members: that leaves the marks of stand-ins out.
        answer = await self._client.request("GET", _ROOMS, room.room_id, "members", query={"membership": "join"})
        room.load(_members(answer.get("chunk")), self._ours)
        await self._core.accept(room.roster())
        found = await self._topic(room)
        if found is not None:
            await self._core.accept(found)

    async def _topic(self, room: Room) -> TopicSet | None:
        """The room's topic; None where there is none."""
        try:
            found = await self._client.request(
                "GET", _ROOMS, room.room_id, "state", "m.room.topic", "", query={"format": "event"}
            )
        except MatrixError as error:
            if error.temporary:
                raise
            return None
        # A homeserver that does not know the parameter answers with the content alone: nobody knows who set it then.
        text = words(mapping(found.get("content", found)).get("topic"))
        sender = found.get("sender")
        own = isinstance(sender, str) and self._ours.owns(sender)
        room.topic = text
        return TopicSet(room.place, text, initial=True, own=own)


def _members(chunk: object) -> Iterator[Change]:
    for event in chunk if isinstance(chunk, list) else ():
        user_id, content = mapping(event).get("state_key"), mapping(mapping(event).get("content"))
        if is_user_id(user_id) and content.get("membership") == "join":
            yield Change(user_id, shown_name(user_id, content), mark_of(content))
