"""The adapter on connections that a keeper holds: what comes again, what is said again, who is let go, and TLS."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.irc import ADAPTER, IrcSettings
from adapters.irc import adapter as adapters_irc_adapter
from adapters.irc import puppets as adapters_irc_puppets
from adapters.irc.adapter import IrcAdapter
from adapters.irc.link.tls import Pin
from bridge.contract import Context, SendError, Voice
from bridge.demo.servers import InspIRCd, NgIRCd, make_certificate
from bridge.demo.servers.irc import IrcServer
from bridge.keeper.client import BusyError, KeeperClient
from bridge.model.event import Event, Protection, State
from bridge.model.message import Gap
from bridge.model.room import Member
from tests.networks.irc.irc_lab import ANA, BO, WITHIN, Crowd, RecordingCore, confirmed, member, part, until
from tests.unit.keeper.stage import attached, keeping


class Gateway:
    """An adapter on a keeper; `crash` and `start` again."""

    def __init__(self, folder: Path, port: int, *members: Member, **settings: Any) -> None:
        values = {"server": f"irc://127.0.0.1:{port}", "flood": {"burst": 1000, "per_second": 1000}} | settings
        self._folder = folder
        self._settings = IrcSettings.model_validate(values)
        self._members = members
        self._client: KeeperClient | None = None
        self._adapter: IrcAdapter | None = None
        self.core = RecordingCore("libera", members)

    @property
    def adapter(self) -> IrcAdapter:
        assert self._adapter is not None
        return self._adapter

    async def start(self, core: RecordingCore | None = None, *, online: bool = True) -> None:
        memory = self.core.memory
        self.core = core or RecordingCore("libera", self._members)
        self.core.memory = memory
        self._client = await self._attached()
        context = Context("libera", "http://127.0.0.1", Path(), self._client)
        adapter = ADAPTER.create(self._settings, context)
        assert isinstance(adapter, IrcAdapter)
        self._adapter = adapter
        await adapter.start(self.core)
        if online:
            await until(lambda: self.core.is_online, "connection", lambda: self.core.failures)

    async def _attached(self) -> KeeperClient:
        async with asyncio.timeout(WITHIN):
            while True:
                try:
                    return await attached(self._folder)
                except BusyError:
                    await asyncio.sleep(0.01)  # it has not seen yet that the one before is gone

    async def crash(self) -> None:
        """Gone from one moment to the next: nothing more is said to the keeper or to the network."""
        assert self._client is not None
        self._client.drop()
        tasks = [*self.adapter._tasks, *self.adapter._puppets._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.adapter._desk.stop()
        self._adapter = None

    async def stop(self) -> None:
        if self._adapter is not None:
            await self._adapter.stop()
        if self._client is not None:
            self._client.drop()


Make = Callable[..., Gateway]


@pytest_asyncio.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes gateways on one keeper, of a server's port, places and settings."""
    made: list[Gateway] = []

    def gateway(port: int, *members: Member, **settings: Any) -> Gateway:
        made.append(Gateway(tmp_path / "k", port, *members, **settings))
        return made[-1]

    async with keeping(tmp_path / "k"):
        yield gateway
        for each in made:
            await each.stop()


@pytest_asyncio.fixture(params=["ngircd", "inspircd"])
async def server(request: pytest.FixtureRequest, ngircd: NgIRCd, inspircd: InspIRCd) -> IrcServer:
    """One that confirms by PONG, and one that confirms by labels and echoes."""
    return ngircd if request.param == "ngircd" else inspircd


@asynccontextmanager
async def met(make: Make, server: IrcServer, crowd: Crowd, unique: str) -> AsyncIterator[tuple[Gateway, Any, Any]]:
    """A gateway with Ana's puppet in a channel, Kim who is there, and the place."""
    lounge = member(f"#{unique}")
    gateway = make(server.port, lounge, nick=f"ri{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", f"#{unique}")
    await gateway.start()
    await gateway.adapter.join(lounge.place, ANA)
    yield gateway, kim, lounge.place


