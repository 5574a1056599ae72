"""The connection's own defences, and where stanzas go, without a server."""

import asyncio
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.xmpp.component import Component
from adapters.xmpp.disco import Responder
from adapters.xmpp.dispatch import Dispatch
from adapters.xmpp.errors import Refused
from adapters.xmpp.queries import Queries
from adapters.xmpp.sanitise import checked
from adapters.xmpp.stream import Account, Stream, tcp
from bridge.contract import SendError
from bridge.model.address import Address, Place
from bridge.model.result import Failure, Reason
from tests.unit.xmpp.folk import Folk
from tests.unit.xmpp.muc import BOT, DOMAIN, ROOM, Muc
from tests.unit.xmpp.test_xmpp_inbound import ELEMENTS, element

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept'"
    b" xmlns:stream='http://etherx.jabber.org/streams' id='3BF96D32' from='bridge.example.org'>"
)


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and tells its protocol when it is aborted."""

    def __init__(self, protocol: Component) -> None:
        super().__init__()
        self.protocol = protocol
        self.written = b""
        self.gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.abort()

    def is_closing(self) -> bool:
        return self.gone

    def abort(self) -> None:
        if not self.gone:
            self.gone = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class Ear:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.stanzas: list[Element] = []
        self.open = 0
        self.failures: list[Failure] = []

    def opened(self) -> None:
        self.open += 1

    def received(self, stanza: Element) -> None:
        self.stanzas.append(stanza)

    def closed(self, failure: Failure) -> None:
        self.failures.append(failure)


def connected() -> tuple[Component, Wire, Ear]:
    ear = Ear()
    made = Component(DOMAIN, "secret", ear)
    wire = Wire(made)
    made.connection_made(wire)
    return made, wire, ear


async def test_the_handshake() -> None:
    made, wire, ear = connected()
    assert wire.written.startswith(b"<stream:stream")
    made.data_received(HEADER)
    # SHA-1 of "3BF96D32secret" (XEP-0114 section 3).
    assert wire.written.endswith(b"<handshake>b09ea9b3b7f586be8a08d0a3dd7466f110aeb136</handshake>")
    made.data_received(b"<message from='a@b' to='c@d'/>")
    assert ear.stanzas == [], "before the handshake nobody may speak"
    made.data_received(b"<handshake/>")
    assert ear.open == 1
    made.data_received(b"<message from='a@b' to='c@d'><bo")
    assert ear.stanzas == []
    made.data_received(b"dy>x</body></message><iq xmlns='jabber:client'><ping/></iq>")
    assert [stanza.tag for stanza in ear.stanzas] == ["{jabber:component:accept}message", "{jabber:component:accept}iq"]
    assert ear.stanzas[0].findtext("{jabber:component:accept}body") == "x"
    assert ear.stanzas[1][0].tag == "{jabber:component:accept}ping"
    made.data_received(b"</stream:stream>")
    assert await made.finished == ("", "")


@pytest.mark.parametrize(
    "chunks",
    [
        [b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" + HEADER],
        [b"<?xml version='1.0'?><", b"!DOCTYPE x>"],
        [b"<!-- hello -->", HEADER],
    ],
)
async def test_no_document_type_is_taken(chunks: list[bytes]) -> None:
    made, wire, _ = connected()
    for chunk in chunks:
        made.data_received(chunk)
    assert wire.gone
    assert (await made.finished)[0] == "restricted-xml"


@pytest.mark.parametrize("bad", [b"<a></b>", b"<!DOCTYPE x>", b"\x00", b"<a>&entity;</a>", b"\xff\xfe"])
async def test_what_is_not_xml_ends_the_connection_without_a_word_of_it_in_the_log(
    bad: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    made, wire, _ = connected()
    made.data_received(HEADER)
    made.data_received(b"<handshake/><message><body>private</body></message>" + bad)
    assert wire.gone
    assert (await made.finished)[0] == "not-well-formed"
    assert "private" not in caplog.text


async def test_a_stanza_without_end_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.xmpp.wire.RECEIVED_BYTES", 100_000)
    made, wire, ear = connected()
    made.data_received(HEADER + b"<handshake/>")
    for _ in range(10):
        made.data_received(b"<message><body>" + b"x" * 50_000 + b"</body></message>")
    assert len(ear.stanzas) == 10
    made.data_received(b"<message><body>")
    for _ in range(10):
        made.data_received(b"x" * 50_000)
    assert wire.gone
    assert (await made.finished)[0] == "policy-violation"


async def test_a_stream_error_is_read() -> None:
    made, _, _ = connected()
    made.data_received(
        HEADER + b"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        b"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Component already connected</text></stream:error>"
        b"</stream:stream>"
    )
    assert await made.finished == ("conflict", "Component already connected")


async def test_nothing_is_written_while_there_is_no_stream() -> None:
    stream = Stream(Account("office", DOMAIN, "secret", "x:1"), Ear(), tcp("127.0.0.1", 1))
    with pytest.raises(SendError) as refused:
        stream.write("<message/>")
    assert refused.value.temporary
    with pytest.raises(SendError) as refused:
        stream.write("<message>\0</message>")
    assert not refused.value.temporary
    await stream.close()


# The dispatcher


class Away:
    """What the dispatcher writes and counts."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.ignores: list[str] = []

    def write(self, stanza: str) -> None:
        checked(stanza)
        self.written.append(stanza)

    def ignored(self, what: str, native_id: str = "") -> None:
        self.ignores.append(what)


