"""An XMPP server, attached as an external component (XEP-0114): life cycle, and what the core asks for."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from xml.etree.ElementTree import Element

import structlog

from adapters.xmpp import capabilities, ids, memory, outbound
from adapters.xmpp.attendance import OVERLAP, Attendance
from adapters.xmpp.disco import Responder
from adapters.xmpp.dispatch import Dispatch
from adapters.xmpp.intake import Intake
from adapters.xmpp.own import Own
from adapters.xmpp.puppets import Puppets
from adapters.xmpp.queries import Queries
from adapters.xmpp.rooms import Room
from adapters.xmpp.settings import XmppSettings
from adapters.xmpp.stream import Account, Connector, Stream, tcp
from bridge.capabilities import Capabilities
from bridge.contract import Context, Core, Handover, NoPuppetError, Part, SendError, Voice
from bridge.model.address import Address, Person, Place
from bridge.model.event import Event, State
from bridge.model.message import Text
from bridge.model.result import Failure, Reason, Receipt
from bridge.model.room import Member

log = structlog.get_logger(__name__)

TICK = 5.0
"""Seconds between looks at lines that no room has reflected."""
HISTORY_WITHIN = 30.0
"""Seconds `XmppAdapter.recheck` waits for the bot to have heard a room's history."""
SUBJECT_WITHIN = 15.0
"""Seconds a room may take to reflect a subject."""


