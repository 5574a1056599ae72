"""What nobody of ours heard on a network that keeps nothing: the room is told on the others."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest_asyncio

from bridge.demo.clients import Seen
from bridge.demo.servers import NgIRCd, Prosody, Synapse
from tests.networks.conftest import appservice
from tests.networks.world import Cast, Stage, cast


@pytest_asyncio.fixture
async def people(
    prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str
) -> AsyncIterator[Cast]:
    """Three people in a room, and a Rialto not yet started that minds the shortest gap."""
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        extra = {"libera": {"say_gaps_beyond": 0.0}}
        stage = Stage(new_folder("rialto"), unique, prosody, synapse, ngircd, extra=extra)
        async with cast(stage) as three:
            yield three


def is_gap(seen: Seen) -> bool:
    return seen.text.startswith("(nothing was heard from #")


async def test_a_gap_on_irc_is_said_to_the_others_once_each_time(people: Cast) -> None:
    stage = people.stage
    others = (people.xmpp, people.matrix)
    async with stage.process():
        await people.say("irc", "first")
        for client in others:
            await client.wait_for(text="first", timeout=20)
            assert client.matching(is_gap) == [], "nothing was missed before the first time"
    # Leaving the block killed it.
    for turn in (1, 2):
        await people.say("irc", f"nobody hears this {turn}")
        async with stage.process():
            await people.say("irc", f"heard again {turn}")
            for client in others:
                await client.wait_for(text=f"heard again {turn}", timeout=20)
                told = client.matching(is_gap)
                assert len(told) == turn, client.report()
                assert f"from {stage.channel()} on libera for " in told[-1].text
                assert told[-1].who.lower().startswith("rialto"), told
            await people.say("xmpp", f"fence {turn}")
            await people.irc.wait_for(text=f"fence {turn}", timeout=20)
            assert people.irc.matching(is_gap) == [], "they were there all along"
