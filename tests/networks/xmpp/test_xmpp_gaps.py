"""What nobody of ours heard in a room, and nobody says again, is said to be missing, once; and nothing else is."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from bridge.demo.clients import XmppClient
from bridge.demo.servers import Prosody
from bridge.gaps import PREFIX
from bridge.model.address import Place
from bridge.model.event import Event
from bridge.model.message import Gap
from tests.networks.conftest import COMPONENTS
from tests.networks.xmpp.client_lab import Server, account, at_work
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, part, person, running, say

AWAY = 600.0
"""Seconds that an absence is made to look longer."""

AtWork = Callable[[Prosody, RecordingCore, float], AbstractAsyncContextManager[object]]
NewServer = Callable[..., Awaitable[Server]]


@pytest.fixture
def new_server(new_folder: Callable[[str], Path], started: Callable[[Server], Awaitable[None]]) -> NewServer:
    """Starts a Prosody for this test alone, whose rooms keep so many lines."""

    async def make(history: int = 50, *, archive: bool = False) -> Server:
        server = Server(new_folder("prosody"), components=COMPONENTS, history=history, archive=archive)
        await started(server)
        return server

    return make


@asynccontextmanager
async def component(prosody: Prosody, core: RecordingCore, longest: float) -> AsyncIterator[object]:
    """By a component."""
    async with running(prosody, "bridge1.localhost", core, say_gaps_beyond=longest) as adapter:
        yield adapter


@asynccontextmanager
async def client(prosody: Prosody, core: RecordingCore, longest: float) -> AsyncIterator[object]:
    """By an account."""
    assert isinstance(prosody, Server)
    async with at_work(account(prosody, f"bot@{prosody.host}", say_gaps_beyond=longest), core) as adapter:
        yield adapter


async def in_hall(server: Server, new_client: NewClient, name: str = "ana") -> tuple[str, XmppClient]:
    """A room that lasts, and somebody in it."""
    room = f"hall@{server.muc}"
    ana = await new_client(server, name)
    await ana.join(room, "Ana", config={"muc#roomconfig_persistentroom": "1"})
    return room, ana


async def talk(ana: XmppClient, room: str, texts: list[str]) -> None:
    """Say them all, and wait until the room has."""
    for text in texts:
        ana.say(room, text)
    await ana.wait_for(text=texts[-1])


async def live(ana: XmppClient, room: str, core: RecordingCore, text: str) -> None:
    """Say something that is heard; with that, all that came before has been taken in."""
    ana.say(room, text)
    await core.heard(text)


def gaps(core: RecordingCore) -> list[Gap]:
    return [item.content for item in core.items if isinstance(item, Event) and isinstance(item.content, Gap)]


def told(core: RecordingCore) -> list[str]:
    """Texts and gaps in the order in which they came."""
    events = [item for item in core.items if isinstance(item, Event)]
    texts = {id(event): text for event, text in zip(core.messages(), core.texts(), strict=True)}
    return ["gap" if isinstance(event.content, Gap) else texts[id(event)] for event in events]


def longer_ago(core: RecordingCore, room: str) -> None:
    """As if we had left that much earlier, and nothing had been said since then."""
    for key in (f"{PREFIX}{room}", f"newest {room}"):
        until, *first = core.memory[key].split()
        core.memory[key] = " ".join([f"{float(until) - AWAY:.3f}", *first])
    core.newest[Place("office", room)] -= AWAY


@pytest.mark.parametrize("attached", [component, client])
async def test_a_history_that_does_not_reach_back_leaves_a_gap_that_is_said_before_it(
    new_server: NewServer, new_client: NewClient, attached: AtWork
) -> None:
    server = await new_server(history=5)
    await server.account("bot")
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    async with attached(server, first, 10.0):
        await live(ana, room, first, "heard")
    assert gaps(first) == [], "the first time there was nothing to miss"
    longer_ago(first, room)
    left = float(first.memory[f"{PREFIX}{room}"].split()[0])
    began = time.time()
    missed = [f"missed {number}" for number in range(12)]
    await talk(ana, room, missed)
    second = RecordingCore(room, before=first)
    async with attached(server, second, 10.0):
        await live(ana, room, second, "again")
    assert told(second) == ["gap", *missed[-5:], "again"]
    (gap,) = gaps(second)
    assert gap.since == left
    # Stamps may be whole seconds.
    assert began - 1 <= gap.until <= time.time()
    third = RecordingCore(room, before=second)
    async with attached(server, third, 10.0):
        await live(ana, room, third, "and again")
    assert told(third) == ["and again"], "it was said once"


@pytest.mark.parametrize("attached", [component, client])
async def test_where_history_reaches_back_nothing_is_said(
    new_server: NewServer, new_client: NewClient, attached: AtWork
) -> None:
    server = await new_server()
    await server.account("bot")
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    async with attached(server, first, 0.0):
        await live(ana, room, first, "heard")
    second = RecordingCore(room, before=first)
    async with attached(server, second, 0.0):
        await live(ana, room, second, "again")
    assert told(second) == ["again"], "nobody said anything meanwhile"
    missed = [f"missed {number}" for number in range(12)]
    await talk(ana, room, missed)
    third = RecordingCore(room, before=second)
    async with attached(server, third, 0.0):
        await live(ana, room, third, "and again")
    assert told(third) == [*missed, "and again"]


async def test_our_own_lines_show_that_history_reaches_back(new_server: NewServer, new_client: NewClient) -> None:
    server = await new_server()
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    place, kestrel = first.places[0], person("Kestrel")
    async with running(server, "bridge1.localhost", first, say_gaps_beyond=0.0) as adapter:
        await adapter.join(place, kestrel)
        await say(adapter, part(place, kestrel, "ours"))
    second = RecordingCore(room, before=first)
    async with running(server, "bridge1.localhost", second, say_gaps_beyond=0.0):
        await live(ana, room, second, "again")
    assert told(second) == ["again"]


async def test_what_is_said_in_a_room_where_nothing_had_been_said_is_not_missed(
    new_server: NewServer, new_client: NewClient
) -> None:
    server = await new_server()
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    async with component(server, first, 0.0):
        pass
    missed = [f"missed {number}" for number in range(9)]
    await talk(ana, room, missed)
    second = RecordingCore(room, before=first)
    async with component(server, second, 0.0):
        await live(ana, room, second, "again")
    assert told(second) == [*missed, "again"]


async def test_a_history_as_long_as_it_can_be_may_have_lost_more(new_server: NewServer, new_client: NewClient) -> None:
    server = await new_server(history=10)
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    async with component(server, first, 10.0):
        pass
    first.memory[f"{PREFIX}{room}"] = f"{time.time() - AWAY:.3f}"
    missed = [f"missed {number}" for number in range(15)]
    await talk(ana, room, missed)
    second = RecordingCore(room, before=first)
    async with component(server, second, 10.0):
        await live(ana, room, second, "again")
    assert told(second) == ["gap", *missed[-10:], "again"]


async def test_a_room_that_keeps_nothing_leaves_a_gap(new_server: NewServer, new_client: NewClient) -> None:
    server = await new_server(history=0)
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    async with component(server, first, 0.0):
        await live(ana, room, first, "heard")
    left = time.time()
    await talk(ana, room, ["nobody hears this"])
    second = RecordingCore(room, before=first)
    async with component(server, second, 0.0):
        await live(ana, room, second, "again")
    assert told(second) == ["gap", "again"]
    (gap,) = gaps(second)
    assert gap.since <= left < gap.until


async def test_a_server_that_was_killed_has_forgotten_the_history_and_that_is_said_once(
    new_server: NewServer, new_client: NewClient
) -> None:
    server = await new_server()
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    async with component(server, first, 0.0):
        await live(ana, room, first, "heard")
    await talk(ana, room, ["nobody hears this"])
    await ana.close()
    await server.kill()
    await server.start()
    second = RecordingCore(room, before=first)
    async with component(server, second, 0.0):
        await second.until("gap", lambda: gaps(second))
    third = RecordingCore(room, before=second)
    async with component(server, third, 0.0):
        _, bo = await in_hall(server, new_client, "bo")
        await live(bo, room, third, "again")
    assert told(third) == ["again"], "that there was nothing is no news any more"


async def test_a_server_that_was_stopped_still_has_it(new_server: NewServer, new_client: NewClient) -> None:
    server = await new_server()
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    async with component(server, first, 0.0):
        await live(ana, room, first, "heard")
    await talk(ana, room, ["missed"])
    await ana.close()
    await server.stop()
    await server.start()
    second = RecordingCore(room, before=first)
    async with component(server, second, 0.0):
        _, bo = await in_hall(server, new_client, "bo")
        await live(bo, room, second, "again")
    assert told(second) == ["missed", "again"]


@pytest.mark.parametrize("attached", [component, client])
async def test_where_there_is_an_archive_nothing_is_said(
    new_server: NewServer, new_client: NewClient, attached: AtWork
) -> None:
    server = await new_server(history=5, archive=True)
    await server.account("bot")
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    async with attached(server, first, 0.0):
        await live(ana, room, first, "heard")
    missed = [f"missed {number}" for number in range(80)]
    await talk(ana, room, missed)
    second = RecordingCore(room, before=first)
    async with attached(server, second, 0.0):
        await live(ana, room, second, "again")
    assert told(second) == [*missed, "again"]
    # Where the place in the archive is lost, the time does.
    second.memory[f"heard {room}"] = "no-such-line"
    await talk(ana, room, missed)
    third = RecordingCore(room, before=second)
    async with attached(server, third, 0.0):
        await live(ana, room, third, "and again")
    assert told(third) == [*missed, "and again"]


async def test_an_archive_that_was_wiped_leaves_a_gap(new_server: NewServer, new_client: NewClient) -> None:
    server = await new_server(archive=True)
    room, ana = await in_hall(server, new_client)
    first = RecordingCore(room)
    async with component(server, first, 10.0):
        await live(ana, room, first, "heard")
    longer_ago(first, room)
    first.memory[f"heard {room}"] = "no-such-line"
    await talk(ana, room, ["left over"])
    second = RecordingCore(room, before=first)
    # All before is gone from it: what was heard, too, as far as we can know.
    second.origins.clear()
    async with component(server, second, 10.0):
        await live(ana, room, second, "again")
    assert told(second)[0] == "gap"
    assert told(second)[-2:] == ["left over", "again"]


@pytest.mark.parametrize("archive", [False, True])
async def test_nothing_from_before_the_first_entry_ever_comes(
    new_server: NewServer, new_client: NewClient, *, archive: bool
) -> None:
    server = await new_server(archive=archive)
    room, ana = await in_hall(server, new_client)
    await talk(ana, room, [f"before {number}" for number in range(5)])
    first = RecordingCore(room)
    async with component(server, first, 0.0):
        pass
    await talk(ana, room, ["missed in silence"])
    second = RecordingCore(room, before=first)
    async with component(server, second, 0.0):
        await live(ana, room, second, "heard")
    assert told(second) == ["missed in silence", "heard"], "in the very same second, too"
    third = RecordingCore(room, before=second)
    third.memory[f"heard {room}"] = "" if not archive else "no-such-line"
    await talk(ana, room, ["missed"])
    async with running(server, "bridge1.localhost", third) as adapter:
        await live(ana, room, third, "again")
        long_ago = part(third.places[0], person("Kestrel"), "never said", when=time.time() - 3600)
        assert await adapter.recheck([long_ago]) == {}
    assert told(third) == ["missed", "again"]
