"""The bot: the one connection that is always wanted. It reads the channels, and speaks for those without a puppet."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from adapters.irc.entry import bot_profile
from adapters.irc.ids import Places
from adapters.irc.link.connection import Connection, Ending
from adapters.irc.link.transport import Dialler
from adapters.irc.observer import PATIENCE
from adapters.irc.protocol import events, numerics
from adapters.irc.protocol.casemap import CaseMap
from adapters.irc.protocol.events import Manner
from adapters.irc.protocol.isupport import ISupport
from adapters.irc.protocol.message import Source
from adapters.irc.settings import IrcSettings
from bridge.backoff import Backoff
from bridge.model.address import Place
from bridge.model.result import Failure, Reason
from bridge.model.room import Member

log = structlog.get_logger(__name__)

RECONNECT: Final = (1.0, 300.0)
"""First and longest ceiling, in seconds, of the wait before connecting again."""

REFUSED: Final = (600.0, 21600.0)
"""The same where the network refuses us as we are configured. Networks ban those who keep trying, but what was wrong
may be mended over there, by an operator who does not think of us."""

REFUSED_FOR: Final = 300.0
"""The shortest such wait."""

STABLE: Final = 60.0
"""Seconds a connection must have lasted for the next failure to count as the first."""

REJOIN: Final = (5.0, 600.0)
"""The same for coming back after a kick,"""

REJOIN_AFTER: Final = PATIENCE + 0.5
"""and the shortest such wait: who took over as observer must be settled before the bot comes back."""

RETRY_JOIN: Final = (60.0, 1800.0)
"""The same for knocking again where we are not let in."""

GHOST_EVERY: Final = 60.0
"""Seconds between two requests to NickServ to put out who bears our nick."""

GHOST_ANSWER: Final = 10.0
"""Seconds for which what NickServ says is taken for its answer."""

SETTLE: Final = 5.0
"""Seconds the first answers to our JOINs may take before the network counts as online without them."""


@dataclass(slots=True)
class Seat:
    """The bot's place in one channel. `refused` is why it may not come in."""

    member: Member
    inside: bool = False
    refused: str | None = None
    rejoin: Backoff = field(default_factory=lambda: Backoff(*REJOIN, floor=REJOIN_AFTER))
    retry: Backoff = field(default_factory=lambda: Backoff(*RETRY_JOIN, floor=20.0))
    timer: asyncio.TimerHandle | None = None

    @property
    def settled(self) -> bool:
        """Whether the server has said yes or no."""
        return self.inside or self.refused is not None


