"""The store does not work while somebody floods: what waits in memory is bounded, the source is not read any further,
and everything arrives once and in order when the store works again."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.matrix.pinging import ping
from bridge import inlet
from bridge.demo.clients import IrcClient, Seen, Sight, XmppClient
from bridge.demo.servers import NgIRCd, Prosody, Synapse, free_ports
from bridge.inlet import Inlet
from bridge.service import Service
from tests.networks.conftest import appservice
from tests.networks.world import FLOOD, Stage, cast, end_keeper, running, settled
from tests.unit.store.trouble import fill, full, impatient, in_trouble, large

DOMAIN = "bridge2.localhost"
HIGH, LOW = 64 * 1024, 16 * 1024
CHUNK = 1024 * 1024
"""What one read of a socket may bring beyond the limit, as it weighs in memory."""
WORDS = "x" * 380


@dataclass
class Two:
    """Ana on XMPP and Kestrel on IRC in one room, and the Rialto between them."""

    service: Service
    ana: XmppClient
    kestrel: IrcClient
    muc: str
    channel: str


@asynccontextmanager
async def two(prosody: Prosody, ngircd: NgIRCd, folder: Path, word: str) -> AsyncIterator[Two]:
    muc, channel = f"{word}@{prosody.muc}", f"#{word}"
    settings = {
        "store": "sqlite:///rialto.db",
        "networks": {
            "office": {
                "kind": "xmpp",
                "server": f"127.0.0.1:{prosody.component_port}",
                "domain": DOMAIN,
                "secret": prosody.components[DOMAIN],
            },
            "libera": {"kind": "irc", "server": f"irc://127.0.0.1:{ngircd.port}", "nick": f"r{word}", "flood": FLOOD},
        },
        "rooms": {word: {"office": muc, "libera": channel}},
        "http": {"listen": f"127.0.0.1:{free_ports(1)[0]}"},
    }
    async with AsyncExitStack() as stack:
        stack.push_async_callback(end_keeper, folder)
        jid = await prosody.register(f"ana{word}", "password")
        ana = await stack.enter_async_context(XmppClient(jid, "password", prosody.c2s_port))
        kestrel = await stack.enter_async_context(IrcClient(f"kestrel{word}", ngircd.port))
        await ana.join(muc, f"Ana{word}")
        await kestrel.join(channel)
        yield Two(await stack.enter_async_context(running(folder, settings)), ana, kestrel, muc, channel)


def adapter(service: Service, network: str) -> Any:
    """The adapter itself, to see what waits in it."""
    return service._supervisors[network]._adapter


def waiting(service: Service, network: str) -> Inlet[Any]:
    found = adapter(service, network)._intake._inlet
    assert isinstance(found, Inlet)
    return found


def unread(port: int) -> int:
    """Bytes that the kernel holds for the connection with this local port (proc_pid_net(5), /proc/net/tcp)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if int(local.rpartition(":")[2], 16) == port and state == "01":
            return int(queues.rpartition(":")[2], 16)
    raise AssertionError(f"no connection at port {port}")


def numbers(seen: list[Seen], word: str) -> list[int]:
    return [int(found[1]) for each in seen if (found := re.match(rf"{word} (\d+)\b", each.text))]


def said(word: str, each: Seen) -> bool:
    return each.kind is Sight.TEXT and each.text.startswith(f"{word} ")


