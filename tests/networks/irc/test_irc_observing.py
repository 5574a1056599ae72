"""Who reports from a channel when the bot is kicked, killed or banned: a puppet goes on where it stopped."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from adapters.irc.adapter import IrcAdapter
from adapters.irc.puppet import Puppet
from bridge.contract import SendError, Voice
from bridge.demo.servers import InspIRCd, NgIRCd
from bridge.model.address import Address, Person
from bridge.model.event import Event, PuppetGone, Roster
from bridge.model.message import Kick
from tests.networks.irc.irc_lab import WITHIN, Crowd, confirmed, member, part, running, until

IrcServer = NgIRCd | InspIRCd


@pytest_asyncio.fixture(params=["ngircd", "inspircd"])
async def server(request: pytest.FixtureRequest, ngircd: NgIRCd, inspircd: InspIRCd) -> AsyncIterator[IrcServer]:
    yield ngircd if request.param == "ngircd" else inspircd


def person(name: str, unique: str) -> Person:
    return Person(Address("office", f"{name}{unique}@example.org"), name.title())


def text_of(core_said: Sequence[tuple[str, object, str]]) -> list[str]:
    return [text for _, _, text in core_said]


def observer(adapter: IrcAdapter, here: str) -> object:
    place = next(seat.member.place for seat in adapter._bot.seats if seat.member.place.native == here)
    return adapter._desk.observer(place)


async def test_kick_of_the_bot_loses_nothing(server: IrcServer, crowd: Crowd, unique: str) -> None:
    """The observer is kicked in the midst of a stream of lines; a puppet goes on where it stopped, and gives back."""
    here = member(f"#{unique}")
    channel = here.place.native
    op = await crowd.connect(server.port, f"op{unique}", channel)
    kim = await crowd.connect(server.port, f"kim{unique}", channel)
    ana, bo = person("ana", unique), person("bo", unique)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        await adapter.join(here.place, ana)
        await adapter.join(here.place, bo)
        assert observer(adapter, channel) == "bot"
        sent: list[str] = []

        async def talk(count: int) -> None:
            for _ in range(count):
                sent.append(f"line {len(sent)}")
                kim.say(channel, sent[-1])
                await asyncio.sleep(0.002)

        talking = asyncio.create_task(talk(600))
        await until(lambda: len(sent) > 100, "lines")
        op.send(f"KICK {channel} r{unique} :out")
        await until(lambda: isinstance(observer(adapter, channel), Puppet), "a puppet as observer")
        await until(lambda: observer(adapter, channel) == "bot", "the bot as observer again")
        await talking
        await talk(50)
        await until(lambda: sent[-1] in text_of(core.said()), "last line", lambda: text_of(core.said())[-5:])
        assert text_of(core.said()) == sent
        assert not core.all(PuppetGone)
        assert {each.name for roster in core.all(Roster) for each in roster.people} == {op.nick, kim.nick}


async def test_kill_of_the_bot_loses_nothing(server: IrcServer, crowd: Crowd, unique: str) -> None:
    """The bot's connection is cut by the server; puppets stay, one of them observes until the bot is back."""
    here = member(f"#{unique}")
    channel = here.place.native
    op = await crowd.connect(server.port, f"op{unique}", channel)
    await op.oper()
    kim = await crowd.connect(server.port, f"kim{unique}", channel)
    ana, bo = person("ana", unique), person("bo", unique)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        await adapter.join(here.place, ana)
        await adapter.join(here.place, bo)
        sent: list[str] = []

        async def talk() -> None:
            while core.onlines < 2 or len(sent) < 300:
                sent.append(f"line {len(sent)}")
                kim.say(channel, sent[-1])
                await asyncio.sleep(0.005)

        talking = asyncio.create_task(talk())
        await until(lambda: len(sent) > 50, "lines")
        op.send(f"KILL r{unique} :out")
        await until(lambda: core.failures, "loss of the bot")
        await until(lambda: core.onlines == 2, "return of the bot", lambda: core.failures)
        async with asyncio.timeout(WITHIN):
            await talking
        await until(lambda: observer(adapter, channel) == "bot", "the bot as observer again")
        await until(lambda: sent[-1] in text_of(core.said()), "last line", lambda: text_of(core.said())[-5:])
        assert text_of(core.said()) == sent
        assert not core.all(PuppetGone)
        await adapter.join(here.place, ana)
        await confirmed(adapter.send(part(here.place, ana, "never gone")))
        joins = [line for line in kim.lines if line.command == "JOIN" and str(line.source).startswith(f"ana{unique}!")]
        assert len(joins) == 1


