"""One Rialto beside real servers, and a room on all of them: the stage of the tests that cross networks."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from bridge.config import load
from bridge.demo.clients import IrcClient, MatrixClient, XmppClient
from bridge.demo.servers import Prosody, Server, Synapse
from bridge.keeper.client import BusyError, KeeperClient, KeeperGoneError
from bridge.keeper.process import socket_path
from bridge.service import Service

DOMAIN = "bridge1.localhost"
FLOOD = {"burst": 1000, "per_second": 1000}


@dataclass
class Stage:
    """Servers, the configuration of a Rialto between them, and one room named by `word`; or the rooms named, if any."""

    folder: Path
    word: str
    prosody: Prosody
    synapse: Synapse
    ircd: Server
    second: Server | None = None
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rooms: Sequence[str] | None = None
    rules: Mapping[str, Any] = field(default_factory=dict)
    logs: Mapping[str, Any] = field(default_factory=dict)
    keeper: bool = True

    def __post_init__(self) -> None:
        self.rooms = (self.word,) if self.rooms is None else self.rooms
        self.admin_token = secrets.token_urlsafe(16)
        self.http_port = self.synapse.appservice.port

    def muc(self, room: str = "") -> str:
        return f"{room or self.word}@{self.prosody.muc}"

    def alias(self, room: str = "") -> str:
        return f"#{room or self.word}:{self.synapse.server_name}"

    def channel(self, room: str = "") -> str:
        return f"#{room or self.word}"

    @property
    def config_file(self) -> Path:
        return self.folder / "config.yaml"

    def settings(self) -> dict[str, Any]:
        appservice = self.synapse.appservice
        networks: dict[str, dict[str, Any]] = {
            "office": {
                "kind": "xmpp",
                "server": f"127.0.0.1:{self.prosody.component_port}",
                "domain": DOMAIN,
                "secret": self.prosody.components[DOMAIN],
            },
            "home": {
                "kind": "matrix",
                "homeserver": self.synapse.url,
                "domain": self.synapse.server_name,
                "id": appservice.id,
                "as_token": appservice.as_token,
                "hs_token": appservice.hs_token,
            },
            "libera": {
                "kind": "irc",
                "server": f"irc://127.0.0.1:{port_of(self.ircd)}",
                "nick": "rialto",
                "flood": FLOOD,
            },
        }
        if self.second is not None:
            networks["oftc"] = {
                "kind": "irc",
                "server": f"irc://127.0.0.1:{port_of(self.second)}",
                "nick": "rialto",
                "flood": FLOOD,
            }
        for name, keys in self.extra.items():
            networks[name].update(keys)
        rooms = {
            room: {"office": self.muc(room), "home": self.alias(room), "libera": self.channel(room)}
            | ({"oftc": self.channel(room)} if self.second is not None else {})
            for room in self.rooms or ()
        }
        return {
            "store": "sqlite:///rialto.db",
            "http": {"listen": f"127.0.0.1:{self.http_port}", "admin_token": self.admin_token},
            "networks": networks,
            "rooms": rooms,
            "rules": dict(self.rules),
            "log": dict(self.logs),
            "keeper": self.keeper,
        }

    def write_config(self) -> Path:
        return write_config(self.folder, self.settings())

    @asynccontextmanager
    async def rialto(self) -> AsyncIterator[Service]:
        """A Rialto in this process, online on all networks and in all its rooms."""
        async with running(self.folder, self.settings()) as service:
            yield service

    @asynccontextmanager
    async def process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A Rialto of its own, as an operator starts it. Killed at the end if it still runs; its keeper, which the next
        one finds, ends with the `cast`."""
        self.write_config()
        with (self.folder / "rialto.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bridge", "run", "-c", str(self.config_file), stdout=log, stderr=log
            )
        try:
            await until_ready(process, self.http_port, self.admin_token, self.log)
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def log(self) -> str:
        return (self.folder / "rialto.log").read_text(errors="replace")[-6000:]


async def end_keeper(folder: Path, within: float = 30.0) -> None:
    """Have the keeper of the Rialto in this folder end, if there is one, once it has seen that the Rialto is dead."""
    async with asyncio.timeout(within):
        while True:
            try:
                await (await KeeperClient.attach(socket_path(folder / "rialto.db.keeper"))).end()
            except BusyError:
                await asyncio.sleep(0.05)
            except (FileNotFoundError, ConnectionRefusedError, KeeperGoneError):
                return


def write_config(folder: Path, settings: Mapping[str, Any]) -> Path:
    """The settings as a file that only its owner reads."""
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(dict(settings)))
    file.chmod(0o600)
    return file


@asynccontextmanager
async def running(folder: Path, settings: Mapping[str, Any]) -> AsyncIterator[Service]:
    """A Rialto in this process, with its store and its configuration in the folder, online on all networks and in all
    its rooms: before, it could not hear what is said there."""
    file = await asyncio.to_thread(write_config, folder, settings)
    service = Service(await asyncio.to_thread(load, file, {}))
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        await until_there(service.status, task)
        yield service
    finally:
        stop.set()
        await task


