"""An XMPP server, attached by an ordinary account: life cycle, and what the core asks for."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from xml.etree.ElementTree import Element

import structlog

from adapters.xmpp import capabilities, ids, memory
from adapters.xmpp.account.people import People, no_puppet
from adapters.xmpp.account.settings import AccountSettings
from adapters.xmpp.account.stream import Stream
from adapters.xmpp.archive import PAGE_WITHIN
from adapters.xmpp.attended import Attended, watched
from adapters.xmpp.disco import Responder
from adapters.xmpp.dispatch import Dispatch
from adapters.xmpp.identities import Identities
from adapters.xmpp.intake import Intake
from adapters.xmpp.queries import Queries
from adapters.xmpp.rooms import Room
from adapters.xmpp.sightings import Sightings
from adapters.xmpp.standing import Mark
from bridge.capabilities import Capabilities
from bridge.contract import Context, Core, Handover, Notice, Part, Voice
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.event import Event, State
from bridge.model.message import Text
from bridge.model.result import Failure, Reason, Receipt

log = structlog.get_logger(__name__)

TICK = 5.0
"""Seconds between looks at lines that no room has reflected."""

CAPABILITIES = replace(capabilities.ROOM, part_bytes=10_000)
"""Escaped, each byte may become five: with the rest of the stanza still below `stream.STANZA_BYTES`."""


class AccountAdapter:
    """One account. Besides `bridge.contract.Adapter` it is Topical, Telling, Direct, Rechecking and Identifying; it has
    no puppets.

    Within the adapter the account is known by its bare JID alone, which servers take for any of its resources
    (RFC 6120 section 8.1.2.1).
    """

    def __init__(self, settings: AccountSettings, context: Context) -> None:
        self._network = context.network
        self._settings = settings
        self._bot = settings.bare
        self._stream = Stream(settings, context.network, context.folder, self)
        self._queries = Queries(self._stream.write)
        self._rooms: dict[str, Room] = {}
        self._identities = Identities(context.network, self._rooms, self._bot.__eq__, self._bot.__eq__)
        self._tasks: list[asyncio.Task[None]] = []
        self._suspended: float | None = None
        """Since when the session has no connection (`time.monotonic`)."""

    # Adapter

    async def start(self, core: Core) -> None:
        """See `bridge.contract.Adapter`."""
        await self._stream.prepare()
        self._core = core
        self._intake = Intake(_Taking(core, self._stream), self._stream.pause)
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
            jid = member.place.native
            # No domain is ours; whoever else is in the room, is a person.
            heard = core.recall(memory.heard(jid)).get(memory.heard(jid))
            room = Room(
                member.place,
                self,
                bot=self._bot,
                domain="",
                password=member.key,
                heard=heard,
                sight=self._sightings,
                reach=self._attended.reach(member.place),
            )
            rooms.setdefault(jid, room)
        self._people = People(core, self, rooms, self._queries, bot=self._bot)
        responder = Responder(
            domain="",
            bot=self._bot,
            read=core.names.from_xmpp_local,
            present=lambda jid, room: any(each.owns.bot.present for each in rooms.values()),
            is_room=rooms.__contains__,
            contact=lambda person, puppet: True,
        )
        self._dispatch = Dispatch(rooms, self._queries, responder, self, self._people)
        self._tasks = [
            watched(asyncio.create_task(work, name=f"{self._network} {what}"), core.crashed)
            for what, work in (
                ("intake", self._intake.run()),
                ("stream", self._stream.run()),
                ("clock", self._tick()),
                ("notes", self._attended.note(lambda: self._stream.connected)),
                *self._people.tasks(),
            )
        ]

    async def stop(self) -> None:
        """See `bridge.contract.Adapter`. The bot leaves its rooms."""
        self._attended.end()
        notes = self._attended.notes() if self._stream.connected else {}
        if self._stream.connected:
            self._attended.leave()
        await self._intake.drained(2.0)
        await self._stream.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._attended.keep(notes)
        self._lost(Reason.SERVICE_UNAVAILABLE, "the bridge is stopping")

    def capabilities(self, place: Place, speaker: Person, voice: Voice) -> Capabilities:
        """See `bridge.contract.Adapter`. The same in every room, and for every person."""
        return CAPABILITIES

    def send(self, part: Part) -> Handover:
        """See `bridge.contract.Adapter`.

        What was written in this session is not written again, however long it waited for the stream to be resumed.
        """
        wire = ids.wire_id(part.id)
        if part.place.kind is PlaceKind.USER:
            if self._stream.knows(wire):
                return self._people.ask_again(part)
            handover = self._people.direct.send(part)
        else:
            room = self._attended.find(part.place)
            if self._stream.holds(wire):
                return Handover(room.waiting.add(part.id, time.time()))
            body = Text(capabilities.body(part.kind, part.text.text), language=part.text.language)
            mark = Mark(of=self._core.identity(part.speaker), hops=part.hops)
            handover = Handover(room.say(room.owns.bot, part.id, body, mark))
        self._stream.name(wire)
        return handover

    # Topical

    async def set_topic(self, place: Place, text: str, by: Person | None) -> None:
        """See `bridge.contract.Topical`. By the bot."""
        room = self._attended.find(place)
        await self._attended.set_subject(room, room.owns.bot, text)

    # Direct

    async def meet(self, place: Place, person: Person) -> Voice:
        """See `bridge.contract.Direct`. The bot speaks for everybody."""
        return self._people.direct.voice(place, person)

    def at_home(self, address: Address) -> bool:
        """See `bridge.contract.Direct`. By the domain; of an occupant who hides who they are, nothing is known."""
        return "/" not in address.native and ids.domain(address.native) == self._settings.host

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
        return await self._attended.recheck(parts)

    # Identifying

    def identity(self, address: Address) -> str:
        """See `bridge.contract.Identifying`."""
        return self._identities.identity(address)

    def native(self, identity: str) -> Address | None:
        """See `bridge.contract.Identifying`. The account itself is no person."""
        return self._identities.native(identity)

    def ours(self, identity: str) -> bool:
        """See `bridge.contract.Identifying`."""
        return self._identities.ours(identity)

    # The stream's listener

    def opened(self) -> None:
        """There is a new session: the bot shows itself and goes to its rooms, the core may begin."""
        log.info("connected", network=self._network, jid=self._bot)
        self._suspended = None
        # With it the server gives us what was said while we were away (RFC 6121 section 8.5.2).
        self._stream.write("<presence/>")
        self._attended.begin()
        self._core.online()

    def resumed(self) -> None:
        """The session goes on, and the bot never left its rooms."""
        self._suspended = None
        self._core.online()
        self._sightings.again()

    def received(self, stanza: Element) -> None:
        """A stanza came: it is for the account, whichever of its JIDs is named."""
        stanza.set("to", self._bot)
        if not stanza.get("from"):
            # RFC 6120 section 8.1.2.1: then the account itself is meant.
            stanza.set("from", self._bot)
        self._dispatch.received(stanza)

    def suspended(self, failure: Failure) -> None:
        """The connection is gone, the session perhaps not: whatever waits, waits on."""
        if self._suspended is None:
            self._suspended = time.monotonic()
        self._core.offline(failure)

    def closed(self, failure: Failure) -> None:
        """The session is gone."""
        self._attended.end()
        silent = time.monotonic() - self._suspended if self._suspended is not None else 0.0
        self._lost(Reason.REMOTE_SERVER_TIMEOUT, "the connection to the XMPP server is lost", silent)
        self._sightings.forget()
        self._core.offline(failure)

    # What rooms and the dispatcher do through us

    def write(self, stanza: str) -> None:
        """Give a stanza to the stream. Raises `SendError`."""
        self._stream.write(stanza)

    def emit(self, *items: Event | State) -> None:
        """Report to the core, in order."""
        self._stream.made(len(items))
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
        """Nobody has a puppet. Raises `bridge.contract.NoPuppetError`."""
        return no_puppet(address)

    def written(self, address: Address) -> str:
        """As `bridge.contract.Core.written`."""
        return self._core.written(address)

    def _lost(self, reason: Reason, text: str, silent_for: float = 0.0) -> None:
        self._attended.lost(reason, text, silent_for)
        self._people.lost(reason, text)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            # While the session is suspended, or nothing is read, nothing is late.
            if self._stream.connected and not self._stream.held_up:
                self._attended.expire()


class _Taking:
    """What the intake gives to: the core, which has it, durably, when `accept` returns; then the stream is told."""

    def __init__(self, core: Core, stream: Stream) -> None:
        self.network = core.network
        self._core = core
        self._stream = stream

    async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
        """As `bridge.contract.Core.accept`."""
        await self._core.accept(*items, remember=remember)
        self._stream.taken(len(items))
