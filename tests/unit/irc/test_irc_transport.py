"""Why no connection could be opened, as an operator reads it."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.irc.link.tls import Pin, tls_context
from adapters.irc.link.transport import Carrier, DialError, TcpDialler
from bridge.demo.servers import Certificate, make_certificate
from bridge.model.result import Failure, Reason


class Nobody:
    """A receiver that must never hear of a connection."""

    def connected(self, carrier: Carrier, *, secure: bool) -> None:
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


class Somebody:
    """A receiver that writes down what it hears of."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.carrier: Carrier | None = None

    def connected(self, carrier: Carrier, *, secure: bool) -> None:
        self.heard.append(secure)
        self.carrier = carrier

    def received(self, data: bytes) -> None:
        self.heard.append(data)

    def lost(self, error: Exception | None) -> None:
        self.heard.append("lost")

    def pause_writing(self) -> None:
        raise AssertionError("pause_writing")

    def resume_writing(self) -> None:
        raise AssertionError("resume_writing")


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """One for ``localhost``, signed by itself."""
    return make_certificate(tmp_path, "server")


@asynccontextmanager
async def over_tls(certificate: Certificate) -> AsyncIterator[int]:
    """A port with TLS that greets at once."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b":irc.example.org NOTICE * :hello\r\n")
        try:
            await reader.read()
        except ConnectionError:
            # A client that goes without farewell is what is tested.
            return
        finally:
            writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def der(certificate: Certificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.cert.read_text())


async def test_the_pinned_certificate(certificate: Certificate) -> None:
    somebody = Somebody()
    pins = (Pin("sha-512", bytes(64)), Pin.of(der(certificate), "sha-512"))
    async with over_tls(certificate) as port:
        await TcpDialler("127.0.0.1", port, tls_context(verify=False), pins=pins).dial(somebody)
        assert somebody.heard[0] is True
        assert somebody.carrier is not None
        somebody.carrier.abort()


async def test_nobody_hears_of_a_server_with_another_certificate(certificate: Certificate) -> None:
    somebody = Somebody()
    async with over_tls(certificate) as port:
        dialler = TcpDialler("127.0.0.1", port, tls_context(verify=False), pins=(Pin("sha-256", bytes(32)),))
        with pytest.raises(DialError) as error:
            await dialler.dial(somebody)
        # Give what the server said the time to arrive, and the transport the time to close.
        for _ in range(10):
            await asyncio.sleep(0)
    assert somebody.heard == []
    shown = Pin.of(der(certificate))
    text = f"the server's certificate is not the pinned one: if it is right, set `tls: {{pin: {shown}}}`"
    assert error.value.failure == Failure(Reason.NOT_AUTHORIZED, text)


async def test_a_plain_connection_is_not_called_secure() -> None:
    somebody = Somebody()
    async with plain(None) as port:
        await TcpDialler("127.0.0.1", port).dial(somebody)
        assert somebody.heard == [False]
        assert somebody.carrier is not None
        somebody.carrier.abort()


@pytest.mark.parametrize(
    ("text", "pin"),
    [
        ("sha-256:" + "0a" * 32, Pin("sha-256", b"\x0a" * 32)),
        (" SHA-256:" + ":".join(["0A"] * 32), Pin("sha-256", b"\x0a" * 32)),
        ("sha-512:" + "ff" * 64, Pin("sha-512", b"\xff" * 64)),
    ],
)
def test_fingerprints(text: str, pin: Pin) -> None:
    assert Pin.parse(text) == pin
    assert Pin.parse(str(pin)) == pin


@pytest.mark.parametrize("text", ["", "ab" * 32, "sha-1:" + "ab" * 20, "sha-256:" + "ab" * 31, "sha-512:" + "ab" * 32])
def test_what_is_no_fingerprint(text: str) -> None:
    with pytest.raises(ValueError, match="write sha-256: and 64 hexadecimal digits"):
        Pin.parse(text)
