"""A Rialto that is killed and started again while a keeper holds its IRC connections: nobody sees that it was away."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.demo.clients import IrcClient, Sight
from bridge.demo.servers import InspIRCd, NgIRCd, free_ports
from bridge.keeper.process import socket_path
from tests.networks.world import FLOOD, end_keeper, until_ready, write_config

READY_WITHIN = 40.0
HEARD_WITHIN = 40.0


@dataclass
class Gateway:
    """A Rialto with one room, run as a process of its own, with a keeper. `networks` are the keys of each, `places`
    what the room is on it."""

    folder: Path
    networks: dict[str, dict[str, Any]]
    places: dict[str, str]
    changes: dict[str, Any] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    def __post_init__(self) -> None:
        (self.http_port,) = free_ports(1)

    @property
    def keeper(self) -> Path:
        return self.folder / "rialto.db.keeper"

    def settings(self) -> dict[str, Any]:
        return {
            "store": "sqlite:///rialto.db",
            "http": {"listen": f"127.0.0.1:{self.http_port}", "admin_token": "token-of-tests"},
            "networks": self.networks,
            "rooms": {"tea": self.places},
        } | self.changes

    async def start(self, *options: str) -> None:
        file = await asyncio.to_thread(write_config, self.folder, self.settings())
        with (self.folder / "rialto.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bridge", "run", "-c", str(file), *options), stdout=log, stderr=log
            )

    async def ready(self) -> None:
        """Wait until it is everywhere."""
        assert self.process is not None
        await until_ready(self.process, self.http_port, "token-of-tests", self.log, READY_WITHIN)

    async def kill(self) -> None:
        """As a crash is: at once, whatever it was doing."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        """As an operator stops it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            await self.process.wait()

    async def end(self) -> None:
        """Leave nothing behind: neither a Rialto nor its keeper."""
        if self.process is not None and self.process.returncode is None:
            await self.kill()
        await end_keeper(self.folder)

    def keeper_pid(self) -> int:
        return int((self.keeper / "keeper.log").read_text().rpartition("pid=")[2].split()[0])

    def log(self) -> str:
        logs = [self.folder / "rialto.log", self.keeper / "keeper.log"]
        return "\n".join(log.read_text(errors="replace")[-8000:] for log in logs if log.exists())


@pytest_asyncio.fixture
async def gateway(
    ngircd: NgIRCd, inspircd: InspIRCd, new_folder: Callable[[str], Path], unique: str
) -> AsyncIterator[Gateway]:
    """Between two IRC networks."""
    networks = {"libera": irc(ngircd.port, f"ri{unique}"), "oftc": irc(inspircd.port, f"ri{unique}")}
    made = Gateway(new_folder("keeper"), networks, dict.fromkeys(networks, f"#{unique}"))
    yield made
    await made.end()


def irc(port: int, nick: str) -> dict[str, Any]:
    return {"kind": "irc", "server": f"irc://127.0.0.1:{port}", "nick": nick, "flood": FLOOD}


def port(gateway: Gateway, network: str) -> int:
    return int(gateway.networks[network]["server"].rpartition(":")[2])


@dataclass
class People:
    """One person on each network, in the room, and what the two saw of each other's puppets."""

    kestrel: IrcClient
    osprey: IrcClient
    channel: str

    @property
    def both(self) -> tuple[IrcClient, IrcClient]:
        return self.kestrel, self.osprey

    def comings(self, since: dict[str, int]) -> list[str]:
        """Everybody else who came, went, or took another nick."""
        kinds = {Sight.JOIN, Sight.LEAVE, Sight.KICK, Sight.RENAME}
        return [
            f"{client.name} saw {seen}"
            for client in self.both
            for seen in client.seen[since[client.name] :]
            if seen.kind in kinds and not seen.own
        ]

    def now(self) -> dict[str, int]:
        return {client.name: len(client.seen) for client in self.both}

    def heard(self, client: IrcClient, texts: Sequence[str]) -> list[str]:
        return [seen.text for seen in client.matching(lambda seen: seen.text in texts)]


@asynccontextmanager
async def talking(gateway: Gateway, unique: str) -> AsyncIterator[People]:
    """The two, their puppets there and heard."""
    async with (
        IrcClient(f"kestrel{unique}", port(gateway, "libera")) as kestrel,
        IrcClient(f"osprey{unique}", port(gateway, "oftc")) as osprey,
    ):
        people = People(kestrel, osprey, gateway.places["libera"])
        for client in people.both:
            await client.join(people.channel)
        await gateway.start()
        await gateway.ready()
        for speaker, hearer in ((kestrel, osprey), (osprey, kestrel)):
            speaker.say(people.channel, f"warm {speaker.name}")
            seen = await hearer.wait_for(text=f"warm {speaker.name}", timeout=HEARD_WITHIN)
            assert seen.who.startswith(speaker.name), f"the bot spoke: {seen}"
        yield people


async def say(client: IrcClient, channel: str, texts: Sequence[str], pause: float = 0.02) -> None:
    for text in texts:
        client.say(channel, text)
        await asyncio.sleep(pause)  # people do not type faster


