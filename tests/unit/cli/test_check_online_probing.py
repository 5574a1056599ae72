"""Trying networks side by side: what becomes of one that fails, hangs, cannot be tried; and comparing clocks."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import structlog
from aiohttp import web
from pydantic import BaseModel
from typer.testing import CliRunner

from bridge import clocks
from bridge.cli import app
from bridge.cli.probing import Line, probe, silenced
from bridge.config import Config, load
from bridge.config.model import Attachment
from bridge.contract import Adapter, Context, Finding
from bridge.demo.servers import free_ports
from bridge.model.address import Place
from bridge.model.room import Member, Room


class Settings(BaseModel):
    """No keys."""


class Plain:
    """A factory that cannot try its network."""

    kind: ClassVar[str] = "irc"
    settings: ClassVar[type[BaseModel]] = Settings

    def create(self, settings: Any, context: Context) -> Adapter:
        raise AssertionError("nothing is built")

    def place(self, native: str, settings: Any) -> str:
        return native

    def person(self, native: str, settings: Any) -> str:
        return native

    def registration(self, settings: Any, context: Context) -> str:
        return ""


class Tried(Plain):
    """One whose network does as it is told. `ended`: it has cleaned up after itself."""

    def __init__(self, steps: Callable[[Sequence[Member]], AsyncIterator[Finding]]) -> None:
        self._steps = steps
        self.ended = False

    async def probe(self, settings: Any, context: Context, members: Sequence[Member]) -> AsyncIterator[Finding]:
        try:
            async for finding in self._steps(members):
                yield finding
        finally:
            await asyncio.sleep(0)
            self.ended = True


async def fine(members: Sequence[Member]) -> AsyncIterator[Finding]:
    for member in members:
        yield Finding(True, f"{member.place.native} is fine")


async def hanging(members: Sequence[Member]) -> AsyncIterator[Finding]:
    yield Finding(True, "so far")
    await asyncio.get_running_loop().create_future()


async def late(members: Sequence[Member]) -> AsyncIterator[Finding]:
    yield Finding(True, "so far")
    raise TimeoutError("by its own clock")


async def taken(members: Sequence[Member]) -> AsyncIterator[Finding]:
    yield Finding(False, "the nick r is taken: wait", "the nick r")
    yield Finding(False, "another thing is wrong")


async def broken(members: Sequence[Member]) -> AsyncIterator[Finding]:
    yield Finding(True, "so far")
    raise KeyError("oops")


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Config]:
    """Makes a configuration of these networks, each with a place named after it."""
    path = tmp_path / "config.yaml"
    path.write_text(f"http: {{listen: '127.0.0.1:{free_ports(1)[0]}'}}\nnetworks: {{only: {{kind: irc}}}}\n")
    path.chmod(0o600)

    def make(**factories: Plain) -> Config:
        networks = {name: Attachment(name, "irc", each, Settings(), False) for name, each in factories.items()}
        rooms = (Room("tea", tuple(Member(Place(name, f"#{name}")) for name in factories)),)
        return replace(load(path, {}, {"irc": Plain()}), networks=networks, rooms=rooms)

    return make


@asynccontextmanager
async def somebody(config: Config, body: bytes | AsyncIterator[bytes], status: int = 200) -> AsyncIterator[None]:
    """Listens where the configuration does, and answers ``/readyz`` with this."""

    async def ready(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status)

    app = web.Application()
    app.router.add_get("/readyz", ready)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, config.http.listen.host, config.http.listen.port).start()
        yield
    finally:
        await runner.cleanup()


async def lines(of: Config, within: float = 5.0) -> list[Line]:
    found: list[Line] = []
    await probe(of, found.append, within)
    return found[1:]


async def test_every_network_is_tried_with_its_own_places(config: Callable[..., Config]) -> None:
    assert set(await lines(config(one=Tried(fine), two=Tried(fine)))) == {
        Line("one", True, "#one is fine"),
        Line("two", True, "#two is fine"),
    }


async def test_one_that_hangs_is_ended_and_cleans_up(config: Callable[..., Config]) -> None:
    hung = Tried(hanging)
    found = await lines(config(hung=hung, well=Tried(fine)), within=0.05)
    assert [line for line in found if line.network == "hung"] == [
        Line("hung", True, "so far"),
        Line("hung", False, "not all could be tried within 0 s; what is missing above gave no answer"),
    ]
    assert hung.ended
    assert Line("well", True, "#well is fine") in found


async def test_a_fault_of_an_adapter_is_told_and_harms_no_other(config: Callable[..., Config]) -> None:
    fault = Tried(broken)
    found = await lines(config(faulty=fault, well=Tried(fine)))
    assert Line("faulty", False, "an internal error, please report it: KeyError: 'oops'") in found
    assert Line("well", True, "#well is fine") in found
    assert fault.ended


async def test_a_time_limit_of_an_adapters_own_is_its_fault(config: Callable[..., Config]) -> None:
    found = await lines(config(late=Tried(late)))
    assert found[1:] == [Line("late", False, "an internal error, please report it: TimeoutError: by its own clock")]


CONFLICT = Line("office", False, "the nick r is taken: wait")
HELD = Line("office", True, "a running Rialto has the nick r; `rialto status` shows its state")


@pytest.mark.parametrize(
    ("body", "status", "line"),
    [
        (b'{"offline": []}', 200, HELD),
        (b'{"offline": ["libera"]}', 503, HELD),
        # So it is another who has it.
        (b'{"offline": ["libera", "office"]}', 503, CONFLICT),
        (b'{"offline": 7}', 200, CONFLICT),
        (b'{"offline": [7]}', 200, CONFLICT),
        (b"[]", 200, CONFLICT),
        (b"{", 200, CONFLICT),
        (b"\xff", 200, CONFLICT),
        (b"[" * 60000, 200, CONFLICT),
        (b'{"offline": []}' + b" " * 65536, 200, CONFLICT),
        (b"there is nothing", 404, CONFLICT),
    ],
)
async def test_what_a_running_rialto_has_is_no_failure(
    config: Callable[..., Config], body: bytes, status: int, line: Line
) -> None:
    made = config(office=Tried(taken))
    async with somebody(made, body, status):
        assert await lines(made) == [line, Line("office", False, "another thing is wrong")]


async def test_without_a_running_one_it_stays_a_failure(config: Callable[..., Config]) -> None:
    assert (await lines(config(office=Tried(taken))))[0] == CONFLICT


async def test_an_endless_answer_is_not_read_to_its_end(config: Callable[..., Config]) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 4096
            sent.append(4096)

    sent: list[int] = []
    made = config(office=Tried(taken))
    async with somebody(made, endless()):
        assert (await lines(made))[0] == CONFLICT
    # What lies in the buffers of the connection comes on top.
    assert 0 < sum(sent) < 64 * 1024 * 1024


async def test_a_kind_that_cannot_be_tried_is_no_failure(config: Callable[..., Config]) -> None:
    assert await lines(config(old=Plain())) == [
        Line("old", None, "networks of this kind (irc) cannot be tried beforehand")
    ]


def test_nothing_is_logged_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    with silenced():
        structlog.get_logger("adapters.x").critical("through structlog")
        logging.getLogger("slixmpp").critical("through logging")
    assert capsys.readouterr() == ("", "")
    assert structlog.get_config() == before
    assert logging.root.manager.disable == logging.NOTSET


def test_help_teaches() -> None:
    said = CliRunner().invoke(app, ["check", "--help"], env={"COLUMNS": "200"}).output
    for word in (
        "--online",
        "rialto status",
        "left as it was",
        "see the bot join the rooms",
        "The exit code is 0 if all is well, 1 if something",
    ):
        assert word in said, said


@pytest.mark.parametrize(
    ("theirs", "sent", "received", "resolution", "text"),
    [
        (100.0, 100.0, 100.2, 0.0, "the clock of x agrees with ours"),
        (96.0, 100.0, 100.2, 0.0, "the clock of x agrees with ours"),
        (104.9, 100.0, 100.2, 0.0, "the clock of x agrees with ours"),
        # Cut down to whole seconds, which makes them look late.
        (94.0, 99.9, 100.0, 1.0, "the clock of x agrees with ours"),
        # A slow answer may have been made at any time in between.
        (100.0, 100.0, 160.0, 0.0, "the clock of x agrees with ours"),
        (160.0, 100.0, 160.0, 0.0, "the clock of x agrees with ours"),
        (94.0, 100.0, 100.1, 0.0, "our clock is 6 seconds ahead of that of x: "),
        (106.0, 99.0, 100.0, 0.0, "our clock is 6 seconds behind that of x: "),
        (0.0, 300.0, 300.1, 0.0, "our clock is 5 minutes ahead of that of x: "),
        (7200.0, 0.0, 0.1, 0.0, "our clock is 2 hours behind that of x: "),
        (0.0, 1e6, 1e6, 0.0, "our clock is 12 days ahead of that of x: "),
    ],
)
def test_clocks(theirs: float, sent: float, received: float, resolution: float, text: str) -> None:
    found = clocks.compared("x", theirs, sent, received, resolution=resolution)
    assert found.text.startswith(text)
    assert found.good is ("agrees" in text)
