"""A keeper that does not read what the bridge writes: nothing more is written, as if the servers took no more."""

import asyncio
from pathlib import Path

import pytest

from bridge.keeper import client as client_module
from bridge.keeper.client import KeeperClient
from bridge.keeper.frames import VERSION, pack
from tests.unit.keeper.stage import Sink


class Sleeper:
    """Speaks as a keeper that holds two connections, and reads when it is told to."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.ended = asyncio.Event()
        self.say = asyncio.Queue[bytes]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(pack("hello", version=VERSION, pid=1))
        for number in range(2):
            writer.write(pack("held", conn=f"c{number}", name=f"irc/{number}", secure=False, open=True))
        writer.write(pack("ready"))
        writer.write(await self.say.get())
        await self.reads.wait()
        while await reader.read(65536):
            pass
        writer.close()
        self.ended.set()


async def test_all_its_connections_are_choked_until_it_reads_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "UNREAD_BYTES", 64 * 1024)
    sleeper, sinks = Sleeper(), [Sink(), Sink()]
    server = await asyncio.start_unix_server(sleeper.serve, str(tmp_path / "socket"))
    async with server:
        client = await KeeperClient.attach(tmp_path / "socket")
        first, second = client.unclaimed
        first.begin(sinks[0], resume=False)
        written = 0
        while not sinks[0].chokes:
            first.write(b"x" * 4096)
            written += 4096
            assert written < 16 * 1024 * 1024
        second.begin(sinks[1], resume=False)
        assert [sink.chokes for sink in sinks] == [[True], [True]], "also who comes later"
        # The server of one of them takes no more, either: that it reads again is not enough.
        sleeper.say.put_nowait(pack("choked", conn="c1", on=True) + pack("known", conn="c1", key="fence"))
        await sinks[1].until(lambda: sinks[1].again == ["fence"])
        sleeper.reads.set()
        await sinks[0].until(lambda: sinks[0].chokes == [True, False])
        assert sinks[1].chokes == [True]
        client.drop()
        await sleeper.ended.wait()