class XmppAdapter:
    """One component. Besides `bridge.contract.Adapter` it is Puppeteer, Topical, Telling and Rechecking."""

    def __init__(self, settings: XmppSettings, context: Context, connector: Connector | None = None) -> None:
        """`connector` is where the transport comes from, if not a TCP connection of our own."""
        self._network = context.network
        self._settings = settings
        self._bot = ids.own_jid(ids.BOT_LOCAL, settings.domain)
        account = Account(context.network, settings.domain, settings.secret.get_secret_value(), settings.server)
        self._stream = Stream(account, self, connector or tcp(*settings.address))
        self._queries = Queries(self._stream.write)
        self._rooms: dict[str, Room] = {}
        self._attendances: dict[str, Attendance] = {}
        self._attending: list[asyncio.Task[None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._up = False
        self._stopping = False

    # Adapter

    async def start(self, core: Core) -> None:
        """See `bridge.contract.Adapter`."""
        self._core = core
        self._puppets = Puppets(core, self._settings.domain)
        self._intake = Intake(core, self._stream.pause)
        for member in core.members():
            if member.place.native not in self._rooms:
                self._rooms[member.place.native] = self._room(member)
        responder = Responder(
            domain=self._settings.domain,
            bot=self._bot,
            read=core.names.from_xmpp_local,
            present=self._present,
            is_room=self._rooms.__contains__,
        )
        self._dispatch = Dispatch(self._rooms, self._queries, responder, self)
        self._tasks = [
            _watched(asyncio.create_task(work, name=f"{self._network} {what}"))
            for what, work in (
                ("intake", self._intake.run()),
                ("stream", self._stream.run()),
                ("clock", self._tick()),
            )
        ]

    async def stop(self) -> None:
        """See `bridge.contract.Adapter`. Everybody of ours leaves their rooms."""
        self._stopping = True
        self._end_attendances()
        if self._up:
            for room in self._rooms.values():
                self._leave_all(room)
        await self._stream.close()
        await self._intake.drained(2.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for room in self._rooms.values():
            room.lost(Reason.SERVICE_UNAVAILABLE, "the bridge is stopping")

    def capabilities(self, place: Place, speaker: Person, voice: Voice) -> Capabilities:
        """See `bridge.contract.Adapter`. The same in every room."""
        return capabilities.ROOM

    def send(self, part: Part) -> Handover:
        """See `bridge.contract.Adapter`."""
        room = self._find(part.place)
        own = room.owns.bot if part.voice is Voice.BOT else room.owns.of(part.speaker.address)
        if own is None:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"{part.speaker} has no puppet in {room.jid} now")
        body = Text(capabilities.body(part.kind, part.text.text), language=part.text.language)
        return Handover(room.say(own, part.id, body))

    # Puppeteer

    @property
    def joins_in_flight(self) -> int:
        """See `bridge.contract.Puppeteer`."""
        return 20

    async def join(self, place: Place, person: Person) -> None:
        """See `bridge.contract.Puppeteer`."""
        await self._puppets.join(self._attendance(place), person)

    async def leave(self, place: Place, address: Address, reason: str | None) -> None:
        """See `bridge.contract.Puppeteer`."""
        await self._puppets.leave(self._find(place), address, reason)

    async def rename(self, place: Place, person: Person) -> None:
        """See `bridge.contract.Puppeteer`."""
        await self._puppets.rename(self._attendance(place), person)

    # Topical

    async def set_topic(self, place: Place, text: str, by: Person | None) -> None:
        """See `bridge.contract.Topical`. By the person's puppet if it is there and may, else by the bot."""
        room = self._find(place)
        puppet = room.owns.of(by.address) if by is not None else None
        if puppet is not None and puppet.present:
            try:
                await self._set_subject(room, puppet, text)
            except SendError as error:
                if error.failure.reason is not Reason.FORBIDDEN:
                    raise
            else:
                return
        await self._set_subject(room, room.owns.bot, text)

    async def _set_subject(self, room: Room, own: Own, text: str) -> None:
        try:
            async with asyncio.timeout(SUBJECT_WITHIN):
                await room.set_subject(own, text)
        except TimeoutError:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, f"{room.jid} does not answer") from None

    # Telling

    async def tell(self, place: Place, person: Person, text: str, about: str | None) -> None:
        """See `bridge.contract.Telling`. Through the room where the person is in it, else to their own JID."""
        room = self._find(place)
        token = f"tell-{about or ''}"
        occupant = room.occupants.find(person.address)
        if occupant is not None and room.owns.bot.present:
            self._stream.write(outbound.private(self._bot, f"{room.jid}/{occupant.nick}", token, text))
        elif "/" not in person.address.native:
            self._stream.write(outbound.direct(self._bot, person.address.native, token, text))
        else:
            raise SendError.permanent(Reason.RECIPIENT_UNAVAILABLE, f"{person} is not in {room.jid} any more")

    # Rechecking

    async def recheck(self, parts: Sequence[Part]) -> Mapping[str, Receipt]:
        """See `bridge.contract.Rechecking`. By the room's history: what it reflected, it keeps."""
        if not parts:
            return {}
        attendance = self._attendance(parts[0].place)
        room = attendance.room
        needed = min(part.when for part in parts) - OVERLAP
        await self._history_heard(room)
        if room.reaches is None or room.reaches > needed:
            await attendance.reenter(needed)
            await self._history_heard(room)
        receipts = ((part.id, room.said.get(part.id)) for part in parts)
        return {part_id: receipt for part_id, receipt in receipts if receipt is not None}

    async def _history_heard(self, room: Room) -> None:
        try:
            async with asyncio.timeout(HISTORY_WITHIN):
                await room.here.wait()
        except TimeoutError:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, f"the bot is not in {room.jid}") from None

    # The stream's listener

    def opened(self) -> None:
        """The stream is there: the bot goes to its rooms, the core may begin."""
        log.info("connected", network=self._network, domain=self._settings.domain)
        self._up = True
        for jid, room in self._rooms.items():
            attendance = Attendance(
                room,
                self._queries,
                self._settings.nick,
                partial(self._core.last_seen, room.place),
                partial(self._core.inside, room.place),
            )
            self._attendances[jid] = attendance
            self._attending.append(_watched(asyncio.create_task(attendance.run(), name=f"attendance {jid}")))
        self._core.online()

    def received(self, stanza: Element) -> None:
        """A stanza came."""
        self._dispatch.received(stanza)

    def closed(self, failure: Failure) -> None:
        """The stream is gone."""
        self._up = False
        self._end_attendances()
        for room in self._rooms.values():
            room.lost(Reason.REMOTE_SERVER_TIMEOUT, "the connection to the XMPP server is lost")
        self._core.offline(failure)

    # What rooms and the dispatcher do through us

    def write(self, stanza: str) -> None:
        """Give a stanza to the stream. Raises `SendError`."""
        self._stream.write(stanza)

    def emit(self, *items: Event | State) -> None:
        """Report to the core, in order."""
        self._intake.put(*items)

    def ignored(self, what: str, native_id: str = "") -> None:
        """As `bridge.contract.Core.ignored`."""
        self._core.ignored(what, native_id)

    def confirmed(self, part_id: str, receipt: Receipt) -> None:
        """As `bridge.contract.Core.confirmed`."""
        self._core.confirmed(part_id, receipt)

    # Helpers

    def _room(self, member: Member) -> Room:
        place = member.place
        known = []
        for remembered in memory.read(place.native, self._core.recall(memory.prefix(place.native))):
            try:
                known.append((remembered, self._puppets.jid(remembered.address)))
            except NoPuppetError as error:
                log.debug("a puppet of old has no name now", network=self._network, error=str(error))
        return Room(place, self, bot=self._bot, domain=self._settings.domain, password=member.key, known=known)

    def _find(self, place: Place) -> Room:
        room = self._rooms.get(place.native)
        if room is None:
            raise SendError.permanent(Reason.ITEM_NOT_FOUND, f"{place} is no configured room")
        return room

    def _attendance(self, place: Place) -> Attendance:
        attendance = self._attendances.get(self._find(place).jid)
        if attendance is None:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "the XMPP server is not connected")
        return attendance

    def _present(self, jid: str, room: str | None) -> bool:
        rooms = self._rooms.values() if room is None else filter(None, (self._rooms.get(room),))
        return any((own := found.owns.get(jid)) is not None and own.present for found in rooms)

    def _leave_all(self, room: Room) -> None:
        for own in room.owns:
            if own.present:
                try:
                    room.leave(own, None)
                except SendError as error:
                    log.info("could not leave", room=room.jid, error=str(error))
                    return

    def _end_attendances(self) -> None:
        for task in self._attending:
            task.cancel()
        self._attending.clear()
        self._attendances.clear()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            for room in self._rooms.values():
                room.expire()


def _watched(task: asyncio.Task[None]) -> asyncio.Task[None]:
    """The task, which runs until it is cancelled: anything else that ends it is a fault of ours, and told at once."""
    task.add_done_callback(_tell_fault)
    return task


def _tell_fault(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("a task of the adapter died", task=task.get_name(), exc_info=error)
