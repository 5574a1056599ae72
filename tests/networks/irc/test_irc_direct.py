"""Private messages on real servers: through puppets, through the bot, and what stands in their way."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from bridge.contract import Direct, Notice, SendError, Showing, Voice, Watchable
from bridge.demo.servers import HybridIrcd, InspIRCd, NgIRCd
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.event import HOPS, Event
from bridge.model.message import Message, MessageKind
from bridge.model.result import Failure, Reason
from tests.networks.irc.irc_lab import Crowd, Human, RecordingCore, confirmed, member, part, running, until

IrcServer = NgIRCd | InspIRCd | HybridIrcd


@pytest_asyncio.fixture(params=["ngircd", "inspircd", "hybrid"])
async def server(
    request: pytest.FixtureRequest, ngircd: NgIRCd, inspircd: InspIRCd, hybrid: HybridIrcd
) -> AsyncIterator[IrcServer]:
    servers: dict[str, IrcServer] = {"ngircd": ngircd, "inspircd": inspircd, "hybrid": hybrid}
    yield servers[request.param]


def person(name: str, unique: str) -> Person:
    return Person(Address("office", f"{name}{unique}@example.org"), name.title())


def privately(human: Human) -> Place:
    return Place("libera", human.nick.lower(), PlaceKind.USER)


def direct(core: RecordingCore) -> list[Event]:
    return [event for event in core.all(Event) if event.to is not None]


async def test_through_puppets_both_ways(server: IrcServer, crowd: Crowd, unique: str) -> None:
    kim = await crowd.connect(server.port, f"Kim{unique}")
    ana, place = person("ana", unique), privately(kim)
    async with running(server.port, nick=f"r{unique}") as (adapter, core):
        assert isinstance(adapter, Direct)
        assert isinstance(adapter, Showing)
        assert isinstance(adapter, Watchable)
        assert adapter.at_home(Address("libera", "anybody"))
        assert not adapter.at_home(ana.address)
        # No room anywhere: the puppet comes for the conversation alone.
        assert await adapter.meet(place, ana) is Voice.PUPPET
        assert await adapter.meet(place, ana) is Voice.PUPPET
        room = adapter.capabilities(place, ana, Voice.PUPPET)
        receipt = await confirmed(adapter.send(part(place, ana, "hello Kim")))
        await confirmed(adapter.send(part(place, ana, "waves", kind=MessageKind.EMOTE)))
        await confirmed(adapter.send(part(place, ana, "x" * room.part_bytes)))
        await kim.hear("x" * room.part_bytes, f"ana{unique}")
        assert kim.heard(kim.nick)[-3:-1] == [
            (f"ana{unique}", "hello Kim"),
            (f"ana{unique}", "\x01ACTION waves\x01"),
        ]
        assert (receipt.native_id is not None) == isinstance(server, InspIRCd)

        kim.say(f"ana{unique}", "hello \x02Ana\x02")
        kim.say(f"ANA{unique}", "\x01ACTION bows\x01")
        kim.send(f"NOTICE ana{unique} :never bridged")
        kim.say(f"ana{unique}", "\x01VERSION\x01")
        kim.say(f"ana{unique}", "\x02\x02")
        kim.say(f"ana{unique}", "end")
        await until(lambda: len(direct(core)) == 3, "three private messages", lambda: core.items)
        first, second, _ = direct(core)
        assert isinstance(first.content, Message)
        assert (first.content.body.text, len(first.content.body.spans)) == ("hello Ana", 1)
        assert (first.to, first.place, first.sender.name) == (ana.address, place, kim.nick)
        assert first.sender.address == Address("libera", kim.nick.lower())
        assert first.hops == HOPS
        assert isinstance(second.content, Message)
        assert second.content.kind is MessageKind.EMOTE
        assert len({event.origin for event in direct(core)}) == 3
        assert {"notice to us alone", "ctcp", "empty message"} <= set(core.ignored_kinds())

        puppet = adapter._puppets.get(ana.address)
        assert puppet is not None
        puppet.idle_since -= 120
        await adapter._puppets.keep()
        assert len(adapter._puppets) == 1
        puppet._stays_until = 0
        await adapter._puppets.keep()
        await until(lambda: not len(adapter._puppets), "end of the puppet that nobody speaks with")


async def test_through_the_bot_both_ways(server: IrcServer, crowd: Crowd, unique: str) -> None:
    kim = await crowd.connect(server.port, f"kim{unique}")
    ana, place, bot = person("ana", unique), privately(kim), f"r{unique}"
    async with running(server.port, nick=bot, puppets=0) as (adapter, core):
        assert await adapter.meet(place, ana) is Voice.BOT
        for text in ("<Ana> one", "<Ana> two"):
            await confirmed(adapter.send(part(place, ana, text, Voice.BOT)))
        await kim.hear("<Ana> two", bot)
        taught = f'To answer Ana, write to me: "{ana.address} your text".'
        await kim.hear(taught, bot, "NOTICE")
        kim.say(bot, f"{ana.address} hello \x02back\x02")
        kim.say(bot, f"{ana.address}: and again")
        kim.say(bot, f"\x01ACTION {ana.address} waves\x01")
        await until(lambda: len(direct(core)) == 3, "three private messages", lambda: core.items)
        bodies = [event.content.body for event in direct(core) if isinstance(event.content, Message)]
        assert [body.text for body in bodies] == ["hello back", "and again", "waves"]
        assert [(span.start, span.end) for span in bodies[0].spans] == [(6, 10)]
        assert {event.to for event in direct(core)} == {ana.address}
        assert {event.place for event in direct(core)} == {place}

        # Who names nobody is never understood as meaning whom they spoke with last.
        kim.say(bot, "hello? anybody there")
        await kim.see(lambda line: line.command == "NOTICE" and "'hello?' is not an address" in line.param(1), "help")
        kim.say(bot, f"{ana.address}")
        await kim.see(lambda line: line.command == "NOTICE" and "begin with their address" in line.param(1), "usage")
        await kim.round_trip()
        notices = [line.param(1) for line in kim.lines if line.command == "NOTICE" and line.param(0) == kim.nick]
        assert notices.count(taught) == 1
        assert len([text for text in notices if text.startswith(f"On its way to {ana.address}")]) == 1
        kim.say(bot, "Block somebody")
        await kim.hear("Answer to Block somebody. In two lines.", bot, "NOTICE")
        kim.say(bot, "block me?")
        await kim.round_trip()
        await until(lambda: len(core.commanded) == 2, "two commands", lambda: core.commanded)
        assert core.commanded[0] == (Person(Address("libera", kim.nick), kim.nick), "Block somebody")
        assert len(direct(core)) == 3
        cy = await crowd.connect(server.port, f"cy{unique}")
        cy.say(bot, f"libera:{kim.nick} psst")
        await cy.see(lambda line: "on this very network" in line.param(-1), "word that Kim is near")
        assert core.ignored_kinds().count("addressed to nobody") == 4


async def test_whom_nobody_can_write_to(server: IrcServer, crowd: Crowd, unique: str) -> None:
    ana = person("ana", unique)
    ghost = Place("libera", f"ghost{unique}", PlaceKind.USER)
    async with running(server.port, nick=f"r{unique}") as (adapter, _):
        await adapter.meet(ghost, ana)
        for voice in Voice:
            with pytest.raises(SendError, match=f"ghost{unique} is not online") as refused:
                await confirmed(adapter.send(part(ghost, ana, "hello?", voice)))
            assert refused.value.failure.reason is Reason.ITEM_NOT_FOUND
            assert not refused.value.temporary
        for nick, reason in (
            (f"ana{unique}", Reason.ITEM_NOT_FOUND),
            (f"R{unique}", Reason.ITEM_NOT_FOUND),
            ("NickServ", Reason.NOT_ALLOWED),
            ("two words", Reason.JID_MALFORMED),
            ("kim,cy", Reason.JID_MALFORMED),
            ("#room", Reason.JID_MALFORMED),
            ("a\r\nQUIT", Reason.JID_MALFORMED),
        ):
            place = Place("libera", nick, PlaceKind.USER)
            with pytest.raises(SendError) as refused:
                await adapter.meet(place, ana)
            assert (refused.value.failure.reason, refused.value.temporary) == (reason, False)
            with pytest.raises(SendError):
                adapter.send(part(place, ana, "hello?"))


@pytest.mark.conforms("RFC2779:2.3.6")
async def test_whoever_takes_the_nick_next_does_not_get_the_words(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", here.place.native)
    ana, place = person("ana", unique), privately(kim)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        await adapter.meet(place, ana)
        kim.say(f"ana{unique}", "are you there?")
        await until(lambda: direct(core), "private message", lambda: core.items)
        await confirmed(adapter.send(part(place, ana, "yes")))
        kim.send(f"NICK kes{unique}")
        await kim.round_trip()
        await until(lambda: f"kes{unique}" in adapter._whereabouts.people, "the new nick")
        with pytest.raises(SendError, match=f"goes by kes{unique} now") as refused:
            adapter.send(part(place, ana, "for Kim alone"))
        assert not refused.value.temporary

        # Kim comes back under the nick, and may be written to; who comes instead may not, unless it is meant so.
        kim.send(f"NICK kim{unique}")
        await until(lambda: f"kim{unique}" in adapter._whereabouts.people, "the nick again")
        await confirmed(adapter.send(part(place, ana, "welcome back")))
        kim.send("QUIT")
        await until(lambda: f"kim{unique}" not in adapter._whereabouts.people, "Kim's leaving")
        other = Human(f"kim{unique}")
        reader, other._writer = await asyncio.open_connection("127.0.0.1", server.port)
        other._task = asyncio.create_task(other._read(reader))
        crowd.people.append(other)
        other.send(f"NICK kim{unique}", "USER mallory 0 * :Mallory")
        await other.see(lambda line: line.command in ("376", "422"), "end of the greeting")
        await other.join(here.place.native)
        await until(lambda: f"kim{unique}" in adapter._whereabouts.people, "the other's coming")
        with pytest.raises(SendError, match="somebody else now") as refused:
            adapter.send(part(place, ana, "for Kim alone"))
        assert not refused.value.temporary
        with pytest.raises(SendError, match="somebody else now"):
            adapter.send(part(place, ana, "for Kim alone, and said before Ana could know"))
        later = replace(part(place, ana, "for whoever you are"), when=time.time() + 60)
        await confirmed(adapter.send(later))
        await other.hear("for whoever you are")
        assert not [line for line in other.lines if "Kim alone" in line.param(-1)]


async def test_what_waits_for_a_nick_that_was_let_go_is_not_sent(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", here.place.native)
    ana, place = person("ana", unique), privately(kim)
    flood = {"burst": 2, "per_second": 0.2}
    async with running(server.port, here, nick=f"r{unique}", flood=flood) as (adapter, _):
        await adapter.meet(place, ana)
        handovers = [adapter.send(part(place, ana, f"line {number}")) for number in range(4)]
        await confirmed(handovers[0])
        kim.send(f"NICK kes{unique}")
        with pytest.raises(SendError, match="never sent") as unsent:
            await confirmed(handovers[3])
        assert unsent.value.temporary
        with pytest.raises(SendError, match=f"goes by kes{unique} now"):
            adapter.send(part(place, ana, "line 3"))


async def test_room_is_made_for_the_next(ngircd: NgIRCd, crowd: Crowd, unique: str) -> None:
    kim = await crowd.connect(ngircd.port, f"kim{unique}")
    ana, bo, place = person("ana", unique), person("bo", unique), privately(kim)
    async with running(ngircd.port, nick=f"r{unique}", puppets=1, long_text={"lines": 3}) as (adapter, _):
        assert await adapter.meet(place, ana) is Voice.PUPPET
        assert await adapter.meet(place, bo) is Voice.BOT
        puppet = adapter._puppets.get(ana.address)
        assert puppet is not None
        puppet._spoke_at -= 61
        assert await adapter.meet(place, bo) is Voice.BOT
        await until(lambda: not len(adapter._puppets), "end of the puppet that was silent")
        assert await adapter.meet(place, bo) is Voice.PUPPET
        for voice, speaker in ((Voice.PUPPET, bo), (Voice.PUPPET, ana), (Voice.BOT, ana)):
            assert adapter.capabilities(place, speaker, voice).max_parts == 3


async def test_telling_in_private(server: IrcServer, crowd: Crowd, unique: str) -> None:
    kim = await crowd.connect(server.port, f"Kim{unique}")
    ana, place = person("ana", unique), privately(kim)
    who = Person(Address("libera", kim.nick.lower()), kim.nick)
    failure = Failure(Reason.FORBIDDEN, "no")
    async with running(server.port, nick=f"r{unique}") as (adapter, _):
        await adapter.tell(Notice(place, who, "by the bot\r\nQUIT", "x", ana.address, failure))
        await kim.hear("by the bot QUIT", f"r{unique}", "NOTICE")
        await adapter.meet(place, ana)
        await adapter.tell(Notice(place, who, "by the puppet", "x", ana.address, failure))
        await kim.hear("by the puppet", f"ana{unique}", "NOTICE")


async def test_a_refusal_by_the_recipient(inspircd: InspIRCd, crowd: Crowd, unique: str) -> None:
    kim = await crowd.connect(inspircd.port, f"kim{unique}")
    kim.send(f"MODE kim{unique} +R")
    await kim.round_trip()
    ana, place = person("ana", unique), privately(kim)
    async with running(inspircd.port, nick=f"r{unique}") as (adapter, _):
        await adapter.meet(place, ana)
        with pytest.raises(SendError) as refused:
            await confirmed(adapter.send(part(place, ana, "let me in")))
        assert refused.value.failure.reason in (Reason.REGISTRATION_REQUIRED, Reason.FORBIDDEN)
        assert kim.nick in refused.value.failure.text
        assert not refused.value.temporary


async def test_a_recipient_who_has_to_allow_it(hybrid: HybridIrcd, crowd: Crowd, unique: str) -> None:
    kim = await crowd.connect(hybrid.port, f"kim{unique}")
    kim.send(f"MODE kim{unique} +g")
    await kim.round_trip()
    ana, place = person("ana", unique), privately(kim)
    async with running(hybrid.port, nick=f"r{unique}") as (adapter, _):
        await adapter.meet(place, ana)
        with pytest.raises(SendError, match=f"{kim.nick} has to allow messages from you first") as refused:
            await confirmed(adapter.send(part(place, ana, "let me in")))
        assert (refused.value.failure.reason, refused.value.temporary) == (Reason.FORBIDDEN, False)
        kim.send(f"ACCEPT ana{unique}")
        await kim.round_trip()
        await confirmed(adapter.send(part(place, ana, "thank you")))
        await kim.hear("thank you")


async def test_status_messages_go_nowhere(inspircd: InspIRCd, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    op = await crowd.connect(inspircd.port, f"op{unique}", here.place.native)
    ana = person("ana", unique)
    async with running(inspircd.port, here, nick=f"r{unique}") as (adapter, core):
        await adapter.join(here.place, ana)
        op.send(f"MODE {here.place.native} +oo r{unique} ana{unique}")
        op.send(f"PRIVMSG @{here.place.native} :for operators", f"NOTICE @{here.place.native} :for operators")
        op.say(f"@{here.place.native}", "\x01ACTION operates\x01")
        op.say(here.place.native, "for all")
        await until(lambda: core.said(), "what is for all", lambda: core.items)
        assert core.said() == [(op.nick, MessageKind.TEXT, "for all")]
        assert core.ignored_kinds().count("statusmsg") == 3


async def test_bots_are_not_bridged(inspircd: InspIRCd, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    bot = await crowd.connect(inspircd.port, f"bot{unique}", here.place.native)
    ana = person("ana", unique)
    bot.send(f"MODE bot{unique} +B")
    await bot.round_trip()
    async with running(inspircd.port, here, nick=f"r{unique}") as (adapter, core):
        await adapter.join(here.place, ana)
        await until(lambda: adapter._whereabouts.is_bot(bot.nick), "the bot's mode from WHO")
        bot.say(here.place.native, "beep")
        bot.say(f"ana{unique}", "beep")
        bot.say(f"r{unique}", f"{ana.address} beep")
        await until(lambda: core.ignored_kinds().count("bot") == 3, "three ignored", core.ignored_kinds)
        assert not core.all(Event)
        bot.send(f"WHOIS r{unique}")
        await bot.see(lambda line: line.command == "335" and line.param(1) == f"r{unique}", "our own bot mode")


@pytest.mark.conforms("RFC3860:3.1:message", "RFC3860:3.4.2:carried")
async def test_hops_are_carried(inspircd: InspIRCd, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(inspircd.port, f"kim{unique}", here.place.native, caps="message-tags")
    ana = person("ana", unique)
    async with running(inspircd.port, here, nick=f"r{unique}") as (adapter, core):
        await adapter.join(here.place, ana)
        await confirmed(adapter.send(part(here.place, ana, "one")))
        line = await kim.hear("one")
        assert line.tags["+rialto-bridge/hops"] == str(HOPS)
        kim.send(f"@+rialto-bridge/hops=7 PRIVMSG {here.place.native} :passed on")
        kim.send(f"@+rialto-bridge/hops=7 PRIVMSG ana{unique} :passed on")
        kim.send(f"@+rialto-bridge/hops=999 PRIVMSG {here.place.native} :too many")
        kim.send(f"@+rialto-bridge/hops=x PRIVMSG {here.place.native} :nonsense")
        await until(lambda: len(core.all(Event)) == 4, "four messages", lambda: core.items)
        assert sorted(event.hops for event in core.all(Event)) == [7, 7, HOPS, HOPS]
