"""All puppets of one network: who has one, at what pace they come, and under what nick."""

import asyncio
import time
from collections.abc import Callable, Generator, Iterator
from typing import Final

import structlog

from adapters.irc.bot import Bot
from adapters.irc.link.connection import Ending
from adapters.irc.link.transport import Dialler
from adapters.irc.markup import to_irc
from adapters.irc.nicks import NickBook, OwnNicks
from adapters.irc.protocol import events
from adapters.irc.protocol.caps import PUPPET_WANTS
from adapters.irc.protocol.flood import TokenBucket
from adapters.irc.protocol.message import Source
from adapters.irc.protocol.sender import Profile
from adapters.irc.protocol.snapshot import Snapshot
from adapters.irc.puppet import Puppet
from adapters.irc.settings import IrcSettings
from adapters.irc.standing import puppet_name
from bridge.backoff import Backoff
from bridge.contract import Core, NoPuppetError, SendError
from bridge.model.address import Address, Person
from bridge.model.result import Reason
from bridge.model.room import Member

log = structlog.get_logger(__name__)

CONNECT_BURST: Final = 10.0
CONNECTS_PER_SECOND: Final = 1.0
"""How fast puppets connect. Networks take many connections from one address for an attack."""

IDLE: Final = 60.0
"""Seconds for which a puppet that is in no channel stays connected."""

ASKED_WITHIN: Final = 45.0
"""Seconds after which a puppet that was taken up again is let go from channels that nobody wants it in any more."""

REALNAME_BYTES: Final = 100
"""Bytes of the address that a puppet shows as its real name; servers keep some 50 to 130."""

QUIT_WITHIN: Final = 5.0
_DAY: Final = 86400.0
_USERNAME: Final = "rialto"