def small(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(inlet, "HIGH", HIGH)
    patch.setattr(inlet, "LOW", LOW)


async def store_full(service: Service, patch: pytest.MonkeyPatch) -> "asyncio.Future[str]":
    full(patch)
    await fill(service._store)
    filler = service._store.write(partial(large, key="filler"))
    await in_trouble(service._store)
    return filler


async def test_a_flood_from_xmpp_stays_with_the_server(
    prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    small(monkeypatch)
    lines = 2000
    async with two(prosody, ngircd, new_folder("rialto"), unique) as people:
        people.ana.say(people.muc, "warm 0")
        await people.kestrel.wait_for(text="warm 0", timeout=30)
        stream, inlet_ = adapter(people.service, "office")._stream, waiting(people.service, "office")
        port = stream._component.transport.get_extra_info("sockname")[1]
        most = 0
        with monkeypatch.context() as patch:
            filler = await store_full(people.service, patch)
            for number in range(lines):
                people.ana.say(people.muc, f"flood {number} {WORDS}")
                if number % 50 == 0:
                    await asyncio.sleep(0)
                    most = max(most, inlet_.weight)
            await people.ana.wait_for(partial(said, f"flood {lines - 1}"), timeout=120)
            await settled(lambda: stream.held_up, lambda: inlet_.weight)
            await settled(lambda: unread(port) > 0, lambda: unread(port))
            held, kept = unread(port), inlet_.weight
            most = max(most, kept)
            await asyncio.sleep(0.5)  # a mistake would show by now
            assert inlet_.weight == kept, "nothing is read any more"
            assert unread(port) >= held
            assert most <= HIGH + CHUNK
            assert len(inlet_) < lines - 256
            assert people.kestrel.matching(partial(said, "flood")) == []
            assert stream.is_open
        await filler
        await people.kestrel.wait_for(partial(said, f"flood {lines - 1}"), timeout=180)
        assert numbers(people.kestrel.matching(partial(said, "flood")), "flood") == list(range(lines))
        assert (len(inlet_), inlet_.weight, stream.held_up) == (0, 0, False)


async def test_a_flood_from_irc_stays_with_the_server(
    prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    small(monkeypatch)
    lines = 600
    async with two(prosody, ngircd, new_folder("rialto"), unique) as people:
        people.kestrel.say(people.channel, "warm 0")
        await people.ana.wait_for(text="warm 0", timeout=30)
        bot, inlet_ = adapter(people.service, "libera")._bot, waiting(people.service, "libera")
        connection = bot.connection
        port = connection._carrier.get_extra_info("sockname")[1]
        most = 0
        with monkeypatch.context() as patch:
            filler = await store_full(people.service, patch)
            for number in range(lines):
                people.kestrel.say(people.channel, f"flood {number} {WORDS}")
                if number % 10 == 0:
                    await asyncio.sleep(0.01)  # as fast as a network that throttles nobody would let it through
                    most = max(most, inlet_.weight)
            await settled(lambda: inlet_.stopped, lambda: inlet_.weight)
            await settled(lambda: unread(port) > 0, lambda: unread(port))
            await asyncio.sleep(0.5)  # a mistake would show by now
            most = max(most, inlet_.weight)
            assert most <= HIGH + CHUNK // 2
            assert len(inlet_) < lines - 256
            assert people.ana.matching(partial(said, "flood")) == []
        await filler
        await people.ana.wait_for(partial(said, f"flood {lines - 1}"), timeout=180)
        assert numbers(people.ana.matching(partial(said, "flood")), "flood") == list(range(lines))
        assert bot.connection is connection, "the server has not dropped us"
        assert (len(inlet_), inlet_.weight, inlet_.stopped) == (0, 0, False)


async def test_pings_are_answered_while_the_store_does_not_work(
    prosody: Prosody,
    new_ngircd: Callable[..., Awaitable[NgIRCd]],
    new_folder: Callable[[str], Path],
    unique: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Something waits to be taken in, and the server, which has no patience, asks again and again whether we live."""
    impatient(monkeypatch)
    ngircd = await new_ngircd(ping_after=3, pong_within=3)
    async with two(prosody, ngircd, new_folder("rialto"), unique) as people:
        connection = adapter(people.service, "libera")._bot.connection
        with monkeypatch.context() as patch:
            filler = await store_full(people.service, patch)
            people.kestrel.say(people.channel, "flood 0")
            # Kestrel is as silent as the bot, and is asked as often.
            before = len(people.kestrel.lines)

            def asked() -> int:
                return sum("PING" in line for line in people.kestrel.lines[before:])

            await settled(lambda: asked() >= 4, asked)
            assert waiting(people.service, "libera").weight > 0
            assert connection.ready
        await filler
        await people.ana.wait_for(text="flood 0", timeout=30)
        assert adapter(people.service, "libera")._bot.connection is connection


async def test_a_flood_from_matrix_stays_with_the_homeserver(
    prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction is not answered; it is all that we have of what was said meanwhile."""
    impatient(monkeypatch)
    lines = 150
    async with (
        Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse,
        cast(Stage(new_folder("rialto"), unique, prosody, synapse, ngircd)) as people,
        people.stage.rialto() as service,
    ):
        await people.say("matrix", "warm 0")
        await people.irc.wait_for(text="warm 0", timeout=30)
        journal = service._journal
        assert journal is not None
        woken, most = asyncio.Event(), 0

        async def pinged(*arguments: Any) -> None:
            woken.set()
            await ping(*arguments)

        monkeypatch.setattr("adapters.matrix.server.LATE", 1.0)
        monkeypatch.setattr("adapters.matrix.link.ping", pinged)
        with monkeypatch.context() as patch:
            filler = await store_full(service, patch)
            for number in range(lines):
                await people.say("matrix", f"flood {number}")
                most = max(most, journal.pending().get("home", (0, 0.0))[0])
            await people.matrix.wait_for(text=f"flood {lines - 1}", timeout=60)
            taking = adapter(service, "home")._server._taking
            assert taking is not None
            assert not taking.done()
            assert 0 < most <= 100, "no more than one transaction"
            assert journal.pending()["home"][0] <= 100
            assert not woken.is_set()
            assert people.irc.matching(partial(said, "flood")) == []
        await filler
        await people.irc.wait_for(text=f"flood {lines - 1}", timeout=120)
        await people.xmpp.wait_for(text=f"flood {lines - 1}", timeout=120)
        await asyncio.wait_for(woken.wait(), 30)  # it may have given up waiting: it is to push again at once
        for client in (people.irc, people.xmpp):
            assert numbers(client.matching(partial(said, "flood")), "flood") == list(range(lines))
