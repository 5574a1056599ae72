"""A keeper, a server that it connects to, and a bridge's side that writes down what it gets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.keeper.client import KeeperClient, Kept
from bridge.keeper.frames import Frame, Unpacker
from bridge.keeper.held import Framing
from bridge.keeper.process import LINGER, Keeper, socket_path

WITHIN = 20.0


@dataclass
class Sink:
    """Writes down what it is told."""

    data: bytes = b""
    starts: list[int] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    chokes: list[bool] = field(default_factory=list)
    ended: bool = False
    error: Exception | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def got(self, start: int, data: bytes, when: float) -> None:
        assert when > 0
        self.starts.append(start)
        self.data += data
        self.news.set()

    def known(self, key: str) -> None:
        self.again.append(key)
        self.news.set()

    def choked(self, on: bool) -> None:
        self.chokes.append(on)
        self.news.set()

    def lost(self, error: Exception | None) -> None:
        self.ended, self.error = True, error
        self.news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds; on failure say what was seen."""
        try:
            async with asyncio.timeout(WITHIN):
                while not condition():
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise AssertionError(f"seen: {self}") from None


@dataclass
class Peer:
    """One connection, from the server's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def line(self) -> bytes:
        async with asyncio.timeout(WITHIN):
            return await self.reader.readline()


class Server:
    """Accepts connections, and gives them in order."""

    def __init__(self, port: int, peers: "asyncio.Queue[Peer]") -> None:
        self.port = port
        self.peers = peers

    async def peer(self) -> Peer:
        async with asyncio.timeout(WITHIN):
            return await self.peers.get()


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server that does nothing by itself."""
    peers: asyncio.Queue[Peer] = asyncio.Queue()
    accepted: list[Peer] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(Peer(reader, writer))
        peers.put_nowait(accepted[-1])

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield Server(server.sockets[0].getsockname()[1], peers)
        for peer in accepted:
            peer.writer.transport.abort()


@asynccontextmanager
async def keeping(folder: Path, linger: float = LINGER) -> AsyncIterator["asyncio.Task[None]"]:
    """A keeper in this process; ended at the end."""
    keeper = Keeper(folder, linger)
    task = asyncio.create_task(keeper.run())
    while not socket_path(folder).exists() and not task.done():  # noqa: ASYNC110 - no event tells of a file
        await asyncio.sleep(0.01)
    try:
        yield task
    finally:
        keeper.end()
        async with asyncio.timeout(WITHIN):
            await task


async def attached(folder: Path) -> KeeperClient:
    return await KeeperClient.attach(socket_path(folder))


async def opened(client: KeeperClient, port: int, **changes: Any) -> Kept:
    values: dict[str, Any] = {
        "name": "irc/bot",
        "host": "127.0.0.1",
        "tls": None,
        "framing": Framing.LINES,
        "farewell": b"QUIT :gone\r\n",
        "within": 10.0,
    }
    values |= changes
    return await client.open(values.pop("name"), values.pop("host"), port, **values)


async def said(reader: asyncio.StreamReader, wanted: str) -> Frame:
    """The next frame of that kind, of what a keeper says."""
    unpacker = Unpacker()
    async with asyncio.timeout(WITHIN):
        while data := await reader.read(65536):
            for frame in unpacker.feed(data):
                if frame.kind == wanted:
                    return frame
    raise AssertionError(f"no {wanted} was said")
