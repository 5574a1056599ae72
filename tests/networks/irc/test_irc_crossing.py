"""What is said and done, in both directions, on servers with few and with many capabilities."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from adapters.irc.reception import ANSWERS_EACH
from bridge.contract import Keeping, NoPuppetError, Notice, Puppeteer, SendError, Telling, Topical, Voice
from bridge.demo.servers import InspIRCd, NgIRCd
from bridge.model.address import Address, Person
from bridge.model.event import Cause, Event, Joined, Left, Protection, PuppetGone, Roster, TopicSet
from bridge.model.message import Kick, MessageKind
from bridge.model.result import Reason
from tests.networks.irc.irc_lab import BO, Crowd, confirmed, member, part, running, until

IrcServer = NgIRCd | InspIRCd


@pytest_asyncio.fixture(params=["ngircd", "inspircd"])
async def server(request: pytest.FixtureRequest, ngircd: NgIRCd, inspircd: InspIRCd) -> AsyncIterator[IrcServer]:
    yield ngircd if request.param == "ngircd" else inspircd


async def test_what_people_say_comes_in(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"Kim{unique}", here.place.native)
    async with running(server.port, here, nick=f"r{unique}") as (_, core):
        await kim.see(lambda line: line.command == "JOIN" and str(line.source).startswith(f"r{unique}!"), "the bot")
        kim.say(here.place.native, "good morning")
        kim.say(here.place.native, "good morning")
        kim.say(here.place.native, "\x01ACTION waves\x01")
        kim.send(f"NOTICE {here.place.native} :the kettle is on")
        kim.send_raw(f"PRIVMSG {here.place.native} :".encode() + b"caf\xe9 \x02bold\x02 \x0304,01red\x03\r\n")
        kim.say(here.place.native, "last")
        await until(lambda: "last" in str(core.said()), "last line", core.said)
        assert core.said() == [
            (kim.nick, MessageKind.TEXT, "good morning"),
            (kim.nick, MessageKind.TEXT, "good morning"),
            (kim.nick, MessageKind.EMOTE, "waves"),
            (kim.nick, MessageKind.NOTICE, "the kettle is on"),
            (kim.nick, MessageKind.TEXT, "café bold red"),
            (kim.nick, MessageKind.TEXT, "last"),
        ]
        events = core.all(Event)
        assert len({event.origin for event in events}) == len(events)
        assert all(event.sender.address == Address("libera", kim.nick.lower()) for event in events)
        assert all(event.place == here.place and event.protection is Protection.NONE for event in events)
        roster = core.all(Roster)[0]
        assert [person.name for person in roster.people] == [kim.nick]
        assert core.all(TopicSet)[0] == TopicSet(here.place, "", initial=True)


async def test_puppets_come_speak_and_go(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    channel = here.place.native
    ana = Person(Address("office", f"ana{unique}@example.org"), "Ana")
    bo = Person(Address("home", f"@bo{unique}:example.org"), "Bo")
    kim = await crowd.connect(server.port, f"kim{unique}", channel)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        await adapter.join(here.place, ana)
        await adapter.join(here.place, ana)
        await adapter.join(here.place, bo)
        await kim.see(
            lambda line: line.command == "JOIN" and str(line.source).startswith(f"ana{unique}!"), "Ana's JOIN"
        )
        receipt = await confirmed(adapter.send(part(here.place, ana, "hello from afar")))
        await confirmed(adapter.send(part(here.place, bo, "nods", kind=MessageKind.EMOTE)))
        await confirmed(adapter.send(part(here.place, bo, "beep", kind=MessageKind.NOTICE)))
        await confirmed(adapter.send(part(here.place, ana, "<Cy> I have no puppet", Voice.BOT)))
        await kim.hear("<Cy> I have no puppet", f"r{unique}")
        assert kim.heard(channel) == [
            (f"ana{unique}", "hello from afar"),
            (f"bo{unique}", "\x01ACTION nods\x01"),
            (f"bo{unique}", "beep"),
            (f"r{unique}", "<Cy> I have no puppet"),
        ]
        assert (receipt.native_id is not None) == isinstance(server, InspIRCd)
        await adapter.leave(here.place, ana.address, "good night")
        line = await kim.see(
            lambda line: line.command in ("PART", "QUIT") and str(line.source).startswith(f"ana{unique}!"),
            "Ana's leaving",
        )
        assert "good night" in line.param(-1)
        kim.say(channel, "bye")
        await until(lambda: core.said(), "kim's line")
        assert core.said() == [(kim.nick, MessageKind.TEXT, "bye")]
        people = {person.name for roster in core.all(Roster) for person in roster.people}
        assert people == {kim.nick}
        assert not core.all(Joined)
        assert not core.all(Left)
        assert not core.all(PuppetGone)
    await kim.see(
        lambda line: line.command == "QUIT" and str(line.source).startswith(f"bo{unique}!"), "QUIT at the end"
    )


async def test_people_come_and_go(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    channel = here.place.native
    op = await crowd.connect(server.port, f"op{unique}", channel)
    async with running(server.port, here, nick=f"r{unique}") as (_, core):
        for name in ("x", "y", "z"):
            await (await crowd.connect(server.port, f"{name}{unique}", channel)).round_trip()
        one, two, three = crowd.people[-3:]
        one.send(f"PART {channel} :had enough")
        await one.round_trip()
        two.send(f"NICK q{unique}")
        await two.round_trip()
        two.send("QUIT :off")
        await op.see(lambda line: line.command == "QUIT", "QUIT")
        op.send(f"KICK {channel} {three.nick} :spam")
        await until(lambda: [left for left in core.all(Left) if left.cause is Cause.KICKED], "kick", lambda: core.items)

    def who(name: str) -> Address:
        return Address("libera", f"{name}{unique}")

    assert [joined.person.name for joined in core.all(Joined)] == [f"{name}{unique}" for name in "xyzq"]
    lefts = core.all(Left)
    assert [(left.address, left.cause) for left in lefts] == [
        (who("x"), Cause.LEFT),
        (who("y"), Cause.NICK),
        (who("q"), Cause.QUIT),
        (who("z"), Cause.KICKED),
    ]
    assert lefts[0].reason == "had enough"
    assert (lefts[3].reason, lefts[3].by) == ("spam", op.nick)
    (kick,) = core.all(Event)
    assert kick.content == Kick(who("z"), three.nick, "spam")
    assert kick.sender.name == op.nick
    assert core.items.index(kick) < core.items.index(lefts[3])


async def test_topic_crosses_both_ways(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    channel = here.place.native
    kim = await crowd.connect(server.port, f"kim{unique}", channel)
    kim.send(f"TOPIC {channel} :before")
    await kim.round_trip()
    ana = Person(Address("office", f"ana{unique}@example.org"), "Ana")
    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        await until(lambda: core.all(TopicSet), "topic on entry", lambda: core.items)
        assert core.all(TopicSet) == [TopicSet(here.place, "before", initial=True)]
        kim.send(f"TOPIC {channel} :\x02tea\x02 at four")
        await until(lambda: len(core.all(TopicSet)) > 1, "changed topic", lambda: core.items)
        assert core.all(TopicSet)[1] == TopicSet(
            here.place, "tea at four", Person(Address("libera", kim.nick), kim.nick)
        )

        await adapter.join(here.place, ana)
        kim.send(f"MODE {channel} +t")
        await kim.round_trip()
        with pytest.raises(SendError) as refused:
            await adapter.set_topic(here.place, "not allowed", ana)
        assert refused.value.failure.reason is Reason.FORBIDDEN
        assert not refused.value.temporary

        kim.send(f"MODE {channel} +o r{unique}")
        await kim.round_trip()
        await adapter.set_topic(here.place, "by the bot\r\nfor Ana", ana)
        await kim.see(
            lambda line: line.command == "TOPIC" and line.param(1) == "by the bot for Ana", "topic by the bot"
        )

        kim.send(f"MODE {channel} +o ana{unique}")
        await kim.round_trip()
        long = "é" * 600
        await adapter.set_topic(here.place, long, ana)
        line = await kim.see(lambda line: line.command == "TOPIC" and "éé" in line.param(1), "long topic")
        assert str(line.source).startswith(f"ana{unique}!")
        assert set(line.param(1)) == {"é"}
        await until(lambda: len(core.all(TopicSet)) > 3, "topics read back", lambda: core.items)
        assert [topic.own for topic in core.all(TopicSet)] == [False, False, True, True]


async def test_telling_reaches_the_person_alone(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", here.place.native)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, _):
        person = Person(Address("libera", kim.nick), kim.nick)
        await adapter.tell(Notice(here.place, person, "your message was not delivered"))
        line = await kim.hear("your message was not delivered", f"r{unique}", "NOTICE")
        assert line.param(0) == kim.nick
        ghost = Person(Address("libera", f"ghost{unique}"), f"ghost{unique}")
        if isinstance(server, NgIRCd):
            # RFC 2812 section 3.3.2: a NOTICE is never answered, and ngIRCd keeps to it.
            await adapter.tell(Notice(here.place, ghost, "are you there?"))
            return
        with pytest.raises(SendError) as refused:
            await adapter.tell(Notice(here.place, ghost, "are you there?"))
        assert refused.value.failure.reason is Reason.ITEM_NOT_FOUND


async def test_strangers_are_answered_within_limits(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", here.place.native)
    began = asyncio.get_running_loop().time()
    async with running(server.port, here, nick=f"r{unique}") as (_, core):
        for _ in range(20):
            kim.say(f"r{unique}", "\x01VERSION\x01")
        await kim.see(lambda line: line.param(1).startswith("\x01VERSION Rialto"), "VERSION")
        kim.send(f"NOTICE r{unique} :never answered")
        kim.say(here.place.native, "done")
        await until(core.said, "last line")
        await kim.round_trip()
        notices = [line for line in kim.lines if line.command == "NOTICE" and line.param(0) == kim.nick]
        at_once, per_second = ANSWERS_EACH
        most = at_once + per_second * (asyncio.get_running_loop().time() - began)
        assert 1 <= len([line for line in notices if line.source and line.source.user]) <= min(most, 19)
        assert core.said() == [(kim.nick, MessageKind.TEXT, "done")]
        assert "notice to us alone" in core.ignored_kinds()


async def test_whoever_is_not_understood_learns_of_it(server: IrcServer, crowd: Crowd, unique: str) -> None:
    """A person in a hurry is answered each time; somebody who floods is not."""
    kim = await crowd.connect(server.port, f"kim{unique}")
    async with running(server.port, nick=f"r{unique}") as (_, core):

        def answers() -> int:
            mine = (line for line in kim.lines if line.command == "NOTICE" and line.param(0) == kim.nick)
            return sum(line.source is not None and line.source.nick == f"r{unique}" for line in mine)

        began = asyncio.get_running_loop().time()
        for number in range(10):
            kim.say(f"r{unique}", f"hello? {number}")
        await until(lambda: answers() == 10, "ten answers", kim.tail)
        for number in range(20):
            kim.say(f"r{unique}", f"hello?? {number}")
        ignored = core.ignored_kinds
        await until(lambda: ignored().count("addressed to nobody") == 30, "thirty lines", ignored)
        await kim.round_trip()
        at_once, per_second = ANSWERS_EACH
        most = at_once + per_second * (asyncio.get_running_loop().time() - began)
        assert 10 <= answers() <= min(most, 29)


async def test_two_people_of_one_name_get_two_nicks(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"ana{unique}", here.place.native)
    xmpp_ana = Person(Address("office", f"ana{unique}@example.org"), "Ana")
    matrix_ana = Person(Address("home", f"@ana{unique}:example.org"), "Ana")
    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        await adapter.join(here.place, xmpp_ana)
        await adapter.join(here.place, matrix_ana)
        await confirmed(adapter.send(part(here.place, xmpp_ana, "one")))
        await confirmed(adapter.send(part(here.place, matrix_ana, "two")))
        await kim.hear("two")
        names = [nick for nick, _ in kim.heard(here.place.native)]
        assert len({*names, kim.nick}) == 3
        assert all(name.startswith(f"ana{unique}") for name in names)
        assert len(core.recall("nick/")) == 2
    async with running(server.port, here, nick=f"r{unique}", memory=core.memory) as (adapter, _):
        await adapter.join(here.place, matrix_ana)
        await adapter.join(here.place, xmpp_ana)
        await confirmed(adapter.send(part(here.place, xmpp_ana, "three")))
        await confirmed(adapter.send(part(here.place, matrix_ana, "four")))
        await kim.hear("four")
        assert [nick for nick, _ in kim.heard(here.place.native)] == names * 2


async def test_a_rename_shows(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", here.place.native)
    occupant = Person(Address("office", f"room{unique}@conf.example.org/o1"), f"cy{unique}")
    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        await adapter.join(here.place, occupant)
        await adapter.rename(here.place, Person(occupant.address, f"di{unique}"))
        line = await kim.see(lambda line: line.command == "NICK", "NICK")
        assert line.param(0) == f"di{unique}"
        await confirmed(adapter.send(part(here.place, occupant, "still me")))
        await kim.hear("still me", f"di{unique}")
        assert not core.all(Joined)
        assert not core.all(Left)


async def test_the_limit_of_puppets(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    async with running(server.port, here, nick=f"r{unique}", puppets=1) as (adapter, _):
        await adapter.join(here.place, Person(Address("office", f"ana{unique}@example.org"), "Ana"))
        with pytest.raises(NoPuppetError, match="1 puppets"):
            await adapter.join(here.place, BO)


async def test_abilities(ngircd: NgIRCd, unique: str) -> None:
    async with running(ngircd.port, member(f"#{unique}"), nick=f"r{unique}", puppets=0) as (adapter, core):
        assert isinstance(adapter, Puppeteer)
        assert isinstance(adapter, Topical)
        assert isinstance(adapter, Telling)
        assert not isinstance(adapter, Keeping)
        with pytest.raises(NoPuppetError):
            await adapter.join(member(f"#{unique}").place, BO)
        with pytest.raises(SendError, match="not a configured channel"):
            adapter.send(part(member("#nowhere").place, BO, "x", Voice.BOT))
        assert core.onlines == 1
