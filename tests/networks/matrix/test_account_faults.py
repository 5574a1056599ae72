"""An ordinary account when answers fail: nothing lost, nothing twice, nothing out of order."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from aiohttp import web

from adapters.matrix.account import reading
from bridge.model.address import Place
from bridge.model.event import Event, State
from bridge.model.message import Message, Text
from tests.networks.matrix.account_lab import NewUser, Proxy, account, spoken
from tests.networks.matrix.conftest import Home
from tests.networks.matrix.support import RecordingCore, bodies


@pytest_asyncio.fixture
async def proxy(home: Home) -> AsyncIterator[Proxy]:
    async with Proxy(home.url).standing() as standing:
        yield standing


def texts(core: RecordingCore) -> list[str]:
    return [str(event.content.body) for event in core.events() if isinstance(event.content, Message)]


async def test_a_gap_that_can_only_be_read_in_part_at_first(
    home: Home, proxy: Proxy, new_user: NewUser, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 20)
    monkeypatch.setattr(reading, "PATIENCE", 0.2)
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await ana.room(unique)
    core = RecordingCore(f"#{unique}:localhost")
    async with account(core, proxy.url, bot.user_id):
        await core.until_online()
    said = [f"line {number}" for number in range(150)]
    for line in said:
        await ana.say(room_id, line)
    pages = 0

    async def third_page(request: web.Request) -> web.StreamResponse | None:
        nonlocal pages
        pages += request.path.endswith("/messages")
        return web.json_response({}, status=502) if request.path.endswith("/messages") and 3 <= pages < 6 else None

    proxy.fault = third_page
    core.is_online = False
    async with account(core, proxy.url, bot.user_id):
        await core.until_offline("not in order")
        await core.until_online()
        assert pages > 6
        assert texts(core) == said


async def test_what_the_core_has_not_taken_in_comes_again(home: Home, new_user: NewUser, unique: str) -> None:
    class Stuck(RecordingCore):
        """Its store does not work any more."""

        async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
            if any(isinstance(item, Event) for item in items):
                self.labels.append("stuck")
                self._changed.set()
                await asyncio.Event().wait()
            await super().accept(*items, remember=remember)

    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await ana.room(unique)
    stuck, core = Stuck(f"#{unique}:localhost"), RecordingCore(f"#{unique}:localhost")
    async with account(stuck, home.url, bot.user_id):
        await stuck.until_online()
        await ana.say(room_id, "hello")
        await stuck.label("stuck")
    core.memory = stuck.memory
    await ana.say(room_id, "and more")
    async with account(core, home.url, bot.user_id):
        await core.said(Message(Text("and more")))
    assert texts(core) == ["hello", "and more"]


async def test_an_answer_that_is_lost_doubles_nothing(home: Home, proxy: Proxy, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await ana.room(unique)
    place = Place("home", f"#{unique}:localhost")
    core = RecordingCore(place.native)
    lost = 0

    async def answer_lost(request: web.Request) -> web.StreamResponse | None:
        nonlocal lost
        if "/send/" not in request.path or lost:
            return None
        lost += 1
        await proxy.forward(request)
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with account(core, proxy.url, bot.user_id) as adapter:
        await core.until_online()
        proxy.fault = answer_lost
        receipt = await adapter.send(spoken(place, "once", f"{unique}-1")).confirmation
        assert lost == 1
        messages = await ana.messages(room_id)
        assert bodies(messages) == [(bot.user_id, "<kestrel> once")]
        assert receipt.native_id == messages[0]["event_id"]


async def test_the_same_part_twice_is_one_transaction(home: Home, proxy: Proxy, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await ana.room(unique)
    place = Place("home", f"#{unique}:localhost")
    core = RecordingCore(place.native)
    receipts = []
    for _ in range(2):
        core.is_online = False
        async with account(core, proxy.url, bot.user_id) as adapter:
            await core.until_online()
            receipts.append(await adapter.send(spoken(place, "once", f"{unique}-1")).confirmation)
    assert receipts[0] == receipts[1]
    assert len(await ana.messages(room_id)) == 1
    sent = [path for method, path in proxy.asked if method == "PUT" and "/send/" in path]
    assert len(sent) == 2
    assert len(set(sent)) == 1


async def test_a_stream_that_the_homeserver_has_lost(home: Home, proxy: Proxy, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await ana.room(unique)
    core = RecordingCore(f"#{unique}:localhost")
    async with account(core, proxy.url, bot.user_id):
        await core.until_online()
    core.is_online = False
    core.memory["since"] = "nonsense"
    async with account(core, proxy.url, bot.user_id):
        await core.until_offline("refused")
        await core.until_online()
        await ana.say(room_id, "hello")
        await core.said(Message(Text("hello")))


async def test_a_fault_of_the_core_is_seen_and_costs_nothing(home: Home, new_user: NewUser, unique: str) -> None:
    class Faulty(RecordingCore):
        faults = 1

        async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
            if any(isinstance(item, Event) for item in items) and self.faults:
                self.faults -= 1
                raise LookupError("nobody expected this")
            await super().accept(*items, remember=remember)

    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await ana.room(unique)
    core = Faulty(f"#{unique}:localhost")
    async with account(core, home.url, bot.user_id):
        await core.until_online()
        await ana.say(room_id, "hello")
        assert "LookupError" in (await core.until_offline("could not take in")).text
        await core.said(Message(Text("hello")))
        await core.until_online()
    assert texts(core) == ["hello"]
