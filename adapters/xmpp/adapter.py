"""An XMPP server, attached as an external component (XEP-0114): life cycle, and what the core asks for."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from xml.etree.ElementTree import Element

import structlog

from adapters.xmpp import capabilities, ids, memory
from adapters.xmpp.adhoc import AdHoc
from adapters.xmpp.archive import PAGE_WITHIN
from adapters.xmpp.attended import Attended, watched
from adapters.xmpp.disco import Responder
from adapters.xmpp.dispatch import Dispatch
from adapters.xmpp.identities import Identities
from adapters.xmpp.intake import Intake
from adapters.xmpp.kept import KeptConnector
from adapters.xmpp.people import People
from adapters.xmpp.puppets import Puppets
from adapters.xmpp.queries import Queries
from adapters.xmpp.rooms import Room
from adapters.xmpp.settings import XmppSettings
from adapters.xmpp.sightings import Sightings
from adapters.xmpp.standing import Mark
from adapters.xmpp.stream import Account, Connector, Stream, tcp
from bridge.capabilities import Capabilities
from bridge.contract import Context, Core, Handover, NoPuppetError, Notice, Part, SendError, Voice
from bridge.keeper.client import KeeperClient
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.event import Event, State
from bridge.model.message import Text
from bridge.model.presence import Presence
from bridge.model.result import Failure, Reason, Receipt
from bridge.model.room import Member
from bridge.model.subscription import Notify

log = structlog.get_logger(__name__)

TICK = 5.0
"""Seconds between looks at lines that no room has reflected."""


class XmppAdapter:
    """One component. Besides `bridge.contract.Adapter` it is Puppeteer, Topical, Telling, Direct, Showing, Notifying,
    Rechecking and Identifying."""

    def __init__(self, settings: XmppSettings, context: Context, connector: Connector | None = None) -> None:
        """`connector` is where the transport comes from, if not a TCP connection of our own."""
        self._network = context.network
        self._settings = settings
        self._bot = ids.own_jid(ids.BOT_LOCAL, settings.domain)
        account = Account(context.network, settings.domain, settings.secret.get_secret_value(), settings.server)
        own = tcp(*settings.address)
        self._kept = self._keeper(context.keeper, own) if connector is None and context.keeper is not None else None
        self._stream = Stream(account, self, connector or self._kept or own, silence=settings.silence)
        self._queries = Queries(self._stream.write)
        self._rooms: dict[str, Room] = {}
        self._identities = Identities(context.network, self._rooms, partial(ids.within, settings.domain), self._is_ours)
        self._tasks: list[asyncio.Task[None]] = []
        self._up = False
        self._started = False
        self._saying = ""
        """The part that a room is being told, for that stanza."""

    # Adapter

    async def start(self, core: Core) -> None:
        """See `bridge.contract.Adapter`."""
        self._core = core
        self._puppets = Puppets(core, self._settings.domain)
        self._intake = Intake(core, self._stream.pause, self._mark)
        self._sightings = Sightings(core.presence)
        taken = partial(self._intake.drained, PAGE_WITHIN)
        self._attended = Attended(
            core,
            self._queries,
            self._settings.nick,
            self._rooms,
            taken,
            put=self.emit,
            longest=self._settings.say_gaps_beyond,
        )
        rooms = self._rooms
        for member in core.members():
            if member.place.native not in rooms:
                rooms[member.place.native] = self._room(member)
        self._people = People(
            core,
            self,
            rooms,
            self._queries,
            self._sightings,
            bot=self._bot,
            arrival=self._arrival,
            once=self._stream.write,
        )
        responder = Responder(
            domain=self._settings.domain,
            bot=self._bot,
            read=core.names.from_xmpp_local,
            present=self._present,
            is_room=rooms.__contains__,
            contact=self._people.contact,
            commands=True,
        )
        adhoc = AdHoc(core, self.write, domain=self._settings.domain, bot=self._bot, rooms=rooms)
        self._dispatch = Dispatch(rooms, self._queries, responder, self, self._people, self._arrival, adhoc.takes)
        self._tasks = [
            watched(asyncio.create_task(work, name=f"{self._network} {what}"), core.crashed)
            for what, work in (
                ("intake", self._intake.run()),
                ("stream", self._stream.run()),
                ("clock", self._tick()),
                ("notes", self._attended.note(lambda: self._up)),
                *self._people.tasks(),
                ("ad-hoc commands", adhoc.run()),
            )
        ]
        self._started = True

    async def stop(self) -> None:
        """See `bridge.contract.Adapter`. Everybody of ours leaves their rooms."""
        self._attended.end()
        notes = self._attended.notes()
        if self._up:
            self._attended.leave()
            self._people.showing.farewell()
        await self._stream.close()
        await self._intake.drained(2.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._attended.keep(notes)
        self._lost(Reason.SERVICE_UNAVAILABLE, "the bridge is stopping")

    def capabilities(self, place: Place, speaker: Person, voice: Voice) -> Capabilities:
        """See `bridge.contract.Adapter`. The same in every room, and for every person."""
        return capabilities.PERSON if place.kind is PlaceKind.USER else capabilities.ROOM

    def send(self, part: Part) -> Handover:
        """See `bridge.contract.Adapter`."""
        if part.place.kind is PlaceKind.USER:
            return self._people.direct.send(part)
        room = self._find(part.place)
        own = room.owns.bot if part.voice is Voice.BOT else room.owns.of(part.speaker.address)
        if own is None:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"{part.speaker} has no puppet in {room.jid} now")
        body = Text(capabilities.body(part.kind, part.text.text), language=part.text.language)
        mark = Mark(of=self._core.identity(part.speaker), hops=part.hops)
        self._saying = part.id
        try:
            return Handover(room.say(own, part.id, body, mark))
        finally:
            self._saying = ""

    # Puppeteer

    @property
    def joins_in_flight(self) -> int:
        """See `bridge.contract.Puppeteer`."""
        return 20

    async def join(self, place: Place, person: Person) -> None:
        """See `bridge.contract.Puppeteer`."""
        await self._puppets.join(self._attended.attendance(place), person)

    async def leave(self, place: Place, address: Address, reason: str | None) -> None:
        """See `bridge.contract.Puppeteer`."""
        await self._puppets.leave(self._find(place), address, reason)

    async def rename(self, place: Place, person: Person) -> None:
        """See `bridge.contract.Puppeteer`."""
        await self._puppets.rename(self._attended.attendance(place), person)

    # Topical

    async def set_topic(self, place: Place, text: str, by: Person | None) -> None:
        """See `bridge.contract.Topical`. By the person's puppet if it is there and may, else by the bot."""
        room = self._find(place)
        puppet = room.owns.of(by.address) if by is not None else None
        if puppet is not None and puppet.present:
            try:
                await self._attended.set_subject(room, puppet, text)
            except SendError as error:
                if error.failure.reason is not Reason.FORBIDDEN:
                    raise
            else:
                return
        await self._attended.set_subject(room, room.owns.bot, text)

    # Direct, Showing and Notifying

    async def meet(self, place: Place, person: Person) -> Voice:
        """See `bridge.contract.Direct`. Nothing has to be made ready: a component's JIDs are all there."""
        return self._people.direct.voice(place, person)

    def at_home(self, address: Address) -> bool:
        """See `bridge.contract.Direct`. By the domain; of an occupant who hides who they are, nothing is known."""
        return "/" not in address.native and ids.domain(address.native) in self._settings.home

    def show(self, presence: Presence) -> None:
        """See `bridge.contract.Showing`. Before the start, for others start earlier, there is nobody to show it to."""
        if self._started:
            self._people.showing.changed(presence.presentity)

    def notify(self, notify: Notify) -> None:
        """See `bridge.contract.Notifying`. Before the start as for `show`; all is told anew once we are online."""
        if self._started:
            self._people.notify(notify)

    # Telling

    async def tell(self, notice: Notice) -> None:
        """See `bridge.contract.Telling`. What was written in private is answered with an error (RFC 6120 section 8.3);
        else through the room where the person is in it, or to their own JID."""
        if not self._people.inbox.tell(notice):
            self._people.direct.tell(notice)

    # Rechecking

    def rechecks(self, place: Place) -> bool:
        """See `bridge.contract.Rechecking`. A room's history can be asked, nobody's inbox can."""
        return place.kind is PlaceKind.ROOM

    async def recheck(self, parts: Sequence[Part]) -> Mapping[str, Receipt]:
        """See `bridge.contract.Rechecking`. By the room's history: what it reflected, it keeps."""
        if self._kept is not None and all(self._kept.is_old(part.id) for part in parts):
            # The keeper knows what it has written; nobody has to leave the room for its history.
            return await self._attended.heard(parts)
        arrived = await self._attended.recheck(parts)
        if self._kept is not None:
            for part in parts:
                self._kept.unkey(part.id)
        return arrived

    # Identifying

    def identity(self, address: Address) -> str:
        """See `bridge.contract.Identifying`."""
        return self._identities.identity(address)

    def native(self, identity: str) -> Address | None:
        """See `bridge.contract.Identifying`. Nobody of our own domain is a person."""
        return self._identities.native(identity)

    def ours(self, identity: str) -> bool:
        """See `bridge.contract.Identifying`."""
        return self._identities.ours(identity)

    # The stream's listener

    def opened(self) -> None:
        """The stream is there: the bot goes to its rooms, the core may begin."""
        log.info("connected", network=self._network, domain=self._settings.domain)
        self._up = True
        self._people.opened()
        self._attended.begin()
        self._core.online()

    def received(self, stanza: Element) -> None:
        """A stanza came. Answers go out from whom it is for; from elsewhere they would end the stream for everybody."""
        if not ids.within(self._settings.domain, stanza.get("to", "")):
            self._core.ignored("not for us", stanza.get("id", ""))
            return
        if self._kept is not None and stanza.get("type") == "error" and (part_id := ids.part_id(stanza.get("id", ""))):
            self._kept.unkey(part_id)
        self._dispatch.received(stanza)

    def closed(self, failure: Failure) -> None:
        """The stream is gone."""
        self._up = False
        self._attended.end()
        silent = self._stream.silent_for
        # A server that was asked for a word, and gave none, may have been away all the time.
        self._lost(
            Reason.REMOTE_SERVER_TIMEOUT,
            "the connection to the XMPP server is lost",
            silent if silent > self._stream.silence else 0.0,
        )
        self._core.offline(failure)

    # What rooms and the dispatcher do through us

    def write(self, stanza: str) -> None:
        """Give a stanza to the stream. Raises `SendError`."""
        self._stream.write(stanza, self._saying)

    def emit(self, *items: Event | State) -> None:
        """Report to the core, in order."""
        self._intake.put(*items)

    def ignored(self, what: str, native_id: str = "") -> None:
        """As `bridge.contract.Core.ignored`."""
        self._core.ignored(what, native_id)

    def reached(self, room: str, line: str) -> None:
        """Remember it, once the core has what was reported before."""
        self._intake.note(memory.heard(room), line)

    def confirmed(self, part_id: str, receipt: Receipt) -> None:
        """As `bridge.contract.Core.confirmed`."""
        self._core.confirmed(part_id, receipt)

    def puppet_jid(self, address: Address) -> str:
        """The full JID of that person's puppet. Raises `NoPuppetError`."""
        return self._puppets.jid(address)

    def written(self, address: Address) -> str:
        """As `bridge.contract.Core.written`."""
        return self._core.written(address)

    # What a keeper holds

    def _keeper(self, keeper: KeeperClient, otherwise: Connector) -> KeptConnector:
        settings = self._settings
        named = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()
        return KeptConnector(
            keeper,
            self._network,
            settings.address,
            named,
            otherwise,
            fed=lambda: self._intake.touch(),
            resuming=self._resuming,
            known=self._known,
        )

    def _known(self, part_id: str) -> None:
        """What was to be said had been said before us. In private, the answer to a ping tells that it arrived."""
        for room in self._rooms.values():
            if room.waiting.confirm(part_id, room.said.get(part_id) or Receipt()):
                return

    def _resuming(self) -> None:
        for room in self._rooms.values():
            room.meanwhile.begin()

    def _arrival(self) -> tuple[str, float] | None:
        return self._kept.origin if self._kept is not None else None

    def _mark(self) -> Callable[[], None]:
        # What rooms keep for themselves is not safe yet.
        if self._kept is None or any(room.meanwhile.is_kept for room in self._rooms.values()):
            return lambda: None
        return self._kept.mark()

    # Helpers

    def _room(self, member: Member) -> Room:
        place = member.place
        known = []
        for remembered in memory.read(place.native, self._core.recall(memory.prefix(place.native))):
            try:
                known.append((remembered, self._puppets.jid(remembered.address)))
            except NoPuppetError as error:
                log.debug("a puppet of old has no name now", network=self._network, error=str(error))
        return Room(
            place,
            self,
            bot=self._bot,
            domain=self._settings.domain,
            password=member.key,
            known=known,
            heard=self._core.recall(memory.heard(place.native)).get(memory.heard(place.native)),
            sight=self._sightings,
            reach=self._attended.reach(place),
        )

    def _find(self, place: Place) -> Room:
        return self._attended.find(place)

    def _is_ours(self, jid: str) -> bool:
        """Whether a bare JID is the bot's, or one that a puppet can have."""
        if not ids.within(self._settings.domain, jid):
            return False
        if jid == ids.bare(self._bot) or not self._started:
            return True
        try:
            return isinstance(self._core.names.from_xmpp_local(jid.rpartition("@")[0]), Address)
        except ValueError:
            return False

    def _lost(self, reason: Reason, text: str, silent_for: float = 0.0) -> None:
        self._attended.lost(reason, text, silent_for)
        self._people.closed(reason, text)

    def _present(self, jid: str, room: str | None) -> bool:
        known = self._attended.rooms
        rooms = known.values() if room is None else filter(None, (known.get(room),))
        return any((own := found.owns.get(jid)) is not None and own.present for found in rooms)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            # While nothing is read, nothing is late.
            if not self._stream.held_up:
                self._attended.expire()
