"""What holds when something is restarted, killed, or says the same thing twice: nothing lost, nothing doubled."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from bridge.demo.clients import Client, Seen, Sight
from bridge.demo.servers import NgIRCd, Prosody, Synapse
from tests.networks.conftest import appservice
from tests.networks.world import Cast, Stage, cast


@pytest_asyncio.fixture
async def people(
    prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str
) -> AsyncIterator[Cast]:
    """Three people in a room, and a Rialto not yet started; every test has a Synapse of its own."""
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        stage = Stage(new_folder("rialto"), unique, prosody, synapse, ngircd)
        async with cast(stage) as three:
            yield three


async def met(people: Cast) -> None:
    """Everybody hears everybody: the bridge is warm."""
    for source in ("xmpp", "matrix", "irc"):
        await people.say(source, f"warm {source}")
        for client in people.all:
            if not (source == "irc" and client is people.irc):
                await client.wait_for(text=f"warm {source}")


def times(client: Client, text: str) -> int:
    return len(client.matching(text=text))


def one_of(texts: list[str], seen: Seen) -> bool:
    return seen.text in texts


async def push(stage: Stage, transaction: str, *events: dict[str, Any]) -> int:
    """What the homeserver does: one transaction."""
    service = stage.synapse.appservice
    url = f"{service.url}/_matrix/app/v1/transactions/{transaction}"
    headers = {"Authorization": f"Bearer {service.hs_token}"}
    body = json.dumps({"events": events})
    async with aiohttp.ClientSession() as session, session.put(url, headers=headers, data=body) as answer:
        return answer.status


def event(people: Cast, event_id: str, text: str) -> dict[str, Any]:
    return {
        "type": "m.room.message",
        "event_id": event_id,
        "room_id": people.matrix_rooms[people.stage.word],
        "sender": people.matrix.user_id,
        "origin_server_ts": 1_700_000_000_000,
        "content": {"msgtype": "m.text", "body": text},
    }


@pytest.mark.conforms("RFC2779:2.5.2", "RFC2779:5.4.2")
async def test_a_transaction_sent_twice_gives_one_line_and_a_reused_id_loses_none(people: Cast) -> None:
    async with people.stage.rialto():
        await met(people)
        assert await push(people.stage, "77", event(people, "$one", "only once")) == 200
        assert await push(people.stage, "77", event(people, "$one", "only once")) == 200
        assert await push(people.stage, "78", event(people, "$one", "only once"), event(people, "$two", "two")) == 200
        assert await push(people.stage, "77", event(people, "$three", "three")) == 200
        await people.irc.wait_for(text="three")
        assert [times(people.irc, text) for text in ("only once", "two", "three")] == [1, 1, 1]


async def test_a_new_message_after_synapse_was_restarted_arrives(people: Cast) -> None:
    async with people.stage.rialto():
        await met(people)
        for number in range(3):
            await people.say("matrix", f"before {number}")
        await people.irc.wait_for(text="before 2")
        await people.stage.synapse.restart()
        await people.say("matrix", "after the restart")
        await people.irc.wait_for(text="after the restart")
        await people.say("irc", "and back")
        await people.matrix.wait_for(text="and back")
        assert times(people.irc, "after the restart") == 1
        assert times(people.matrix, "and back") == 1


async def test_what_was_said_while_rialto_was_stopped_arrives_once_from_those_who_keep_it(people: Cast) -> None:
    async with people.stage.rialto():
        await met(people)
    await people.say("matrix", "you were away, says Matrix")
    await people.say("xmpp", "you were away, says XMPP")
    async with people.stage.rialto():
        await people.irc.wait_for(text="you were away, says Matrix")
        await people.irc.wait_for(text="you were away, says XMPP")
        await people.matrix.wait_for(text="you were away, says XMPP")
        await people.say("irc", "fence")
        await people.matrix.wait_for(text="fence")
        for text in ("warm matrix", "warm xmpp", "you were away, says Matrix", "you were away, says XMPP"):
            assert times(people.irc, text) == 1, people.irc.report()
        assert times(people.matrix, "you were away, says XMPP") == 1


async def test_stopped_in_the_middle_of_a_burst_everything_arrives_once_and_in_order(people: Cast) -> None:
    """An orderly stop waits for what is being sent: nothing is in doubt, and not even plain IRC gets a line twice."""
    lines = [f"line {number}" for number in range(40)]
    async with people.stage.process() as process:
        await met(people)
        for line in lines:
            await people.say("xmpp", line)
        await people.irc.wait_for(text="line 3", timeout=20)
        process.terminate()
        async with asyncio.timeout(30):
            assert await process.wait() == 0, people.stage.log()
    async with people.stage.process():
        for client in (people.irc, people.matrix):
            await client.wait_for(text=lines[-1], timeout=60)
            heard = [seen.text for seen in client.matching(partial(one_of, lines))]
            assert heard == lines, f"{heard}\n{people.stage.log()}"


@pytest.mark.conforms("RFC2779:5.4.2")
async def test_killed_at_any_moment_what_was_accepted_from_matrix_or_a_room_arrives_once(people: Cast) -> None:
    texts = {name: [f"{name} {number}" for number in range(30)] for name in ("matrix", "xmpp")}

    async def talk(name: str) -> None:
        for text in texts[name]:
            await people.say(name, text)
            await asyncio.sleep(0.05)  # people do not type faster

    async with people.stage.process():
        await met(people)
        talking = asyncio.gather(talk("matrix"), talk("xmpp"))
        await people.irc.wait_for(text="matrix 5")
        # The room keeps 20 lines: of those that have not been heard by then, there are fewer.
        await people.irc.wait_for(text="xmpp 12")
    # Leaving the block killed it, in the middle of the conversation.
    async with people.stage.process():
        await talking
        for name, lines in texts.items():
            for line in lines:
                await people.irc.wait_for(text=line)
                other = people.matrix if name == "xmpp" else people.xmpp
                await other.wait_for(text=line)
        for name, lines in texts.items():
            other = people.matrix if name == "xmpp" else people.xmpp
            heard = [seen.text for seen in other.matching(partial(one_of, lines))]
            assert heard == lines, f"{name} arrived as {heard}\n{people.stage.log()}"
            # On IRC what was being sent at the kill may come once more, for nobody can say whether it arrived.
            heard = [seen.text for seen in people.irc.matching(partial(one_of, lines))]
            assert list(dict.fromkeys(heard)) == lines, heard


async def test_the_observer_kicked_nothing_is_lost_or_doubled(people: Cast) -> None:
    async with people.stage.rialto():
        await met(people)
        lines = [f"line {number}" for number in range(20)]
        for number, line in enumerate(lines):
            await people.say("xmpp", line)
            if number == 10:
                await people.xmpp.kick(people.stage.muc(), "rialto")
        for line in lines:
            await people.irc.wait_for(text=line)
            await people.matrix.wait_for(text=line)
        for client in (people.irc, people.matrix):
            assert [seen.text for seen in client.matching(lambda seen: seen.text in lines)] == lines
        await people.say("irc", "still bridged")
        await people.xmpp.wait_for(text="still bridged")


async def test_a_puppet_kicked_from_irc_stays_out_and_its_person_is_told(people: Cast) -> None:
    stage = people.stage
    async with stage.rialto():
        await met(people)
        puppet = people.irc.matching(text="warm matrix")[0].who
        people.irc.kick(stage.channel(), puppet, "noise")
        await people.matrix.wait_for(
            lambda seen: f"removed there by {people.irc.nick}: noise" in seen.text, kind=Sight.NOTICE
        )
        await people.say("matrix", "can you hear me?")
        await people.matrix.wait_for(lambda seen: "Not delivered to" in seen.text)
        await people.xmpp.wait_for(text="can you hear me?")
        assert times(people.irc, "can you hear me?") == 0