def port_of(server: Server) -> int:
    port = getattr(server, "port", None)
    assert isinstance(port, int)
    return port


def is_there(status: Mapping[str, Any]) -> bool:
    """Whether, by its status, a Rialto is online on every network, and in all its rooms there."""
    networks = status["networks"].values()
    return bool(networks) and all(
        network["online"] and all(trouble is None for trouble in network["places"].values()) for network in networks
    )


async def until_ready(
    process: asyncio.subprocess.Process, port: int, token: str, log: Callable[[], str], within: float = 60.0
) -> None:
    """Ask a Rialto as an operator would, until every network is online, and every room entered: before, it could not
    hear what is said there. On failure show what it said, and its `log`."""
    seen = "nothing"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        deadline = asyncio.get_running_loop().time() + within
        while asyncio.get_running_loop().time() < deadline and process.returncode is None:
            try:
                async with session.get(f"http://127.0.0.1:{port}/api/status") as answer:
                    seen = await answer.text()
                    if answer.status == 200 and is_there(json.loads(seen)):
                        return
            except aiohttp.ClientError as error:
                seen = repr(error)
            await asyncio.sleep(0.1)  # the status is asked again: nothing tells when it will be right
    raise AssertionError(f"Rialto did not become ready: {seen}\n{log()}")


async def until_there(status: Callable[[], Mapping[str, Any]], task: asyncio.Task[None], within: float = 60.0) -> None:
    """Wait until every network is online and every room entered; on failure show the status."""
    try:
        async with asyncio.timeout(within):
            while not is_there(status()):
                if task.done():
                    await task
                await asyncio.sleep(0.05)  # the status is asked as an operator would ask it: there is no event for it
    except TimeoutError:
        raise AssertionError("not everywhere:\n" + json.dumps(status(), indent=2)) from None


async def settled(condition: Callable[[], bool], seen: Callable[[], object], within: float = 60.0) -> None:
    """Wait until the condition holds; on failure say what was seen instead."""
    deadline = asyncio.get_running_loop().time() + within
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, seen()
        await asyncio.sleep(0.05)  # who is there is asked again and again: nothing tells when it has settled


@dataclass
class Cast:
    """One person on each network, in the room."""

    stage: Stage
    xmpp: XmppClient
    matrix: MatrixClient
    irc: IrcClient
    matrix_rooms: dict[str, str]
    second: IrcClient | None = None

    @property
    def all(self) -> list[XmppClient | MatrixClient | IrcClient]:
        return [self.xmpp, self.matrix, self.irc, *([self.second] if self.second else [])]

    async def say(self, who: str, text: str, room: str = "") -> None:
        """Have the person on that network say it."""
        if who == "xmpp":
            self.xmpp.say(self.stage.muc(room), text)
        elif who == "matrix":
            await self.matrix.say(self.matrix_rooms[room or self.stage.word], text)
        elif who == "irc":
            self.irc.say(self.stage.channel(room), text)
        else:
            assert self.second is not None
            self.second.say(self.stage.channel(room), text)


@asynccontextmanager
async def cast(stage: Stage) -> AsyncIterator[Cast]:
    """Ana on XMPP, Bo on Matrix, Kestrel on IRC (and Osprey on the second IRC network), who make the rooms."""
    word = stage.word
    async with AsyncExitStack() as stack:
        stack.push_async_callback(end_keeper, stage.folder)
        jid = await stage.prosody.register(f"ana{word}", "password")
        ana = await stack.enter_async_context(XmppClient(jid, "password", stage.prosody.c2s_port))
        token = await stage.synapse.register(f"bo{word}", "password")
        bo = await stack.enter_async_context(
            MatrixClient(stage.synapse.url, f"@bo{word}:{stage.synapse.server_name}", token)
        )
        kestrel = await stack.enter_async_context(IrcClient(f"kestrel{word}", port_of(stage.ircd)))
        osprey = None
        if stage.second is not None:
            osprey = await stack.enter_async_context(IrcClient(f"osprey{word}", port_of(stage.second)))
        rooms = {}
        for room in stage.rooms or ():
            await ana.join(stage.muc(room), f"Ana{word}")
            # The bot may set topics, as its operator would allow it.
            powers = {"users": {f"@{stage.synapse.appservice.sender_localpart}:{stage.synapse.server_name}": 50}}
            rooms[room] = await bo.create_room(room, power_level_override=powers)
            await kestrel.join(stage.channel(room))
            if osprey is not None:
                await osprey.join(stage.channel(room))
                osprey.mode(stage.channel(room), "-t")  # InspIRCd lets only operators set topics by default
        yield Cast(stage, ana, bo, kestrel, rooms, osprey)
