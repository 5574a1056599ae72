"""Whole adapters without a server: bytes go in where the socket would be, and what comes out of them is all there is.

What real servers do to us is tested with real servers; here stands in for them whoever means harm, and says what no
server would say.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from xml.etree.ElementTree import Element, ParseError, fromstring
from xml.sax.saxutils import escape, quoteattr

import pytest

from adapters.irc import ADAPTER
from adapters.irc.adapter import IrcAdapter
from adapters.irc.link.transport import Receiver
from adapters.irc.settings import IrcSettings
from adapters.xmpp.adapter import XmppAdapter
from adapters.xmpp.component import Component
from adapters.xmpp.settings import XmppSettings
from bridge.contract import Context, Core, SendError
from bridge.model.address import Place
from tests.networks.irc import irc_lab
from tests.networks.xmpp import xmpp_lab
from tests.unit.xmpp.muc import BOT, DOMAIN, ROOM, USER
from tests.unit.xmpp.test_xmpp_stream import HEADER, Wire

WITHIN = 10.0


def for_good(error: SendError) -> None:
    """What cannot be sent is not to be tried for ever."""
    assert not error.temporary, str(error)


async def calm() -> None:
    """Let everything happen that can happen at once."""
    for _ in range(20):
        await asyncio.sleep(0)


class Line(Wire):
    """The stream's transport, of endless capacity. Who leaves is let go at once."""

    def __init__(self, protocol: Component, came: Callable[[bytes], None]) -> None:
        super().__init__(protocol)
        self._came = came

    def write(self, data: bytes | bytearray | memoryview) -> None:
        super().write(data)
        asyncio.get_running_loop().call_soon(self._came, bytes(data))
        if bytes(data).endswith(b"</stream:stream>"):
            self.abort()

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class XmppServer:
    """Who is at the other end of the component's stream: lets ours into the room, and says what it is told to."""

    def __init__(self) -> None:
        self.wires: list[Line] = []
        self.components: list[Component] = []
        self.written: list[Element] = []
        self.faults: list[str] = []
        self._nicks: dict[str, str] = {}

    async def connect(self, make: Callable[[], asyncio.Protocol]) -> object:
        """As a `Connector`: the stream is there, and the handshake taken."""
        component = cast(Component, cast(Any, make()))
        wire = Line(component, self._came)
        self.components.append(component)
        self.wires.append(wire)
        component.connection_made(wire)
        component.data_received(HEADER + b"<handshake/>")
        return wire

    @property
    def alive(self) -> bool:
        """The first connection is there still."""
        return len(self.wires) == 1 and not self.wires[0].gone

    def say(self, stanza: str | bytes) -> None:
        """Bytes from the server."""
        self.components[-1].data_received(stanza)

    def occupant(self, nick: str, *codes: str, jid: str = "", to: str = BOT, gone: bool = False, new: str = "") -> None:
        """The room tells of an occupant; nicks are quoted already."""
        more = (f" jid='{_quoted(jid)}'" if jid else "") + (f" nick='{new}'" if new else "")
        status = "".join(f"<status code='{code}'/>" for code in codes)
        kind = " type='unavailable'" if gone else ""
        item = f"<item affiliation='none' role='participant'{more}/>"
        self.say(
            f"<presence from='{ROOM}/{nick}' to='{_quoted(to)}'{kind}><x xmlns='{USER}'>{item}{status}</x></presence>"
        )

    def _came(self, data: bytes) -> None:
        """Every write is whole stanzas, well-formed, from our own domain: else the server would end the stream."""
        if data.startswith((b"<stream:stream", b"<handshake", b"</stream:stream")) or self.wires[-1].gone:
            return
        try:
            stanzas = list(fromstring(b"<all>" + data + b"</all>"))
        except ParseError as error:
            self.faults.append(f"{error}: {data!r}")
            return
        for stanza in stanzas:
            if (stanza.get("from") or "").partition("/")[0].rpartition("@")[2] != DOMAIN:
                self.faults.append(f"not from our domain: {data!r}")
            self.written.append(stanza)
            self._answer(stanza)

    def _answer(self, stanza: Element) -> None:
        sender, to, kind = stanza.get("from", ""), stanza.get("to", ""), stanza.get("type")
        if stanza.tag == "iq" and kind in ("get", "set"):
            query = "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='muc_nonanonymous'/></query>"
            self.say(f"<iq from='{to}' to='{sender}' type='result' id={quoteattr(stanza.get('id', ''))}>{query}</iq>")
        elif stanza.tag == "presence" and kind is None and to.startswith(f"{ROOM}/"):
            nick, before = _quoted(to.partition("/")[2]), self._nicks.get(sender)
            self._nicks[sender] = nick
            if before is not None and before != nick:
                self.occupant(before, "303", "110", jid=sender, to=sender, gone=True, new=nick)
            else:
                self.occupant("Ana", jid="ana@example.org/phone", to=sender)
            self.occupant(nick, "110", jid=sender, to=sender)
            if before is None:
                self.say(f"<message from='{ROOM}' to='{_quoted(sender)}' type='groupchat'><subject/></message>")
        elif stanza.tag == "presence" and kind == "unavailable" and sender in self._nicks:
            self.occupant(self._nicks.pop(sender), "110", jid=sender, to=sender, gone=True)


