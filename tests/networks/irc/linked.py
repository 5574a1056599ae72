"""Two servers of one network, so that there is something to split."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.demo.servers import InspIRCd, NgIRCd
from bridge.demo.servers.process import LOOPBACK, free_ports
from tests.networks.irc.irc_lab import Crowd, Human, until

NAMES = ("a.localhost", "b.localhost")

_NGIRCD = """\
[Server]
	Name = {peer}
	Host = {loopback}
	Bind = {loopback}
	Port = {port}
	MyPassword = linkpw
	PeerPassword = linkpw
	Passive = yes
"""
_INSPIRCD = """\
<module name="spanningtree">
<bind address="{loopback}" port="{own}" type="servers">
<link name="{peer}" ipaddr="{loopback}" port="{port}" allowmask="*" sendpass="linkpw" recvpass="linkpw">
"""


class LinkedNgIRCd(NgIRCd):
    """An ngIRCd that lets one other in."""

    def __init__(self, folder: Path, name: str, peer: str, peer_port: int = 0) -> None:
        super().__init__(folder, server=name)
        self._link = _NGIRCD.format(peer=peer, loopback=LOOPBACK, port=peer_port or self.port)

    def _prepare(self) -> None:
        super()._prepare()
        text = self.config.read_text().replace("ConnectRetry = 60", "ConnectRetry = 5")
        self.config.write_text(text + self._link)


class LinkedInspIRCd(InspIRCd):
    """An InspIRCd that lets one other in, on the port `own`."""

    def __init__(self, folder: Path, name: str, sid: str, peer: str, own: int, peer_port: int) -> None:
        super().__init__(folder, server=name)
        self._sid = sid
        self._link = _INSPIRCD.format(peer=peer, loopback=LOOPBACK, own=own, port=peer_port)

    def _prepare(self) -> None:
        super()._prepare()
        self.config.write_text(self.config.read_text().replace('id="97K"', f'id="{self._sid}"') + self._link)


class Pair:
    """Two servers; an operator of the first ties and cuts them."""

    def __init__(self, kind: str, one: Any, two: Any, boss: Human) -> None:
        self.kind, self.one, self.two, self.boss = kind, one, two, boss

    async def tie(self) -> None:
        """Make them one network."""
        command = f"CONNECT {NAMES[1]} {self.two.port}" if self.kind == "ngircd" else f"CONNECT {NAMES[1]}"
        await self._until(command, linked=True)

    async def cut(self) -> None:
        """Split them."""
        await self._until(f"SQUIT {NAMES[1]} :cut", linked=False)

    async def _until(self, command: str, *, linked: bool) -> None:
        async def servers() -> int:
            seen = len(self.boss.lines)
            self.boss.send("LINKS")
            await until(lambda: [line for line in self.boss.lines[seen:] if line.command == "365"], "end of LINKS")
            return len([line for line in self.boss.lines[seen:] if line.command == "364"])

        for number in range(200):
            if (await servers() == 2) == linked:
                return
            # ngIRCd passes over what comes while the other end is still busy with the last link: ask again.
            if number % 20 == 0:
                self.boss.send(command)
            # No server tells a client when the link stands.
            await asyncio.sleep(0.1)
        raise AssertionError(f"the servers are not {'tied' if linked else 'cut'}; seen: {self.boss.tail()}")


@asynccontextmanager
async def pair(kind: str, new_folder: Callable[[str], Path], crowd: Crowd) -> AsyncIterator[Pair]:
    """Two servers of the kind, tied."""
    one: Any
    two: Any
    if kind == "ngircd":
        two = LinkedNgIRCd(new_folder("b"), NAMES[1], NAMES[0])
        one = LinkedNgIRCd(new_folder("a"), NAMES[0], NAMES[1], two.port)
    else:
        ports = free_ports(2)
        one = LinkedInspIRCd(new_folder("a"), NAMES[0], "1AA", NAMES[1], *ports)
        two = LinkedInspIRCd(new_folder("b"), NAMES[1], "2BB", NAMES[0], *reversed(ports))
    async with one, two:
        boss = await crowd.connect(one.port, "boss")
        await boss.oper()
        both = Pair(kind, one, two, boss)
        await both.tie()
        yield both
