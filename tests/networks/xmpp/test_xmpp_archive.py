"""What was said in a room while we were away arrives afterwards, all of it, once, in order, at its time: from the
room's archive (XEP-0313), by a component and by an account alike."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from adapters.xmpp.stream import tcp
from bridge.demo.clients import Sight, XmppClient
from bridge.demo.servers import Prosody
from tests.networks.cable import Cable
from tests.networks.conftest import COMPONENTS
from tests.networks.xmpp.client_lab import Server, account, at_work, present
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, in_rooms, part, person, running, say

LINES = 300
"""Far more than a room's history holds (Prosody: 20), and several pages of its archive (Prosody: 50 lines each)."""

AtWork = Callable[[Prosody, RecordingCore], AbstractAsyncContextManager[object]]
NewServer = Callable[..., Awaitable[Server]]


@pytest.fixture
def new_server(new_folder: Callable[[str], Path], started: Callable[[Server], Awaitable[None]]) -> NewServer:
    """Starts a Prosody whose rooms have an archive, for this test alone."""

    async def make(*, archive: bool = True) -> Server:
        server = Server(new_folder("prosody"), components=COMPONENTS, archive=archive)
        await started(server)
        return server

    return make


@asynccontextmanager
async def component(prosody: Prosody, core: RecordingCore) -> AsyncIterator[object]:
    """By a component."""
    async with running(prosody, "bridge1.localhost", core) as adapter:
        yield adapter


@asynccontextmanager
async def client(prosody: Prosody, core: RecordingCore) -> AsyncIterator[object]:
    """By an account."""
    assert isinstance(prosody, Server)
    async with at_work(account(prosody, f"bot@{prosody.host}"), core) as adapter:
        yield adapter


async def talk(ana: XmppClient, room: str, texts: list[str]) -> None:
    """Say them all, and wait until the room has."""
    for text in texts:
        ana.say(room, text)
    await ana.wait_for(text=texts[-1])


async def in_hall(server: Server, new_client: NewClient) -> tuple[str, XmppClient]:
    """A room that lasts, and Ana in it."""
    room = f"hall@{server.muc}"
    ana = await new_client(server, "ana")
    await ana.join(room, "Ana", config={"muc#roomconfig_persistentroom": "1"})
    return room, ana


@pytest.mark.parametrize("attached", [component, client])
async def test_all_that_was_said_meanwhile_comes_once_in_order_at_its_time(
    new_server: NewServer, new_client: NewClient, attached: AtWork
) -> None:
    server = await new_server()
    await server.account("bot")
    room, ana = await in_hall(server, new_client)
    await talk(ana, room, [f"long ago {number}" for number in range(30)])
    first = RecordingCore(room)
    async with attached(server, first):
        ana.say(room, "heard live")
        await first.heard("heard live")
    began = time.time()
    missed = [f"missed {number}" for number in range(LINES)]
    await talk(ana, room, missed)
    ended = time.time()
    second = RecordingCore(room, before=first)
    async with attached(server, second):
        ana.say(room, "live again")
        await second.heard("live again", within=30)
    assert first.texts() == ["heard live"], "a first join asks for nothing"
    assert second.texts() == [*missed, "live again"]
    # Stamps of an archive are whole seconds where the service likes.
    assert all(began - 1 <= event.when <= ended + 1 for event in second.messages()[:-1])
    assert second.repeated == [], "read after the last line that was known, by its id"


async def test_what_is_said_while_the_archive_is_read_waits_for_its_turn(
    new_server: NewServer, new_client: NewClient
) -> None:
    server = await new_server()
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    async with component(server, first):
        ana.say(room, "heard live")
        await first.heard("heard live")
    missed = [f"missed {number}" for number in range(LINES)]
    await talk(ana, room, missed)
    second = RecordingCore(room, before=first)
    # The first page is taken in, and waits for the disk: the other pages are not even asked for.
    second.slow = asyncio.Event()
    position = len(ana.seen)
    async with running(server, "bridge1.localhost", second, there=False) as adapter:
        await ana.wait_for(kind=Sight.JOIN, who="rialto", since=position)
        meanwhile = [f"meanwhile {number}" for number in range(20)]
        await talk(ana, room, meanwhile)
        second.slow.set()
        await in_rooms(adapter, second)
        await second.heard(meanwhile[-1], within=30)
    assert second.texts() == [*missed, *meanwhile]


