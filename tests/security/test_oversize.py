"""Oversize: whatever is larger than it may be is refused before it is kept, and its sender alone has the trouble."""

import asyncio
import tracemalloc

import pytest

from adapters.irc.protocol.events import Manner, Passed
from adapters.irc.protocol.linebuffer import CAP
from adapters.matrix.client import _retry_after
from adapters.matrix.server import LARGEST_TRANSACTION
from adapters.xmpp import capabilities, outbound
from adapters.xmpp.sanitise import STANZA_BYTES, TooLarge, checked
from adapters.xmpp.stream import Account, Stream
from adapters.xmpp.wire import RECEIVED_BYTES
from bridge.contract import SendError
from bridge.model.message import Text
from bridge.web.messages import LARGEST
from tests.security.fortress import BO, HS_TOKEN, PROGRAMS_TOKEN, PUSH, TO_KESTREL, WITHIN, fortress
from tests.unit.irc.test_irc_hostile import ready
from tests.unit.xmpp.muc import BOT, DOMAIN
from tests.unit.xmpp.test_xmpp_stream import HEADER, Ear, Wire, connected
from tests.web.asking import written

# HTTP


@pytest.mark.parametrize(
    ("headers", "statuses"),
    [
        ([f"Content-Length: {LARGEST_TRANSACTION + 1}"], {413}),
        ([f"Content-Length: {10**30}"], {413, 400}),
        (["Content-Length: -1"], {400}),
        (["Content-Length: 1_0"], {400}),
        (["Content-Length: 2", "Content-Length: 3"], {400}),
    ],
)
async def test_a_length_beyond_the_limit_is_refused_unread(
    headers: list[str], statuses: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.web.door.LINGER", 0.1)
    async with fortress() as standing:
        status = await standing.ask("PUT", PUSH, *headers, token=HS_TOKEN, length=False)
        assert status in statuses
        assert standing.matrix.untouched


@pytest.mark.parametrize("length", [LARGEST + 1, 10**12])
async def test_a_programs_message_beyond_the_limit_is_refused_unread(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.web.door.LINGER", 0.1)
    headers = ["Content-Type: message/cpim", f"Content-Length: {length}"]
    async with fortress() as standing:
        for target, token, status in ((TO_KESTREL, PROGRAMS_TOKEN, 413), (TO_KESTREL, None, 401)):
            assert await standing.ask("POST", target, *headers, token=token, length=False) == status
        largest = written(by=BO, text="x" * (LARGEST - len(written(by=BO, text=""))))
        assert len(largest) == LARGEST
        assert await standing.ask("POST", TO_KESTREL, headers[0], token=PROGRAMS_TOKEN, body=largest) == 202
        assert await standing.ask("POST", TO_KESTREL, headers[0], token=PROGRAMS_TOKEN, body=largest + b"x") == 413
        assert len(standing.hall.taken) == 1


@pytest.mark.parametrize(
    "head",
    [
        f"PUT {PUSH} HTTP/1.1\r\nAuthorization: Bearer {HS_TOKEN}\r\n",
        f"POST {TO_KESTREL} HTTP/1.1\r\nAuthorization: Bearer {PROGRAMS_TOKEN}\r\nContent-Type: message/cpim\r\n",
    ],
    ids=["push", "message"],
)
async def test_chunks_without_end_are_refused_at_the_limit(head: str) -> None:
    async with fortress() as standing:
        reader, writer = await asyncio.open_connection("127.0.0.1", standing.port)
        writer.write(f"{head}Host: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"

        async def pouring() -> None:
            while not writer.is_closing():
                writer.write(chunk)
                await writer.drain()

        pour = asyncio.create_task(pouring())
        async with asyncio.timeout(WITHIN):
            status = await reader.readline()
        pour.cancel()
        await asyncio.gather(pour, return_exceptions=True)
        writer.close()
        assert b" 413 " in status
        assert standing.matrix.untouched
        assert not standing.hall.taken


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    ],
    ids=["address", "field", "fields"],
)
async def test_a_head_beyond_all_limits_is_refused(head: bytes) -> None:
    async with fortress() as standing:
        status, _ = await standing.send(head)
        assert status in (0, 400, 414, 431)


@pytest.mark.parametrize("told", [10**400, 1e308, float("inf")])
def test_a_homeserver_makes_us_wait_no_longer_than_a_day(told: float) -> None:
    assert _retry_after({}, {"retry_after_ms": told}) == 86400


# XMPP


def test_no_stanza_over_the_servers_limit_is_written() -> None:
    """Prosody would end the stream for everybody."""
    assert checked(f"<message>{'x' * (STANZA_BYTES - 19)}</message>")
    with pytest.raises(TooLarge):
        checked(f"<message>{'x' * (STANZA_BYTES - 18)}</message>")
    with pytest.raises(TooLarge):
        checked(f"<message>{'é' * (STANZA_BYTES // 2)}</message>")


async def test_a_huge_text_fails_alone_and_for_good() -> None:
    class Nowhere:
        async def __call__(self, make: object) -> object:
            raise OSError("nowhere")

    stream = Stream(Account("office", DOMAIN, "secret", "x:1"), Ear(), Nowhere())
    with pytest.raises(SendError) as refused:
        stream.write(outbound.chat(BOT, "ana@example.org", "id", Text("&" * STANZA_BYTES)))
    assert not refused.value.temporary
    await stream.close()


def test_what_a_place_is_said_to_take_fits_into_a_stanza() -> None:
    """At its worst: every character written out, in a stanza with everything that comes along."""
    for place in (capabilities.ROOM, capabilities.PERSON):
        assert place.part_bytes is not None
        worst = "&" * place.part_bytes
        checked(outbound.chat(BOT, "ana@example.org", "id", Text(worst)))


async def test_a_stanza_without_end_takes_no_more_memory_than_the_limit() -> None:
    made, wire, ear = connected()
    made.data_received(HEADER + b"<handshake/><message to='a@b'><body>")
    tracemalloc.start()
    try:
        for _ in range(200):
            made.data_received(b"x" * 65536)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert wire.gone
    assert (await made.finished)[0] == "policy-violation"
    assert not ear.stanzas
    assert peak < 4 * RECEIVED_BYTES


@pytest.mark.parametrize("inner", [b"<a>", b"<a b='c'>", b"<a xmlns='x'>"])
async def test_a_stanza_without_bottom_is_taken_or_refused_and_the_next_is_heard(inner: bytes) -> None:
    depth = 100_000
    made, wire, ear = connected()
    close = b"</a>" * depth
    made.data_received(HEADER + b"<handshake/><message>" + inner * depth + close + b"</message>")
    assert wire.gone or len(ear.stanzas) == 1
    assert isinstance(wire, Wire)
    if not wire.gone:
        made.data_received(b"<iq type='get'/>")
        assert ear.stanzas[-1].get("type") == "get"
        made.abort()
    await made.finished


# IRC


async def test_a_line_beyond_the_limit_is_passed_over_and_the_next_is_heard() -> None:
    talk = ready()
    passed = [each for _ in range(20) for each in talk.session.receive(b"x" * CAP)]
    assert set(passed) <= {Passed("over-long line")}
    talk.session.outgoing()
    assert list(talk.session.receive(b"\r\nPING :y\r\n")) == []
    assert "PONG y" in talk.sent()


async def test_no_line_beyond_the_servers_limit_is_said() -> None:
    talk = ready()
    session = talk.session
    session.outgoing()
    most = session.text_bytes("#vec")
    session.say(7, "#vec", Manner.TEXT, "x" * most)
    line = next(line for line in session.outgoing().split(b"\r\n") if b"PRIVMSG" in line)
    assert len(line) + 2 <= 512, "the server puts our own prefix before it, for which room is left"
    assert most < 512 - len("PRIVMSG #vec :\r\n")
