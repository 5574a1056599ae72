"""InspIRCd's channel history (mode +H) after a stop, a kill and a crash: what was missed is heard, none of it ours."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest_asyncio

from bridge.contract import Voice
from bridge.demo.servers import InspIRCd, Prosody, Synapse
from bridge.model.event import Event, Origin
from bridge.model.message import Message
from tests.networks.conftest import appservice
from tests.networks.irc.irc_lab import (
    ANA,
    Crowd,
    Human,
    RecordingCore,
    confirmed,
    member,
    next_second,
    part,
    running,
    until,
)
from tests.networks.world import Cast, Stage, cast

NewInspIRCd = Callable[..., Awaitable[InspIRCd]]

MISSED = 300


async def keeper(crowd: Crowd, server: InspIRCd, channel: str) -> Human:
    """Somebody who has made a channel with a history."""
    op = await crowd.connect(server.port, "op", channel)
    op.send(f"MODE {channel} +H 400:1h")
    await op.see(lambda line: line.command == "MODE" and line.param(1) == "+H", "a history")
    return op


def once(core: RecordingCore) -> list[tuple[str, str]]:
    """What was said, by whom, without what the journal knows already by its origin."""
    first: dict[Origin, tuple[str, str]] = {}
    for event in core.all(Event):
        if isinstance(event.content, Message):
            first.setdefault(event.origin, (event.sender.name, event.content.body.text))
    return list(first.values())


async def test_what_was_said_while_rialto_was_stopped_is_heard_later_and_our_own_is_not(
    new_inspircd: NewInspIRCd, crowd: Crowd
) -> None:
    server, here = await new_inspircd(history=True), member("#here")
    memory: dict[str, str] = {}
    op = await keeper(crowd, server, "#here")
    async with running(server.port, here, memory=memory, say_gaps_beyond=3600.0) as (adapter, core):
        await adapter.join(here.place, ANA)
        op.say("#here", "heard")
        await until(lambda: once(core) == [("op", "heard")], "line", lambda: core.items)
        await confirmed(adapter.send(part(here.place, ANA, "said by a puppet")))
        await confirmed(adapter.send(part(here.place, ANA, "said by the bot", Voice.BOT)))
        heard = core.all(Event)[-1].origin
    await next_second()
    stopped = time.time()
    # Nicks are free while their bearers are away: this is a stranger, who is not to be taken for the puppet.
    stranger = await crowd.connect(server.port, "Ana", "#here")
    stranger.say("#here", "no puppet")
    await stranger.round_trip()
    for number in range(5):
        op.say("#here", f"missed {number}")
    await op.round_trip()
    async with running(server.port, here, memory=memory, say_gaps_beyond=3600.0) as (_, core):
        op.say("#here", "now")
        await until(lambda: ("op", "now") in once(core), "line", lambda: core.items)
        told = [event for event in core.all(Event) if event.origin != heard]
        assert [
            (event.sender.name, event.content.body.text) for event in told if isinstance(event.content, Message)
        ] == [
            ("Ana", "no puppet"),
            *(("op", f"missed {number}") for number in range(5)),
            ("op", "now"),
        ]
        assert all(stopped - 1 <= event.when <= time.time() for event in told), told


async def test_what_was_said_while_the_bot_was_killed_is_heard_when_it_is_back(
    new_inspircd: NewInspIRCd, crowd: Crowd
) -> None:
    server, here = await new_inspircd(history=True), member("#here")
    op = await keeper(crowd, server, "#here")
    await op.oper()
    async with running(server.port, here) as (_, core):
        op.say("#here", "before")
        await until(once_is(core, "before"), "line", lambda: core.items)
        await next_second()
        op.send("KILL rialto :out", *(f"PRIVMSG #here :missed {number}" for number in range(5)))
        await until(lambda: core.onlines == 2, "return", lambda: core.failures)
        op.say("#here", "after")
        await until(once_is(core, "after"), "line", lambda: core.items)
        assert [text for _, text in once(core)] == ["before", *(f"missed {number}" for number in range(5)), "after"]


def once_is(core: RecordingCore, last: str) -> Callable[[], bool]:
    return lambda: once(core)[-1:] == [("op", last)]


@pytest_asyncio.fixture
async def people(
    prosody: Prosody, new_inspircd: NewInspIRCd, new_folder: Callable[[str], Path], unique: str
) -> AsyncIterator[Cast]:
    """Three people in a room, whose channel has a history, and a Rialto not yet started."""
    ircd = await new_inspircd(history=True)
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        stage = Stage(new_folder("rialto"), unique, prosody, synapse, ircd)
        async with cast(stage) as three:
            three.irc.mode(stage.channel(), "+H 400:1h")
            yield three


async def test_after_a_crash_everybody_gets_what_was_said_on_irc_meanwhile_once_and_in_order(people: Cast) -> None:
    others = (people.xmpp, people.matrix)
    async with people.stage.process():
        for source in ("xmpp", "matrix", "irc"):
            await people.say(source, f"warm {source}")
            for client in people.all:
                if not (source == "irc" and client is people.irc):
                    await client.wait_for(text=f"warm {source}", timeout=20)
    # Leaving the block killed it.
    missed = [f"missed {number}" for number in range(MISSED)]
    for text in missed:
        await people.say("irc", text)
    async with people.stage.process():
        await people.say("irc", "fence")
        for client in others:
            await client.wait_for(text="fence", timeout=120)
            told = [seen.text for seen in client.seen if seen.text in {*missed, "fence"}]
            assert told == [*missed, "fence"], client.report()
        for client in people.all:
            for source in ("xmpp", "matrix"):
                assert len(client.matching(text=f"warm {source}")) == 1, client.report()
