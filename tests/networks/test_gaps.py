"""What nobody of ours heard on a network that keeps nothing: the room is told on the others."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest_asyncio

from bridge.demo.clients import Seen
from bridge.demo.servers import NgIRCd, Prosody, Server, Synapse
from tests.networks.conftest import COMPONENTS, appservice
from tests.networks.world import Cast, Stage, cast


@pytest_asyncio.fixture
async def people(
    prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str
) -> AsyncIterator[Cast]:
    """Three people in a room, and a Rialto not yet started that minds the shortest gap, and whose connections nobody
    holds while it is away."""
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        extra = {"libera": {"say_gaps_beyond": 0.0}}
        stage = Stage(new_folder("rialto"), unique, prosody, synapse, ngircd, extra=extra, keeper=False)
        async with cast(stage) as three:
            yield three


def is_gap(seen: Seen) -> bool:
    return seen.text.startswith("(nothing was heard from ")


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


async def test_what_a_muc_does_not_say_again_is_said_to_be_missing(
    ngircd: NgIRCd,
    new_folder: Callable[[str], Path],
    started: Callable[[Server], Awaitable[None]],
    unique: str,
) -> None:
    prosody = Prosody(new_folder("prosody"), components=COMPONENTS, history=3)
    await started(prosody)
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        extra = {"office": {"say_gaps_beyond": 0.0}}
        stage = Stage(new_folder("rialto"), unique, prosody, synapse, ngircd, extra=extra)
        async with cast(stage) as people:
            others = (people.matrix, people.irc)
            async with stage.process() as process:
                await people.say("xmpp", "first")
                for client in others:
                    await client.wait_for(text="first", timeout=20)
                # A stop, not a crash: so that no keeper holds the stream.
                process.send_signal(signal.SIGTERM)
                await process.wait()
            # By the stamps of the room, which are whole seconds, something has to be missing.
            await asyncio.sleep(1.1)
            for number in range(6):
                await people.say("xmpp", f"away {number}")
            await people.xmpp.wait_for(text="away 5")
            async with stage.process():
                await people.say("xmpp", "again")
                for client in others:
                    await client.wait_for(text="again", timeout=20)
                    # A machine that is slow enough makes a gap on IRC, too, which is not what this is about.
                    from_muc = f"from {stage.muc()} on office for "
                    told = [seen for seen in client.seen if not is_gap(seen) or from_muc in seen.text]
                    heard = [seen for seen in told if is_gap(seen) or seen.text.startswith(("away", "again"))]
                    assert is_gap(heard[0]), client.report()
                    assert [seen.text for seen in heard[1:]] == ["away 3", "away 4", "away 5", "again"]
                assert people.xmpp.matching(is_gap) == [], "they were there all along"
