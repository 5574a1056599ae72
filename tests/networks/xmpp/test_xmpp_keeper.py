"""The component on a stream that a keeper holds: what comes again is known again, what is said again is said once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.xmpp.adapter import XmppAdapter
from bridge.contract import Context
from bridge.demo.clients import Sight
from bridge.demo.servers import Prosody
from bridge.keeper.client import BusyError, KeeperClient
from bridge.model.address import Place, PlaceKind
from bridge.model.event import Event, State
from bridge.model.message import Gap
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, in_rooms, part, person, say, settings
from tests.unit.keeper.stage import attached, keeping

DOMAIN = "bridge3.localhost"
PUPPET = f"kestrel%libera@{DOMAIN}"
KESTREL = person("Kestrel")
WITHIN = 20.0


class Stuck(RecordingCore):
    """Takes things in, and never says that they are durable, once it is stuck."""

    stuck = False

    async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
        await super().accept(*items, remember=remember)
        if self.stuck:
            await asyncio.Event().wait()


class Gateway:
    """An adapter on a keeper; `crash` and `start` again."""

    def __init__(self, folder: Path, prosody: Prosody) -> None:
        self._folder = folder
        self._prosody = prosody
        self._client: KeeperClient | None = None
        self._adapter: XmppAdapter | None = None

    async def start(self, core: RecordingCore) -> XmppAdapter:
        self._client = await self._attached()
        context = Context("office", "http://127.0.0.1:1", Path(), self._client)
        self._adapter = adapter = XmppAdapter(settings(self._prosody, DOMAIN, say_gaps_beyond=0.0), context)
        await adapter.start(core)
        await in_rooms(adapter, core)
        return adapter

    async def _attached(self) -> KeeperClient:
        async with asyncio.timeout(WITHIN):
            while True:
                try:
                    return await attached(self._folder)
                except BusyError:
                    await asyncio.sleep(0.01)  # it has not seen yet that the one before is gone

    async def crash(self) -> None:
        """Gone from one moment to the next: nothing more is said to the keeper or to the server."""
        assert self._client is not None
        assert self._adapter is not None
        self._client.drop()
        self._adapter._attended.end()
        for task in self._adapter._tasks:
            task.cancel()
        await asyncio.gather(*self._adapter._tasks, return_exceptions=True)
        self._adapter = None

    async def safe(self) -> None:
        """Wait until the keeper has been told of everything that came, so that the stream is held."""
        assert self._adapter is not None
        assert self._adapter._kept is not None
        transport = self._adapter._kept._transport
        assert transport is not None
        async with asyncio.timeout(WITHIN):
            while not transport._told or transport._boundary != transport._acknowledged:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # nobody is told of it

    async def stop(self) -> None:
        if self._adapter is not None:
            await self._adapter.stop()
        if self._client is not None:
            self._client.drop()


@pytest_asyncio.fixture
async def gateway(tmp_path: Path, prosody: Prosody) -> AsyncIterator[Gateway]:
    async with keeping(tmp_path / "k"):
        made = Gateway(tmp_path / "k", prosody)
        yield made
        await made.stop()


async def test_a_private_message_that_was_not_acknowledged_is_known_again(
    gateway: Gateway, prosody: Prosody, new_client: NewClient
) -> None:
    ana = await new_client(prosody, "ana")
    first = Stuck()
    await gateway.start(first)
    ana.tell(PUPPET, "safe")
    await first.heard("safe")
    await gateway.safe()
    first.stuck = True
    ana.tell(PUPPET, "taken in, not acknowledged")
    taken = await first.heard("taken in, not acknowledged")
    await gateway.crash()
    ana.tell(PUPPET, "nobody there")
    second = RecordingCore(before=first)
    await gateway.start(second)
    missed = await second.heard("nobody there")
    assert [event.origin for event in second.repeated] == [taken.origin]
    assert second.texts() == ["nobody there"]
    assert missed.to == KESTREL.address
    assert ana.matching(kind=Sight.ERROR) == []


async def test_what_was_said_before_a_crash_is_not_said_again(
    gateway: Gateway, prosody: Prosody, new_client: NewClient, room: str
) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    place, inbox = Place("office", room), Place("office", ana.name, PlaceKind.USER)
    core = RecordingCore(room)
    adapter = await gateway.start(core)
    await adapter.join(place, KESTREL)
    once = [part(place, KESTREL, "once in the room"), part(inbox, KESTREL, "once in private")]
    for each in once:
        await say(adapter, each)
    for each in once:
        await ana.wait_for(text=each.text.text)
    await gateway.safe()
    since = len(ana.seen)
    await gateway.crash()
    adapter = await gateway.start(RecordingCore(room, before=core))
    await adapter.join(place, KESTREL)
    for each in (*once, part(place, KESTREL, "fence"), part(inbox, KESTREL, "fence in private")):
        await say(adapter, each)
    await ana.wait_for(text="fence")
    await ana.wait_for(text="fence in private")
    for each in once:
        assert len(ana.matching(text=each.text.text)) == 1, ana.report()
    came = [seen for seen in ana.seen[since:] if seen.kind in (Sight.JOIN, Sight.LEAVE, Sight.RENAME)]
    assert came == []


@pytest.mark.parametrize("count", [1, 80])
async def test_what_the_room_said_meanwhile_comes_in_order_and_once(
    gateway: Gateway, prosody: Prosody, new_client: NewClient, room: str, count: int
) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    first = RecordingCore(room)
    await gateway.start(first)
    ana.say(room, "before")
    await first.heard("before")
    await gateway.safe()
    await gateway.crash()
    texts = [f"meanwhile {number}" for number in range(count)]
    for text in texts:
        ana.say(room, text)
    await ana.wait_for(text=texts[-1])
    second = RecordingCore(room, before=first)
    await gateway.start(second)
    ana.say(room, "after")
    await second.heard("after")
    assert second.texts() == [*texts, "after"]
    assert not [item for item in second.items if isinstance(item, Event) and isinstance(item.content, Gap)]
