"""An account in rooms of a real Prosody."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest_asyncio

from bridge.contract import Voice
from bridge.demo.clients import Sight
from bridge.model.event import Joined, Roster
from tests.networks.xmpp.client_lab import Server, account, at_work
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, part, person


@pytest_asyncio.fixture(scope="module")
async def server(new_folder: Callable[[str], Path]) -> AsyncIterator[Server]:
    """One for all tests of this module."""
    async with Server(new_folder("prosody")) as running:
        yield running


async def test_a_room_both_ways(server: Server, new_client: NewClient, unique: str) -> None:
    room = f"{unique}@{server.muc}"
    ana = await new_client(server, "ana")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    async with at_work(account(server, await server.account(f"bot{unique}")), core) as adapter:
        await ana.wait_for(kind=Sight.JOIN, who="rialto")
        roster = await core.item(Roster)
        assert [each.name for each in roster.people] == ["Ana"]
        ana.say(room, f"hello {unique}")
        event = await core.heard(f"hello {unique}")
        assert event.sender.name == "Ana"
        said = part(core.places[0], person("kestrel"), "<kestrel> hi", voice=Voice.BOT)
        receipt = await asyncio.wait_for(adapter.send(said).confirmation, 30)
        seen = await ana.wait_for(text="<kestrel> hi")
        assert seen.who == "rialto"
        assert receipt.native_id
        bo = await new_client(server, "bo")
        await bo.join(room, "Bo")
        assert (await core.item(Joined)).person.name == "Bo"
    await ana.wait_for(kind=Sight.LEAVE, who="rialto")
    assert core.texts() == [f"hello {unique}"], "its own lines are no events"
