"""A Matrix homeserver, attached as an application service: the adapter as the core drives it."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from aiohttp import web

from adapters.matrix.capabilities import ROOM
from adapters.matrix.client import Client
from adapters.matrix.diagnosis import Facts
from adapters.matrix.entering import Entering
from adapters.matrix.errors import MatrixError, send_error
from adapters.matrix.ids import Namespace
from adapters.matrix.intake import Intake
from adapters.matrix.link import Link
from adapters.matrix.puppets import Puppets
from adapters.matrix.rooms import Room, Rooms
from adapters.matrix.sending import Sender
from adapters.matrix.server import Server
from adapters.matrix.settings import MatrixSettings
from adapters.matrix.tasks import Tasks
from bridge.capabilities import Capabilities
from bridge.contract import Context, Core, Handover, Part, SendError, Voice
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.result import Reason, Receipt

log = structlog.get_logger(__name__)

READY_WITHIN = 10.0
"""Seconds a pushed transaction waits for the rooms to be known, before the homeserver is told to come again."""

QUERIES = 30
"""User queries a minute that may make an account: anybody in the federation can ask."""


class MatrixAdapter:
    """One homeserver. Also a `Puppeteer`, `Keeping`, `Topical`, `Telling`, `Rechecking` and `Routed` one."""

    joins_in_flight = 4

    def __init__(self, settings: MatrixSettings, context: Context) -> None:
        self._settings = settings
        self._network = context.network
        self._ours = Namespace(settings.domain, settings.prefix, settings.bot)
        self._facts = Facts(
            context.network,
            settings.homeserver,
            settings.reached_at(context),
            settings.registration_id(context),
            self._ours.bot_id,
        )
        self._client = Client(settings.homeserver, settings.as_token.get_secret_value())
        self._tasks = Tasks()
        self._queries: list[float] = []
        self._server: Server | None = None

    async def start(self, core: Core) -> None:
        """Open the session and begin; `Core.online` follows when the homeserver answers and can push to us."""
        self._core = core
        self._client.open()
        self._rooms = Rooms(member.place for member in core.members() if member.place.kind is PlaceKind.ROOM)
        self._puppets = Puppets(core, self._client, self._ours, self._rooms)
        self._entering = Entering(core, self._client, self._ours, self._rooms)
        self._sender = Sender(self._client, self._ours, self._puppets, self._tasks)
        self._link = Link(core, self._client, self._ours, self._entering, self._facts, self._settings.bot_name)
        self._client.on_trouble = self._link.lost
        intake = Intake(core, self._ours, self._rooms, self._puppets, self._entering, self._sender, self._tasks)
        self._server = Server(
            self._settings.hs_token.get_secret_value(),
            intake.transaction,
            self._user_query,
            lambda: self._link.prepared(READY_WITHIN),
            self._tasks,
        )
        self._entering.recall()
        self._tasks.spawn(self._link.run(), f"{self._network} link")
        self._tasks.spawn(self._link.retrying_rooms(self._room_entered), f"{self._network} rooms")

    async def stop(self) -> None:
        """End every errand and close the session."""
        self._server = None
        await self._tasks.stop()
        await self._client.close()

    def capabilities(self, place: Place, speaker: Person, voice: Voice) -> Capabilities:
        """The same for every room and voice."""
        return ROOM

    def send(self, part: Part) -> Handover:
        """Start sending; see `Sender.send`."""
        room = self._room(part.place)
        if not room.entered and not (
            part.voice is Voice.PUPPET and self._puppets.user_id(part.speaker.address) in room.puppets
        ):
            raise self._not_entered(part.place)
        return self._sender.send(part, room)

    async def join(self, place: Place, person: Person) -> None:
        """Register, name and join the puppet, as far as that has not been done."""
        room = self._room(place)
        if not room.loaded:
            raise self._not_entered(place)
        try:
            await self._puppets.enter(room, person)
        except MatrixError as error:
            raise send_error(error, "the puppet's join") from error

    async def leave(self, place: Place, address: Address, reason: str | None) -> None:
        """Have the puppet leave."""
        room = self._room(place)
        try:
            await self._puppets.leave(room, address, reason)
        except MatrixError as error:
            raise send_error(error, "the puppet's leaving") from error

    async def rename(self, place: Place, person: Person) -> None:
        """Show the new name: in the profile, or where the puppet is in several rooms, in this one."""
        room = self._room(place)
        try:
            await self._puppets.rename(room, person)
        except MatrixError as error:
            raise send_error(error, "the puppet's name") from error

    async def present(self, place: Place) -> Iterable[Person]:
        """Whose puppets are in the room; nobody's, while it has not been entered."""
        room = self._rooms.by_place(place)
        return tuple(self._puppets.present(room)) if room is not None else ()

    async def set_topic(self, place: Place, text: str, by: Person | None) -> None:
        """Set the topic as the bot; puppets have no power over a room."""
        await self._sender.topic(self._entered(place), text)

    async def tell(self, place: Place, person: Person, text: str, about: str | None) -> None:
        """A notice in the room that mentions the person, in reply to what they said."""
        await self._sender.notice(self._entered(place), person, text, about)

    async def recheck(self, parts: Sequence[Part]) -> Mapping[str, Receipt]:
        """Read the room back for the parts' stamps."""
        if not parts:
            return {}
        room = self._room(parts[0].place)
        try:
            return await self._sender.look_back(room, parts)
        except MatrixError as error:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, f"cannot tell yet: {error}") from error

    async def handle(self, request: Any) -> web.StreamResponse:
        """Answer the homeserver."""
        if self._server is None:
            return web.json_response({"errcode": "M_UNKNOWN", "error": "not running"}, status=503)
        return await self._server.handle(request)

    def _room(self, place: Place) -> Room:
        """The room of a place that can be spoken to now. Raises `SendError`."""
        if not self._link.up:
            failure = self._link.failure
            raise SendError.passing(
                failure.reason if failure is not None else Reason.SERVICE_UNAVAILABLE,
                failure.text if failure is not None else "the homeserver has not been reached yet",
            )
        room = self._rooms.by_place(place)
        if room is None:
            raise self._not_entered(place)
        return room

    def _entered(self, place: Place) -> Room:
        """The room of a place that the bot is in. Raises `SendError`."""
        room = self._room(place)
        if not room.entered:
            raise self._not_entered(place)
        return room

    def _not_entered(self, place: Place) -> SendError:
        return SendError.passing(Reason.ITEM_NOT_FOUND, self._entering.trouble(place))

    def _room_entered(self) -> None:
        """A room was entered late: its lane and its puppets can start."""
        if self._link.up:
            self._core.online()

    async def _user_query(self, user_id: str) -> bool:
        """Whether the user exists; a puppet that could exist is made to."""
        if user_id == self._ours.bot_id:
            return True
        address = self._puppets.address_of(user_id) if self._ours.is_puppet(user_id) else None
        if address is None or address.network == self._network or self._puppets.user_id(address) != user_id:
            return False
        now = time.monotonic()
        self._queries = [asked for asked in self._queries if asked > now - 60]
        if len(self._queries) >= QUERIES:
            log.warning("too many user queries, not answered", network=self._network)
            return False
        self._queries.append(now)
        try:
            await asyncio.wait_for(self._puppets.ensure(Person(address, address.native)), 10)
        except (MatrixError, TimeoutError) as error:
            log.warning("puppet not made", puppet=user_id, error=str(error))
            return False
        return True
