"""Poison: whatever an IRC server, or anybody through it, sends to the bot or to a puppet, the adapter lives on.

Bytes go in where the sockets would be; between them and the recording core stand the session, the translation, the
desk, the puppets and everything else of the adapter.
"""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge.contract import SendError
from bridge.model.address import Address, Person, Place
from bridge.model.event import Event
from tests.networks.irc.irc_lab import RecordingCore, part, until
from tests.security.inside import IrcServer, calm, irc
from tests.security.test_line_smuggling_across import check

VEC = Place("libera", "#vec")
BO = Person(Address("home", "@bo:example.org"), "bo")

SAYS = [
    *("001", "005", "332", "333", "353", "354", "366", "376", "315", "301", "303", "352", "396", "401", "404", "421"),
    *("432", "433", "437", "442", "461", "471", "473", "474", "475", "477", "482", "730", "731", "734", "903", "999"),
    *("ACCOUNT", "AWAY", "BATCH", "CAP", "CHGHOST", "FAIL", "INVITE", "JOIN", "KICK", "MODE", "NICK", "NOTICE", "PART"),
    *("PING", "PONG", "PRIVMSG", "QUIT", "SETNAME", "TAGMSG", "TOPIC", "WALLOPS", "WARN", "ODD"),
]
ABOUT = [
    *(
        "#vec",
        "#VEC",
        "@#vec",
        "#other",
        "rialto",
        "Rialto",
        "bo",
        "kestrel",
        "kestrel2",
        "*",
        "",
        "+",
        "-b",
        "+o",
        "=",
    ),
    *(
        ":\x01ACTION waves\x01",
        ":\x01VERSION\x01",
        ":\x01",
        ":\x01DCC SEND x 1 2 3\x01",
        ":hello there",
        ":\x03",
        "1",
        "-1",
    ),
    *(":@kestrel +bo rialto!u@h zoe", ":@bo:example.org hello", ":ana@example.org", ":\x02\x1d\x0312,99x", "x" * 200),
    *(
        "NICKLEN=0",
        "PREFIX=(ov)@+",
        "CHANTYPES=",
        "CASEMAPPING=x",
        "BOT=B",
        "WHOX",
        "MONITOR=0",
        "NETWORK=\xff",
        "LINELEN=1",
    ),
    *(
        "LS",
        "NEW",
        "DEL",
        "ACK",
        ":message-tags echo-message batch",
        "+abc",
        "-abc",
        "netsplit",
        ":a.b c.d",
        ":*.net *.split",
    ),
]
BY = [
    *(":kestrel!k@h ", ":rialto!u@h ", ":bo!u@h ", ":s ", "", ":zoe!z@h ", ":NickServ!s@h ", ":!@ ", ":kestrel ", ": "),
    *("@time=2020-01-01T00:00:00Z;msgid=abc :kestrel!k@h ", "@time=0000-99-99T99:99:99Z;msgid= :zoe!z@h "),
    *("@bot;account=x;+typing=active :kestrel!k@h ", "@batch=abc;label=1 :kestrel!k@h ", "@=;;;a=\\: :zoe!z@h "),
]
LINES = st.builds(
    lambda by, command, about: f"{by}{' '.join([command, *about])}\r\n".encode(),
    st.sampled_from(BY),
    st.sampled_from(SAYS),
    st.lists(st.sampled_from(ABOUT), max_size=5),
)
TO = st.tuples(st.sampled_from([0, 1]), LINES | st.binary(max_size=40).map(lambda raw: raw + b"\r\n"))


async def carried(server: IrcServer, core: RecordingCore, adapter: Any, given: list[tuple[int, bytes]]) -> None:
    await adapter.join(VEC, BO)
    with capture_logs() as logs:
        for which, line in given:
            end = server.ends[which]
            if not end.gone:
                end.say(line)
            await asyncio.sleep(0)
        await calm()
    assert not [entry for entry in logs if "exc_info" in entry or entry["log_level"] in ("error", "critical")], logs
    check(server)
    for item in core.items:
        if isinstance(item, Event):
            item.origin.native_id.encode()


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(TO, max_size=15))
def test_any_lines_leave_the_adapter_alive(given: list[tuple[int, bytes]]) -> None:
    seen: list[str] = []

    async def take() -> None:
        with pytest.MonkeyPatch.context() as patch:
            async with irc(patch) as (adapter, core, server):
                await carried(server, core, adapter, given)
                bot = server.bot
                if bot.gone or "#vec" not in adapter._bot.connection.session.channels:  # type: ignore[union-attr]
                    return
                bot.say(":fence7!z@h PRIVMSG #vec :still there\r\n")
                await until(lambda: "still there" in str(core.items), "the fence", lambda: core.items)
                try:
                    adapter.send(part(VEC, BO, "and back"))
                except SendError as error:
                    seen.append(str(error))

    asyncio.run(take())
    # The puppet may have been put out, the server may have said that no text fits.
    assert all("not in #vec" in text or "not ready" in text or "fit" in text for text in seen), seen


async def test_a_handler_that_stumbles_does_not_cost_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else anybody who found such a line could keep the bot out of the network."""
    async with irc(monkeypatch) as (adapter, core, server):
        real = adapter._desk.bot_told

        def stumbling(connection: Any, event: Any) -> None:
            if getattr(event, "text", "") == "poison":
                raise RuntimeError("nobody foresaw this")
            real(connection, event)

        monkeypatch.setattr(adapter._desk, "bot_told", stumbling)
        server.bot.say(":zoe!z@h PRIVMSG #vec :one\r\n:zoe!z@h PRIVMSG #vec :poison\r\n:zoe!z@h PRIVMSG #vec :two\r\n")
        await calm()
        assert [text for _, _, text in core.said()] == ["one", "two"]
        assert not server.bot.gone
        assert len(server.ends) == 1