def _quoted(text: str) -> str:
    return escape(text, {"'": "&apos;", "\n": "&#10;", "\t": "&#9;"})


@asynccontextmanager
async def xmpp() -> AsyncIterator[tuple[XmppAdapter, xmpp_lab.RecordingCore, XmppServer]]:
    """The component, in its room with Ana; she is heard at the end as in the beginning."""
    server, core = XmppServer(), xmpp_lab.RecordingCore(ROOM)
    settings = XmppSettings(server="127.0.0.1:5347", domain=DOMAIN, secret="secret")  # type: ignore[arg-type]  # pydantic reads both
    adapter = XmppAdapter(settings, Context("office", "http://127.0.0.1:1", Path()), server.connect)
    await adapter.start(cast(Core, core))
    try:
        await core.until("entry", lambda: core.is_online and (Place("office", ROOM), None) in core.standing)
        yield adapter, core, server
        await calm()
        assert not server.faults
        assert server.alive
        assert not core.crashes
        # A puppet, or the bot, may have been put out by what came; she writes to the bot's own address, too.
        server.say(
            f"<message from='ana@example.org/phone' to='kestrel%libera@{DOMAIN}' type='chat' id='last'>"
            "<body>still there</body></message>"
        )
        await core.heard("still there", WITHIN)
    finally:
        await adapter.stop()


class IrcServer:
    """Who is at the other end of the bot's connection, and of the puppets'."""

    def __init__(self) -> None:
        self.ends: list[IrcEnd] = []

    async def dial(self, receiver: Receiver) -> None:
        """As a `Dialler`."""
        end = IrcEnd(receiver)
        self.ends.append(end)
        receiver.connected(end, secure=False)
        end.greet()

    @property
    def bot(self) -> "IrcEnd":
        return self.ends[0]

    @property
    def written(self) -> bytes:
        return b"".join(end.written for end in self.ends)


class IrcEnd:
    """One connection, as a `Carrier`."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.written = b""
        self.seen = 0
        self.nick = ""
        self.gone = False

    def write(self, data: bytes) -> None:
        self.written += data
        asyncio.get_running_loop().call_soon(self._answer)

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.gone:
            self.gone = True
            asyncio.get_running_loop().call_soon(self._receiver.lost, None)

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def greet(self) -> None:
        asyncio.get_running_loop().call_soon(self._answer)

    def say(self, data: str | bytes) -> None:
        """Bytes from the server."""
        self._receiver.received(data.encode() if isinstance(data, str) else data)

    def _answer(self) -> None:
        """What every server answers, so that the conversation gets on."""
        whole = self.written[: self.written.rfind(b"\n") + 1]
        new, self.seen = whole[self.seen :], len(whole)
        for line in new.split(b"\r\n"):
            command, _, rest = line.partition(b" ")
            if self.gone:
                return
            if command == b"CAP" and rest.startswith(b"LS"):
                self.say(b":s CAP * LS :\r\n")
            elif command == b"NICK":
                old, self.nick = self.nick, rest.decode()
                if old:
                    self.say(f":{old}!u@h NICK {self.nick}\r\n")
            elif command == b"USER":
                self.say(f":s 001 {self.nick} :hi\r\n:s 005 {self.nick} NICKLEN=30 CHANTYPES=# :are\r\n")
                self.say(f":s 376 {self.nick} :end\r\n")
            elif command == b"JOIN":
                for channel in rest.split(b" ")[0].split(b","):
                    name = channel.decode()
                    self.say(f":{self.nick}!u@h JOIN {name}\r\n:s 353 {self.nick} = {name} :{self.nick} kestrel\r\n")
                    self.say(f":s 366 {self.nick} {name} :end\r\n")
            elif command == b"PING":
                self.say(b":s PONG s " + rest + b"\r\n")
            elif command == b"QUIT":
                self.abort()


@asynccontextmanager
async def irc(
    monkeypatch: pytest.MonkeyPatch, puppets: int = 10
) -> AsyncIterator[tuple[IrcAdapter, irc_lab.RecordingCore, IrcServer]]:
    """The adapter, its bot in #vec with kestrel, who is heard at the end as in the beginning."""
    server = IrcServer()
    monkeypatch.setattr("adapters.irc.adapter.make_route", lambda *_, **__: server)
    values: dict[str, Any] = {
        "server": "irc://127.0.0.1:6667", "nick": "rialto", "puppets": puppets,
        "flood": {"burst": 10_000, "per_second": 10_000},
    }  # fmt: skip
    core = irc_lab.RecordingCore("libera", [irc_lab.member("#vec")])
    adapter = ADAPTER.create(IrcSettings.model_validate(values), Context("libera", "http://127.0.0.1", Path()))
    assert isinstance(adapter, IrcAdapter)
    await adapter.start(core)
    try:
        await irc_lab.until(lambda: core.is_online and core.places.get("#vec", 1) is None, "entry", lambda: core.places)
        yield adapter, core, server
        assert not core.crashes
    finally:
        await adapter.stop()
