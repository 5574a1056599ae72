"""An account whose connection breaks, whose server restarts, or will not have it."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.xmpp import outbound
from bridge.contract import SendError, StartError, Voice
from bridge.demo.clients import Sight
from bridge.model.address import Place, PlaceKind
from bridge.model.event import Roster
from bridge.model.result import Reason
from tests.networks.cable import Cable
from tests.networks.conftest import Started
from tests.networks.xmpp.client_lab import Server, account, at_work, present
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, part, person

LINES = 100


@pytest.fixture
async def server(new_folder: Callable[[str], Path], started: Started) -> Server:
    """One for each test: it is restarted."""
    made = Server(new_folder("prosody"))
    await started(made)
    return made


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_cut_connection_loses_and_doubles_nothing_in_a_room(
    server: Server, new_client: NewClient, unique: str, way: str
) -> None:
    room = f"{unique}@{server.muc}"
    ana = await new_client(server, "ana")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    bot = await server.account(f"bot{unique}")
    async with Cable(server.c2s_port) as cable:
        settings = account(server, bot, server=f"127.0.0.1:{cable.port}")
        async with at_work(settings, core) as adapter:
            await ana.wait_for(kind=Sight.JOIN, who="rialto")
            place = core.places[0]
            kestrel = person("kestrel")
            cable.hold(way)
            sent = [adapter.send(part(place, kestrel, f"line {n}", voice=Voice.BOT)) for n in range(LINES)]
            for number in range(LINES):
                ana.say(room, f"said {number}")
            if way == "up":
                await core.heard(f"said {LINES - 1}")
            else:
                await ana.wait_for(text=f"line {LINES - 1}")
            cable.cut()
            async with asyncio.timeout(30):
                receipts = await asyncio.gather(*(each.confirmation for each in sent))
            assert len({receipt.native_id for receipt in receipts}) == LINES
            await core.heard(f"said {LINES - 1}")
            ana.say(room, "fence")
            await core.heard("fence")
            await ana.wait_for(text=f"line {LINES - 1}")
            assert cable.connections == 2
            assert core.log == ["online", *[line for line in core.log if line.startswith("offline")], "online"]
        heard = [seen.text for seen in ana.matching(who="rialto", kind=Sight.TEXT)]
        assert heard == [f"line {n}" for n in range(LINES)]
        assert core.texts() == [*(f"said {n}" for n in range(LINES)), "fence"]
        assert core.repeated == []
        assert len([item for item in core.items if isinstance(item, Roster)]) == 1, "it never left the room"


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_cut_connection_loses_and_doubles_nothing_in_private(
    server: Server, new_client: NewClient, unique: str, way: str
) -> None:
    bo = await new_client(server, "bo")
    core = RecordingCore()
    bot = await server.account(f"bot{unique}")
    async with Cable(server.c2s_port) as cable:
        async with at_work(account(server, bot, server=f"127.0.0.1:{cable.port}"), core) as adapter:
            place = Place("office", bo.name, PlaceKind.USER)
            bo.tell(bot, "libera:kestrel ready")
            await core.heard("ready")
            cable.hold(way)
            sent = [adapter.send(part(place, person("kestrel"), f"line {n}", voice=Voice.BOT)) for n in range(LINES)]
            for number in range(LINES):
                bo.tell(bot, f"libera:kestrel said {number}")
            if way == "up":
                await core.heard(f"said {LINES - 1}")
            else:
                await bo.wait_for(text=f"line {LINES - 1}")
            cable.cut()
            async with asyncio.timeout(30):
                await asyncio.gather(*(each.confirmation for each in sent))
            bo.tell(bot, "libera:kestrel fence")
            await core.heard("fence")
            await bo.wait_for(text=f"line {LINES - 1}")
        heard = [seen.text for seen in bo.matching(who=bot, kind=Sight.TEXT) if seen.text.startswith("line")]
        assert heard == [f"line {n}" for n in range(LINES)]
        assert core.texts() == ["ready", *(f"said {n}" for n in range(LINES)), "fence"]


async def test_what_waits_long_is_not_written_twice_by_a_core_that_tries_again(
    server: Server, new_client: NewClient, unique: str
) -> None:
    bo = await new_client(server, "bo")
    room = f"{unique}@{server.muc}"
    await bo.join(room, "Bo")
    core = RecordingCore(room)
    bot = await server.account(f"bot{unique}")
    async with Cable(server.c2s_port) as cable:
        async with at_work(account(server, bot, server=f"127.0.0.1:{cable.port}"), core) as adapter:
            await bo.wait_for(kind=Sight.JOIN, who="rialto")
            parts = [
                part(Place("office", bo.name, PlaceKind.USER), person("kestrel"), "in private", voice=Voice.BOT),
                part(core.places[0], person("kestrel"), "in the room", voice=Voice.BOT),
            ]
            cable.hold("up")
            for each in parts:
                adapter.send(each)
            again = [adapter.send(each) for each in parts]
            cable.cut()
            async with asyncio.timeout(30):
                await asyncio.gather(*(each.confirmation for each in again))
            later = adapter.send(parts[0])
            async with asyncio.timeout(30):
                await later.confirmation
            for each in parts:
                adapter.send(part(each.place, person("kestrel"), f"behind what was {each.text}", voice=Voice.BOT))
            for each in parts:
                await bo.wait_for(text=f"behind what was {each.text}")
        assert len(bo.matching(text="in private")) == 1
        assert len(bo.matching(text="in the room")) == 1


async def test_a_restart_of_the_server_begins_a_new_session(server: Server, new_client: NewClient, unique: str) -> None:
    room = f"{unique}@{server.muc}"
    core = RecordingCore(room)
    bot = await server.account(f"bot{unique}")
    async with at_work(account(server, bot), core) as adapter:
        first = adapter._attended.attendance(core.places[0])
        await server.stop()
        await core.until("offline", lambda: not core.is_online)
        # The reset of the connection may be quicker than the server's good-bye.
        assert core.failures[-1].reason in (
            Reason.SERVICE_UNAVAILABLE,
            Reason.REMOTE_SERVER_NOT_FOUND,
            Reason.REMOTE_SERVER_TIMEOUT,
        )
        await server.start()
        await core.until("another session", lambda: core.log.count("online") == 2)
        await present(adapter, core)
        assert adapter._attended.attendance(core.places[0]) is not first
        ana = await new_client(server, "ana")
        await ana.join(room, "Ana")
        ana.say(room, "still there?")
        await core.heard("still there?")
        receipt = adapter.send(part(core.places[0], person("kestrel"), "yes", voice=Voice.BOT))
        await asyncio.wait_for(receipt.confirmation, 30)
        await ana.wait_for(text="yes")


async def test_what_was_not_acknowledged_is_in_doubt_when_the_session_is_gone(
    server: Server, new_client: NewClient, unique: str
) -> None:
    bo = await new_client(server, "bo")
    core = RecordingCore()
    bot = await server.account(f"bot{unique}")
    async with (
        Cable(server.c2s_port) as cable,
        at_work(account(server, bot, server=f"127.0.0.1:{cable.port}"), core) as adapter,
    ):
        place = Place("office", bo.name, PlaceKind.USER)
        cable.hold("up")
        sent = adapter.send(part(place, person("kestrel"), "perhaps", voice=Voice.BOT))
        await server.kill()
        cable.cut()
        await server.start()
        await asyncio.wait([sent.confirmation], timeout=30)
        error = sent.confirmation.exception()
        assert isinstance(error, SendError)
        assert error.temporary
        await core.until("another session", lambda: core.log.count("online") == 2, 30)


class StuckCore(RecordingCore):
    """A core whose disk never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.offered = asyncio.Event()

    async def accept(self, *items: Any, remember: Any = None) -> None:
        self.offered.set()
        await asyncio.Event().wait()


