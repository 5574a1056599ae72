"""An IRC network keeps nothing: what was not heard is lost, and said to be."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from bridge.demo.servers import NgIRCd
from bridge.model.address import Address, Person
from bridge.model.event import Event
from bridge.model.message import Gap
from tests.networks.irc.irc_lab import ANA, Crowd, RecordingCore, member, running, until

NewNgircd = Callable[..., Awaitable[NgIRCd]]


def gaps(core: RecordingCore) -> list[Gap]:
    return [event.content for event in core.all(Event) if isinstance(event.content, Gap)]


async def test_a_server_that_is_down_makes_a_gap_and_a_first_join_none(new_ngircd: NewNgircd, crowd: Crowd) -> None:
    server = await new_ngircd()
    here, other = member("#here"), member("#other")
    async with running(server.port, here, other, say_gaps_beyond=0.0) as (_, core):
        await until(lambda: core.places.get("#other", 1) is None, "entry", lambda: core.places)
        assert gaps(core) == []
        await server.stop()
        down = time.time()
        await until(lambda: not core.is_online, "loss")
        await server.start()
        up = time.time()
        await until(lambda: len(gaps(core)) == 2, "gaps", lambda: (core.items, core.failures), within=60)
        kim = await crowd.connect(server.port, "kim", "#here")
        kim.say("#here", "back")
        await until(core.said, "line", lambda: core.items)
        events = [event for event in core.all(Event) if isinstance(event.content, Gap)]
        assert {event.place for event in events} == {here.place, other.place}
        sender = Person(Address("libera", "#here"), "#here")
        assert [event.sender for event in events if event.place == here.place] == [sender]
        for gap in gaps(core):
            assert gap.since <= down + 1
            assert gap.until >= up - 1
        assert core.items.index(events[-1]) < core.items.index(core.all(Event)[-1]), "before what is heard from then on"


async def test_while_rialto_was_stopped_nothing_was_heard_and_that_is_said_once(
    ngircd: NgIRCd, crowd: Crowd, unique: str
) -> None:
    here = member(f"#{unique}")
    memory: dict[str, str] = {}
    kim = await crowd.connect(ngircd.port, f"kim{unique}", here.place.native)
    async with running(ngircd.port, here, nick=f"r{unique}", memory=memory) as (_, core):
        kim.say(here.place.native, "heard")
        await until(core.said, "line", lambda: core.items)
        assert gaps(core) == []
    stopped = time.time()
    kim.say(here.place.native, "lost")
    await kim.round_trip()
    async with running(ngircd.port, here, nick=f"r{unique}", memory=memory, say_gaps_beyond=0.0) as (_, core):
        await until(lambda: gaps(core), "gap", lambda: core.items)
        assert gaps(core)[0].since <= stopped
    async with running(ngircd.port, here, nick=f"r{unique}", memory=memory, say_gaps_beyond=3600.0) as (_, core):
        kim.say(here.place.native, "heard again")
        await until(core.said, "line", lambda: core.items)
        assert gaps(core) == [], "as short as this, it is not worth a word"


async def test_while_a_puppet_listens_nothing_is_missed(ngircd: NgIRCd, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(ngircd.port, f"kim{unique}", here.place.native)
    async with running(ngircd.port, here, nick=f"r{unique}", say_gaps_beyond=0.0) as (adapter, core):
        await adapter.join(here.place, ANA)
        kim.send(f"KICK {here.place.native} r{unique} :out")
        await until(lambda: core.places.get(here.place.native) is not None, "kick", lambda: core.places)
        kim.say(here.place.native, "does somebody listen?")
        await until(core.said, "line", lambda: core.items)
        await until(lambda: core.places.get(here.place.native, 1) is None, "return", lambda: core.places)
        assert gaps(core) == []
        # Without anybody else there, it is.
        await adapter.leave(here.place, ANA.address, None)
        await asyncio.wait_for(kim.round_trip(), 15)
        kim.send(f"KICK {here.place.native} r{unique} :out again")
        await until(lambda: gaps(core), "gap", lambda: (core.items, core.places), within=60)