def read(local: str) -> Address | Place:
    if "%" not in local:
        raise ValueError(local)
    return Place("libera", local) if local.startswith("#") else Address("libera", local.partition("%")[0])


def dispatcher(muc: Muc) -> tuple[Dispatch, Away]:
    away = Away()
    folk = Folk({ROOM: muc.room})
    responder = Responder(
        domain=DOMAIN, bot=BOT, read=read, present=lambda jid, room: False, is_room=lambda jid: jid == ROOM
    )
    return Dispatch({ROOM: muc.room}, Queries(away.write), responder, away, folk.people), away


WHOLE = st.builds(
    element,
    st.sampled_from(["message", "presence", "iq", "odd"]).map(lambda name: f"{{jabber:component:accept}}{name}"),
    st.fixed_dictionaries(
        {
            "from": st.sampled_from(["", ROOM, f"{ROOM}/Ana", f"{ROOM}/rialto", "ana@example.org/a", "x", "@", "/"]),
            "to": st.sampled_from(["", BOT, DOMAIN, f"kestrel%libera@{DOMAIN}/rialto", f"a@{DOMAIN}", "x", "/"]),
        },
        optional={
            "type": st.sampled_from(
                [
                    "groupchat",
                    "error",
                    "chat",
                    "normal",
                    "headline",
                    "get",
                    "set",
                    "result",
                    "unavailable",
                    "probe",
                    "x",
                ]
            ),
            "id": st.text(max_size=8),
        },
    ),
    st.none(),
    st.lists(ELEMENTS, max_size=4),
)


@given(st.lists(WHOLE, max_size=12))
async def test_nothing_unknown_raises_and_no_request_goes_unanswered(stanzas: list[Element]) -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.enter(muc.puppet("kestrel"), "Kestrel", subject=False)
    dispatch, away = dispatcher(muc)
    for stanza in stanzas:
        before = len(away.written)
        dispatch.received(stanza)
        request = stanza.tag.endswith("}iq") and stanza.get("type") in ("get", "set")
        if request and stanza.get("from", "").partition("/")[0] and stanza.get("to"):
            assert len(away.written) == before + 1
        result = stanza.tag.endswith("}iq") and stanza.get("type") == "result"
        if result or stanza.get("type") in ("error", "groupchat"):
            assert len(away.written) == before
    assert "not understood" not in away.ignores


async def test_an_answer_counts_only_from_whom_was_asked() -> None:
    written: list[str] = []
    queries = Queries(written.append)
    asking = asyncio.ensure_future(queries.ask("room@x", lambda token: f"<iq id='{token}'/>"))
    await asyncio.sleep(0)
    token = fromstring(written[0]).get("id")
    assert not queries.answered(fromstring(f"<iq type='result' from='evil@x' id='{token}'/>"))
    assert not queries.answered(fromstring("<iq type='result' from='room@x' id='other'/>"))
    assert queries.answered(fromstring(f"<iq type='result' from='room@x' id='{token}'/>"))
    assert (await asking).get("from") == "room@x"
    assert not queries.answered(fromstring(f"<iq type='result' from='room@x' id='{token}'/>"))
    with pytest.raises(Refused) as refused:
        await queries.ask("room@x", lambda token: "<iq/>", within=0.01)
    assert refused.value.error.reason is Reason.REMOTE_SERVER_TIMEOUT


async def test_a_server_that_is_not_listened_to_has_not_fallen_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.xmpp.stream.SILENCE", 0.05)

    async def accepting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEADER + b"<handshake/>")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(accepting, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    ear = Waiting()
    stream = Stream(Account("office", DOMAIN, "secret", f"{host}:{port}"), ear, tcp(host, port))
    async with server:
        running = asyncio.create_task(stream.run())
        await ear.is_open.wait()
        stream.pause(True)
        await asyncio.sleep(0.5)  # a mistake would show by now
        assert (stream.held_up, stream.is_open, ear.failures) == (True, True, [])
        stream.pause(False)
        await ear.is_closed.wait()
        assert "it has fallen silent" in ear.failures[0].text
        running.cancel()
        await asyncio.wait([running])
    await stream.close()


class Waiting(Ear):
    """An ear that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open, self.is_closed = asyncio.Event(), asyncio.Event()

    def opened(self) -> None:
        super().opened()
        self.is_open.set()

    def closed(self, failure: Failure) -> None:
        super().closed(failure)
        self.is_closed.set()
