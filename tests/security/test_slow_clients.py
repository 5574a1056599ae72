"""Slow clients: whoever connects and says little, or a little at a time, keeps nobody else from being heard."""

import asyncio
from collections.abc import Sequence

import pytest

from bridge.web import door
from tests.security.fortress import HS_TOKEN, PROGRAMS_TOKEN, PUSH, TO_KESTREL, WITHIN, Fortress, fortress

HEAD = f"PUT {PUSH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {HS_TOKEN}\r\nContent-Length: 1000\r\n\r\n".encode()


async def dribble(standing: Fortress, start: bytes, drop: bytes) -> bytes:
    """Send the start and then a drop now and then, until the server has had enough; the first line of its answer, if
    there is one. What follows may be lost when it closes over what it has not read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", standing.port)
    writer.write(start)

    async def dripping() -> None:
        while not writer.is_closing():
            writer.write(drop)
            await asyncio.sleep(0.02)

    drops = asyncio.create_task(dripping())
    try:
        async with asyncio.timeout(WITHIN):
            try:
                return await reader.readline()
            except ConnectionResetError:
                return b""
    finally:
        drops.cancel()
        writer.close()


@pytest.mark.parametrize(
    ("start", "drop"),
    [(b"", b""), (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n"), (b"GET /", b"a"), (b"", b"\r\n")],
)
async def test_a_head_that_never_ends_is_not_waited_for(
    start: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HEAD_WITHIN", 0.3)
    async with fortress() as standing:
        answer = await dribble(standing, start, drop)
        assert not answer.startswith(b"HTTP/1.1 200")


async def test_a_body_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.matrix.server.BODY_WITHIN", 0.3)
    async with fortress() as standing:
        answer = await dribble(standing, HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), b" ")
        assert answer.startswith(b"HTTP/1.1 408")
        assert standing.matrix.untouched


async def test_a_programs_message_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.web.messages.BODY_WITHIN", 0.3)
    head = f"POST {TO_KESTREL} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: message/cpim\r\n"
    end = "Content-Length: 1000\r\n\r\n"
    async with fortress(is_public=True) as standing:
        answer = await dribble(standing, f"{head}Authorization: Bearer {PROGRAMS_TOKEN}\r\n{end}".encode(), b" ")
        assert answer.startswith(b"HTTP/1.1 408")
        _, refused = await standing.send(f"{head}{end}".encode() + b" " * 1000)
        assert refused.startswith(b"HTTP/1.1 401")
        assert not standing.hall.taken


async def test_a_strangers_body_is_not_waited_for_at_all() -> None:
    async with fortress() as standing:
        head = HEAD.replace(HS_TOKEN.encode(), b"wrong").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        _, answer = await standing.send(head + b" " * 1000)
        assert answer.startswith(b"HTTP/1.1 403")


async def test_many_silent_connections_push_out_one_another_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "SILENT", 20)
    async with fortress() as standing:
        busy_reader, busy = await asyncio.open_connection("127.0.0.1", standing.port)
        busy.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await busy_reader.readline()).startswith(b"HTTP/1.1 200")
        silent = [await asyncio.open_connection("127.0.0.1", standing.port) for _ in range(60)]

        async def closed(connections: Sequence[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
            async with asyncio.timeout(WITHIN):
                for reader, _ in connections:
                    assert await reader.read() == b""

        await closed(silent[:40])
        assert await standing.push() == 200
        # Who has asked before is not among them.
        busy.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(WITHIN):
            assert (await busy_reader.read()).count(b"HTTP/1.1 200") == 1
        for _, writer in (*silent, (busy_reader, busy)):
            writer.close()