class Puppets:
    """The puppets, by whose they are. `told` gets what each hears, `lost` each whose connection is over."""

    def __init__(
        self,
        settings: IrcSettings,
        dialler: Callable[[Address], Dialler],
        core: Core,
        bot: Bot,
        own: OwnNicks,
        *,
        told: Callable[[Puppet, events.Event], None],
        lost: Callable[[Puppet, Ending], None],
        owner: Callable[[], dict[str, str]] = dict,
    ) -> None:
        """`dialler` opens a person's connection; `owner` is as of `Connection`."""
        self._owner = owner
        self._settings = settings
        self._dialler = dialler
        self._core = core
        self._bot = bot
        self._own = own
        self._told = told
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._book = NickBook(core.recall("nick/"))
        self._puppets: dict[Address, Puppet] = {}
        self._tasks: dict[Puppet, asyncio.Task[None]] = {}
        self._pace = TokenBucket(CONNECT_BURST, CONNECTS_PER_SECOND, self._loop.time())
        self._rest = Backoff(30.0, 1800.0, floor=5.0)
        self._resting_until = 0.0
        self._noted: dict[Address, tuple[str, float]] = {}
        self._stopping = False

    def __iter__(self) -> Iterator[Puppet]:
        return iter(list(self._puppets.values()))

    def __len__(self) -> int:
        return len(self._puppets)

    def get(self, address: Address) -> Puppet | None:
        """The person's puppet, if there is one."""
        return self._puppets.get(address)

    def had(self, nick: str) -> bool:
        """Whether the nick was a puppet's, now or before a restart."""
        return nick in self._book

    def inside(self, channel: str, besides: object = None) -> Puppet | None:
        """The puppet that was made first of those that are in the channel, `besides` one."""
        return next((each for each in self._puppets.values() if each is not besides and each.is_in(channel)), None)

    def rekey(self) -> None:
        """The network told its case mapping."""
        self._book.rekey(self._bot.isupport.casemapping)

    async def join(self, member: Member, person: Person) -> None:
        """Make the person's puppet present and named. Raises `NoPuppetError`, `SendError`."""
        puppet = await self.come(person)
        await puppet.enter(member.place.native, member.key)

    async def come(self, person: Person) -> Puppet:
        """The person's puppet, connected and named. Raises `NoPuppetError`, `SendError`."""
        puppet = self._puppets.get(person.address) or self._open(person)
        # The connecting goes on if whoever waits for it gives up.
        await asyncio.shield(puppet.opened)
        if puppet.person.name != person.name:
            await self.rename(person)
        await self._note(puppet)
        return puppet

    async def leave(self, channel: str, address: Address, reason: str | None) -> None:
        """Take the puppet out of a channel, and off the network if that was its last."""
        puppet = self._puppets.get(address)
        if puppet is None or not puppet.is_in(channel):
            return
        if len(puppet.channels) > 1 or puppet.stays:
            await puppet.exit(channel, reason or "")
        else:
            await puppet.quit(reason or "left", QUIT_WITHIN)

    async def rename(self, person: Person) -> None:
        """Let the puppet go by a nick for the person's new name; where none is granted, it keeps the one it has."""
        puppet = self._puppets.get(person.address)
        if puppet is None or puppet.person.name == person.name:
            return
        puppet.person = person
        candidates = self._candidates(person, puppet)
        try:
            granted = await puppet.rename(candidates)
        finally:
            candidates.close()
        if granted is None:
            log.info("no nick for a new name", network=self._core.network, person=str(person.address))
            return
        puppet.wanted_nick = granted
        await self._note(puppet)

    async def keep(self) -> None:
        """Housekeeping, to be called every now and then: win nicks back, part with idle puppets, note who is used."""
        now = self._loop.time()
        for puppet in self:
            if puppet.connection.ready and puppet.wanted_nick and puppet.nick != puppet.wanted_nick:
                puppet.connection.session.rename(puppet.wanted_nick)
                puppet.connection.flush()
            if puppet.unasked and now > puppet.idle_since + ASKED_WITHIN:
                unasked, puppet.unasked = puppet.unasked, set()
                for channel in unasked:
                    await self.leave(channel, puppet.person.address, None)
            idle = not puppet.channels and not puppet.stays and now > puppet.idle_since + IDLE
            if puppet.opened.done() and idle:
                await puppet.quit("idle", QUIT_WITHIN)
            noted = self._noted.get(puppet.person.address)
            if noted and time.time() > noted[1] + _DAY:
                await self._used(puppet)

    async def stop(self, reason: str, within: float) -> None:
        """Let all of them leave the network, within some seconds."""
        self._stopping = True
        await asyncio.gather(*(puppet.quit(reason, within) for puppet in self))
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open(self, person: Person) -> Puppet:
        if not self._bot.ready or self._stopping:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, "the network is not connected")
        if len(self._puppets) >= self._settings.puppets:
            self._make_room()
            raise NoPuppetError(f"all {self._settings.puppets} puppets are in use")
        if self._loop.time() < self._resting_until:
            raise NoPuppetError("the network refused a puppet a moment ago")
        return self._make(person)

    def resume(self, address: Address, snapshot: Snapshot) -> None:
        """Take up the connection of somebody's puppet again, which was found open. Raises `NoPuppetError`."""
        person = Person(address, snapshot.owner.get("name") or snapshot.nick)
        puppet = self._make(person, paced=False)
        puppet.wanted_nick = snapshot.owner.get("wanted", "")
        puppet.unasked = {self._bot.fold(channel) for channel in snapshot.channels}
        if not snapshot.channels:
            puppet.stay()
        # Before anything is read on any connection: what it said is not to be taken for somebody else's words.
        self._own.claim(Source(snapshot.nick, snapshot.user, snapshot.host), address)

    def _make(self, person: Person, *, paced: bool = True) -> Puppet:
        nicks = self._candidates(person)
        profile = Profile(
            nicks=nicks,
            username=_USERNAME,
            realname=puppet_name(self._core.identity(person), to_irc(str(person.address)), REALNAME_BYTES),
            password=self._settings.password.get_secret_value() if self._settings.password else None,
            webirc=self._settings.webirc.gateway().identity(person.address) if self._settings.webirc else None,
            quiet=True,
            wants=PUPPET_WANTS,
            encoding=self._settings.encoding,
            burst=self._settings.flood.burst,
            per_second=self._settings.flood.per_second,
            silence=self._settings.silence,
        )
        dialler = self._dialler(person.address)
        puppet = Puppet(person, profile, dialler, self._on_event, self._owner)
        puppet.connection.session.heed([self._bot.nick])
        self._puppets[person.address] = puppet
        running = self._run(puppet, nicks, paced=paced)
        task = self._tasks[puppet] = asyncio.create_task(running, name=f"puppet {person.address}")
        task.add_done_callback(self._ended)
        return puppet

    def _make_room(self) -> None:
        """Let the puppet go that was silent longest of those kept for a conversation only: for whoever comes next."""
        free = [puppet for puppet in self if puppet.connection.ready and not puppet.channels]
        idle = [puppet for puppet in free if puppet.quiet_for > IDLE]
        if idle:
            max(idle, key=lambda puppet: puppet.quiet_for).connection.quit("idle")

    def _candidates(self, person: Person, puppet: Puppet | None = None) -> Generator[str, None, None]:
        support = self._bot.isupport
        current = puppet.nick if puppet else None

        def taken(nick: str) -> bool:
            return nick != current and (self._own.holds(nick) or self._bot.sees(nick))

        try:
            names = self._core.names.irc_nicks(person, support.nick_bytes, support.chantypes)
        except ValueError as error:
            raise NoPuppetError(str(error)) from error
        return self._book.candidates(person, names, taken, time.time(), current)

    async def _run(self, puppet: Puppet, nicks: Generator[str, None, None], *, paced: bool) -> None:
        network, address = self._core.network, puppet.person.address
        ending: Ending | None = None
        try:
            if paced:
                await asyncio.sleep(self._pace.reserve(self._loop.time()))
            ending = await puppet.run()
        finally:
            nicks.close()
            opened = puppet.opened.done() and puppet.opened.exception() is None
            if not puppet.opened.done():
                puppet.opened.set_exception(NoPuppetError("the puppet was taken back"))
            self._own.release(puppet.nick, self._loop.time())
            del self._puppets[address], self._tasks[puppet]
            if ending is not None:
                self._lost(puppet, ending)
        if opened:
            await self._used(puppet)
        elif not ending.asked:
            wait = self._rest.next()
            self._resting_until = self._loop.time() + wait
            log.warning("puppet refused", network=network, person=str(address), error=str(ending.failure), wait=wait)
        if opened and not ending.asked:
            log.info("puppet lost", network=network, person=str(address), error=str(ending.failure))

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            # Who is where is not known any more: all begin anew.
            log.error("a puppet's task failed", network=self._core.network, task=task.get_name(), exc_info=error)
            self._core.crashed(error)

    def _on_event(self, puppet: Puppet, event: events.Event) -> None:
        session = puppet.connection.session
        match event:
            case events.Registered(nick):
                puppet.wanted_nick = puppet.wanted_nick or nick
                self._own.claim(session.me, puppet.person.address)
                self._rest.reset()
            case events.Joined(own=True):
                self._own.claim(session.me, puppet.person.address)
            case events.NickChanged(source, _, own=True):
                self._own.release(source.nick, self._loop.time())
                self._own.claim(session.me, puppet.person.address)
        self._told(puppet, event)

    async def _note(self, puppet: Puppet) -> None:
        """The nick's winner is durable before others can see it in a place."""
        noted = self._noted.get(puppet.person.address)
        if puppet.nick == puppet.wanted_nick and (noted is None or noted[0] != puppet.nick):
            now = time.time()
            self._noted[puppet.person.address] = (puppet.nick, now)
            await self._core.remember(self._book.won(puppet.nick, puppet.person, now))

    async def _used(self, puppet: Puppet) -> None:
        noted = self._noted.get(puppet.person.address)
        if noted is not None:
            now = time.time()
            self._noted[puppet.person.address] = (noted[0], now)
            await self._core.remember(self._book.used(noted[0], now))
