"""What the conversation needs: three servers, three people in their rooms, and a Rialto between the rooms."""

import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.demo.clients import Client, IrcClient, MatrixClient, XmppClient
from bridge.demo.rialto import Rialto
from bridge.demo.servers import NgIRCd, Prosody, Synapse, free_ports

ROOM = "tea"
_DOMAIN = "bridge.localhost"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Guest:
    """Accounts for whoever wants to join in by hand. On IRC none is needed."""

    user: str
    password: str


class Stage:
    """The servers, with a configuration of Rialto that joins one room of each."""

    def __init__(self, folder: Path) -> None:
        secret, self.password = secrets.token_hex(16), secrets.token_hex(4)
        self.prosody = Prosody(folder / "prosody", components={_DOMAIN: secret})
        self.ngircd = NgIRCd(folder / "ngircd", network="DemoNet")
        registration = folder / "rialto" / "registration.yaml"
        self.synapse = Synapse(folder / "synapse", registrations=[registration])
        (port,) = free_ports(1)
        self.rialto = Rialto(folder / "rialto", folder / "rialto" / "config.yaml", port)
        self.muc = f"{ROOM}@{self.prosody.muc}"
        self.alias = f"#{ROOM}:{self.synapse.server_name}"
        self.channel = f"#{ROOM}"
        self.bridge = _DOMAIN
        # Not "guest": services reserve that nick on IRC, so the puppet would get another.
        self.guest = Guest("visitor", self.password)
        self._registration = registration
        self._secret = secret

    def settings(self) -> dict[str, object]:
        """Rialto's configuration."""
        return {
            "store": "sqlite:///rialto.db",
            "http": {"listen": f"127.0.0.1:{self.rialto.port}", "admin_token": secrets.token_hex(16)},
            "networks": {
                "office": {
                    "kind": "xmpp",
                    "server": f"127.0.0.1:{self.prosody.component_port}",
                    "domain": _DOMAIN,
                    "secret": self._secret,
                },
                "home": {
                    "kind": "matrix",
                    "homeserver": self.synapse.url,
                    "domain": self.synapse.server_name,
                    "as_token": secrets.token_hex(32),
                    "hs_token": secrets.token_hex(32),
                },
                "demonet": {"kind": "irc", "server": f"irc://127.0.0.1:{self.ngircd.port}", "nick": "rialto"},
            },
            "rooms": {ROOM: {"office": self.muc, "home": self.alias, "demonet": self.channel}},
        }

    @asynccontextmanager
    async def running(self, progress: Progress) -> AsyncIterator[None]:
        """Start the servers, one after another; stop them at the end. Raises `ServerError`."""
        async with AsyncExitStack() as stack:
            config = self.rialto.config
            config.parent.mkdir(parents=True)
            config.touch(0o600)
            # JSON is YAML.
            config.write_text(json.dumps(self.settings(), indent=2) + "\n")
            await self.rialto.registration("home", self._registration)
            for server in (self.prosody, self.ngircd, self.synapse):
                progress(f"starting {server.name}")
                stack.push_async_callback(server.stop)
                await server.start()
            yield

    @asynccontextmanager
    async def rialto_running(self, progress: Progress) -> AsyncIterator[None]:
        """Start Rialto, wait until it is online everywhere; stop it at the end. Raises `ServerError`."""
        progress("starting rialto")
        async with self.rialto:
            yield


class Cast:
    """Ana on XMPP, Bo on Matrix, Kestrel on IRC."""

    def __init__(self, ana: XmppClient, bo: MatrixClient, kestrel: IrcClient, bo_room: str) -> None:
        self.ana = ana
        self.bo = bo
        self.kestrel = kestrel
        self.bo_room = bo_room
        self.clients: dict[str, Client] = {"ana": ana, "bo": bo, "kestrel": kestrel}


@asynccontextmanager
async def cast(stage: Stage, progress: Progress) -> AsyncIterator[Cast]:
    """The people, each in the room of their own network, which they make. Raises `ClientError`, `ServerError`."""
    progress("making accounts and rooms")
    async with AsyncExitStack() as stack:
        jid = await stage.prosody.register("ana", stage.password)
        token = await stage.synapse.register("bo", stage.password)
        await stage.prosody.register(stage.guest.user, stage.guest.password)
        await stage.synapse.register(stage.guest.user, stage.guest.password)
        ana = await stack.enter_async_context(XmppClient(jid, stage.password, stage.prosody.c2s_port))
        bo = await stack.enter_async_context(MatrixClient(stage.synapse.url, f"@bo:{stage.synapse.server_name}", token))
        kestrel = await stack.enter_async_context(IrcClient("kestrel", stage.ngircd.port))
        # By default, only moderators may change the subject of a room.
        await ana.join(stage.muc, "ana", config={"muc#roomconfig_changesubject": "1"})
        room = await bo.create_room(ROOM, name="Tea")
        await kestrel.join(stage.channel)
        yield Cast(ana, bo, kestrel, room)
