"""A Matrix homeserver, attached as an application service: the adapter as the core drives it."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from adapters.matrix import standing
from adapters.matrix.capabilities import ROOM
from adapters.matrix.client import Client
from adapters.matrix.conversations import Conversation, Conversations
from adapters.matrix.diagnosis import Facts
from adapters.matrix.direct import DirectRooms
from adapters.matrix.entering import Entering
from adapters.matrix.errors import MatrixError, send_error
from adapters.matrix.hearing import Heard
from adapters.matrix.ids import Namespace
from adapters.matrix.intake import Intake
from adapters.matrix.link import Link
from adapters.matrix.meeting import Meeting
from adapters.matrix.missed import DOUBT, Missed
from adapters.matrix.opening import Opening
from adapters.matrix.pace import Pace
from adapters.matrix.private import Listener
from adapters.matrix.puppets import Puppets
from adapters.matrix.rooms import Room, Rooms
from adapters.matrix.sending import Sender
from adapters.matrix.server import Server
from adapters.matrix.settings import MatrixSettings
from adapters.matrix.showing import Showing
from adapters.matrix.tasks import Tasks
from bridge.capabilities import Capabilities
from bridge.contract import Context, Core, Handover, Notice, Part, SendError, Voice
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.presence import Presence
from bridge.model.result import Failure, Reason, Receipt

log = structlog.get_logger(__name__)

READY_WITHIN = 10.0
"""Seconds a pushed transaction waits for the rooms to be known, before the homeserver is told to come again."""

QUERIES = 30
"""User queries a minute that may make an account: anybody in the federation can ask."""


class MatrixAdapter:
    """One homeserver. Also a `Puppeteer`, `Keeping`, `Topical`, `Telling`, `Direct`, `Showing`, `Watchable`,
    `Rechecking`, `Identifying` and `Routed` one."""

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
        self._strangers = Pace(QUERIES / 60, QUERIES)
        self._server: Server | None = None

    async def start(self, core: Core) -> None:
        """Open the session and begin; `Core.online` follows when the homeserver answers and can push to us."""
        self._core = core
        self._client.open()
        self._rooms = Rooms(member.place for member in core.members() if member.place.kind is PlaceKind.ROOM)
        self._puppets = Puppets(core, self._client, self._ours, self._rooms)
        self._entering = Entering(core, self._client, self._ours, self._rooms)
        self._sender = Sender(self._client, self._ours, self._puppets, self._tasks, core.identity)
        self._link = Link(
            core,
            self._client,
            self._ours,
            self._entering,
            self._facts,
            self._settings.bot_name,
            silence=self._settings.silence,
        )
        self._client.on_trouble = self._link.lost
        self._link.on_change = self._link_changed
        self._conversations = Conversations(self._network)
        self._heard = Heard(core, self._ours)
        self._showing = Showing(
            core, self._client, self._ours, self._puppets, self._heard, self._placed, self._conversations.partner,
            registration=self._facts.registration,
        )  # fmt: skip
        listener = Listener(self._network, self._ours, self._puppets.address_of, core.find, time.time)
        opening = Opening(
            core, self._client, self._ours, self._conversations, self._puppets, listener, self._tasks,
            self._entering.knows, self._opened,
        )  # fmt: skip
        self._meeting = Meeting(
            core, self._client, self._ours, self._conversations, self._puppets, self._rooms, opening, self._tasks,
            self._opened,
        )  # fmt: skip
        self._direct = DirectRooms(
            core, self._ours, self._conversations, self._puppets, listener, opening, self._strangers, time.time
        )
        missed = Missed(core, self._client, self._ours, self._rooms)
        intake = Intake(
            core, self._ours, self._rooms, self._puppets, self._entering, self._sender, self._tasks, self._direct,
            self._heard if self._settings.presence else None, missed,
        )  # fmt: skip
        self._link.catch_up = partial(self._catch_up, intake, missed)
        self._server = Server(
            self._settings.hs_token.get_secret_value(),
            intake.transaction,
            self._user_query,
            lambda: self._link.prepared(READY_WITHIN),
            self._tasks,
            self._link.look,
        )
        self._entering.recall()
        stale = self._conversations.recall(core.recall(), time.time())
        if stale:
            self._tasks.spawn(core.remember(stale), f"{self._network} refusals")
        self._tasks.spawn(self._link.run(), f"{self._network} link", core.crashed)
        self._tasks.spawn(self._link.retrying_rooms(self._room_entered), f"{self._network} rooms", core.crashed)
        if self._settings.presence:
            self._tasks.spawn(self._showing.run(), f"{self._network} presence", core.crashed)

    async def stop(self) -> None:
        """End every errand and close the session."""
        self._server = None
        await self._tasks.stop()
        await self._client.close()

    def capabilities(self, place: Place, speaker: Person, voice: Voice) -> Capabilities:
        """The same for every room, user and voice."""
        return ROOM

    def send(self, part: Part) -> Handover:
        """Start sending; see `Sender.send`."""
        if self._settings.presence:
            self._showing.active(part.speaker.address)
        if part.place.kind is PlaceKind.USER:
            self._check_link()
            return self._sender.send(part, self._meeting.room(part.place, part.speaker.address), self._meeting.lost)
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
        self._appear(person.address)

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

    async def tell(self, notice: Notice) -> None:
        """A notice in the room that mentions the person, in reply to what they said; in private, by whom they wrote
        to."""
        if notice.place.kind is PlaceKind.USER:
            self._check_link()
            await self._meeting.tell(notice, self._direct.asked_in(notice.about))
            return
        await self._sender.notice(self._entered(notice.place), notice.person, notice.text, notice.about)

    def rechecks(self, place: Place) -> bool:
        """Any room can be read back."""
        return True

    async def meet(self, place: Place, person: Person) -> Voice:
        """Have a room in which the person's puppet can speak to the user; see `Meeting.meet`."""
        self._check_link()
        return await self._meeting.meet(place, person)

    def at_home(self, address: Address) -> bool:
        """Whether the user id is of the homeserver's own domain."""
        return address.native.partition(":")[2] == self._settings.domain

    def show(self, presence: Presence) -> None:
        """Have the person's puppet show it, in its turn."""
        if self._settings.presence:
            self._showing.show(presence)

    def watch(self, address: Address, *, wanted: bool) -> None:
        """Ask after the user; later changes are pushed, if we share a room with them."""
        if self._settings.presence:
            self._showing.follow(address.native, wanted=wanted)

    async def recheck(self, parts: Sequence[Part]) -> Mapping[str, Receipt]:
        """Read the room back for the parts' stamps."""
        if not parts:
            return {}
        self._check_link()
        place = parts[0].place
        rooms = self._meeting.by_room(parts) if place.kind is PlaceKind.USER else [(self._room(place), list(parts))]
        found: dict[str, Receipt] = {}
        for room, sent in rooms:
            try:
                found |= await self._sender.look_back(room, sent)
            except MatrixError as error:
                if place.kind is PlaceKind.USER and error.status in (403, 404):
                    continue  # the room is gone, and what was said in it with it
                raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, f"cannot tell yet: {error}") from error
        return found

    def identity(self, address: Address) -> str:
        """``matrix:`` and the user id."""
        return standing.identity(address.native)

    def native(self, identity: str) -> Address | None:
        """The user of any homeserver, unless it is one of ours."""
        return standing.native(self._network, identity, self._ours)

    def ours(self, identity: str) -> bool:
        """Whether the bot or one of our puppets is meant."""
        return standing.is_ours(identity, self._ours)

    async def handle(self, request: Any) -> web.StreamResponse:
        """Answer the homeserver."""
        if self._server is None:
            return web.json_response({"errcode": "M_UNKNOWN", "error": "not running"}, status=503)
        return await self._server.handle(request)

    def _room(self, place: Place) -> Room:
        """The room of a place that can be spoken to now. Raises `SendError`."""
        self._check_link()
        room = self._rooms.by_place(place)
        if room is None:
            raise self._not_entered(place)
        return room

    def _check_link(self) -> None:
        """Raises `SendError` while the homeserver cannot be spoken to."""
        if not self._link.up:
            failure = self._link.failure or Failure(
                Reason.SERVICE_UNAVAILABLE, "the homeserver has not been reached yet"
            )
            raise SendError.passing(failure.reason, failure.text)

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

    async def _catch_up(self, intake: Intake, missed: Missed) -> None:
        """Take in what was not pushed; and look once more when doubt ends, for where nobody says anything meanwhile."""
        missed.begin()
        await intake.catch_up()
        self._tasks.spawn(self._look_again(intake), f"{self._network} doubt")

    async def _look_again(self, intake: Intake) -> None:
        while True:
            await asyncio.sleep(DOUBT)
            try:
                await intake.catch_up()
            except MatrixError as error:
                log.info("the rooms are read later", network=self._network, error=str(error))
            else:
                return

    def _link_changed(self, up: bool) -> None:
        if not up:
            self._showing.offline()
            return
        self._direct.resume()
        if self._settings.presence:
            self._showing.online(self._visible(), self._company())

    def _visible(self) -> set[Address]:
        """Whose puppets are anywhere to be seen."""
        found = {conversation.address for conversation in self._conversations if conversation.address is not None}
        return found.union(person.address for room in self._rooms for person in self._puppets.present(room))

    def _company(self) -> list[str]:
        """The users who share any place with one of ours: partners of conversations first."""
        users = dict.fromkeys(conversation.user for conversation in self._conversations)
        return list(users | dict.fromkeys(user for room in self._rooms for user in room.people))

    def _placed(self, puppet_id: str) -> bool:
        return self._conversations.has(puppet_id) or self._rooms.rooms_of(puppet_id) > 0

    def _opened(self, conversation: Conversation) -> None:
        """A conversation has begun."""
        if conversation.address is not None:
            self._appear(conversation.address)

    def _appear(self, address: Address) -> None:
        if self._settings.presence:
            self._showing.appear(address)

    async def _user_query(self, user_id: str) -> bool:
        """Whether the user exists; a puppet that could exist is made to."""
        if user_id == self._ours.bot_id:
            return True
        address = self._puppets.address_of(user_id) if self._ours.is_puppet(user_id) else None
        if address is None or address.network == self._network or self._puppets.user_id(address) != user_id:
            return False
        if not self._strangers.allow():
            log.warning("too many user queries, not answered", network=self._network)
            return False
        try:
            async with asyncio.timeout(10):
                await self._puppets.ensure(Person(address, address.native))
        except (MatrixError, TimeoutError) as error:
            log.warning("puppet not made", puppet=user_id, error=str(error))
            return False
        return True
