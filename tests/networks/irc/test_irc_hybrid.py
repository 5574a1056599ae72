"""ircd-hybrid, a real one: registration, what is said through it, and its refusals."""

from collections.abc import Awaitable, Callable

import pytest

from bridge.contract import Voice
from bridge.demo.servers import HybridIrcd
from tests.networks.irc.entering import refusal, trying
from tests.networks.irc.irc_lab import ANA, BO, Crowd, confirmed, member, part, running, until


async def test_lines_go_both_ways(hybrid: HybridIrcd, crowd: Crowd, unique: str) -> None:
    place = member(f"#{unique}")
    kim = await crowd.connect(hybrid.port, f"k{unique}", f"#{unique}")
    async with running(hybrid.port, place, nick=f"b{unique}") as (adapter, core):
        assert core.places == {f"#{unique}": None}
        kim.say(f"#{unique}", "hello there")
        await until(core.said, "line", lambda: core.items)
        assert core.said()[0][2] == "hello there"
        await adapter.join(place.place, ANA)
        await confirmed(adapter.send(part(place.place, ANA, "from a puppet")))
        heard = await kim.hear("from a puppet")
        assert str(heard.source).lower().startswith("ana!")
        await confirmed(adapter.send(part(place.place, BO, "<Bo> from the bot", Voice.BOT)))
        await kim.hear("<Bo> from the bot", by=f"b{unique}")


async def test_a_carriage_return_says_nothing_of_its_own(hybrid: HybridIrcd, crowd: Crowd, unique: str) -> None:
    """ircd-hybrid ends a command at a bare CR."""
    place = member(f"#{unique}")
    kim = await crowd.connect(hybrid.port, f"k{unique}", f"#{unique}")
    async with running(hybrid.port, place, nick=f"b{unique}") as (adapter, _):
        await adapter.join(place.place, ANA)
        await confirmed(adapter.send(part(place.place, ANA, "hi\rNICK pwned")))
        heard = await kim.see(
            lambda line: line.command == "PRIVMSG" and line.param(-1).startswith("hi"), "the line of the puppet"
        )
        assert "NICK pwned" in heard.param(-1)
        await kim.round_trip()
        assert not any(line.command == "NICK" for line in kim.lines)


@pytest.mark.parametrize("cookie", [False, True])
async def test_a_password(new_hybrid: Callable[..., Awaitable[HybridIrcd]], cookie: bool) -> None:
    server = await new_hybrid(password="sesame", ping_cookie=cookie)
    url = f"irc://127.0.0.1:{server.port}"
    async with running(server.port, password="sesame") as (_, core):
        assert core.is_online
    for settings in ({"password": "wrong"}, {}):
        text = await refusal(url, **settings)
        assert "(464): the server asks for a password, or for another one; set `password`" in text


async def test_a_ban_is_not_run_against(new_hybrid: Callable[..., Awaitable[HybridIrcd]], crowd: Crowd) -> None:
    server = await new_hybrid()
    oper = await crowd.connect(server.port, "kim")
    await oper.oper()
    oper.send("KLINE 60 *rialto@127.0.0.1 :no gateways")
    await oper.see(lambda line: line.command == "NOTICE" and "K-Line" in line.param(-1), "notice of the K-line")
    async with trying(f"irc://127.0.0.1:{server.port}") as core:
        await until(lambda: core.failures, "refusal", lambda: core.onlines)
        assert "(465): this host or nick is banned from the server; its operators can tell why" in core.failures[0].text
