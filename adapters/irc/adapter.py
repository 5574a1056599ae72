"""An IRC network: the life of the adapter, and what the core asks of it."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final

import structlog

from adapters.irc import capabilities as offers
from adapters.irc import events
from adapters.irc.bot import Bot
from adapters.irc.connection import Connection, Ending
from adapters.irc.desk import Desk
from adapters.irc.events import Manner
from adapters.irc.ids import Minter, Places
from adapters.irc.inbound import Scene
from adapters.irc.intake import Intake
from adapters.irc.markup import to_irc
from adapters.irc.nicks import OwnNicks
from adapters.irc.outbound import spoken
from adapters.irc.puppet import Puppet
from adapters.irc.puppets import Puppets
from adapters.irc.settings import IrcSettings
from adapters.irc.transport import TcpDialler, tls_context
from bridge.capabilities import Capabilities
from bridge.contract import Context, Core, Handover, NoPuppetError, Part, SendError, StartError, Voice
from bridge.model.address import Address, Person, Place
from bridge.model.event import Protection
from bridge.model.result import Failure, Reason
from bridge.model.room import Member
from bridge.split import cut

log = structlog.get_logger(__name__)

HOUSEKEEPING: Final = 30.0
REGAIN_EVERY: Final = 60.0
TOPIC_WITHIN: Final = 30.0
QUIT_WITHIN: Final = 3.0
REASON_BYTES: Final = 200
GOODBYE: Final = "Rialto is being stopped"


class IrcAdapter:
    """One IRC network, through one bot and a connection for each puppet."""

    joins_in_flight = 8
    """How many joins, leaves and renames the core may ask for at once; connecting is paced besides."""

    def __init__(self, settings: IrcSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._own = OwnNicks()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, core: Core) -> None:
        """Begin to connect. Raises `StartError` if the certificates to trust cannot be read, or a key is none."""
        self._core = core
        for member in core.members():
            _check_key(member)
        dialler = self._dialler()
        self._places = Places(core.members())
        self._bot = Bot(
            core.network,
            self._settings,
            dialler,
            self._places,
            told=self._bot_told,
            online=core.online,
            offline=self._bot_lost,
            inside=core.inside,
        )
        self._puppets = Puppets(
            self._settings, dialler, core, self._bot, self._own, told=self._puppet_told, lost=self._puppet_lost
        )
        loop = asyncio.get_running_loop()
        self._intake = Intake(core, self._choke)
        scene = Scene(
            network=core.network,
            places=self._places,
            fold=self._bot.fold,
            own=lambda source: self._own.find(source, loop.time()),
            mint=Minter(time.time()).mint,
            now=time.time,
            protection=Protection.TRANSPORT if self._settings.secure else Protection.NONE,
        )
        self._desk = Desk(scene, self._own, self._bot, self._puppets, put=self._intake.put, ignored=core.ignored)
        self._spawn(self._bot.run(), "bot")
        self._spawn(self._intake.run(), "intake")
        self._spawn(self._housekeeping(), "housekeeping")

    async def stop(self) -> None:
        """Leave the network with all connections."""
        if not self._tasks:
            return
        await asyncio.gather(self._puppets.stop(GOODBYE, QUIT_WITHIN), self._bot.stop(GOODBYE, QUIT_WITHIN))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._desk.stop()
        await self._intake.drain()

    # Sending

    def capabilities(self, place: Place, speaker: Person, voice: Voice) -> Capabilities:
        """What fits into one line there, said by the speaker's puppet or by the bot."""
        connection = self._connection(speaker.address, voice)
        if connection is not None:
            return offers.capabilities(connection.session, place.native)
        support = self._bot.isupport
        return offers.unconnected(
            place.native, support.nick_bytes, support.user_bytes, support.host_bytes, support.line_bytes
        )

    def send(self, part: Part) -> Handover:
        """Say the part. Raises `SendError`."""
        self._require_place(part.place)
        manner, text = spoken(part)
        connection = self._connection(part.speaker.address, part.voice)
        channel = part.place.native
        if connection is None or not connection.ready or channel not in connection.session.channels:
            who = "the bot" if part.voice is Voice.BOT else "the puppet"
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"{who} is not in {channel}", self._come_back(part))
        return connection.say(channel, manner, text)

    # Puppets

    async def join(self, place: Place, person: Person) -> None:
        """Make the person's puppet present and named. Raises `NoPuppetError`, `SendError`."""
        self._require_place(place)
        member = self._places.member(place)
        if self._settings.puppets == 0 or member is None or not member.puppets:
            raise NoPuppetError("no puppets are wanted here")
        await self._puppets.join(member, person)

    async def leave(self, place: Place, address: Address, reason: str | None) -> None:
        """Take the puppet out of the place."""
        words = cut(to_irc(reason), REASON_BYTES) if reason else None
        await self._puppets.leave(place.native, address, words)

    async def rename(self, place: Place, person: Person) -> None:
        """Let the puppet go by a nick for the new name."""
        await self._puppets.rename(person)

    # Topic, and telling

    async def set_topic(self, place: Place, text: str, by: Person | None) -> None:
        """Set the topic by the puppet of whoever set it, if it may, else by the bot. Raises `SendError`."""
        self._require_place(place)
        channel = place.native
        puppet = self._puppets.get(by.address) if by else None
        tries = [puppet.connection] if puppet is not None and puppet.is_in(channel) else []
        if self._bot.connection is not None and self._bot.is_in(channel):
            tries.append(self._bot.connection)
        if not tries:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"nobody of ours is in {channel}")
        for connection in tries:
            line = cut(to_irc(text), connection.session.topic_bytes(channel))
            try:
                async with asyncio.timeout(TOPIC_WITHIN):
                    await connection.topic(channel, line)
            except TimeoutError:
                raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "no answer to TOPIC") from None
            except SendError as error:
                if connection is tries[-1]:
                    raise
                log.debug("topic not set by the puppet", network=place.network, place=channel, error=str(error))
            else:
                return

    async def tell(self, place: Place, person: Person, text: str, about: str | None) -> None:
        """Tell one line to a person of the network by NOTICE. Raises `SendError`."""
        connection = self._bot.connection
        if connection is None or not connection.ready:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, "the network is not connected")
        line = cut(to_irc(text), connection.session.text_bytes(person.name))
        await connection.say(person.name, Manner.NOTICE, line).confirmation

    # What the connections tell

    def _bot_told(self, event: events.Event) -> None:
        connection = self._bot.connection
        if connection is None:
            return
        match event:
            case events.Ready():
                casemapping = connection.session.isupport.casemapping
                self._places.rekey(casemapping)
                self._own.rekey(casemapping)
                self._puppets.rekey()
        self._desk.bot_told(connection, event)

    def _bot_lost(self, failure: Failure) -> None:
        self._desk.bot_lost(self._bot.nick)
        self._core.offline(failure)

    def _puppet_told(self, puppet: Puppet, event: events.Event) -> None:
        self._desk.puppet_told(puppet, event)

    def _puppet_lost(self, puppet: Puppet, ending: Ending) -> None:
        self._desk.puppet_lost(puppet, ending)

    def _choke(self, choked: bool) -> None:
        for connection in (self._bot.connection, *(puppet.connection for puppet in self._puppets)):
            if connection is not None:
                (connection.pause_reading if choked else connection.resume_reading)()

    # The rest

    def _connection(self, address: Address, voice: Voice) -> Connection | None:
        if voice is Voice.BOT:
            return self._bot.connection
        puppet = self._puppets.get(address)
        return puppet.connection if puppet else None

    def _require_place(self, place: Place) -> None:
        if self._places.member(place) is None:
            raise SendError.permanent(Reason.ITEM_NOT_FOUND, f"{place.native} is not a configured channel")

    def _come_back(self, part: Part) -> float | None:
        """When it makes sense to try again, where the channel does not let the bot in."""
        refused = any(seat.refused and seat.member.place == part.place for seat in self._bot.seats)
        return 30.0 if part.voice is Voice.BOT and refused else None

    def _dialler(self) -> TcpDialler:
        settings, key = self._settings, f"networks.{self._context.network}.server"
        if not settings.secure:
            return TcpDialler(settings.host, settings.port, key=key)
        ca = str(self._context.folder / settings.tls.ca) if settings.tls.ca else None
        try:
            context = tls_context(ca, verify=settings.tls.verify)
        except OSError as error:
            raise StartError(f"tls.ca: the certificates in {ca} cannot be read: {error}") from error
        return TcpDialler(settings.host, settings.port, context, key=key)

    async def _housekeeping(self) -> None:
        loop = asyncio.get_running_loop()
        regained = loop.time()
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            await self._puppets.keep()
            if loop.time() >= regained + REGAIN_EVERY:
                regained = loop.time()
                self._bot.regain()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"irc {name} {self._context.network}")
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("a task of the adapter failed", network=self._context.network, task=task.get_name(), exc_info=error)
        self._core.offline(Failure(Reason.INTERNAL_SERVER_ERROR, "an internal error; see the log"))


def _check_key(member: Member) -> None:
    key = member.key
    if key is not None and (
        not key or len(key.encode()) > REASON_BYTES or any(c in " ,:" or not c.isprintable() for c in key)
    ):
        raise StartError(f"the key of {member.place.native} cannot be an IRC channel key: no spaces, commas or colons")
