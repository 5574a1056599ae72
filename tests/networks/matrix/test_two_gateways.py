"""Two bridges between the same Matrix room and the same IRC channel: nobody is there four times."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.demo.clients import Client, IrcClient, MatrixClient, Sight
from bridge.demo.servers import InspIRCd, Synapse, free_ports
from bridge.service import Service
from tests.networks.conftest import appservice
from tests.networks.world import FLOOD, port_of, running, settled

NewFolder = Callable[[str], Path]


@dataclass
class Pair:
    """Bo on Matrix, Kestrel on IRC, and the settings of a first and a second gateway between them."""

    bo: MatrixClient
    kestrel: IrcClient
    room_id: str
    channel: str
    first: dict[str, Any]
    second: dict[str, Any]


def gateway(ports: tuple[int, int], home: dict[str, Any], nick: str, irc_port: int, word: str) -> dict[str, Any]:
    return {
        "store": "sqlite:///rialto.db",
        "http": {"listen": f"127.0.0.1:{ports[0]}"},
        "networks": {
            "home": {"kind": "matrix"} | home,
            "libera": {"kind": "irc", "server": f"irc://127.0.0.1:{irc_port}", "nick": nick, "flood": FLOOD},
        },
        "rooms": {"tea": {"home": f"#{word}:localhost", "libera": f"#{word}"}},
    }


@pytest_asyncio.fixture(params=["appservice", "user"])
async def pair(
    request: pytest.FixtureRequest, inspircd: InspIRCd, new_folder: NewFolder, unique: str
) -> AsyncIterator[Pair]:
    services = [
        appservice(path="/home"),
        appservice(
            path="/home", id="second", as_token="second-as", hs_token="second-hs",
            sender_localpart="rialto2", prefix="_second_",
        ),
    ]  # fmt: skip
    registration = new_folder("registration") / "second.yaml"
    registration.write_text(services[1].registration("localhost"))
    async with (
        Synapse(new_folder("synapse"), appservice=services[0], registrations=[registration]) as synapse,
        AsyncExitStack() as stack,
    ):
        token = await synapse.register("bo", "password")
        bo = await stack.enter_async_context(MatrixClient(synapse.url, "@bo:localhost", token))
        kestrel = await stack.enter_async_context(IrcClient(f"kestrel{unique}", port_of(inspircd)))
        room_id = await bo.create_room(unique)
        await kestrel.join(f"#{unique}")
        homes: list[dict[str, Any]] = [
            {
                "homeserver": synapse.url,
                "domain": "localhost",
                "id": each.id,
                "as_token": each.as_token,
                "hs_token": each.hs_token,
                "bot": each.sender_localpart,
                "prefix": each.prefix,
            }
            for each in services
        ]
        ports = [each.port for each in services]
        if request.param == "user":
            await synapse.register("account", "password")
            homes[1] = {
                "mode": "user",
                "homeserver": synapse.url,
                "user_id": "@account:localhost",
                "password": "password",
            }
            (ports[1],) = free_ports(1)
        first, second = (
            gateway((port, 0), home, f"gate{number}{unique}", port_of(inspircd), unique)
            for number, (port, home) in enumerate(zip(ports, homes, strict=True))
        )
        yield Pair(bo, kestrel, room_id, f"#{unique}", first, second)


def times(client: Client, text: str) -> int:
    return len(client.matching(lambda seen: seen.kind is Sight.TEXT and text in seen.text and not seen.own))


@asynccontextmanager
async def gateways(pair: Pair, folders: tuple[Path, Path]) -> AsyncIterator[tuple[Service, Service]]:
    async with running(folders[0], pair.first) as first, running(folders[1], pair.second) as second:
        yield first, second


async def crossed(pair: Pair, word: str) -> None:
    """Both say something that the other hears once by each gateway; whatever would go round has gone round then."""
    for number in range(3):
        await pair.bo.say(pair.room_id, f"{word} of bo {number}")
        pair.kestrel.say(pair.channel, f"{word} of kestrel {number}")
    everything = [(pair.kestrel, f"{word} of bo"), (pair.bo, f"{word} of kestrel")]
    for client, text in everything:
        for number in range(3):
            await client.wait_for(lambda seen, text=f"{text} {number}": text in seen.text)  # type: ignore[misc]  # bound now
    await pair.bo.say(pair.room_id, f"{word} fence")
    await pair.kestrel.wait_for(lambda seen: f"{word} fence" in seen.text)
    pair.kestrel.say(pair.channel, f"{word} fence back")
    await pair.bo.wait_for(lambda seen: f"{word} fence back" in seen.text)
    for client, text in everything:
        for number in range(3):
            assert 1 <= times(client, f"{text} {number}") <= 2, client.report()


async def test_nobody_is_there_four_times(pair: Pair, new_folder: NewFolder) -> None:
    folders = new_folder("rialto"), new_folder("rialto")
    async with gateways(pair, folders):
        await crossed(pair, "at first")
    # What each keeps of the rooms over a restart is no reason either.
    async with gateways(pair, folders):
        await crossed(pair, "again")
        # One of them, two gateways, and the other one by each that makes puppets. On IRC it takes a moment until it is
        # known who somebody is.
        await settled(lambda: len(pair.kestrel.names[pair.channel]) <= 5, lambda: pair.kestrel.names[pair.channel])
        await pair.bo.until_members(pair.room_id, lambda present: len(present) <= 5)