@pytest.mark.conforms("RFC2779:5.4.2")
async def test_killed_amid_traffic_nobody_quits_and_every_line_arrives_once_in_order(
    gateway: Gateway, unique: str
) -> None:
    async with talking(gateway, unique) as people:
        since = people.now()
        said = {client.name: [f"{client.name} {number}" for number in range(150)] for client in people.both}
        talk = asyncio.gather(*(say(client, people.channel, said[client.name]) for client in people.both))
        for number in (20, 60):
            await people.osprey.wait_for(text=f"{people.kestrel.name} {number}", timeout=HEARD_WITHIN)
            await gateway.kill()
            await gateway.start()
            await gateway.ready()
        await talk
        for client, other in ((people.kestrel, people.osprey), (people.osprey, people.kestrel)):
            with suppress(AssertionError):
                await other.wait_for(text=said[client.name][-1], timeout=HEARD_WITHIN)
            # Something that crosses after all that could come twice.
            client.say(people.channel, f"fence {client.name}")
            await other.wait_for(text=f"fence {client.name}", timeout=HEARD_WITHIN)
            assert people.heard(other, said[client.name]) == said[client.name], gateway.log()
        assert people.comings(since) == [], gateway.log()


async def test_what_is_said_while_it_is_down_arrives_after_it_is_back(gateway: Gateway, unique: str) -> None:
    async with talking(gateway, unique) as people:
        since = people.now()
        await gateway.kill()
        texts = [f"nobody there {number}" for number in range(30)]
        for text in texts:
            people.kestrel.say(people.channel, text)
        # The server has them all: whoever asks it something now is answered after them.
        people.kestrel.raw("PING fence")
        await asyncio.wait_for(answered(people.kestrel), 20)
        await gateway.start()
        for text in texts:
            await people.osprey.wait_for(text=text, timeout=READY_WITHIN)
        people.kestrel.say(people.channel, "fence")
        await people.osprey.wait_for(text="fence", timeout=HEARD_WITHIN)
        assert people.heard(people.osprey, texts) == texts
        assert people.comings(since) == [], gateway.log()


async def answered(client: IrcClient) -> None:
    while not any(" PONG " in line for line in client.lines):  # noqa: ASYNC110 - the client tells of no raw line
        await asyncio.sleep(0.02)


async def test_who_came_and_went_meanwhile_is_known(gateway: Gateway, unique: str) -> None:
    async with talking(gateway, unique) as people:
        await gateway.kill()
        async with IrcClient(f"heron{unique}", port(gateway, "libera")) as heron:
            await heron.join(people.channel)
            await people.kestrel.part(people.channel)
            await gateway.start()
            await gateway.ready()
            await people.osprey.wait_for(
                lambda seen: seen.who.startswith(f"heron{unique}"), kind=Sight.JOIN, timeout=HEARD_WITHIN
            )
            heron.say(people.channel, "good morning")
            seen = await people.osprey.wait_for(text="good morning", timeout=HEARD_WITHIN)
            assert seen.who.startswith(f"heron{unique}")


async def test_stopped_it_says_good_bye_and_the_keeper_ends(gateway: Gateway, unique: str) -> None:
    async with talking(gateway, unique) as people:
        pid = await asyncio.to_thread(gateway.keeper_pid)
        since = people.now()
        await gateway.stop()
        await people.kestrel.wait_for(
            lambda seen: seen.who.startswith(people.osprey.name), kind=Sight.LEAVE, since=since[people.kestrel.name]
        )
        assert not socket_path(gateway.keeper).exists()
        assert not await asyncio.to_thread(alive, pid)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_without_a_keeper_its_connections_end_with_it(gateway: Gateway, unique: str) -> None:
    gateway.changes = {"keeper": False}
    async with talking(gateway, unique) as people:
        assert not gateway.keeper.exists()
        since = people.now()
        await gateway.kill()
        await people.kestrel.wait_for(
            lambda seen: seen.who.startswith(people.osprey.name), kind=Sight.LEAVE, since=since[people.kestrel.name]
        )


async def test_if_the_keeper_dies_it_goes_on_by_itself(gateway: Gateway, unique: str) -> None:
    async with talking(gateway, unique) as people:
        since = people.now()
        os.kill(await asyncio.to_thread(gateway.keeper_pid), signal.SIGKILL)
        for client in people.both:
            await client.wait_for(lambda seen: seen.who == f"ri{unique}", kind=Sight.LEAVE, since=since[client.name])
            await client.wait_for(
                lambda seen: seen.who.startswith(f"ri{unique}"),
                kind=Sight.JOIN,
                since=since[client.name],
                timeout=READY_WITHIN,
            )
        await gateway.ready()
        people.kestrel.say(people.channel, "still bridged")
        await people.osprey.wait_for(text="still bridged", timeout=HEARD_WITHIN)


async def test_under_another_configuration_it_comes_anew(gateway: Gateway, unique: str) -> None:
    async with talking(gateway, unique) as people:
        since = people.now()
        await gateway.kill()
        for keys in gateway.networks.values():
            keys["nick"] = f"new{unique}"
        await gateway.start()
        for client in people.both:
            await client.wait_for(
                lambda seen: seen.who == f"ri{unique}",
                kind=Sight.LEAVE,
                since=since[client.name],
                timeout=READY_WITHIN,
            )
        await gateway.ready()
        people.kestrel.say(people.channel, "still bridged")
        await people.osprey.wait_for(text="still bridged", timeout=HEARD_WITHIN)