async def test_what_was_said_before_a_crash_is_not_said_again(
    make: Make, server: IrcServer, crowd: Crowd, unique: str
) -> None:
    async with met(make, server, crowd, unique) as (gateway, kim, place):
        once, other = part(place, ANA, "only once"), part(place, ANA, "after the crash")
        await confirmed(gateway.adapter.send(once))
        await kim.hear("only once")
        await until(lambda: safe(gateway), "acknowledgement")
        await gateway.crash()
        await gateway.start()
        await gateway.adapter.join(place, ANA)
        for each in (once, other):
            await confirmed(gateway.adapter.send(each))
        await kim.hear("after the crash")
        assert [text for _, text in kim.heard(place.native)] == ["only once", "after the crash"]
        assert not [line for line in kim.lines if line.command in ("PART", "QUIT")]
        joins = [line for line in kim.lines if line.command == "JOIN" and line.source and line.source.nick != kim.nick]
        assert len(joins) == 2, joins  # the bot and the puppet, once each


async def test_what_the_keeper_wrote_once_is_known_to_be_there_once(
    make: Make, server: IrcServer, crowd: Crowd, unique: str
) -> None:
    async with met(make, server, crowd, unique) as (gateway, kim, place):
        before = replace(part(place, ANA, "accepted before there was a connection"), accepted=time.time() - 600)
        said = replace(part(place, ANA, "said before the crash"), accepted=time.time())
        unsaid = replace(part(place, ANA, "not said before the crash"), accepted=time.time())
        by_bot = replace(part(place, ANA, "the bot's", Voice.BOT), accepted=time.time())
        for each in (before, said, by_bot):
            await confirmed(gateway.adapter.send(each))
        await until(lambda: safe(gateway), "acknowledgement")
        await gateway.crash()
        await gateway.start()
        await gateway.adapter.join(place, ANA)
        receipts = [await confirmed(gateway.adapter.send(each)) for each in (before, said, unsaid, by_bot)]
        # A puppet that is gone may have said what the bot says for it; and what is older than the connection, another.
        assert [receipt.once for receipt in receipts] == [False, True, True, False]
        await kim.hear("not said before the crash")
        assert len(kim.heard(place.native)) == 4


async def test_what_was_refused_is_said_when_it_is_tried_again(
    make: Make, server: IrcServer, crowd: Crowd, unique: str
) -> None:
    async with met(make, server, crowd, unique) as (gateway, kim, place):
        kim.send(f"MODE {place.native} +m")
        await kim.round_trip()
        again = part(place, ANA, "let me speak")
        with pytest.raises(SendError):
            await confirmed(gateway.adapter.send(again))
        kim.send(f"MODE {place.native} -m")
        await kim.round_trip()
        await confirmed(gateway.adapter.send(again))
        await kim.hear("let me speak")


def safe(gateway: Gateway) -> bool:
    """Whether the keeper holds a snapshot of every connection."""
    holdings = gateway.adapter._holdings
    assert holdings is not None
    return len(holdings._carriers) > 1 and all(carrier.mark() is None for carrier in holdings._carriers)


class Stuck(RecordingCore):
    """Takes things in, and never says that they are durable, once it is stuck."""

    stuck = False

    async def accept(self, *items: Event | State, **more: Any) -> None:
        await super().accept(*items, **more)
        if self.stuck:
            await asyncio.Event().wait()


async def test_what_was_not_durable_comes_again_by_the_same_name(
    make: Make, server: IrcServer, crowd: Crowd, unique: str
) -> None:
    lounge = member(f"#{unique}")
    gateway = make(server.port, lounge, nick=f"ri{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", f"#{unique}")
    stuck = Stuck("libera", [lounge])
    await gateway.start(stuck)
    kim.say(lounge.place.native, "durable")
    await until(lambda: len(stuck.said()) == 1, "line", lambda: stuck.items)
    await gateway.adapter.join(lounge.place, BO)
    await until(lambda: safe(gateway), "acknowledgement")
    stuck.stuck = True
    kim.say(lounge.place.native, "not durable")
    await until(lambda: len(stuck.said()) == 2, "line", lambda: stuck.items)
    kim.say(lounge.place.native, "not even heard")
    await kim.round_trip()
    await gateway.crash()
    await gateway.start()
    await until(lambda: len(gateway.core.said()) == 2, "lines", lambda: gateway.core.items)
    again = gateway.core.all(Event)
    assert [text for _, _, text in gateway.core.said()] == ["not durable", "not even heard"]
    assert again[0].origin == stuck.all(Event)[1].origin
    assert len({event.origin for event in again}) == 2


