"""A Rialto between one XMPP server and one IRC network: what single people see of each other, with no room or one."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.demo.clients import IrcClient, XmppClient
from bridge.demo.servers import InspIRCd, Prosody, free_ports
from bridge.service import Service
from tests.networks.world import DOMAIN, FLOOD, running


@dataclass
class Pair:
    """The servers, where Rialto's store is, what its operator decided for people (`rules.people`), and the name of a
    room, if there is to be one."""

    folder: Path
    prosody: Prosody
    ircd: InspIRCd
    people: Sequence[Mapping[str, str]] = field(default_factory=list)
    room: str = ""

    @property
    def muc(self) -> str:
        return f"{self.room}@{self.prosody.muc}"

    @asynccontextmanager
    async def rialto(self) -> AsyncIterator[Service]:
        """A Rialto in this process, online on both networks."""
        settings: dict[str, Any] = {
            "store": "sqlite:///rialto.db",
            "http": {"listen": f"127.0.0.1:{free_ports(1)[0]}"},
            "networks": {
                "office": {
                    "kind": "xmpp",
                    "server": f"127.0.0.1:{self.prosody.component_port}",
                    "domain": DOMAIN,
                    "secret": self.prosody.components[DOMAIN],
                },
                "libera": {
                    "kind": "irc",
                    "server": f"irc://127.0.0.1:{self.ircd.port}",
                    "nick": "rialto",
                    "flood": FLOOD,
                },
            },
            "rooms": {self.room: {"office": self.muc, "libera": f"#{self.room}"}} if self.room else {},
            "rules": {"people": [dict(each) for each in self.people]},
        }
        async with running(self.folder, settings) as service:
            yield service

    @asynccontextmanager
    async def on_xmpp(self, name: str, seen: Callable[[Any], None] | None = None) -> AsyncIterator[XmppClient]:
        """Somebody with an account of that name, made if it is new; `seen` is given every stanza that reaches them."""
        jid = f"{name}@{self.prosody.host}"
        await self.prosody.register(name, "password")
        client = XmppClient(jid, "password", self.prosody.c2s_port)
        if seen is not None:

            def note(stanza: Any) -> Any:
                seen(stanza)
                return stanza

            client.xmpp.add_filter("in", note)
        async with client:
            yield client

    @asynccontextmanager
    async def on_irc(self, nick: str) -> AsyncIterator[IrcClient]:
        """Somebody on the IRC network."""
        async with IrcClient(nick, self.ircd.port) as client:
            yield client


def puppet(nick: str) -> str:
    """The bare JID of the puppet of a nick."""
    return f"{nick}%libera@{DOMAIN}"
