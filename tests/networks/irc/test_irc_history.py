"""InspIRCd's channel history (mode +H): what was said while we were away is repeated to us, and taken in once."""

import time
from collections.abc import Awaitable, Callable

from bridge.demo.servers import InspIRCd
from bridge.model.event import Event
from bridge.model.message import Gap, Message
from tests.networks.irc.irc_lab import ANA, Crowd, RecordingCore, confirmed, member, next_second, part, running, until

NewInspircd = Callable[..., Awaitable[InspIRCd]]


def texts(core: RecordingCore) -> list[str]:
    """What people said, each once by its id, as the core takes it in."""
    seen = {event.origin: event.content for event in core.all(Event)}
    return [content.body.text for content in seen.values() if isinstance(content, Message)]


def gaps(core: RecordingCore) -> list[Gap]:
    return [event.content for event in core.all(Event) if isinstance(event.content, Gap)]


async def test_what_was_missed_is_taken_in_once_and_no_line_of_ours(new_inspircd: NewInspircd, crowd: Crowd) -> None:
    server = await new_inspircd(history=True)
    here = member("#tea")
    memory: dict[str, str] = {}
    kim = await crowd.connect(server.port, "kim", "#tea")
    kim.send("MODE #tea +H 50:1h")
    kim.say("#tea", "before we came")
    await kim.round_trip()
    async with running(server.port, here, memory=memory, say_gaps_beyond=0.0) as (adapter, core):
        kim.say("#tea", "heard live")
        await until(lambda: "heard live" in texts(core), "line", lambda: core.items)
        assert texts(core) == ["heard live"], "what was said before the first time is not ours"
        await adapter.join(here.place, ANA)
        await confirmed(adapter.send(part(here.place, ANA, "Ana's")))
        await kim.hear("Ana's")
        known = {event.origin for event in core.all(Event)}
    await next_second()
    began = time.time()
    missed = [f"missed {number}" for number in range(30)]
    for text in missed:
        kim.say("#tea", text)
    await kim.round_trip()
    ended = time.time()
    async with running(server.port, here, memory=memory, say_gaps_beyond=0.0) as (adapter, core):
        await adapter.join(here.place, ANA)
        kim.say("#tea", "live again")
        await until(lambda: "live again" in texts(core), "line", lambda: core.items)
        new = [event for event in core.all(Event) if event.origin not in known]
        said = [event.content.body.text for event in new if isinstance(event.content, Message)]
        # What was said just before we came the first time is repeated as well, and was never for us.
        assert said == [*missed, "live again"]
        assert all(began - 2 <= event.when <= ended + 1 for event in new[:-1]), "at its own time"
        assert gaps(core) == [], "nothing was missed"


async def test_what_the_channel_did_not_keep_is_a_gap(new_inspircd: NewInspircd, crowd: Crowd) -> None:
    server = await new_inspircd(history=True)
    here = member("#tea")
    memory: dict[str, str] = {}
    kim = await crowd.connect(server.port, "kim", "#tea")
    kim.send("MODE #tea +H 5:1h")
    async with running(server.port, here, memory=memory) as (_, core):
        kim.say("#tea", "heard live")
        await until(lambda: texts(core), "line", lambda: core.items)
    # As if it had been long ago, for the history has whole seconds.
    memory["attended/#tea"] = f"{time.time() - 600:.3f}"
    for number in range(10):
        kim.say("#tea", f"missed {number}")
    await kim.round_trip()
    async with running(server.port, here, memory=memory) as (_, core):
        await until(lambda: "missed 9" in texts(core), "line", lambda: core.items)
        assert texts(core) == [f"missed {number}" for number in range(5, 10)]
        (gap,) = gaps(core)
        assert isinstance(core.all(Event)[0].content, Gap), "said before what comes after it"
        assert 590 <= gap.until - gap.since <= 700


async def test_a_channel_that_keeps_nothing_makes_a_gap_on_such_a_server_too(
    new_inspircd: NewInspircd, crowd: Crowd
) -> None:
    server = await new_inspircd(history=True)
    here = member("#tea")
    memory: dict[str, str] = {}
    await crowd.connect(server.port, "kim", "#tea")
    async with running(server.port, here, memory=memory):
        pass
    memory["attended/#tea"] = f"{time.time() - 600:.3f}"
    async with running(server.port, here, memory=memory) as (_, core):
        await until(lambda: gaps(core), "gap", lambda: core.items)
        assert gaps(core)[0].until - gaps(core)[0].since >= 590
