"""Decompression: a few kilobytes that hold gigabytes are nowhere unpacked, or no further than the limit."""

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from xml.etree.ElementTree import fromstring

import pytest
from aiohttp import web

from adapters.matrix.client import LARGEST_ANSWER, Client
from adapters.matrix.errors import MatrixError
from tests.security.fortress import HS_TOKEN, PUSH, fortress
from tests.unit.xmpp.test_xmpp_account_connection import connected, features, logged_in, settled
from tests.unit.xmpp.test_xmpp_stream import HEADER
from tests.unit.xmpp.test_xmpp_stream import connected as component

MEGABYTE = 1 << 20


def bomb(megabytes: int) -> bytes:
    """So much nothing, in a thousandth of it."""
    return gzip.compress(b" " * (megabytes * MEGABYTE))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP", "x"])
async def test_a_compressed_transaction_is_refused_unread(coding: str) -> None:
    body = bomb(64)
    tracemalloc.start()
    try:
        async with fortress() as standing:
            status = await standing.ask("PUT", PUSH, f"Content-Encoding: {coding}", body=body, token=HS_TOKEN)
            assert status == 415
            assert standing.matrix.untouched
            assert await standing.ask("PUT", PUSH, f"Content-Encoding: {coding}", body=body) == 401
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 16 * MEGABYTE, f"{peak} bytes at once"


@asynccontextmanager
async def answering(body: bytes, coding: str) -> AsyncIterator[Client]:
    """A homeserver that answers everything with this, and a client of it."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Encoding": coding})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = Client(f"http://127.0.0.1:{runner.addresses[0][1]}", "as-token", timeout=20)
    client.open()
    try:
        yield client
    finally:
        await client.close()
        await runner.cleanup()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_homeservers_answer_is_unpacked_no_further_than_the_limit(coding: str) -> None:
    size = 4 * (LARGEST_ANSWER // MEGABYTE)
    body = bomb(size) if coding == "gzip" else zlib.compress(b" " * (size * MEGABYTE))
    tracemalloc.start()
    try:
        async with answering(body, coding) as client:
            with pytest.raises(MatrixError) as refused:
                await client.request("GET", "/_matrix/client/v3/account/whoami")
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert refused.value.errcode == "M_TOO_LARGE"
    assert peak < 2.5 * LARGEST_ANSWER + len(body), f"{peak} bytes at once"


async def test_an_answer_that_is_not_what_it_says_is_no_answer() -> None:
    async with answering(b"not packed at all", "gzip") as client:
        with pytest.raises(MatrixError):
            await client.request("GET", "/_matrix/client/v3/account/whoami")


async def test_an_account_asks_for_no_compression_whatever_is_offered() -> None:
    """XEP-0138; beside TLS it would tell what is said, too (RFC 7525 section 3.3)."""
    offer = (
        b"<compression xmlns='http://jabber.org/features/compress'><method>zlib</method><method>lzw</method>"
        b"</compression>"
    )
    made, line, _ = connected()
    made.data_received(features(offer, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"))
    await settled()
    assert "compress" not in line.written
    made.close()
    made, line, _ = logged_in(offer)
    await settled()
    assert fromstring(line.written).get("type") == "set", "it binds"
    assert "compress" not in line.written
    made.data_received(b"<compressed xmlns='http://jabber.org/protocol/compress'/>")
    await settled()
    made.close()


async def test_bytes_that_are_packed_are_no_stream() -> None:
    made, wire, ear = component()
    made.data_received(HEADER + b"<handshake/>")
    made.data_received(b"<compressed xmlns='http://jabber.org/protocol/compress'/>")
    made.data_received(zlib.compress(b"<message from='a@b' to='c@d'/>"))
    assert wire.gone
    assert (await made.finished)[0] == "not-well-formed"
    assert not [stanza for stanza in ear.stanzas if stanza.tag.endswith("message")]
