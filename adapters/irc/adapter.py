"""An IRC network: the life of the adapter, and what the core asks of it."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import structlog

from adapters.irc import capabilities as offers
from adapters.irc import standing
from adapters.irc.bot import Bot
from adapters.irc.catchup import CatchUp
from adapters.irc.conversations import Conversations
from adapters.irc.desk import Desk
from adapters.irc.direct import Direct
from adapters.irc.doubt import Doubt
from adapters.irc.entry import fingerprint, make_route, readable_secrets, sts_policy
from adapters.irc.ids import Minter, Places
from adapters.irc.inbound import Scene, marked
from adapters.irc.intake import Intake
from adapters.irc.link.connection import Connection, Ending
from adapters.irc.link.kept import Holdings
from adapters.irc.link.route import Route
from adapters.irc.link.transport import Dialler
from adapters.irc.markup import to_irc
from adapters.irc.monitor import Why
from adapters.irc.netsplit import Splits
from adapters.irc.nicks import OwnNicks, bot_nicks
from adapters.irc.outbound import since, spoken, tags
from adapters.irc.playback import Playback
from adapters.irc.protocol import events
from adapters.irc.protocol.message import Source
from adapters.irc.protocol.sts import PREFIX as STS
from adapters.irc.protocol.sts import Told
from adapters.irc.protocol.tracking import HOPS_TAG
from adapters.irc.puppet import Puppet
from adapters.irc.puppets import Puppets
from adapters.irc.reception import Reception
from adapters.irc.settings import IrcSettings
from adapters.irc.whereabouts import Whereabouts
from bridge.capabilities import Capabilities
from bridge.contract import Context, Core, Handover, NoPuppetError, Notice, Part, SendError, StartError, Voice
from bridge.gaps import PREFIX as GAPS
from bridge.gaps import Gaps
from bridge.model.address import Address, AddressError, Person, Place, PlaceKind
from bridge.model.event import Protection
from bridge.model.presence import Presence
from bridge.model.result import Failure, Reason, Receipt
from bridge.model.room import Member
from bridge.split import cut

log = structlog.get_logger(__name__)

HOUSEKEEPING: Final = 30.0
TICK: Final = 5.0
REGAIN_EVERY: Final = 60.0
TOPIC_WITHIN: Final = 30.0
QUIT_WITHIN: Final = 3.0
REASON_BYTES: Final = 200
GOODBYE: Final = "Rialto is being stopped"

_BOT: Final = "bot"
"""The name of the bot's connection in a keeper; a puppet's is the address of its person, which has a colon."""


class IrcAdapter:
    """One IRC network, through one bot and a connection for each puppet."""

    joins_in_flight = 8
    """How many joins, leaves and renames the core may ask for at once; connecting is paced besides."""

    def __init__(self, settings: IrcSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._own = OwnNicks()
        self._tasks: list[asyncio.Task[None]] = []
        self._errands: set[asyncio.Task[None]] = set()

    async def start(self, core: Core) -> None:
        """Begin to connect. Raises `StartError` if the certificates to trust cannot be read, or a key is none."""
        self._core = core
        for member in core.members():
            _check_key(member)
        self._policy = sts_policy(self._settings, core.recall(STS), core.remember)
        self._holdings = self._found(core)
        if readable := readable_secrets(self._settings, secure=self._policy.secure):
            mend = "write ircs:// in `server`"
            log.warning("passwords are sent without TLS", network=core.network, keys=list(readable), mend=mend)
        self._places = Places(core.members())
        self._bot = Bot(
            core.network,
            self._settings,
            self._dialler(make_route(self._settings, self._context, self._policy, shown=True), _BOT),
            self._places,
            told=self._bot_told,
            online=core.online,
            offline=self._bot_lost,
            inside=core.inside,
            owner=self._owner,
        )
        route = make_route(self._settings, self._context, self._policy, shown=False)
        self._puppets = Puppets(
            self._settings,
            lambda address: self._dialler(route, str(address)),
            core,
            self._bot,
            self._own,
            told=self._puppet_told,
            lost=self._puppet_lost,
            owner=self._owner,
        )
        loop = asyncio.get_running_loop()
        self._doubt = Doubt(self._bot, self._puppets)
        self._intake = Intake(core, self._choke, self._mark)
        self._conversations = Conversations(self._bot.fold, time.time)
        self._whereabouts = Whereabouts(
            core.network,
            ask=self._ask,
            tell=core.presence,
            own=lambda source: self._own.find(source, loop.time()) is not None,
            gone=lambda nick, now: self._direct.let_go(nick, now),
            clock=loop.time,
        )
        self._direct = Direct(
            core,
            self._bot,
            self._puppets,
            self._own,
            self._whereabouts,
            self._conversations,
            puppets_wanted=self._settings.puppets > 0,
            heed=lambda puppet: self._desk.heed(puppet),
        )
        self._scene = scene = Scene(
            network=core.network,
            places=self._places,
            fold=self._bot.fold,
            own=lambda source: self._own.find(source, loop.time()),
            mint=Minter(time.time()).mint,
            now=time.time,
            is_bot=self._whereabouts.is_bot,
            spelled=self._whereabouts.spelled,
            stands_for=self._whereabouts.stands_for,
            is_gateway=self._whereabouts.is_gateway,
            was_ours=self._was_ours,
            protection=Protection.TRANSPORT if self._settings.secure else Protection.NONE,
        )
        self._splits = Splits(
            self._intake.put, lambda address: self._whereabouts.people.identity(address.native), loop.time
        )
        self._gaps = Gaps(
            [member.place for member in core.members()],
            core.recall(GAPS),
            self._splits.take,
            longest=self._settings.say_gaps_beyond,
            now=time.time,
        )
        self._desk = Desk(
            scene,
            self._own,
            self._bot,
            self._puppets,
            put=self._splits.take,
            ignored=core.ignored,
            reception=Reception(
                scene,
                core,
                self._direct,
                self._conversations,
                self._whereabouts,
                put=self._splits.take,
                spawn=self._errand,
            ),
            direct=self._direct,
            partners=self._conversations.partners,
            gaps=self._gaps,
            catchup=lambda tell: CatchUp(
                self._gaps, tell=tell, put=self._splits.take, last_seen=core.last_seen, crashed=core.crashed
            ),
            playback=Playback(
                self._gaps,
                [member.place for member in core.members()],
                last_seen=core.last_seen,
                recall=core.recall,
                remember=self._intake.remember,
            ),
        )
        self._spawn(self._bot.run(), "bot")
        self._spawn(self._intake.run(), "intake")
        self._spawn(self._housekeeping(), "housekeeping")
        self._spawn(self._ticking(), "ticking")
        self._spawn(self._noting(), "noting")

    async def stop(self) -> None:
        """Leave the network with all connections."""
        if not self._tasks:
            return
        notes = self._gaps.beat()
        await asyncio.gather(self._puppets.stop(GOODBYE, QUIT_WITHIN), self._bot.stop(GOODBYE, QUIT_WITHIN))
        tasks = [*self._tasks, *self._errands]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._desk.stop()
        self._intake.remember(notes)
        await self._intake.drain()
        await self._policy.kept()

    # Sending

    def capabilities(self, place: Place, speaker: Person, voice: Voice) -> Capabilities:
        """What fits into one line there, said by the speaker's puppet or by the bot."""
        connection, lines = self._connection(speaker.address, voice), self._settings.long_text.lines
        target = self._direct.nick(place) if place.kind is PlaceKind.USER else place.native
        if connection is not None:
            return offers.capabilities(connection.session, target, lines)
        return offers.unconnected(target, self._bot.isupport, lines)

    def send(self, part: Part) -> Handover:
        """Say the part. Raises `SendError`."""
        if part.place.kind is PlaceKind.USER:
            return self._direct.send(part)
        self._require_place(part.place)
        manner, text = spoken(part)
        connection = self._connection(part.speaker.address, part.voice)
        channel = part.place.native
        if connection is None or not connection.ready or channel not in connection.session.channels:
            who = "the bot" if part.voice is Voice.BOT else "the puppet"
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"{who} is not in {channel}", self._come_back(part))
        alone = since(part, puppets=self._settings.puppets > 0)
        handover = connection.say(channel, manner, text, tags=tags(part), key=part.id, since=alone)
        return self._doubt.mark(part, handover)

    def rechecks(self, place: Place) -> bool:
        """Whether the server keeps what is said there, with our ids."""
        return self._doubt.can_ask(place)

    async def recheck(self, parts: Sequence[Part]) -> Mapping[str, Receipt]:
        """See `bridge.contract.Rechecking`."""
        return await self._doubt.ask(parts)

    # People

    async def meet(self, place: Place, person: Person) -> Voice:
        """Have the person's puppet able to write to a nick; without one, the bot does. Raises `SendError`."""
        return await self._direct.meet(place, person)

    def at_home(self, address: Address) -> bool:
        """Whoever is on the network at all is at home: there is no other server behind it."""
        return address.network == self._context.network

    def show(self, presence: Presence) -> None:
        """Let the person's puppet, if there is one, be away as they are."""
        puppet = self._puppets.get(presence.presentity)
        if puppet is not None:
            puppet.show(presence)

    def watch(self, address: Address, *, wanted: bool) -> None:
        """Follow somebody of the network, or no longer."""
        self._whereabouts.follow(address.native, Why.PRESENCE, wanted=wanted)

    def identity(self, address: Address) -> str:
        """By the network's own name, which it tells once it is connected; empty before."""
        network = self._bot.isupport.get("NETWORK")
        return standing.identity(network, address.native) if network else ""

    def native(self, identity: str) -> Address | None:
        """Whoever bears the nick in it, if it is of this network."""
        nick = standing.nick_of(identity, self._bot.isupport.get("NETWORK"), self._bot.isupport.casemapping)
        return Address(self._context.network, nick) if nick else None

    def ours(self, identity: str) -> bool:
        """Whether the nick in it is borne by one of our connections."""
        address = self.native(identity)
        return (
            address is not None
            and self._own.find(Source(address.native), asyncio.get_running_loop().time()) is not None
        )

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

    async def tell(self, notice: Notice) -> None:
        """Tell one line to a person of the network by NOTICE. Raises `SendError`."""
        await self._direct.tell(notice)

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
                self._whereabouts.begin(connection.session)
                self._resume_puppets()
                if self._intake.choked:
                    connection.pause_reading()
            case events.Sts(port, duration):
                self._policy.heard(Told(port, duration), secure=connection.session.secure)
        if not (isinstance(event, events.Said) and event.history):
            # What is repeated tells nothing of who is here now.
            self._whereabouts.heard(event)
        if isinstance(event, events.About):
            for heard in marked(event, connection.session.channels.of(event.source.nick), self._scene):
                self._splits.take(heard.item)
        self._desk.bot_told(connection, event)

    def _bot_lost(self, failure: Failure) -> None:
        if self._bot.connection is not None and self._bot.connection.session.secure:
            self._policy.parted()
        self._whereabouts.lost()
        self._desk.bot_lost(self._bot.nick)
        self._core.offline(failure)

    def _puppet_told(self, puppet: Puppet, event: events.Event) -> None:
        match event:
            case events.Ready():
                if self._intake.choked:
                    puppet.connection.pause_reading()
                puppet.show(self._core.presence_of(puppet.person.address))
            case events.About():
                self._whereabouts.about(event)
        self._desk.puppet_told(puppet, event)

    def _puppet_lost(self, puppet: Puppet, ending: Ending) -> None:
        self._desk.puppet_lost(puppet, ending)

    def _choke(self, choked: bool) -> None:
        for connection in (self._bot.connection, *(puppet.connection for puppet in self._puppets)):
            if connection is not None:
                (connection.pause_reading if choked else connection.resume_reading)()

    # What a keeper holds

    def _found(self, core: Core) -> Holdings | None:
        """What was found in the keeper. Puppets without the bot are of no use: whoever comes new comes whole."""
        keeper = self._context.keeper
        if keeper is None or not keeper.alive:
            return None
        holdings = Holdings(keeper, core.network, fingerprint(self._settings), lambda: self._intake.touch())
        found = holdings.found
        if found:
            log.info("connections found", network=core.network, number=len(found), bot=_BOT in found)
        if _BOT not in found:
            for name in found:
                holdings.refuse(name)
        return holdings

    def _resume_puppets(self) -> None:
        if self._holdings is None:
            return
        for name, snapshot in self._holdings.found.items():
            try:
                self._puppets.resume(Address.parse(name), snapshot)
            except (AddressError, NoPuppetError) as error:
                log.warning("a puppet is not taken up", network=self._core.network, name=name, error=str(error))
                self._holdings.refuse(name)

    def _dialler(self, route: Route, name: str) -> Dialler:
        return route if self._holdings is None else self._holdings.dialler(route, name)

    def _owner(self) -> dict[str, str]:
        return {} if self._holdings is None else self._holdings.owner()

    def _mark(self) -> Callable[[], None]:
        return self._holdings.mark() if self._holdings is not None else lambda: None

    # The rest

    def _connection(self, address: Address, voice: Voice) -> Connection | None:
        if voice is Voice.BOT:
            return self._bot.connection
        puppet = self._puppets.get(address)
        return puppet.connection if puppet else None

    def _was_ours(self, said: events.Said) -> bool:
        """Whether what is repeated was said by one of us, who may not be connected now.

        Our lines bear a tag of ours, and other gateways' do. By nick and tag together they differ from what somebody
        said who took a puppet's nick while it was away, and from what another gateway brought; where the network passes
        no tags, the nick must do.
        """
        connection = self._bot.connection
        tagged = connection is not None and connection.session.sends_tag(HOPS_TAG)
        if tagged and said.hops is None:
            return False
        nick = self._bot.fold(said.source.nick)
        return self._puppets.had(nick) or any(self._bot.fold(own) == nick for own in bot_nicks(self._settings.nick))

    def _require_place(self, place: Place) -> None:
        if self._places.member(place) is None:
            raise SendError.permanent(Reason.ITEM_NOT_FOUND, f"{place.native} is not a configured channel")

    def _come_back(self, part: Part) -> float | None:
        """When it makes sense to try again, where the channel does not let the bot in."""
        refused = any(seat.refused and seat.member.place == part.place for seat in self._bot.seats)
        return 30.0 if part.voice is Voice.BOT and refused else None

    def _ask(self, command: tuple[str, ...]) -> None:
        if self._bot.connection is not None:
            self._bot.connection.request(*command)

    async def _ticking(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._whereabouts.tick()
            self._splits.tick()

    async def _noting(self) -> None:
        """Keep durably what is heard now."""
        while True:
            await self._gaps.due()
            if notes := self._gaps.beat():
                self._intake.remember(notes)

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

    def _errand(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Something small, which ends by itself, or with the adapter."""
        task = asyncio.create_task(work, name=f"irc {name} {self._context.network}")
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("a task of the adapter failed", network=self._context.network, task=task.get_name(), exc_info=error)
        self._core.crashed(error)


def _check_key(member: Member) -> None:
    key = member.key
    if key is not None and (
        not key or len(key.encode()) > REASON_BYTES or any(c in " ,:" or not c.isprintable() for c in key)
    ):
        raise StartError(f"the key of {member.place.native} cannot be an IRC channel key: no spaces, commas or colons")
