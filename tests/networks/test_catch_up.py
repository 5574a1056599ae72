"""What was said in a room with an archive while Rialto was stopped arrives on the others: all, once, in order."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from nio import RoomMessagesResponse

from bridge.demo.servers import NgIRCd, Prosody, Synapse
from tests.networks.conftest import appservice
from tests.networks.world import Cast, Stage, cast

LINES = 300


@pytest_asyncio.fixture
async def people(
    new_prosody: Callable[..., Awaitable[Prosody]], ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str
) -> AsyncIterator[Cast]:
    """Three people in a room that has an archive on XMPP, and a Rialto not yet started."""
    prosody = await new_prosody(archive=True)
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        stage = Stage(new_folder("rialto"), unique, prosody, synapse, ngircd)
        async with cast(stage) as three:
            yield three


async def said_at(people: Cast, texts: Sequence[str]) -> dict[str, float]:
    """When, by Matrix, each of these was said, in seconds since the epoch."""
    found: dict[str, float] = {}
    room, start = people.matrix_rooms[people.stage.word], ""
    while True:
        page = await people.matrix.nio.room_messages(room, start=start, limit=100)
        assert isinstance(page, RoomMessagesResponse), page
        for event in page.chunk:
            body = event.source.get("content", {}).get("body", "")
            if body in texts:
                found[body] = event.source["origin_server_ts"] / 1000
        if not page.chunk or not page.end:
            return found
        start = page.end


async def test_hundreds_of_lines_said_meanwhile_arrive_once_in_order_and_at_their_time(
    people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else only what is older than that carries its time, and a fast machine is quicker.
    monkeypatch.setattr("adapters.matrix.outbound.OLD", 0.0)
    async with people.stage.rialto():
        await people.say("xmpp", "warm")
        for client in (people.irc, people.matrix):
            await client.wait_for(text="warm", timeout=20)
    missed = [f"missed {number}" for number in range(LINES)]
    began = time.time()
    for text in missed:
        await people.say("xmpp", text)
    await people.xmpp.wait_for(text=missed[-1])
    ended = time.time()
    async with people.stage.rialto():
        await people.say("xmpp", "live again")
        for client in (people.irc, people.matrix):
            await client.wait_for(text="live again", timeout=90)
            heard = [seen.text for seen in client.matching(lambda seen: seen.text in {"warm", "live again", *missed})]
            assert heard == ["warm", *missed, "live again"], client.report()
    times = await said_at(people, missed)
    assert len(times) == LINES
    # An archive's stamps may be whole seconds.
    assert all(began - 2 <= when <= ended + 2 for when in times.values()), (began, ended, times)