async def test_after_a_cut_cable_nothing_is_missing_and_nothing_comes_twice(
    new_server: NewServer, new_client: NewClient
) -> None:
    server = await new_server()
    room, ana = await in_hall(server, new_client)
    core = RecordingCore(room)
    async with (
        Cable(server.component_port) as cable,
        running(server, "bridge1.localhost", core, connector=tcp("127.0.0.1", cable.port)) as adapter,
    ):
        kestrel = person("Kestrel")
        await adapter.join(core.places[0], kestrel)
        expected = []
        for turn in range(3):
            ana.say(room, f"live {turn}")
            await core.heard(f"live {turn}")
            await say(adapter, part(core.places[0], kestrel, f"ours {turn}"))
            cable.hold("down")
            missed = [f"missed {turn}.{number}" for number in range(60)]
            await talk(ana, room, missed)
            cable.cut()
            await core.heard(missed[-1], within=30)
            await in_rooms(adapter, core)
            await adapter.join(core.places[0], kestrel)
            expected += [f"live {turn}", *missed]
    assert core.texts() == expected


async def test_an_archive_that_lost_the_last_known_line_is_read_by_time(
    new_server: NewServer, new_client: NewClient
) -> None:
    server = await new_server()
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    async with component(server, first):
        ana.say(room, "heard live")
        await first.heard("heard live")
    first.memory[f"heard {room}"] = "no-such-line"
    missed = [f"missed {number}" for number in range(LINES)]
    await talk(ana, room, missed)
    second = RecordingCore(room, before=first)
    async with component(server, second):
        await second.heard(missed[-1], within=30)
    assert second.texts() == missed


async def test_an_archive_that_is_switched_on_later_doubles_and_loses_nothing(
    new_server: NewServer, new_client: NewClient
) -> None:
    server = await new_server(archive=False)
    room, ana = await in_hall(server, new_client)
    core = RecordingCore(room)
    async with running(server, "bridge1.localhost", core) as adapter:
        ana.say(room, "without")
        await core.heard("without")
        await ana.close()
        await server.stop()
        await core.until("offline", lambda: not core.is_online)
        server.archive = True
        await server.start()
        bo = await new_client(server, "bo")
        await bo.join(room, "Bo")
        await core.until("online", lambda: core.is_online, within=20)
        await in_rooms(adapter, core)
        bo.say(room, "with")
        await core.heard("with")
    missed = [f"missed {number}" for number in range(60)]
    await talk(bo, room, missed)
    second = RecordingCore(room, before=core)
    async with component(server, second):
        await second.heard(missed[-1], within=30)
    assert core.texts() == ["without", "with"]
    assert second.texts() == missed


async def test_what_arrived_is_found_in_the_archive_without_leaving_the_room(
    new_server: NewServer, new_client: NewClient
) -> None:
    server = await new_server()
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    place, kestrel = first.places[0], person("Kestrel")
    async with running(server, "bridge1.localhost", first) as adapter:
        await adapter.join(place, kestrel)
        parts = [part(place, kestrel, f"line {number}") for number in range(45)]
        receipts = {spoken.id: await say(adapter, spoken) for spoken in parts[:40]}
    await talk(ana, room, [f"much else {number}" for number in range(60)])
    second = RecordingCore(room, before=first)
    async with running(server, "bridge1.localhost", second) as adapter:
        before = len(ana.seen)
        assert await adapter.recheck(parts) == receipts
        ana.say(room, "fence")
        await ana.wait_for(text="fence")
        assert [seen for seen in ana.seen[before:] if seen.text != "fence"] == []
        await second.heard("fence")
    assert second.texts() == [f"much else {number}" for number in range(60)] + ["fence"]


async def test_a_session_that_goes_on_needs_no_archive(new_server: NewServer, new_client: NewClient) -> None:
    server = await new_server()
    await server.account("bot")
    room, ana = await in_hall(server, new_client)
    core = RecordingCore(room)
    async with (
        Cable(server.c2s_port) as cable,
        at_work(account(server, f"bot@{server.host}", server=f"127.0.0.1:{cable.port}"), core) as adapter,
    ):
        ana.say(room, "live")
        await core.heard("live")
        cable.hold("down")
        missed = [f"missed {number}" for number in range(60)]
        await talk(ana, room, missed)
        cable.cut()
        await core.heard(missed[-1], within=30)
        await present(adapter, core)
    assert core.texts() == ["live", *missed]
    assert core.repeated == []
