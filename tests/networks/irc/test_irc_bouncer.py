"""Behind ZNC, which stays on the network and repeats what was said while we were away: taken in once, at its time."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.demo.servers import InspIRCd, NgIRCd, Server, Znc
from bridge.model.address import PlaceKind
from bridge.model.event import Event
from bridge.model.message import Gap, Message, MessageKind
from tests.networks.irc.irc_lab import ANA, Crowd, Human, RecordingCore, member, running, until

TEA = member("#tea")

NewZnc = Callable[..., Awaitable[Znc]]


@pytest.fixture
def new_znc(new_folder: Callable[[str], Path], started: Callable[[Server], Awaitable[None]]) -> NewZnc:
    """Starts a ZNC on the server at the port `upstream`, and waits until it is there, as Kim sees."""

    async def make(kim: Human, **arguments: Any) -> Znc:
        znc = Znc(new_folder("znc"), **arguments)
        await started(znc)
        await there(kim, arguments["nick"])
        return znc

    return make


async def there(kim: Human, nick: str) -> None:
    """Wait until somebody is on the network."""
    seen = len(kim.lines)

    def asked() -> bool:
        kim.send(f"ISON {nick}")
        return any(line.command == "303" and nick in line.param(-1) for line in kim.lines[seen:])

    await until(asked, f"{nick} on the network", kim.tail)


def texts(core: RecordingCore) -> list[str]:
    """What was said in the channel."""
    events = (event for event in core.all(Event) if event.place == TEA.place)
    return [event.content.body.text for event in events if isinstance(event.content, Message)]


def private(core: RecordingCore) -> list[str]:
    """What was said in private."""
    events = (event for event in core.all(Event) if event.place.kind is PlaceKind.USER)
    return [event.content.body.text for event in events if isinstance(event.content, Message)]


def gaps(core: RecordingCore) -> list[Gap]:
    return [event.content for event in core.all(Event) if isinstance(event.content, Gap)]


class Away:
    """A gateway behind a bouncer that comes and goes, and remembers."""

    def __init__(self, znc: Znc, nick: str) -> None:
        self._settings: dict[str, Any] = {"nick": nick, "puppets": 0, "password": znc.login, "say_gaps_beyond": 0.0}
        self._port = znc.port
        self.memory: dict[str, str] = {}
        self.earlier: list[Event] = []

    async def visit(self, kim: Human, last: str) -> RecordingCore:
        """Come, hear Kim say something, and go."""
        core = RecordingCore("libera", [TEA])
        core.earlier = list(self.earlier)
        async with running(self._port, TEA, memory=self.memory, core=core, **self._settings):
            kim.say("#tea", last)
            await until(lambda: last in texts(core), "line", lambda: core.items)
        self.earlier += core.all(Event)
        return core


@pytest.mark.parametrize("clear", [True, False])
async def test_what_was_missed_comes_once_and_at_its_time(
    new_inspircd: Callable[..., Awaitable[InspIRCd]], new_znc: NewZnc, crowd: Crowd, clear: bool
) -> None:
    server = await new_inspircd()
    kim = await crowd.connect(server.port, "kim", "#tea")
    znc = await new_znc(kim, upstream=server.port, nick="rialto", clear=clear)
    away = Away(znc, "rialto")
    core = await away.visit(kim, "heard")
    assert texts(core) == ["heard"]
    began = time.time()
    missed = [f"missed {number}" for number in range(30)]
    for text in missed:
        kim.say("#tea", text)
    kim.say("#tea", "\x01ACTION waves\x01")
    kim.say("rialto", f"{ANA.address}: in private")
    kim.say("rialto", "to nobody")
    await kim.round_trip()
    ended = time.time()
    core = await away.visit(kim, "live")
    assert texts(core) == [*missed, "waves", "live"]
    assert [kind for _, kind, text in core.said() if text == "waves"] == [MessageKind.EMOTE]
    assert private(core) == ["in private"]
    for answer in ("On its way to", "'to' is not an address"):
        await kim.see(lambda line, text=answer: line.param(-1).startswith(text), answer)  # type: ignore[misc]  # bound
    said = [event for event in core.all(Event) if event.place == TEA.place]
    assert all(began - 1 <= event.when <= ended + 1 for event in said[:-1]), "at its own time"
    for _ in range(2):
        core = await away.visit(kim, "again")
        assert texts(core) == ["again"], "once"
        assert private(core) == []
    await kim.round_trip()
    assert len([line for line in kim.lines if line.command == "NOTICE" and line.param(0) == "kim"]) == 2, kim.tail()
    assert gaps(core) == []


async def test_what_was_said_before_the_first_time_is_none_of_ours(
    new_ngircd: Callable[..., Awaitable[NgIRCd]], new_znc: NewZnc, crowd: Crowd
) -> None:
    server = await new_ngircd()
    kim = await crowd.connect(server.port, "kim", "#tea")
    znc = await new_znc(kim, upstream=server.port, nick="rialto", clear=False)
    # Somebody else uses the account.
    someone = Away(znc, "rialto")
    await someone.visit(kim, "to somebody else")
    kim.say("#tea", "before we came")
    kim.say("rialto", "in private, before we came")
    await kim.round_trip()
    away = Away(znc, "rialto")
    for last in ("heard", "heard again"):
        core = await away.visit(kim, last)
        assert texts(core) == [last]
        assert private(core) == []


async def test_a_bouncer_that_was_away_itself_leaves_a_gap(
    new_ngircd: Callable[..., Awaitable[NgIRCd]], new_znc: NewZnc, crowd: Crowd
) -> None:
    server = await new_ngircd()
    kim = await crowd.connect(server.port, "kim", "#tea")
    znc = await new_znc(kim, upstream=server.port, nick="rialto")
    away = Away(znc, "rialto")
    await away.visit(kim, "heard")
    assert gaps(await away.visit(kim, "heard as well")) == []
    await znc.restart()
    await there(kim, "rialto")
    assert len(gaps(await away.visit(kim, "heard again"))) == 1


async def test_a_bouncer_that_loses_the_network_while_we_listen_leaves_a_gap(
    new_ngircd: Callable[..., Awaitable[NgIRCd]], new_znc: NewZnc, crowd: Crowd
) -> None:
    server = await new_ngircd()
    kim = await crowd.connect(server.port, "kim", "#tea")
    znc = await new_znc(kim, upstream=server.port, nick="rialto")
    core = RecordingCore("libera", [TEA])
    settings: dict[str, Any] = {"puppets": 0, "password": znc.login, "say_gaps_beyond": 0.0}
    async with running(znc.port, TEA, core=core, **settings):
        await server.stop()
        down = time.time()
        await server.start()
        up = time.time()
        kim = await crowd.connect(server.port, "kim", "#tea")
        await until(lambda: gaps(core), "gap", lambda: core.items, within=90)
        kim.say("#tea", "back")
        await until(lambda: "back" in texts(core), "line", lambda: core.items)
        (gap,) = gaps(core)
        assert gap.since <= down + 1
        assert gap.until >= up - 1
