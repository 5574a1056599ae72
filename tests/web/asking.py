"""The gateway over networks in memory, and a program that asks it over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bridge.config import Http, Listen
from bridge.demo.servers import free_ports
from bridge.model import rfc3339
from bridge.model.address import Address, Person
from bridge.model.presence import Activity, Basic, Presence, Tuple
from bridge.rules import Rules
from bridge.service import Service
from tests.unit.core.bench import config
from tests.unit.core.loopback import Loopback
from tests.unit.core.test_spine import networks

ANA = Person(Address("home", "@ana:example.org"), "@ana:example.org")
BO = Person(Address("office", "bo@example.net"), "bo")
CY = Person(Address("office", "cy@example.net"), "cy")
KESTREL = Person(Address("libera", "kestrel"), "kestrel")
AWAY = Presence(KESTREL.address, (Tuple("irc", Basic.OPEN, frozenset({Activity.AWAY}), (("", "tea"),)),))
HERE = Presence(KESTREL.address, (Tuple("irc", Basic.OPEN),))
GONE = Presence(KESTREL.address, (Tuple("irc", Basic.CLOSED, notes=(("", "bye"),), idle_since=5.0),))
OF_KESTREL = "/presence/pres:kestrel@libera"
TO_KESTREL = "/im/im:kestrel@libera"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Asking:
    """`nets` are the networks; whose tokens are asked for must be at home there."""

    def __init__(self, nets: Mapping[str, Loopback], listen: Listen, service: Service) -> None:
        self.nets = nets
        self.listen = listen
        self.service = service
        self.tokens: dict[Address, str] = {}

    async def say(self, person: Person, text: str) -> str:
        """What the bot answers to a word in private."""
        answer = await self.nets[person.address.network].core.command(person, text)
        assert answer is not None
        return answer

    async def token(self, person: Person) -> str:
        """The person's token, asked for once."""
        if person.address not in self.tokens:
            answer = await self.say(person, "token")
            (self.tokens[person.address],) = [word for word in answer.split() if word.startswith("rialto_")]
        return self.tokens[person.address]

    async def ask(
        self,
        method: str,
        path: str,
        by: Person | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        listen: Listen | None = None,
    ) -> Answer:
        """One request, the path as it stands."""
        sent = CIMultiDict(headers or {})
        if by is not None:
            sent["Authorization"] = f"Bearer {await self.token(by)}"
        url = URL(f"http://{listen or self.listen}{path}", encoded=True)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, headers=sent, data=body) as answer,
        ):
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, by: Person | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.ask("GET", path, by, headers)

    async def post(self, by: Person | None, body: bytes, path: str = TO_KESTREL, **headers: str) -> Answer:
        sent = {"Content-Type": "message/cpim"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", path, by, sent, body)

    def heard(self, presence: Presence) -> None:
        """A network tells what somebody shows."""
        self.nets[presence.presentity.network].core.presence(presence)


def written(
    text: str = "good morning",
    by: Address = BO.address,
    to: str = "im:kestrel@libera",
    *,
    more: str = "",
    kind: str = "text/plain; charset=utf-8",
    sender: str = "",
    when: float = 1_777_863_721.0,
) -> bytes:
    """A ``message/cpim`` object. `more`: further headers; `when`: seconds since the epoch."""
    head = [f"From: <{sender or by.uri('im')}>", f"To: <{to}>", f"DateTime: {rfc3339.write(when)}"]
    lines = [*head, *more.splitlines()]
    return "\r\n".join([*lines, "", f"Content-Type: {kind}", "", text]).encode()


def path(*segments: str) -> str:
    """A path of segments, each percent-encoded whole."""
    return "".join(f"/{quote(each, safe='')}" for each in segments)


@asynccontextmanager
async def asking(folder: Path, rules: Rules | None = None, *, public: bool = False) -> AsyncIterator[Asking]:
    """A gateway, at whose servers Ana, Bo, Cy and Kestrel are at home."""
    nets = networks()
    for each in (ANA, BO, CY, KESTREL):
        nets[each.address.network].at_home_here.add(each.address.native)
    plain = config(folder, nets, rules)
    second = Listen("127.0.0.1", free_ports(1)[0]) if public else None
    service = Service(replace(plain, http=Http(listen=plain.http.listen, public_listen=second)))
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        await asyncio.gather(*(net.started.wait() for net in nets.values()))
        yield Asking(nets, second or plain.http.listen, service)
    finally:
        stop.set()
        await task
