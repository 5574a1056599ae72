"""An IRC client (the `irc` package): one nick, in any number of channels.

The package breaks off the connection when a line surprises it, takes only strict UTF-8, and cannot tell that a
connection is gone; what is overridden here is overridden for that.
"""

# mypy: disable-error-code="no-untyped-call"
# The package has no types.

import asyncio
import re
from typing import Any, Self

import irc.client
import irc.client_aio
from jaraco.stream import buffer

from bridge.demo.clients.seen import Client, ClientError, Seen, Sight, patience

_ERRORS = re.compile(r"(?:@\S+ )?(?::\S+ )?((?!422)[45]\d\d) ")  # 422 says that there is no message of the day


class _Protocol(irc.client_aio.IrcProtocol):
    """Tells when the connection is gone."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.connection.gone.done():
            self.connection.gone.set_result(None)


class _Connection(irc.client_aio.AioConnection):
    """A connection that no line can end."""

    protocol_class = _Protocol
    buffer_class = buffer.LenientDecodingLineBuffer  # type: ignore[assignment]  # the package offers it for this

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.surprise: Any = None

    def _process_line(self, line: str) -> None:
        try:
            super()._process_line(line)
        except Exception as error:  # noqa: BLE001  whatever a line does to the package must show, not end the connection
            self.surprise(line, error)


class _Reactor(irc.client_aio.AioReactor):
    connection_class = _Connection


class IrcClient(Client):
    """`names` holds the nicks in each channel joined, `topics` their topics, `lines` every line received."""

    network = "IRC"
    echo = False

    def __init__(self, nick: str, port: int, *, host: str = "127.0.0.1", password: str | None = None) -> None:
        super().__init__(nick)
        self.names: dict[str, set[str]] = {}
        self.topics: dict[str, str] = {}
        self.lines: list[str] = []
        self._address = (host, port)
        self._password = password
        self._connection: _Connection | None = None
        self._ready: asyncio.Future[None] | None = None
        self._joining: dict[str, asyncio.Future[None]] = {}

    @property
    def nick(self) -> str:
        """Our nick now."""
        return str(self._line.get_nickname())

    async def connect(self) -> None:
        """Connect and register. Raises `ClientError`."""
        loop = asyncio.get_running_loop()
        reactor = _Reactor(loop=loop)
        reactor.add_global_handler("all_events", self._event, -10)
        self._connection = reactor.server()
        self._connection.surprise = self._surprised
        self._ready = loop.create_future()
        async with patience(f"registration of {self.name}"):
            await self._connection.connect(*self._address, self.name, password=self._password)
            await self._ready

    async def quit(self, reason: str = "") -> None:
        """Say good-bye, and wait until the connection is gone."""
        connection = self._connection
        if connection is None:
            return
        if not connection.gone.done():
            self.raw(f"QUIT :{reason}" if reason else "QUIT")
            try:
                async with asyncio.timeout(10.0):
                    await asyncio.shield(connection.gone)
            except TimeoutError:
                connection.transport.abort()
                await connection.gone

    async def drop(self) -> None:
        """Lose the connection without a word."""
        self._line.transport.abort()
        await self._line.gone

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.quit()

    async def join(self, channel: str, key: str = "") -> None:
        """Join a channel; returns when the names of who is there have arrived."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._joining[channel.lower()] = done
        self._line.join(channel, key)
        try:
            async with patience(f"{self.name} joining {channel}"):
                await done
        finally:
            del self._joining[channel.lower()]

    def say(self, target: str, text: str) -> None:
        """Send one line to a channel or nick."""
        self._line.privmsg(target, text)

    def emote(self, target: str, text: str) -> None:
        """Do something (CTCP ACTION)."""
        self._line.action(target, text)

    def notice(self, target: str, text: str) -> None:
        """Send a notice."""
        self._line.notice(target, text)

    def set_topic(self, channel: str, text: str) -> None:
        """Set the channel's topic."""
        self.raw(f"TOPIC {channel} :{text}")

    async def rename(self, nick: str) -> None:
        """Change our nick. Raises `ClientError` where it is refused."""
        position = len(self.seen)
        self._line.nick(nick)
        seen = await self.wait_for(
            lambda seen: (seen.kind is Sight.RENAME and seen.own) or seen.kind is Sight.ERROR, since=position
        )
        if seen.kind is Sight.ERROR:
            raise ClientError(f"{self.name} could not become {nick}: {seen.text}")

    async def part(self, channel: str, reason: str = "") -> None:
        """Leave the channel."""
        position = len(self.seen)
        self.raw(f"PART {channel} :{reason}" if reason else f"PART {channel}")
        await self.wait_for(
            lambda seen: seen.place.lower() == channel.lower(), kind=Sight.LEAVE, own=True, since=position
        )

    def kick(self, channel: str, nick: str, reason: str = "") -> None:
        """Put somebody out."""
        self._line.kick(channel, nick, reason)

    def mode(self, target: str, modes: str) -> None:
        """Set modes, for example ``+b nick!*@*``."""
        self._line.mode(target, modes)

    def raw(self, line: str | bytes) -> None:
        """Send a line as it is, whatever it holds; only the CR LF is added."""
        self._line.transport.write((line.encode() if isinstance(line, str) else line) + b"\r\n")

    @property
    def _line(self) -> _Connection:
        if self._connection is None:
            raise ClientError(f"{self.name} is not connected")
        return self._connection

    def _surprised(self, line: str, error: Exception) -> None:
        self._see(Seen(Sight.OTHER, "", f"{type(error).__name__} at {line!r}"))

    def _event(self, _: Any, event: Any) -> None:
        """Everything the package reports."""
        handler = getattr(self, f"_on_{event.type}", None)
        if handler is not None:
            handler(event)

    def _on_all_raw_messages(self, event: Any) -> None:
        line: str = event.arguments[0]
        self.lines.append(line)
        if (found := _ERRORS.match(line)) is None:
            return
        self._see(Seen(Sight.ERROR, "", line[found.start(1) :]))
        if (
            self._ready is not None
            and not self._ready.done()
            and found[1] in ("432", "433", "436", "437", "464", "465")
        ):
            self._ready.set_exception(ClientError(f"{self.name} was not let in: {line}"))
        for channel, done in self._joining.items():
            if not done.done() and f" {channel} " in line.lower():
                done.set_exception(ClientError(f"{self.name} could not join: {line}"))

    def _on_welcome(self, _: Any) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    def _on_error(self, event: Any) -> None:
        text = " ".join(str(word) for word in (event.target, *event.arguments) if word)
        self._see(Seen(Sight.ERROR, "", text))

    def _on_pubmsg(self, event: Any) -> None:
        self._said(Sight.TEXT, event)

    def _on_privmsg(self, event: Any) -> None:
        self._said(Sight.TEXT, event)

    def _on_pubnotice(self, event: Any) -> None:
        self._said(Sight.NOTICE, event)

    def _on_privnotice(self, event: Any) -> None:
        self._said(Sight.NOTICE, event)

    def _on_action(self, event: Any) -> None:
        self._said(Sight.EMOTE, event)

    def _said(self, kind: Sight, event: Any) -> None:
        text = event.arguments[0] if event.arguments else ""
        place = event.target if irc.client.is_channel(event.target) else ""
        self._did(kind, event, text, place, id=_tag(event, "msgid"))

    def _on_namreply(self, event: Any) -> None:
        names = self.names.setdefault(event.arguments[1].lower(), set())
        # multi-prefix and userhost-in-names may stand around the nick.
        names.update(name.lstrip("~&@%+!").partition("!")[0] for name in event.arguments[2].split(" ") if name)

    def _on_endofnames(self, event: Any) -> None:
        done = self._joining.get(event.arguments[0].lower())
        if done is not None and not done.done():
            done.set_result(None)

    def _on_currenttopic(self, event: Any) -> None:
        self.topics[event.arguments[0].lower()] = event.arguments[1]

    def _on_topic(self, event: Any) -> None:
        self.topics[event.target.lower()] = event.arguments[0]
        self._did(Sight.TOPIC, event, event.arguments[0], event.target)

    def _on_join(self, event: Any) -> None:
        self.names.setdefault(event.target.lower(), set()).add(event.source.nick)
        self._did(Sight.JOIN, event, "", event.target)

    def _on_part(self, event: Any) -> None:
        self.names.get(event.target.lower(), set()).discard(event.source.nick)
        self._did(Sight.LEAVE, event, event.arguments[0] if event.arguments else "", event.target)

    def _on_kick(self, event: Any) -> None:
        whom, *reason = event.arguments
        self.names.get(event.target.lower(), set()).discard(whom)
        self._did(Sight.KICK, event, reason[0] if reason else "", event.target, whom=whom)

    def _on_quit(self, event: Any) -> None:
        for channel in self._channels_of(event.source.nick):
            self.names[channel].discard(event.source.nick)
            self._did(Sight.LEAVE, event, event.arguments[0] if event.arguments else "", channel)

    def _on_nick(self, event: Any) -> None:
        new = event.target
        own = new == self.nick
        channels = self._channels_of(event.source.nick)
        for channel in channels:
            self.names[channel].discard(event.source.nick)
            self.names[channel].add(new)
        for channel in channels or ([""] if own else []):
            self._did(Sight.RENAME, event, new, channel, own=own)

    def _channels_of(self, nick: str) -> list[str]:
        return [channel for channel, names in self.names.items() if nick in names]

    def _did(self, kind: Sight, event: Any, text: str, place: str, **more: Any) -> None:
        source = event.source
        who = getattr(source, "nick", None) or str(source or "")
        more.setdefault("own", who == self.nick)
        self._see(Seen(kind, who, text, place, sender=str(source or ""), **more))


def _tag(event: Any, key: str) -> str:
    return next((str(tag["value"] or "") for tag in event.tags or () if tag["key"] == key), "")