async def test_a_slow_core_is_not_acknowledged_for(server: Server, new_client: NewClient, unique: str) -> None:
    """What was not durable when we died comes again from the server."""
    bo = await new_client(server, "bo")
    core = StuckCore()
    bot = await server.account(f"bot{unique}")
    async with (
        Cable(server.c2s_port) as cable,
        at_work(account(server, bot, server=f"127.0.0.1:{cable.port}"), core) as adapter,
    ):
        bo.tell(bot, "libera:kestrel before the crash")
        await core.offered.wait()
        # Behind these, the server has asked what we have, and got an answer if there was one.
        for _ in range(2):
            await adapter._queries.ask(server.host, partial(outbound.ping, bot, server.host))
        cable.cut()
        for task in adapter._tasks:
            task.cancel()
    assert core.texts() == []
    after = RecordingCore()
    async with at_work(account(server, bot), after):
        assert (await after.heard("before the crash")).to is not None


WRONG: dict[str, tuple[dict[str, Any], Reason, str]] = {
    "password": ({"password": "wrong"}, Reason.NOT_AUTHORIZED, "networks.office.password"),
    "user": ({"jid": "nobody@localhost"}, Reason.NOT_AUTHORIZED, "networks.office.jid"),
    "port": ({"server": "127.0.0.1:1"}, Reason.REMOTE_SERVER_NOT_FOUND, "networks.office.server"),
    "host": ({"server": "no-such-host.invalid:5222"}, Reason.REMOTE_SERVER_NOT_FOUND, "networks.office.server"),
    "domain": ({"jid": "bot@elsewhere.example"}, Reason.ITEM_NOT_FOUND, "networks.office.jid"),
    "no tls": ({"tls": {"verify": True}}, Reason.NOT_ACCEPTABLE, "networks.office.tls"),
    "no direct tls": ({"tls": {"direct": True}}, Reason.NOT_ACCEPTABLE, "networks.office.tls.direct"),
    "unknown domain": (
        {"jid": "bot@no-such-domain.invalid", "server": None},
        Reason.REMOTE_SERVER_NOT_FOUND,
        "networks.office.server",
    ),
}


@pytest.mark.parametrize("wrong", list(WRONG))
async def test_what_is_wrong_is_said_with_what_to_set(server: Server, unique: str, wrong: str) -> None:
    changes, reason, words = WRONG[wrong]
    core = RecordingCore()
    settings = account(server, **{"jid": await server.account(f"bot{unique}")} | changes)
    async with at_work(settings, core, there=False):
        failure = await core.until("a failure", lambda: core.failures and core.failures[0], 20)
    assert failure
    assert failure.reason is reason, failure
    assert words in failure.text
    assert "bot-password" not in failure.text


async def test_a_file_that_holds_no_certificates(server: Server, tmp_path: Path, unique: str) -> None:
    for file in (tmp_path / "missing.pem", tmp_path):
        settings = account(server, f"bot{unique}@localhost", tls={"ca": file})
        with pytest.raises(StartError, match=r"networks\.office\.tls\.ca"):
            async with at_work(settings, RecordingCore(), there=False):
                raise AssertionError("it started")