async def test_a_puppet_that_nobody_wants_any_more_is_let_go(
    make: Make, ngircd: NgIRCd, crowd: Crowd, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with met(make, ngircd, crowd, unique) as (gateway, kim, place):
        await gateway.adapter.join(place, BO)
        await until(lambda: safe(gateway), "acknowledgement")
        await gateway.crash()
        monkeypatch.setattr(adapters_irc_adapter, "HOUSEKEEPING", 0.2)
        await gateway.start()
        puppets = gateway.adapter._puppets
        await until(lambda: len(puppets) == 2 and all(puppet.connection.ready for puppet in puppets), "puppets")
        nicks = {puppet.person: puppet.nick for puppet in gateway.adapter._puppets}
        await gateway.adapter.join(place, BO)
        monkeypatch.setattr(adapters_irc_puppets, "ASKED_WITHIN", 0.0)
        gone = await kim.see(lambda line: line.command == "QUIT", "end of a puppet")
        assert gone.source.nick == nicks[ANA]
        await confirmed(gateway.adapter.send(part(place, BO, "I stay")))
        await kim.hear("I stay", by=nicks[BO])


@dataclass(frozen=True, slots=True)
class Secure:
    """An InspIRCd that speaks TLS, at this address, and what to trust for it."""

    port: int
    url: str
    ca: Path


@pytest_asyncio.fixture
async def secure(new_inspircd: Callable[..., Any], new_folder: Callable[[str], Path]) -> Secure:
    made = await asyncio.to_thread(make_certificate, new_folder("certificate"), "server")
    server = await new_inspircd(certificate=made)
    return Secure(server.port, f"ircs://localhost:{server.tls_port}", made.cert)


async def test_by_tls_it_goes_on(make: Make, secure: Secure, crowd: Crowd) -> None:
    lounge = member("#tls")
    gateway = make(0, lounge, nick="rialto", server=secure.url, tls={"ca": str(secure.ca)})
    await gateway.start()
    kim = await crowd.connect(secure.port, "kim", "#tls")
    await gateway.adapter.join(lounge.place, ANA)
    await until(lambda: safe(gateway), "acknowledgement")
    await gateway.crash()
    kim.say("#tls", "by TLS")
    await kim.round_trip()
    await gateway.start()
    await until(gateway.core.said, "line", lambda: gateway.core.items)
    (event,) = gateway.core.all(Event)
    assert event.protection is Protection.TRANSPORT
    assert not [line for line in kim.lines if line.command in ("PART", "QUIT")]


@pytest.mark.parametrize(
    ("tls", "told"),
    [
        ({}, "the server's certificate is not trusted ("),
        (
            {"pin": str(Pin("sha-256", bytes(32)))},
            "the server's certificate is not the pinned one: if it is right, set",
        ),
    ],
)
async def test_a_wrong_certificate_is_told_as_without_a_keeper(
    make: Make, secure: Secure, tls: dict[str, str], told: str
) -> None:
    gateway = make(0, nick="rialto", server=secure.url, tls=tls)
    await gateway.start(online=False)
    await until(lambda: gateway.core.failures, "failure")
    assert gateway.core.failures[0].text.startswith(told)


async def test_what_a_keeper_heard_was_heard(make: Make, server: IrcServer, crowd: Crowd, unique: str) -> None:
    lounge = member(f"#{unique}")
    gateway = make(server.port, lounge, nick=f"ri{unique}", say_gaps_beyond=0.0)
    kim = await crowd.connect(server.port, f"kim{unique}", f"#{unique}")
    await gateway.start()
    await until(lambda: safe_bot(gateway), "acknowledgement")
    await gateway.crash()
    key = f"attended/#{unique}"
    await kim.round_trip()
    assert key in gateway.core.memory
    # As if it had been away for long.
    until_then, _, first = gateway.core.memory[key].partition(" ")
    gateway.core.memory[key] = f"{float(until_then) - 600:.3f} {first}"
    kim.say(lounge.place.native, "said meanwhile")
    await gateway.start()
    await until(gateway.core.said, "line", lambda: gateway.core.items)
    assert [text for _, _, text in gateway.core.said()] == ["said meanwhile"]
    assert not [event for event in gateway.core.all(Event) if isinstance(event.content, Gap)]


def safe_bot(gateway: Gateway) -> bool:
    """Whether the keeper holds a snapshot of the bot's connection, in its channel, which is remembered."""
    holdings = gateway.adapter._holdings
    assert holdings is not None
    acknowledged = bool(holdings._carriers) and all(carrier.mark() is None for carrier in holdings._carriers)
    return acknowledged and any(key.startswith("attended/") for key in gateway.core.memory)
