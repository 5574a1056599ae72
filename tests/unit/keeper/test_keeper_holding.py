"""The keeper over real sockets: what comes in while no bridge is there, what goes out once, who may attach, the end."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from bridge.demo.servers import make_certificate
from bridge.keeper.client import BusyError, KeeperClient, KeeperError, StrangeError
from bridge.keeper.frames import VERSION, pack
from bridge.keeper.held import WINDOW
from bridge.keeper.launch import attached as launched
from bridge.keeper.launch import folder_of
from bridge.keeper.process import Keeper, socket_path
from tests.unit.keeper.stage import WITHIN, Sink, attached, keeping, listening, opened, said


async def gone(client: KeeperClient) -> None:
    """Die, as far as the keeper can see, and have it seen."""
    client.drop()
    await asyncio.sleep(0)


async def again(folder: Path) -> KeeperClient:
    """Attach as soon as the keeper has seen that the one before is gone."""
    async with asyncio.timeout(WITHIN):
        while True:
            try:
                return await attached(folder)
            except BusyError:
                await asyncio.sleep(0.01)  # the next bridge knocks again as well


async def test_what_is_not_acknowledged_comes_again_and_what_came_meanwhile_too(tmp_path: Path) -> None:
    async with keeping(tmp_path / "k"), listening() as server:
        client = await attached(tmp_path / "k")
        kept, peer, sink = await opened(client, server.port), await server.peer(), Sink()
        kept.begin(sink, resume=False)
        peer.say(b"one\r\ntwo\r\nthr")
        await sink.until(lambda: sink.data == b"one\r\ntwo\r\n")
        kept.acknowledge(5, b"snapshot at 5")
        kept.write(b"said\r\n")
        assert await peer.line() == b"said\r\n"  # so the acknowledgement before it was read
        await gone(client)
        peer.say(b"ee\r\nfour\r\n")
        client = await again(tmp_path / "k")
        taken = client.claim("irc/bot")
        assert taken is not None
        assert (taken.id, taken.snapshot, taken.is_open) == (kept.id, b"snapshot at 5", True)
        assert client.claim("irc/bot") is None
        replayed = Sink()
        taken.begin(replayed, resume=True)
        await replayed.until(lambda: replayed.data == b"two\r\nthree\r\nfour\r\n")
        assert replayed.starts[0] == 5
        peer.say(b"five\r\n")
        await replayed.until(lambda: replayed.data.endswith(b"five\r\n"))
        client.drop()


async def test_a_key_is_written_once_in_the_life_of_a_connection(tmp_path: Path) -> None:
    async with keeping(tmp_path / "k"), listening() as server:
        client = await attached(tmp_path / "k")
        kept, peer, sink = await opened(client, server.port), await server.peer(), Sink()
        kept.begin(sink, resume=False)
        kept.acknowledge(0, b"here")
        kept.write(b"a\r\n", "key-a")
        kept.write(b"a\r\n", "key-a")
        await sink.until(lambda: sink.again == ["key-a"])
        assert await peer.line() == b"a\r\n"
        await gone(client)
        client = await again(tmp_path / "k")
        taken = client.claim("irc/bot")
        assert taken is not None
        after = Sink()
        taken.begin(after, resume=True)
        taken.write(b"a\r\n", "key-a")
        taken.write(b"b\r\n", "key-b")
        taken.write(b"c\r\n")
        taken.write(b"c\r\n")
        await after.until(lambda: after.again == ["key-a"])
        assert [await peer.line() for _ in range(3)] == [b"b\r\n", b"c\r\n", b"c\r\n"]
        client.drop()


async def test_pings_are_answered_while_nobody_is_there_and_only_then(tmp_path: Path) -> None:
    async with keeping(tmp_path / "k"), listening() as server:
        client = await attached(tmp_path / "k")
        kept, peer, sink = await opened(client, server.port), await server.peer(), Sink()
        kept.begin(sink, resume=False)
        kept.acknowledge(0, b"here")
        peer.say(b"PING :left to the bridge\r\n")
        await sink.until(lambda: sink.data.endswith(b"bridge\r\n"))
        kept.write(b"fence\r\n")
        assert await peer.line() == b"fence\r\n"
        await gone(client)
        assert await peer.line() == b"PONG :left to the bridge\r\n"
        peer.say(b"PING :alone\r\n")
        assert await peer.line() == b"PONG :alone\r\n"


async def test_who_was_not_in_yet_is_not_held(tmp_path: Path) -> None:
    async with keeping(tmp_path / "k"), listening() as server:
        client = await attached(tmp_path / "k")
        await opened(client, server.port)
        peer = await server.peer()
        await gone(client)
        with contextlib.suppress(ConnectionResetError):
            assert await peer.line() == b""


async def test_what_ended_meanwhile_is_told_after_what_it_said(tmp_path: Path) -> None:
    async with keeping(tmp_path / "k"), listening() as server:
        client = await attached(tmp_path / "k")
        kept, peer = await opened(client, server.port), await server.peer()
        kept.acknowledge(0, b"here")
        kept.write(b"fence\r\n")
        await peer.line()
        await gone(client)
        peer.say(b"last words\r\nand a half")
        peer.writer.close()
        client = await again(tmp_path / "k")
        taken = client.claim("irc/bot")
        assert taken is not None
        sink = Sink()
        taken.begin(sink, resume=True)
        await sink.until(lambda: sink.ended)
        assert sink.data == b"last words\r\nand a half"
        taken.forget()
        await gone(client)
        after = await again_or_none(tmp_path / "k")
        assert after is None or after.unclaimed == ()


async def again_or_none(folder: Path) -> KeeperClient | None:
    """Attach; None where the keeper, with nothing to hold, has ended."""
    try:
        return await again(folder)
    except (FileNotFoundError, ConnectionRefusedError, KeeperError):
        return None


async def test_beyond_the_window_nothing_is_read_until_the_bridge_acknowledges(tmp_path: Path) -> None:
    async with keeping(tmp_path / "k"), listening() as server:
        client = await attached(tmp_path / "k")
        kept, peer, sink = await opened(client, server.port), await server.peer(), Sink()
        kept.begin(sink, resume=False)
        line = b"x" * 1022 + b"\r\n"
        total = 40 * WINDOW
        peer.say(line * (total // len(line)))
        await sink.until(lambda: len(sink.data) > WINDOW)
        # A round trip through the keeper: had it gone on reading, more would have come.
        kept.write(b"one\r\n", "fence")
        kept.write(b"one\r\n", "fence")
        await sink.until(lambda: sink.again == ["fence"])
        assert len(sink.data) < 2 * WINDOW
        while len(sink.data) < total:
            seen = len(sink.data)
            kept.acknowledge(seen, None)
            await sink.until(lambda seen=seen: len(sink.data) > seen or len(sink.data) == total)  # type: ignore[misc]
        assert sink.starts == sorted(sink.starts)
        client.drop()


async def test_one_bridge_at_a_time(tmp_path: Path) -> None:
    async with keeping(tmp_path / "k"):
        client = await attached(tmp_path / "k")
        with pytest.raises(BusyError):
            await attached(tmp_path / "k")
        client.drop()
        assert await again_or_none(tmp_path / "k") is None  # it had nothing to hold, and ended


async def test_another_version_is_told_so_on_both_sides(tmp_path: Path) -> None:
    async with keeping(tmp_path / "k"):
        reader, writer = await asyncio.open_unix_connection(str(socket_path(tmp_path / "k")))
        writer.write(pack("hello", version=VERSION + 1))
        assert (await said(reader, "refused")).text("why") == "another version"
        writer.close()

    async def newer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(pack("hello", version=VERSION + 1, pid=1))
        await reader.read()
        writer.close()

    path = tmp_path / "newer"
    async with await asyncio.start_unix_server(newer, str(path)):
        with pytest.raises(StrangeError, match=f"speaks version {VERSION + 1}"):
            await KeeperClient.attach(path)


async def test_who_speaks_something_else_is_refused_and_the_keeper_lives(tmp_path: Path) -> None:
    async with keeping(tmp_path / "k"), listening() as server:
        reader, writer = await asyncio.open_unix_connection(str(socket_path(tmp_path / "k")))
        writer.write(b"GET / HTTP/1.1\r\n\r\n" + bytes(100))
        assert "beyond all limits" in (await said(reader, "refused")).text("why")
        writer.close()
        client = await attached(tmp_path / "k")
        await opened(client, server.port)
        client.drop()


async def test_left_alone_it_says_good_bye_and_ends(tmp_path: Path) -> None:
    async with keeping(tmp_path / "k", linger=0.2) as task, listening() as server:
        client = await attached(tmp_path / "k")
        kept, peer = await opened(client, server.port), await server.peer()
        kept.acknowledge(0, b"here")
        kept.write(b"fence\r\n")
        await peer.line()
        await gone(client)
        assert await peer.line() == b"QUIT :gone\r\n"
        peer.writer.close()
        async with asyncio.timeout(WITHIN):
            await task
        assert not socket_path(tmp_path / "k").exists()


async def test_two_keepers_of_one_folder_are_not_possible(tmp_path: Path) -> None:
    async with keeping(tmp_path / "k"):
        with pytest.raises(BlockingIOError):
            await Keeper(tmp_path / "k").run()
        (await attached(tmp_path / "k")).drop()


async def test_by_tls_and_what_goes_wrong_comes_back_as_it_was(tmp_path: Path) -> None:
    made = await asyncio.to_thread(make_certificate, tmp_path, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    await asyncio.to_thread(context.load_cert_chain, made.cert, made.key)
    async with keeping(tmp_path / "k"), listening(context) as server:
        client = await attached(tmp_path / "k")
        trusting = {"ca": str(made.cert), "verify": True, "alpn": ["irc"]}
        kept = await opened(client, server.port, host="localhost", tls=trusting)
        peer, sink = await server.peer(), Sink()
        kept.begin(sink, resume=False)
        assert kept.secure
        assert ssl.DER_cert_to_PEM_cert(kept.certificate) == await asyncio.to_thread(made.cert.read_text)
        peer.say(b"by TLS\r\n")
        await sink.until(lambda: sink.data == b"by TLS\r\n")
        with pytest.raises(ssl.SSLCertVerificationError) as refused:
            await opened(client, server.port, host="localhost", tls={"verify": True})
        assert refused.value.verify_message
        with pytest.raises(ssl.SSLCertVerificationError):
            await opened(client, server.port, host="127.0.0.1", tls=trusting)
        assert (await opened(client, server.port, tls={"verify": False})).secure
        with pytest.raises(FileNotFoundError):
            await opened(client, server.port, tls={"ca": str(tmp_path / "none.pem")})
        client.drop()
    async with keeping(tmp_path / "k"), listening() as server:
        client = await attached(tmp_path / "k")
        with pytest.raises(TimeoutError):
            await opened(client, server.port, host="localhost", tls={"verify": False}, within=0.5)
        client.drop()


async def test_nobody_listens(tmp_path: Path) -> None:
    async with listening() as server:
        port = server.port
    async with keeping(tmp_path / "k"):
        client = await attached(tmp_path / "k")
        with pytest.raises(ConnectionRefusedError):
            await opened(client, port)
        client.drop()


async def test_the_keeper_gone_is_every_connection_lost(tmp_path: Path) -> None:
    async with listening() as server:
        async with keeping(tmp_path / "k"):
            client = await attached(tmp_path / "k")
            kept, sink = await opened(client, server.port), Sink()
            kept.begin(sink, resume=False)
            await server.peer()
        await sink.until(lambda: sink.ended)
        assert isinstance(sink.error, ConnectionResetError)
        assert not client.alive
        with pytest.raises(ConnectionResetError):
            await opened(client, server.port)


async def test_a_keeper_is_started_found_again_and_ended(tmp_path: Path) -> None:
    folder = folder_of(f"sqlite:///{tmp_path / 'rialto.db'}")
    first = await launched(folder)
    async with listening() as server:
        kept = await opened(first, server.port)
        kept.acknowledge(0, b"here")
        peer = await server.peer()
        kept.write(b"fence\r\n")
        await peer.line()
        await gone(first)
        second = await launched(folder)
        assert second.pid == first.pid
        assert [each.name for each in second.unclaimed] == ["irc/bot"]
        ending = asyncio.create_task(second.end())
        assert await peer.line() == b"QUIT :gone\r\n"
        peer.writer.close()
        await ending
    assert first.process is not None
    assert await asyncio.to_thread(first.process.wait, WITHIN) == 0


def test_a_path_too_long_for_a_socket_is_said() -> None:
    with pytest.raises(KeeperError, match="too long"):
        folder_of(f"sqlite:////{'x' * 100}/rialto.db")
    with pytest.raises(KeeperError, match="store in a file"):
        folder_of("postgresql://localhost/rialto")
