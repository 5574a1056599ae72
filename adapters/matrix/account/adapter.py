"""A Matrix homeserver through an ordinary account: the adapter as the core drives it."""

import asyncio
from collections.abc import Mapping, Sequence

from adapters.matrix import standing
from adapters.matrix.account.calls import Calls
from adapters.matrix.account.direct import Correspondence
from adapters.matrix.account.ids import Own
from adapters.matrix.account.invitations import Invitations
from adapters.matrix.account.link import Link
from adapters.matrix.account.reading import Reading
from adapters.matrix.account.session import Session
from adapters.matrix.account.settings import AccountSettings
from adapters.matrix.capabilities import ROOM
from adapters.matrix.entering import Entering
from adapters.matrix.errors import MatrixError
from adapters.matrix.puppets import Puppets
from adapters.matrix.rooms import Room, Rooms
from adapters.matrix.sending import Sender
from adapters.matrix.tasks import Tasks
from bridge.capabilities import Capabilities
from bridge.contract import Context, Core, Handover, Notice, Part, SendError, Voice
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.result import Reason, Receipt


class AccountAdapter:
    """One account. Also a `Direct`, `Topical`, `Telling`, `Rechecking` and `Identifying` one; no `Puppeteer`: it speaks
    for all."""

    def __init__(self, settings: AccountSettings, context: Context) -> None:
        self._settings = settings
        self._network = context.network
        self._ours = Own.of(settings.user_id)
        self._session = Session(settings.homeserver, settings.user_id)
        self._tasks = Tasks()

    async def start(self, core: Core) -> None:
        """Open the session and begin; `Core.online` follows when the homeserver knows us and what was missed is in."""
        self._core = core
        self._session.open()
        self._rooms = Rooms(member.place for member in core.members() if member.place.kind is PlaceKind.ROOM)
        self._entering = Entering(core, self._session, self._ours, self._rooms)
        puppets = Puppets(core, self._session, self._ours, self._rooms)  # nobody's; the sender asks for them
        self._sender = Sender(self._session, self._ours, puppets, self._tasks, core.identity)
        calls = Calls(self._session, self._ours)
        self._correspondence = Correspondence(core, calls, self._ours, self._rooms, self._sender, self._tasks)
        invitations = Invitations(calls, self._ours, self._rooms, self._entering, self._correspondence)
        reading = Reading(
            core,
            self._session,
            self._ours,
            self._rooms,
            self._entering,
            self._sender,
            self._correspondence,
            invitations,
        )
        self._link = Link(core, self._session, self._settings, self._entering, reading)
        self._entering.recall()
        invitations.start(self._tasks)
        self._tasks.spawn(self._link.run(), f"{self._network} link", core.crashed)
        self._tasks.spawn(self._link.retrying_rooms(self._room_entered), f"{self._network} rooms", core.crashed)

    async def stop(self) -> None:
        """End every errand and close the session, which stays the account's."""
        await self._tasks.stop()
        await self._session.close()

    def capabilities(self, place: Place, speaker: Person, voice: Voice) -> Capabilities:
        """The same for every room."""
        return ROOM

    def send(self, part: Part) -> Handover:
        """Start sending; see `Sender.send`."""
        if part.place.kind is PlaceKind.ROOM:
            return self._sender.send(part, self._room(part.place))
        self._ready()
        conversation = self._correspondence.current(part.place.native)
        if conversation is None:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"{part.place.native} has left the conversation")
        handover = self._sender.send(part, conversation.room)

        def explained(confirmation: asyncio.Future[Receipt]) -> None:
            if not confirmation.cancelled() and confirmation.exception() is None:
                self._correspondence.explain(part.place.native, part.speaker)

        handover.confirmation.add_done_callback(explained)
        return handover

    async def meet(self, place: Place, person: Person) -> Voice:
        """Have a conversation with the user of the place; the account speaks there for everybody."""
        if place.native == self._ours.bot_id:
            text = f"{place.native} is the bridge itself: it brings messages, and reads none"
            raise SendError.permanent(Reason.ITEM_NOT_FOUND, text)
        self._ready()
        await self._correspondence.find(place.native)
        return Voice.BOT

    def at_home(self, address: Address) -> bool:
        """Whether the person's account is on the same homeserver as ours."""
        return address.native.partition(":")[2] == self._ours.domain

    async def set_topic(self, place: Place, text: str, by: Person | None) -> None:
        """Set the topic, if the account has the power to."""
        await self._sender.topic(self._room(place), text)

    async def tell(self, notice: Notice) -> None:
        """A notice in the conversation or, mentioning the person, in the room; in reply to what they said."""
        if notice.place.kind is PlaceKind.ROOM:
            await self._sender.notice(self._room(notice.place), notice.person, notice.text, notice.about)
            return
        self._ready()
        await self._correspondence.say(notice.person.address.native, notice.text, notice.about)

    def rechecks(self, place: Place) -> bool:
        """Any room can be read back."""
        return True

    async def recheck(self, parts: Sequence[Part]) -> Mapping[str, Receipt]:
        """Read the room back for the parts' stamps."""
        if not parts:
            return {}
        place = parts[0].place
        if place.kind is PlaceKind.ROOM:
            room = self._room(place)
        else:
            self._ready()
            conversation = self._correspondence.current(place.native)
            if conversation is None:
                return {}
            room = conversation.room
        try:
            return await self._sender.look_back(room, parts)
        except MatrixError as error:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, f"cannot tell yet: {error}") from error

    def identity(self, address: Address) -> str:
        """``matrix:`` and the user id."""
        return standing.identity(address.native)

    def native(self, identity: str) -> Address | None:
        """The user of any homeserver, unless it is the account."""
        return standing.native(self._network, identity, self._ours)

    def ours(self, identity: str) -> bool:
        """Whether the account is meant."""
        return standing.is_ours(identity, self._ours)

    def _ready(self) -> None:
        """Raises `SendError` while the homeserver cannot be spoken to."""
        if not self._link.up:
            failure = self._link.failure
            raise SendError.passing(
                failure.reason if failure is not None else Reason.SERVICE_UNAVAILABLE,
                failure.text if failure is not None else "the homeserver has not been reached yet",
            )

    def _room(self, place: Place) -> Room:
        """The room of a place that the account is in. Raises `SendError`."""
        self._ready()
        room = self._rooms.by_place(place)
        if room is None or not room.entered:
            raise SendError.passing(Reason.ITEM_NOT_FOUND, self._entering.trouble(place))
        return room

    def _room_entered(self) -> None:
        """A room was entered late: its lane can start."""
        if self._link.up:
            self._core.online()
