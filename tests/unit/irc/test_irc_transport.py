"""Why no connection could be opened, as an operator reads it."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.irc.transport import Carrier, DialError, TcpDialler, tls_context
from bridge.model.result import Failure, Reason


class Nobody:
    """A receiver that must never hear of a connection."""

    def connected(self, carrier: Carrier) -> None:
        raise AssertionError("connected")

    def received(self, data: bytes) -> None:
        raise AssertionError("received")

    def lost(self, error: Exception | None) -> None:
        raise AssertionError("lost")

    def pause_writing(self) -> None:
        raise AssertionError("pause_writing")

    def resume_writing(self) -> None:
        raise AssertionError("resume_writing")


@asynccontextmanager
async def plain(answer: bytes | None) -> AsyncIterator[int]:
    """A port without TLS: it says `answer` and closes, or with None it says nothing."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        if answer is not None:
            writer.write(answer)
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def failure(host: str, port: int, tls: ssl.SSLContext | None = None, within: float = 5.0) -> Failure:
    with pytest.raises(DialError) as error:
        await TcpDialler(host, port, tls, "networks.libera.server", within).dial(Nobody())
    return error.value.failure


async def test_silence_where_tls_was_expected() -> None:
    async with plain(None) as port:
        told = await failure("127.0.0.1", port, tls_context(), within=1)
    text = f"127.0.0.1:{port} did not answer (with TLS) within 1 s: write irc:// if the port is plain"
    assert told == Failure(Reason.REMOTE_SERVER_TIMEOUT, text)


@pytest.mark.parametrize("answer", [b"", b":irc.example.org NOTICE * :hello\r\n"])
async def test_a_plain_port_that_answers_where_tls_was_expected(answer: bytes) -> None:
    async with plain(answer) as port:
        told = await failure("127.0.0.1", port, tls_context())
    assert told.text.startswith(f"127.0.0.1:{port} ")
    assert told.text.endswith(": write irc:// if the port is plain")


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    told = await failure("127.0.0.1", port)
    text = f"nothing listens on 127.0.0.1:{port}: is the IRC server running, and is networks.libera.server right?"
    assert told == Failure(Reason.REMOTE_SERVER_NOT_FOUND, text)


async def test_a_name_that_does_not_exist() -> None:
    told = await failure("irc.invalid", 6667)
    assert told.text == "the name irc.invalid is not found: check networks.libera.server"
