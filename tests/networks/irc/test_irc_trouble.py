"""What goes wrong, and what must not follow from it: nicks in use, kicks, kills, floods, injection, restarts."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from bridge.contract import NoPuppetError, SendError, StartError, Voice
from bridge.demo.servers import InspIRCd, NgIRCd
from bridge.model.address import Address, Person
from bridge.model.event import Cause, Event, PuppetGone
from bridge.model.message import Kick
from bridge.model.result import Reason
from tests.networks.irc.entering import refusal
from tests.networks.irc.irc_lab import WITHIN, Crowd, confirmed, member, part, running, until

IrcServer = NgIRCd | InspIRCd


@pytest_asyncio.fixture(params=["ngircd", "inspircd"])
async def server(request: pytest.FixtureRequest, ngircd: NgIRCd, inspircd: InspIRCd) -> AsyncIterator[IrcServer]:
    yield ngircd if request.param == "ngircd" else inspircd


def person(name: str, unique: str) -> Person:
    return Person(Address("office", f"{name}{unique}@example.org"), name.title())


def text_of(core_said: Sequence[tuple[str, object, str]]) -> list[str]:
    return [text for _, _, text in core_said]


async def test_bots_nick_in_use_and_won_back(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    squatter = await crowd.connect(server.port, f"r{unique}", here.place.native)
    async with running(server.port, here, nick=f"r{unique}") as (_, core):
        await squatter.see(lambda line: line.command == "JOIN" and str(line.source).startswith(f"r{unique}_!"), "JOIN")
        kim = await crowd.connect(server.port, f"kim{unique}", here.place.native)
        squatter.send("QUIT :yours")
        line = await kim.see(lambda line: line.command == "NICK", "the bot's NICK")
        assert line.param(0) == f"r{unique}"
        kim.say(here.place.native, "still listening?")
        await until(core.said, "line", lambda: core.items)


async def test_nicks_of_nine_bytes(new_ngircd: Callable[..., Awaitable[NgIRCd]], crowd: Crowd) -> None:
    server = await new_ngircd(max_nick_length=9)
    here = member("#short")
    kim = await crowd.connect(server.port, "alexandra", "#short")
    people = [
        Person(Address("office", "alexandra.the.great@example.org"), "Alexandra"),
        Person(Address("home", "@alexandra:example.org"), "Alexandra"),
        Person(Address("home", "@алиса:example.org"), "Алиса"),
    ]
    async with running(server.port, here, nick="rialto") as (adapter, _):
        for number, each in enumerate(people):
            await adapter.join(here.place, each)
            await confirmed(adapter.send(part(here.place, each, f"line {number}")))
        await kim.hear("line 2")
        nicks = [nick for nick, _ in kim.heard("#short")]
        assert len({*nicks, "alexandra"}) == 4
        assert all(len(nick) <= 9 for nick in nicks)
    text = await refusal(f"irc://127.0.0.1:{server.port}", here, nick="muchtoolong")
    assert re.search(r"432.*choose another `nick`", text), text


async def test_kick_of_a_puppet(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    op = await crowd.connect(server.port, f"op{unique}", here.place.native)
    ana = person("ana", unique)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        await adapter.join(here.place, ana)
        op.send(f"KICK {here.place.native} ana{unique} :enough")
        (gone,) = await until(lambda: core.all(PuppetGone), "PuppetGone", lambda: core.items)
        assert gone == PuppetGone(here.place, ana.address, Cause.KICKED, "enough", op.nick)
        await until(lambda: core.all(Event), "the kick", lambda: core.items)
        (kick,) = core.all(Event)
        assert kick.content == Kick(ana.address, f"ana{unique}", "enough")
        with pytest.raises(SendError) as refused:
            adapter.send(part(here.place, ana, "hello?"))
        assert refused.value.temporary
        op.send(f"MODE {here.place.native} +b *!*@127.0.0.1")
        await op.round_trip()
        with pytest.raises(NoPuppetError, match="474"):
            await adapter.join(here.place, ana)


async def test_kill_of_a_puppet(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    op = await crowd.connect(server.port, f"op{unique}", here.place.native)
    await op.oper()
    ana = person("ana", unique)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        await adapter.join(here.place, ana)
        op.send(f"KILL ana{unique} :go")
        (gone,) = await until(lambda: core.all(PuppetGone), "PuppetGone", lambda: core.items)
        assert (gone.address, gone.cause) == (ana.address, Cause.QUIT)
        await until(lambda: not len(adapter._puppets), "end of the puppet")
        await adapter.join(here.place, ana)
        await confirmed(adapter.send(part(here.place, ana, "back again")))
        await op.hear("back again", f"ana{unique}")


@pytest.mark.parametrize("voice", list(Voice))
async def test_nothing_is_smuggled(server: IrcServer, crowd: Crowd, unique: str, voice: Voice) -> None:
    here = member(f"#{unique}")
    channel = here.place.native
    kim = await crowd.connect(server.port, f"kim{unique}", channel)
    ana = person("ana", unique)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, _):
        await adapter.join(here.place, ana)
        for text in (
            "hi\rNICK pwned",
            "hi\nQUIT :pwned",
            "hi\r\nJOIN #pwned",
            "hi\0\rPART " + channel,
            "\x01VERSION\x01",
            "\x01ACTION pretends\x01",
            ":leading colon",
        ):
            await confirmed(adapter.send(part(here.place, ana, text, voice)))
        await adapter.leave(here.place, ana.address, "bye\r\nPRIVMSG " + channel + " :pwned")
        await confirmed(adapter.send(part(here.place, ana, "end", Voice.BOT)))
        await kim.hear("end")
        assert [text for _, text in kim.heard(channel)] == [
            "hi NICK pwned",
            "hi QUIT :pwned",
            "hi JOIN #pwned",
            "hi PART " + channel,
            "VERSION",
            "ACTION pretends",
            ":leading colon",
            "end",
        ]
        assert not [line for line in kim.lines if line.command == "NICK" or "pwned" in str(line.source)]
        assert adapter._bot.nick == f"r{unique}"


async def test_lines_fill_the_server_s_limit_exactly(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", here.place.native)
    ana = person("ana", unique)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, _):
        await adapter.join(here.place, ana)
        for voice in Voice:
            room = adapter.capabilities(here.place, ana, voice)
            full = "x" * (room.part_bytes - 2) + "é"
            await confirmed(adapter.send(part(here.place, ana, full, voice)))
            await kim.hear(full)
            with pytest.raises(SendError) as refused:
                adapter.send(part(here.place, ana, full + "x", voice))
            assert refused.value.failure.reason is Reason.POLICY_VIOLATION
            assert not refused.value.temporary


@pytest.mark.conforms("RFC2779:5.4.1")
async def test_refusals_come_back_with_a_reason(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    op = await crowd.connect(server.port, f"op{unique}", here.place.native)
    ana = person("ana", unique)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, _):
        await adapter.join(here.place, ana)
        await confirmed(adapter.send(part(here.place, ana, "before")))
        op.send(f"MODE {here.place.native} +m")
        await op.round_trip()
        first, second = adapter.send(part(here.place, ana, "muted")), adapter.send(part(here.place, ana, "muted too"))
        for handover in (first, second):
            with pytest.raises(SendError, match="404") as refused:
                await confirmed(handover)
            assert refused.value.failure.reason is Reason.FORBIDDEN
            assert not refused.value.temporary
        op.send(f"MODE {here.place.native} -m")
        await op.round_trip()
        await confirmed(adapter.send(part(here.place, ana, "after")))
        await op.hear("after")
        assert [text for _, text in op.heard(here.place.native)] == ["before", "after"]


async def test_flood_control_holds_lines_back_in_order(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", here.place.native)
    ana = person("ana", unique)
    async with running(server.port, here, nick=f"r{unique}", flood={"burst": 4, "per_second": 5}) as (adapter, _):
        await adapter.join(here.place, ana)
        await asyncio.sleep(0.3)  # the bucket fills again after the JOIN
        began = time.monotonic()
        handovers = [adapter.send(part(here.place, ana, f"line {number}")) for number in range(10)]
        assert [handover.throttled for handover in handovers] == [False] * 4 + [True] * 6
        await asyncio.gather(*map(confirmed, handovers))
        assert time.monotonic() - began > 1.0
        await kim.hear("line 9")
        assert [text for _, text in kim.heard(here.place.native)] == [f"line {number}" for number in range(10)]
        # What whoever sent it gave up on is not sent any more: the lane sends it again.
        handovers = [adapter.send(part(here.place, ana, f"more {number}")) for number in range(8)]
        assert handovers[-1].throttled
        handovers[-1].confirmation.cancel()
        await asyncio.gather(*map(confirmed, handovers[:-1]))
        await confirmed(adapter.send(part(here.place, ana, "end")))
        await kim.hear("end")
        assert "more 6" in str(kim.heard(here.place.native))
        assert "more 7" not in str(kim.heard(here.place.native))


async def test_a_server_s_own_flood_control_is_not_provoked(new_ngircd: Callable[..., Awaitable[NgIRCd]]) -> None:
    server = await new_ngircd(penalties=True)
    here = member("#slow")
    ana = Person(Address("office", "ana@example.org"), "Ana")
    async with running(server.port, here, flood={"burst": 5, "per_second": 2}) as (adapter, core):
        await adapter.join(here.place, ana)
        handovers = [adapter.send(part(here.place, ana, f"line {number}")) for number in range(12)]
        async with asyncio.timeout(60):
            await asyncio.gather(*(handover.confirmation for handover in handovers))
        assert not core.failures
        assert not core.all(PuppetGone)


@pytest.mark.parametrize("kind", ["ngircd", "inspircd"])
async def test_a_restarted_server_is_found_again(
    kind: str,
    new_ngircd: Callable[..., Awaitable[NgIRCd]],
    new_inspircd: Callable[..., Awaitable[InspIRCd]],
    crowd: Crowd,
) -> None:
    server: IrcServer = await (new_ngircd() if kind == "ngircd" else new_inspircd())
    here = member("#again")
    ana = Person(Address("office", "ana@example.org"), "Ana")
    async with running(server.port, here) as (adapter, core):
        await adapter.join(here.place, ana)
        await server.kill()
        await until(lambda: not core.is_online, "loss of the connection")
        with pytest.raises(SendError) as refused:
            adapter.send(part(here.place, ana, "lost?"))
        assert refused.value.temporary
        await until(lambda: core.all(PuppetGone), "PuppetGone")
        with pytest.raises(SendError):
            await adapter.join(here.place, ana)
        await server.start()
        await until(lambda: core.is_online, "reconnection", lambda: core.failures, within=60)
        kim = await crowd.connect(server.port, "kim", "#again")
        async with asyncio.timeout(WITHIN):
            await adapter.join(here.place, ana)
        await confirmed(adapter.send(part(here.place, ana, "here again")))
        await kim.hear("here again", "ana")
        kim.say("#again", "welcome back")
        await until(lambda: "welcome back" in text_of(core.said()), "line", core.said)
        assert core.onlines == 2


async def test_what_was_under_way_when_the_server_died(new_ngircd: Callable[..., Awaitable[NgIRCd]]) -> None:
    server = await new_ngircd()
    here = member("#gone")
    ana = Person(Address("office", "ana@example.org"), "Ana")
    async with running(server.port, here, flood={"burst": 2, "per_second": 0.5}) as (adapter, _):
        await adapter.join(here.place, ana)
        handovers = [adapter.send(part(here.place, ana, f"line {number}")) for number in range(8)]
        await server.kill()
        async with asyncio.timeout(WITHIN):
            results = await asyncio.gather(*(each.confirmation for each in handovers), return_exceptions=True)
        failed = [result for result in results if isinstance(result, SendError)]
        assert len(failed) >= 6
        assert all(error.temporary for error in failed)


@pytest.mark.parametrize(("host", "keys"), [("127.0.0.1", []), ("127.1", [["password"]])])
async def test_a_password_that_others_can_read_is_warned_of(
    new_ngircd: Callable[..., Awaitable[NgIRCd]], host: str, keys: list[list[str]]
) -> None:
    """127.1 is this machine, too, but looks like a name of another."""
    server = await new_ngircd(password="sesame")
    with capture_logs() as logs:
        async with running(0, server=f"irc://{host}:{server.port}", password="sesame"):
            pass
    assert [each["keys"] for each in logs if each["event"] == "passwords are sent without TLS"] == keys
    assert "sesame" not in str(logs)


async def test_a_wrong_password_ends_it(new_ngircd: Callable[..., Awaitable[NgIRCd]]) -> None:
    server = await new_ngircd(password="sesame")
    async with running(server.port, member("#in"), password="sesame") as (_, core):
        assert core.onlines == 1
    text = await refusal(f"irc://127.0.0.1:{server.port}", member("#in"), password="mellon")
    assert "464" in text
    assert "set `password`" in text
    assert "mellon" not in text


async def test_long_names_and_reasons_do_no_harm(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", here.place.native)
    occupant = Person(Address("office", f"{'room' * 200}@conf.example.org/\r\n{'é' * 300}"), "Zoë " * 400)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, _):
        await adapter.join(here.place, occupant)
        await confirmed(adapter.send(part(here.place, occupant, "short")))
        await adapter.leave(here.place, occupant.address, "because " * 500)
        line = await kim.see(lambda line: line.command in ("PART", "QUIT"), "leaving")
        assert "because because" in line.param(-1)


async def test_housekeeping(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", here.place.native)
    ana = person("ana", unique)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, _):
        await adapter.join(here.place, ana)
        puppet = adapter._puppets.get(ana.address)
        assert puppet is not None
        # As if the server had forced another nick on it.
        puppet.connection.session.rename(f"guest{unique}")
        puppet.connection.flush()
        await kim.see(lambda line: line.command == "NICK" and line.param(0) == f"guest{unique}", "forced nick")
        await adapter._puppets.keep()
        await kim.see(lambda line: line.command == "NICK" and line.param(0) == f"ana{unique}", "nick won back")

        puppet.connection.session.part(here.place.native, "")
        puppet.connection.flush()
        await until(lambda: not puppet.channels, "PART")
        await adapter._puppets.keep()
        assert len(adapter._puppets) == 1
        puppet.idle_since -= 61
        await adapter._puppets.keep()
        await until(lambda: not len(adapter._puppets), "end of the idle puppet")


async def test_a_channel_with_a_key(server: IrcServer, crowd: Crowd, unique: str) -> None:
    channel = f"#{unique}"
    op = await crowd.connect(server.port, f"op{unique}", channel)
    op.send(f"MODE {channel} +k sesame")
    await op.round_trip()
    async with running(server.port, member(channel, key="sesame"), nick=f"r{unique}") as (adapter, core):
        assert core.places == {channel: None}
        await adapter.join(member(channel).place, person("ana", unique))
        op.say(channel, "inside")
        await until(core.said, "line", lambda: core.items)
    async with running(server.port, member(channel, key="mellon"), nick=f"q{unique}") as (adapter, core):
        assert core.ignored_kinds().count("join refused") == 1
        failure = core.places[channel]
        assert failure is not None
        assert failure.text.endswith(
            f'(475): give the channel\'s key in the configuration: {{id: "{channel}", key: ...}}'
        )
        with pytest.raises(NoPuppetError, match="475"):
            await adapter.join(member(channel).place, person("bo", unique))
        op.send(f"MODE {channel} -k sesame")
        await op.round_trip()
        adapter._bot._knock(adapter._bot.seats[0])
        await until(lambda: core.places[channel] is None, "word that the bot is in", lambda: core.places)
        op.send(f"KICK {channel} q{unique} :begone")
        await until(lambda: core.places[channel], "word that the bot is out", lambda: core.places)
        assert f"op{unique} kicked the bot out (begone)" in str(core.places[channel])
    with pytest.raises(StartError, match="key of #"):
        async with running(server.port, member(channel, key="two words")):
            pass
