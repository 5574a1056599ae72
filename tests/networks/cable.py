"""A TCP proxy on loopback: a cable that can be cut, held, made to swallow or made slow."""

import asyncio
from typing import Self

UP, DOWN = "up", "down"
"""The ways: to the server, and from it."""

_CHUNK = 65536


class Cable:
    """Everybody who connects to `port` is connected to the server behind it. `connections` counts them.

    Trouble is for those connections that are open; whoever connects after `cut` finds a good cable.
    """

    def __init__(self, port: int, *, listen: int = 0) -> None:
        """`port` is the server's; `listen` is the cable's own, by default any free one."""
        self._to = port
        self._server: asyncio.Server | None = None
        self._ends: list[asyncio.StreamWriter] = []
        self._pumps: set[asyncio.Task[None]] = set()
        self._flow = {UP: asyncio.Event(), DOWN: asyncio.Event()}
        for event in self._flow.values():
            event.set()
        self._swallows: set[str] = set()
        self._pause = 0.0
        self.port = listen
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await self._server.wait_closed()

    def hold(self, way: str) -> None:
        """Nothing passes that way any more, ``up`` to the server or ``down`` from it; it comes later, or is cut off."""
        self._flow[way].clear()

    def release(self) -> None:
        """What was held passes again, in its order."""
        for event in self._flow.values():
            event.set()

    def swallow(self, *ways: str) -> None:
        """What comes that way is taken and gone: the connection is half open, and neither side is told."""
        self._swallows.update(ways)

    def slow(self, pause: float) -> None:
        """Each read waits so many seconds before it is passed on."""
        self._pause = pause

    def cut(self) -> None:
        """End all connections, with a reset; what is held back is lost. The next one flows freely."""
        ends, self._ends = self._ends, []
        for end in ends:
            end.transport.abort()
        self._swallows.clear()
        self._pause = 0.0
        self.release()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            there, away = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._ends += [writer, away]
        for way, source, sink in ((UP, reader, away), (DOWN, there, writer)):
            pump = asyncio.create_task(self._pump(way, source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(_CHUNK):
                if self._pause:
                    await asyncio.sleep(self._pause)  # slowness is what was asked for
                await self._flow[way].wait()
                if sink.transport.is_closing():
                    return
                if way in self._swallows:
                    continue
                sink.write(data)
                await sink.drain()
        except OSError:
            pass  # cut, which is what it is for
        finally:
            sink.close()
            if sink in self._ends:
                self._ends.remove(sink)