class Bot:
    """Connects, joins what is configured, comes back from kicks and losses, and wins its nick back.

    `told` gets everything the bot hears; `online` is called when it can be spoken through, `offline` when not.
    `inside` is told where it stands in every channel, as `bridge.contract.Core.inside`.
    """

    def __init__(
        self,
        network: str,
        settings: IrcSettings,
        dialler: Dialler,
        places: Places,
        *,
        told: Callable[[events.Event], None],
        online: Callable[[], None],
        offline: Callable[[Failure], None],
        inside: Callable[[Place, Failure | None], None],
        owner: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self._owner = owner
        self._network = network
        self._settings = settings
        self._dialler = dialler
        self._told = told
        self._online = online
        self._offline = offline
        self._inside = inside
        self._loop = asyncio.get_running_loop()
        self._reconnect = Backoff(*RECONNECT)
        self._refusals = Backoff(*REFUSED, floor=REFUSED_FOR)
        self._ghosted = 0.0
        self._stopping = False
        self._announced = False
        self._announcing: asyncio.TimerHandle | None = None
        self._seats: CaseMap[Seat] = CaseMap()
        for member in places:
            self._seats[member.place.native] = Seat(member)
        self._support = ISupport()
        self.connection: Connection | None = None

    @property
    def ready(self) -> bool:
        """Whether the bot is registered."""
        return self.connection is not None and self.connection.ready

    @property
    def nick(self) -> str:
        """The nick it bears, or bore last."""
        return self.connection.session.me.nick if self.connection else self._settings.nick

    @property
    def isupport(self) -> ISupport:
        """What the server last said of itself."""
        return self._support

    @property
    def seats(self) -> tuple[Seat, ...]:
        """The bot's standing in every configured channel."""
        return tuple(self._seats.values())

    def fold(self, name: str) -> str:
        """The form under which all spellings of a name are equal on this network."""
        return self._support.casemapping.fold(name)

    def is_in(self, channel: str) -> bool:
        """Whether the bot is in the channel and can be used."""
        return self.ready and self.connection is not None and channel in self.connection.session.channels

    def sees(self, nick: str) -> bool:
        """Whether somebody of that nick is in a channel with the bot."""
        return self.connection is not None and self.connection.session.channels.is_member(nick)

    async def run(self) -> None:
        """Stay connected, for ever."""
        while not self._stopping:
            began = self._loop.time()
            ending = await self._connect()
            if ending.asked or self._stopping:
                return
            if ending.again:
                log.info("sent elsewhere", network=self._network, why=str(ending.failure))
                continue
            if ending.permanent:
                wait = self._refusals.next()
                log.error("refused", network=self._network, error=str(ending.failure), wait=round(wait))
            else:
                if self._loop.time() > began + STABLE:
                    self._reconnect.reset()
                wait = self._reconnect.next()
                log.warning("connection lost", network=self._network, error=str(ending.failure), wait=round(wait, 1))
            await asyncio.sleep(wait)

    async def stop(self, reason: str, within: float) -> None:
        """Leave the network, within some seconds."""
        self._stopping = True
        connection = self.connection
        if connection is not None:
            connection.quit(reason)
            await connection.wait_closed(within)
            connection.abort()

    def regain(self) -> None:
        """Try for the configured nick, where the bot bears another."""
        if self.ready and self.connection and self.fold(self.nick) != self.fold(self._settings.nick):
            self._ghost(self.connection)
            self.connection.session.rename(self._settings.nick)
            self.connection.flush()

    def _ghost(self, connection: Connection) -> None:
        """Have NickServ put out whoever bears our nick; most often it is a connection of ours that died."""
        login, now = connection.session.nickserv, self._loop.time()
        if login is not None and now > self._ghosted + GHOST_EVERY:
            self._ghosted = now
            connection.session.ask_service(login.ghost(self._settings.nick))

    async def _connect(self) -> Ending:
        self.connection = Connection(bot_profile(self._settings), self._dialler, self._on_event, self._owner)
        try:
            ending = await self.connection.run()
        finally:
            self._clear()
        self._offline(ending.failure)
        return ending

    def _clear(self) -> None:
        if self._announcing is not None:
            self._announcing.cancel()
        self._announced = False
        for seat in self._seats.values():
            seat.inside, seat.refused = False, None
            if seat.timer is not None:
                seat.timer.cancel()
                seat.timer = None

    def _on_event(self, event: events.Event) -> None:
        match event:
            case events.Ready():
                self._arrived()
            case events.LoggedIn(account):
                log.info("logged in", network=self._network, account=account)
            case events.LoginFailed(by, text):
                log.error("not logged in", network=self._network, by=by, error=text)
            case events.Said(source, manner=Manner.NOTICE, to_channel=False) if self._answers_ghost(source):
                self.regain()
            case events.Joined(channel, own=True):
                self._seated(channel)
            case events.Kicked(channel, _, source, reason, own=True):
                log.warning("kicked", network=self._network, place=channel, by=source.nick)
                said = f" ({reason})" if reason else ""
                self._unseated(channel, f"{source.nick} kicked the bot out{said}: it tries to come back")
            case events.Parted(channel, own=True):
                self._unseated(channel, "the server took the bot out: it tries to come back")
            case events.JoinRefused(channel, numeric, text):
                self._refused(channel, numeric, text)
            case events.Quit(source) | events.NickChanged(source, own=False):
                if self.fold(source.nick) == self.fold(self._settings.nick):
                    self.regain()
        self._told(event)
        self._announce()

    def _arrived(self) -> None:
        assert self.connection is not None  # noqa: S101 - it is our connection that tells
        session = self.connection.session
        self._support = session.isupport
        self._seats.rekey(session.isupport.casemapping)
        log.info("connected", network=self._network, nick=self.nick, caps=sorted(session.caps.enabled))
        if self.fold(self.nick) != self.fold(self._settings.nick):
            log.warning("nick taken", network=self._network, nick=self._settings.nick, meanwhile=self.nick)
            self._ghost(self.connection)
        if mode := session.isupport.get("BOT"):
            session.mode(self.nick, f"+{mode[:1]}")
        places = ((seat.member.place.native, seat.member.key) for seat in self._seats.values())
        session.join((channel, key) for channel, key in places if channel not in session.channels)
        self.connection.flush()
        self._announcing = self._loop.call_later(SETTLE, self._announce, True)

    def _answers_ghost(self, source: Source) -> bool:
        """Whether it is NickServ, soon after we had it put somebody out."""
        session = self.connection.session if self.connection else None
        recent = self._loop.time() < self._ghosted + GHOST_ANSWER
        return session is not None and recent and session.service(source.nick)

    def _announce(self, late: bool = False) -> None:
        """Tell that the network is online, once the first JOINs are answered: before, the bot could not speak."""
        if self._announced or not self.ready or not (late or all(seat.settled for seat in self._seats.values())):
            return
        self._announced = True
        if self._announcing is not None:
            self._announcing.cancel()
        self._online()

    def _seated(self, channel: str) -> None:
        if seat := self._seats.get(channel):
            seat.inside, seat.refused = True, None
            seat.retry.reset()
            if seat.timer is not None:
                seat.timer.cancel()
            # Only a stay of some length makes the next kick the first one again.
            seat.timer = self._loop.call_later(STABLE, seat.rejoin.reset)
            self._inside(seat.member.place, None)

    def _unseated(self, channel: str, why: str) -> None:
        if seat := self._seats.get(channel):
            seat.inside = False
            self._inside(seat.member.place, Failure(Reason.RECIPIENT_UNAVAILABLE, why))
            self._later(seat, seat.rejoin.next())

    def _refused(self, channel: str, numeric: str, text: str) -> None:
        if seat := self._seats.get(channel):
            native = seat.member.place.native
            advice = numerics.JOIN_ADVICE.get(numeric, "ask an operator of the channel").format(
                channel=native, nick=self.nick
            )
            why = f"{text} ({numeric}): {advice}"
            seat.refused = why
            self._inside(seat.member.place, Failure(numerics.reason(numeric), why))
            wait = seat.retry.next()
            log.warning("may not join", network=self._network, place=channel, error=why, wait=round(wait))
            self._later(seat, wait)

    def _later(self, seat: Seat, wait: float) -> None:
        if seat.timer is not None:
            seat.timer.cancel()
        seat.timer = self._loop.call_later(wait, self._knock, seat)

    def _knock(self, seat: Seat) -> None:
        if self.ready and self.connection and not seat.inside:
            self.connection.session.join([(seat.member.place.native, seat.member.key)])
            self.connection.flush()