@pytest.mark.parametrize("how", ["KICK {channel} {bot}", "KILL {bot}"])
async def test_lines_that_come_together_with_the_end_of_the_bot(
    server: IrcServer, crowd: Crowd, unique: str, how: str
) -> None:
    """A puppet reads at once what was said before the bot's end, the end, and what was said after it."""
    here, bot = member(f"#{unique}"), f"r{unique}"
    channel = here.place.native
    op = await crowd.connect(server.port, f"op{unique}", channel)
    await op.oper()
    kim = await crowd.connect(server.port, f"kim{unique}", channel)
    ana = person("ana", unique)
    async with running(server.port, here, nick=bot) as (adapter, core):
        await adapter.join(here.place, ana)
        puppet = adapter._puppets.get(ana.address)
        assert puppet is not None
        assert adapter._bot.connection is not None
        both = (puppet.connection, adapter._bot.connection)
        for connection in both:
            connection.pause_reading()
        sent = [f"line {number}" for number in range(40)]
        for line in sent[:20]:
            kim.say(channel, line)
        await op.hear(sent[19])
        op.send(how.format(channel=channel, bot=bot) + " :out")
        await kim.see(lambda line: line.command in ("KICK", "QUIT") and bot in str(line), "the bot's end")
        for line in sent[20:]:
            kim.say(channel, line)
        await op.hear(sent[-1])
        for connection in both:
            connection.resume_reading()
            await until(lambda: adapter._desk._observations[here.place].reads(puppet), "a puppet about to observe")
        await until(lambda: observer(adapter, channel) == puppet, "a puppet as observer")
        await until(lambda: observer(adapter, channel) == "bot", "the bot as observer again", core.said)
        kim.say(channel, "end")
        await until(lambda: "end" in text_of(core.said()), "last line", lambda: text_of(core.said())[-5:])
        assert text_of(core.said()) == [*sent, "end"]


async def test_a_puppet_observes_while_the_bot_is_banned(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    channel = here.place.native
    op = await crowd.connect(server.port, f"op{unique}", channel)
    op.send(f"MODE {channel} +b r{unique}!*@*")
    await op.round_trip()
    ana, bo = person("ana", unique), person("bo", unique)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        await adapter.join(here.place, ana)
        await adapter.join(here.place, bo)
        await until(lambda: isinstance(observer(adapter, channel), Puppet), "a puppet as observer")
        op.say(channel, "one")
        await until(lambda: "one" in text_of(core.said()), "line", core.said)
        op.send(f"KICK {channel} ana{unique} :you too")
        await until(lambda: core.all(PuppetGone), "PuppetGone")
        await until(lambda: isinstance(observer(adapter, channel), Puppet), "another puppet as observer")
        op.say(channel, "two")
        await until(lambda: "two" in text_of(core.said()), "line", core.said)
        with pytest.raises(SendError) as refused:
            adapter.send(part(here.place, ana, "by the bot", Voice.BOT))
        assert refused.value.temporary
        assert refused.value.retry_after
        assert text_of(core.said()) == ["one", "two"]
        kicks = [event for event in core.all(Event) if isinstance(event.content, Kick)]
        assert [kick.content.target for kick in kicks if isinstance(kick.content, Kick)] == [ana.address]
