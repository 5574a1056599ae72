"""One adapter crashes, in various places: it is started again, nothing is lost, and the others notice nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.irc.adapter import IrcAdapter
from adapters.matrix.account.adapter import AccountAdapter as MatrixAccount
from adapters.matrix.adapter import MatrixAdapter
from adapters.xmpp.account.adapter import AccountAdapter as XmppAccount
from adapters.xmpp.adapter import XmppAdapter
from bridge.backoff import Backoff
from bridge.contract import (
    Adapter,
    Context,
    Core,
    Direct,
    Handover,
    Identifying,
    Keeping,
    Notifying,
    Part,
    Puppeteer,
    Rechecking,
    Routed,
    SendError,
    Showing,
    StartError,
    Telling,
    Topical,
    Watchable,
)  # fmt: skip
from bridge.counts import Counts
from bridge.model.address import Person, Place
from bridge.model.result import Reason
from bridge.service import Service
from bridge.supervisor import Supervisor
from tests.unit.core.bench import LIBERA, OFFICE, LoopbackFactory, config, person, said
from tests.unit.core.loopback import Loopback
from tests.unit.core.troubled import texts

PARTS: Sequence[type] = (
    Puppeteer, Keeping, Topical, Telling, Direct, Showing, Notifying, Watchable, Rechecking, Identifying, Routed
)  # fmt: skip
ANA = person("Ana")


class FaultError(Exception):
    """Nobody foresaw it."""


class Fragile(Loopback):
    """An adapter that fails where it is told to; all of one network share their log of what was sent."""

    def __init__(self, network: "Network") -> None:
        super().__init__()
        self.network = network
        self.stopped = asyncio.Event()
        self.sent = network.sent
        self.log = network.log
        self.changed = network.changed

    def fail(self) -> None:
        """As when one of its tasks dies."""

        self.network.broken.add(self)

        async def dying() -> None:
            raise FaultError("nobody foresaw this")

        def died(task: "asyncio.Task[None]") -> None:
            error = task.exception()
            assert error is not None
            self.core.crashed(error)

        asyncio.ensure_future(dying()).add_done_callback(died)

    def _due(self, where: str) -> bool:
        due = self.network.faults.get(where, 0) > 0
        if due:
            self.network.faults[where] -= 1
        return due

    async def start(self, core: Core) -> None:
        self.note("start")
        await self.network.may_start.wait()
        if self._due("start"):
            raise FaultError("start")
        if self._due("configuration"):
            raise StartError("what it needs is not there")
        await super().start(core)

    async def stop(self) -> None:
        await super().stop()
        await self.network.may_stop.wait()
        self.stopped.set()
        if self._due("stop"):
            raise FaultError("stop")
        if self._due("hang"):
            await asyncio.Event().wait()

    def send(self, part: Part) -> Handover:
        if self._due("before sending"):
            self.fail()
            raise SendError.passing(Reason.RESOURCE_CONSTRAINT, "not now")
        if self._due("while sending"):
            self.fail()
            self.note("never answered")
            return Handover(asyncio.get_running_loop().create_future())
        handover = super().send(part)
        if self._due("after sending"):
            self.fail()
        return handover

    async def join(self, place: Place, person: Person) -> None:
        if self._due("join"):
            self.fail()
            await self.stopped.wait()
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "the connection is gone")
        await super().join(place, person)

    async def handle(self, request: Any) -> web.Response:
        return web.Response(text="there")


class Network(LoopbackFactory):
    """Makes adapters, one after another."""

    def __init__(self) -> None:
        self.sent: list[Part] = []
        self.log: list[str] = []
        self.changed = asyncio.Event()
        self.faults: dict[str, int] = {}
        self.made: list[Fragile] = []
        self.broken: set[Fragile] = set()
        self.may_start, self.may_stop = asyncio.Event(), asyncio.Event()
        self.may_start.set()
        self.may_stop.set()

    def create(self, settings: Any, context: Context) -> Adapter:
        self.made.append(Fragile(self))
        return self.made[-1]

    @property
    def now(self) -> Fragile:
        return self.made[-1]

    async def until(self, predicate: Callable[[], bool]) -> None:
        await self.now.until(predicate, timeout=20)


class Nets:
    def __init__(self, service: Service, networks: dict[str, Network], url: str) -> None:
        self.service = service
        self.home, self.office, self.libera = networks["home"], networks["office"], networks["libera"]
        self.url = url

    def crashes(self, network: str) -> int:
        return int(self.service.status()["counts"].get(f"rialto_adapter_crashes_total{{network={network}}}", 0))

    def online(self, network: str) -> bool:
        return bool(self.service.status()["networks"][network]["online"])


@asynccontextmanager
async def three(folder: Path, **faults: int) -> AsyncIterator[Nets]:
    """Three networks in one room; `office` is the one that fails."""
    networks = {name: Network() for name in ("home", "office", "libera")}
    networks["office"].faults = {where.replace("_", " "): count for where, count in faults.items()}
    plain = config(folder, {name: Loopback() for name in networks})
    attachments = {name: replace(each, factory=networks[name]) for name, each in plain.networks.items()}
    service = Service(replace(plain, networks=MappingProxyType(attachments)))
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        nets = Nets(service, networks, f"http://{plain.http.listen}")
        for name, network in networks.items():
            await network.until(lambda name=name: task.done() or (bool(service._hosts) and nets.online(name)))  # type: ignore[misc]
        yield nets
    finally:
        stop.set()
        await task


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.supervisor.PAUSES", (0.02, 0.1))
    monkeypatch.setattr("bridge.lane.PAUSES", (0.02,))


@pytest.mark.parametrize("where", ["before sending", "while sending", "after sending", "join"])
async def test_a_crash_loses_nothing_and_is_nobody_elses(where: str, tmp_path: Path) -> None:
    async with three(tmp_path) as nets:
        nets.office.faults = {where: 2}
        words = [f"word {number:02}" for number in range(10)]
        for word in words:
            await nets.home.now.core.accept(said(word, ANA))
            await nets.libera.now.core.accept(said(word, person("Kim", "libera"), LIBERA))
        for network in (nets.home, nets.libera):
            await network.until(lambda network=network: len(network.sent) == 10)  # type: ignore[misc]
        await nets.office.until(
            lambda: (
                not nets.office.faults[where]
                and nets.crashes("office") == len(nets.office.broken)
                and nets.online("office")
                and not waiting(nets)
            )
        )
        for speaker in ("Ana", "Kim"):
            # The bot speaks for whoever has no puppet yet, and says for whom.
            heard = [str(part.text)[-7:].strip() for part in nets.office.sent if part.speaker.name == speaker]
            # What was handed over when it crashed may come twice; it never comes late.
            assert list(dict.fromkeys(heard)) == words
        assert len(nets.office.made) == 1 + nets.crashes("office") >= 2
        for name, network in (("home", nets.home), ("libera", nets.libera)):
            assert len(network.made) == 1
            assert nets.crashes(name) == 0
            assert texts(network.now) == words


def waiting(nets: Nets) -> int:
    return sum(lane["waiting"] for lane in nets.service.status()["lanes"])


async def test_while_it_rests_the_operator_is_told_and_what_is_said_waits(tmp_path: Path) -> None:
    async with three(tmp_path) as nets:
        first = nets.office.now
        nets.office.faults = {"start": 3, "configuration": 1}
        nets.office.may_start.clear()
        first.fail()
        await nets.office.until(lambda: nets.office.now is not first)
        told = nets.service.status()["networks"]["office"]
        assert not told["online"]
        assert "FaultError" in told["failure"]
        assert "started again" in told["failure"]
        await nets.home.now.core.accept(said("meanwhile", ANA))
        assert not nets.office.sent
        nets.office.may_start.set()
        await nets.office.until(lambda: texts(nets.office.now) == ["meanwhile"])
        assert nets.crashes("office") == 5
        assert nets.online("office")
        assert nets.office.log.count("start") == 1 + 5
        # The old one has no say any more, but what it has heard counts.
        first.core.online()
        first.core.crashed(FaultError("late"))
        await first.core.accept(said("at the last moment", person("Bo", "office"), OFFICE))
        await nets.home.until(lambda: texts(nets.home.now) == ["at the last moment"])
        assert nets.crashes("office") == 5


@pytest.mark.parametrize("where", ["stop", "hang"])
async def test_one_that_cannot_even_stop_is_left_behind(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.supervisor.STOP_WITHIN", 0.1)
    async with three(tmp_path) as nets:
        nets.office.faults = {where: 1}
        nets.office.now.fail()
        await nets.office.until(lambda: nets.crashes("office") == 1 and nets.online("office"))
        await nets.home.now.core.accept(said("hello", ANA))
        await nets.office.until(lambda: texts(nets.office.now) == ["hello"])


async def test_a_fault_at_the_very_first_start_ends_nobody(tmp_path: Path) -> None:
    async with three(tmp_path, start=2) as nets:
        await nets.home.now.core.accept(said("hello", ANA))
        await nets.office.until(lambda: texts(nets.office.now) == ["hello"])
        assert nets.crashes("office") == 2


async def test_what_it_was_to_remember_the_next_one_knows(tmp_path: Path) -> None:
    async with three(tmp_path) as nets:
        await nets.office.now.core.remember({"token": "17"})
        nets.office.now.fail()
        await nets.office.until(lambda: nets.crashes("office") == 1 and nets.online("office"))
        assert nets.office.now.core.recall() == {"token": "17"}


async def test_its_routes_say_come_again_meanwhile(tmp_path: Path) -> None:
    async with three(tmp_path) as nets, aiohttp.ClientSession() as session:

        async def ask(network: str) -> int:
            async with session.get(f"{nets.url}/{network}/x") as answer:
                return answer.status

        assert await ask("office") == 200
        nets.office.may_stop.clear()
        nets.office.now.fail()
        await nets.office.until(lambda: not nets.online("office"))
        assert await ask("office") == 503
        assert await ask("home") == 200
        nets.office.may_stop.set()
        await nets.office.until(lambda: nets.online("office"))
        assert await ask("office") == 200


async def test_pauses_grow_up_to_a_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pauses: list[float] = []

    class Noted(Backoff):
        def next(self) -> float:
            pauses.append(super().next())
            return pauses[-1]

    monkeypatch.setattr("bridge.supervisor.Backoff", Noted)
    async with three(tmp_path) as nets:
        nets.office.faults = {"start": 6}
        nets.office.now.fail()
        await nets.office.until(lambda: nets.crashes("office") == 7 and nets.online("office"))
    # At least half of 0.02, doubled each time, at most 0.1.
    assert len(pauses) == 7
    assert 0.01 <= pauses[0] <= 0.02 < pauses[2] <= 0.08
    assert all(0.05 <= pause <= 0.1 for pause in pauses[3:])


KINDS = [IrcAdapter, MatrixAdapter, MatrixAccount, XmppAdapter, XmppAccount, Loopback]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__}")
def test_a_face_can_what_its_adapter_can_and_no_more(kind: type) -> None:
    bare: Any = object.__new__(kind)
    face = Supervisor("office", lambda: bare, Counts()).face
    assert [isinstance(face, part) for part in PARTS] == [isinstance(bare, part) for part in PARTS]
    assert any(isinstance(face, part) for part in PARTS)
