"""Trying an IRC network before anything is bridged: the way there, the nick, the account, the channels
(`rialto check`).

By a connection that introduces itself as the bot does, but never by `adapters.irc.bot.Bot`: that would have NickServ
put out whoever bears the nick, which may be a running Rialto.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from adapters.irc.entry import bot_profile, exposed, make_route, readable_secrets, sts_policy
from adapters.irc.link.connection import Connection, Ending
from adapters.irc.link.transport import Carrier, Receiver
from adapters.irc.protocol import events, numerics
from adapters.irc.protocol.casemap import CaseMap
from adapters.irc.protocol.errors import LocalProtocolError, RemoteProtocolError
from adapters.irc.protocol.linebuffer import LineBuffer
from adapters.irc.protocol.message import parse
from adapters.irc.protocol.sts import Told
from adapters.irc.settings import IrcSettings
from bridge import clocks
from bridge.contract import Context, Finding, StartError
from bridge.model.result import Failure, Reason
from bridge.model.room import Member

IN_WITHIN: Final = 15.0
"""Seconds for name, TCP, TLS and registration together."""

JOIN_WITHIN: Final = 10.0
"""Seconds in which every channel has to say whether it lets the bot in."""

_DENIED: Final = re.compile(r"access denied|not allowed|not authori[sz]ed|account", re.IGNORECASE)
"""What servers say in place of saying that an account is required (InspIRCd, ``<connect requireaccount>``)."""

QUIT_WITHIN: Final = 2.0
GOODBYE: Final = "only trying"


async def probe(
    settings: IrcSettings, context: Context, members: Sequence[Member], clock: Callable[[], float] = time.time
) -> AsyncIterator[Finding]:
    """See `bridge.contract.Probing`. `clock` gives seconds since the epoch."""
    try:
        visit = _Visit(settings, context, clock)
    except StartError as error:
        yield Finding(False, str(error))
        return
    try:
        failure = await visit.connect()
        if failure is not None:
            yield Finding(False, failure.text)
            return
        for finding in visit.greeting():
            yield finding
        async for finding in visit.channels(members):
            yield finding
    finally:
        await visit.end()


class _Visit:
    """One connection for the time of a check. It is the `Dialler` of its own connection, to listen in."""

    def __init__(self, settings: IrcSettings, context: Context, clock: Callable[[], float]) -> None:
        """Raises `StartError`."""
        self._settings = settings
        self._clock = clock
        self._key = f"networks.{context.network}.server"
        self._policy = sts_policy(settings, {}, _forget)
        self._route = make_route(settings, context, self._policy, shown=True)
        self._tap: _Tap | None = None
        self._connection: Connection | None = None
        self._running: asyncio.Task[Ending] | None = None
        self._in: asyncio.Event = asyncio.Event()
        self._login: list[Finding] = []
        self._answers: asyncio.Queue[events.Joined | events.JoinRefused | events.Members] = asyncio.Queue()

    async def dial(self, receiver: Receiver) -> None:
        """See `adapters.irc.link.transport.Dialler`."""
        self._tap = _Tap(receiver, self._clock)
        await self._route.dial(self._tap)

    async def connect(self) -> Failure | None:
        """Come in; None if that went well."""
        try:
            async with asyncio.timeout(IN_WITHIN):
                while True:
                    ending = await self._registered()
                    if ending is None:
                        return None
                    if not ending.again:
                        return self._why(ending)
        except TimeoutError:
            if self._tap is not None and self._tap.connected_at is None and self._policy.secure:
                how, hint = "has not agreed on TLS", "write irc:// if the port is plain"
            else:
                how, hint = "has not let us in", "try again later"
            text = f"{self._where} {how} within {IN_WITHIN:.0f} s: check {self._key}, or {hint}"
            return Failure(Reason.REMOTE_SERVER_TIMEOUT, text)

    async def _registered(self) -> Ending | None:
        """One connection: None when it is in, else how it ended."""
        connection = self._connection = Connection(bot_profile(self._settings), self, self._told)
        self._running = asyncio.create_task(connection.run(), name="probe irc")
        coming = asyncio.create_task(self._in.wait(), name="probe irc in")
        try:
            await asyncio.wait({self._running, coming}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            coming.cancel()
        return None if self._in.is_set() else await self._running

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._policy.port}"

    def _why(self, ending: Ending) -> Failure:
        heard = self._tap is not None and self._tap.heard
        if self._tap is not None and self._tap.connected_at is not None and not heard and not self._policy.secure:
            hint = f"{ending.failure.text}; write ircs:// in {self._key} if the port is for TLS"
            return Failure(ending.failure.reason, hint)
        if self._settings.sasl is None and not ending.permanent and _DENIED.search(ending.failure.text):
            text = f"{ending.failure.text}: perhaps {numerics.ADVICE['ACCOUNT_REQUIRED']}"
            return Failure(Reason.REGISTRATION_REQUIRED, text)
        return ending.failure

    def greeting(self) -> list[Finding]:
        """What is known once the server has let us in."""
        connection, tap, wanted = self._connection, self._tap, self._settings.nick
        assert connection is not None  # noqa: S101 - we are in
        assert tap is not None  # noqa: S101 - the same
        how = "with TLS" if self._policy.secure else "without TLS"
        nick = connection.session.me.nick
        found = [Finding(True, f"{self._where} lets us in, {how}")]
        if readable := readable_secrets(self._settings, secure=self._policy.secure):
            found.append(Finding(False, f"{exposed(readable)}: write ircs:// in {self._key}"))
        if connection.session.fold(nick) == connection.session.fold(wanted):
            found.append(Finding(True, f"the nick {nick} is free"))
        else:
            mend = numerics.ADVICE["433"]
            text = f"the nick {wanted} is taken, and the bot would be {nick}: {mend}, unless a running Rialto has it"
            found.append(Finding(False, text, f"the nick {wanted}"))
        found += self._login
        if tap.stamp is not None and tap.connected_at is not None and tap.stamped_at is not None:
            found.append(clocks.compared("the server", tap.stamp, tap.connected_at, tap.stamped_at))
        return found

    async def channels(self, members: Sequence[Member]) -> AsyncIterator[Finding]:
        """Have the bot join all channels."""
        connection = self._connection
        assert connection is not None  # noqa: S101 - we are in
        silent: CaseMap[Member] = CaseMap(connection.session.isupport.casemapping)
        for member in members:
            silent[member.place.native] = member
        joined: CaseMap[Member] = CaseMap(connection.session.isupport.casemapping)
        try:
            connection.session.join((member.place.native, member.key) for member in members)
        except LocalProtocolError as error:
            yield Finding(False, f"the channels cannot be joined: {error}; correct rooms: in the configuration")
            return
        connection.flush()
        try:
            async with asyncio.timeout(JOIN_WITHIN):
                while len(silent) or len(joined):
                    answer = await self._answers.get()
                    match answer:
                        case events.Joined(channel) if channel in silent:
                            joined[channel] = silent.pop(channel)
                        case events.Members(channel, nicks) if channel in joined:
                            yield _entered(joined.pop(channel), len(nicks))
                        case events.JoinRefused(channel, numeric, text) if channel in silent:
                            yield self._refused(silent.pop(channel), numeric, text)
        except TimeoutError:
            for member in joined.values():
                yield _entered(member, 2)
            for member in silent.values():
                yield Finding(False, f"{member.place.native}: no answer to JOIN within {JOIN_WITHIN:.0f} s")

    def _refused(self, member: Member, numeric: str, text: str) -> Finding:
        channel = member.place.native
        advice = numerics.JOIN_ADVICE.get(numeric, "ask an operator of the channel")
        words = advice.format(channel=channel, nick=self._settings.nick)
        return Finding(False, f"{channel}: {text} ({numeric}): {words}")

    async def end(self) -> None:
        """Leave the network."""
        if self._connection is not None:
            self._connection.quit(GOODBYE)
            await self._connection.wait_closed(QUIT_WITHIN)
            self._connection.abort()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self._policy.kept()

    def _told(self, event: events.Event) -> None:
        match event:
            case events.Ready():
                self._in.set()
            case events.LoggedIn(account):
                self._login.append(Finding(True, f"logged in to the account {account}"))
            case events.LoginFailed(by, text):
                advice = numerics.ADVICE["SASL"] if by == "SASL" else "check `nickserv.user` and `nickserv.password`"
                self._login.append(Finding(False, f"{by} does not log us in ({text}): {advice}"))
            case events.Sts(port, duration) if self._connection is not None:
                self._policy.heard(Told(port, duration), secure=self._connection.session.secure)
            case events.Joined(own=True) | events.JoinRefused() | events.Members():
                self._answers.put_nowait(event)


class _Tap:
    """Hears what a connection hears, for the time that the server's lines carry (IRCv3 server-time)."""

    def __init__(self, receiver: Receiver, clock: Callable[[], float]) -> None:
        self._receiver = receiver
        self._clock = clock
        self._lines = LineBuffer()
        self.connected_at: float | None = None
        self.stamp: float | None = None
        self.stamped_at: float | None = None
        self.heard = False
        """Whether anything came that was a line of this protocol."""

    def connected(self, carrier: Carrier, *, secure: bool) -> None:
        """See `adapters.irc.link.transport.Receiver`, here and below."""
        self.connected_at = self._clock()
        self._receiver.connected(carrier, secure=secure)

    def received(self, data: bytes) -> None:
        if self.stamp is None:
            self._look(data)
        self._receiver.received(data)

    def lost(self, error: Exception | None) -> None:
        self._receiver.lost(error)

    def pause_writing(self) -> None:
        self._receiver.pause_writing()

    def resume_writing(self) -> None:
        self._receiver.resume_writing()

    def _look(self, data: bytes) -> None:
        for raw in self._lines.feed(data):
            try:
                line = parse(raw)
            except RemoteProtocolError:
                continue
            self.heard = True
            if (told := line.tags.get("time")) and (stamp := _seconds(told)) is not None:
                self.stamp, self.stamped_at = stamp, self._clock()
                return


def _entered(member: Member, people: int) -> Finding:
    channel = member.place.native
    if people > 1:
        return Finding(True, f"{channel}: the bot can join")
    return Finding(
        True, f"{channel}: the bot can join, but nobody is there: if that is a typing mistake, correct rooms:"
    )


def _seconds(told: str) -> float | None:
    try:
        return datetime.fromisoformat(told).timestamp()
    except (ValueError, OverflowError):
        return None


async def _forget(values: Mapping[str, str | None]) -> None:
    """A policy that is heard meanwhile is heard again by whoever keeps it."""
