"""What a server keeps (IRCv3 draft/chathistory) is asked for after an absence; shown against a scripted server only."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.contract import Part, Voice
from bridge.demo.clients import XmppClient
from bridge.demo.servers import Prosody
from bridge.model.address import Place
from bridge.model.event import Event
from bridge.model.message import Gap, Message
from bridge.model.result import Status
from bridge.service import Service
from tests.networks.irc.irc_lab import ANA, Crowd, Human, RecordingCore, confirmed, member, part, running, until
from tests.networks.irc.scripted import CAPS, ScriptedIrcServer
from tests.networks.world import DOMAIN, FLOOD
from tests.networks.world import running as service

pytestmark = pytest.mark.scripted

TEA = member("#tea")
CAROL = "carol!carol@scripted"


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ScriptedIrcServer]:
    async with ScriptedIrcServer() as running_server:
        yield running_server


def texts(core: RecordingCore) -> list[str]:
    """What people said."""
    return [event.content.body.text for event in first(core) if isinstance(event.content, Message)]


def first(core: RecordingCore) -> list[Event]:
    """Every event the first time it came, as the journal takes it in."""
    seen: dict[object, Event] = {}
    for event in core.all(Event):
        seen.setdefault(event.origin, event)
    return list(seen.values())


def gaps(core: RecordingCore) -> list[Gap]:
    return [event.content for event in core.all(Event) if isinstance(event.content, Gap)]


def now(place: Place, text: str) -> Part:
    """Something that Ana says at this moment."""
    return replace(part(place, ANA, text), when=time.time())


def last(core: RecordingCore, text: str) -> Callable[[], bool]:
    return lambda: texts(core)[-1:] == [text]


HeardOnce = Callable[[dict[str, str]], Awaitable[Human]]


@pytest.fixture
def heard_once(server: ScriptedIrcServer, crowd: Crowd) -> HeardOnce:
    """Lets a gateway hear one line of Kim's, and remember that."""

    async def hear(memory: dict[str, str]) -> Human:
        kim = await crowd.connect(server.port, "kim", "#tea")
        kim.say("#tea", "before we came")
        await kim.round_trip()
        async with running(server.port, TEA, memory=memory, say_gaps_beyond=0.0) as (_, core):
            kim.say("#tea", "heard")
            await until(last(core, "heard"), "line", lambda: core.items)
            assert texts(core) == ["heard"]
        return kim

    return hear


@pytest.mark.parametrize("most", [7, 100])
@pytest.mark.parametrize("msgids", [True, False])
@pytest.mark.parametrize("labels", [True, False])
async def test_what_was_missed_comes_page_by_page_before_what_is_new(
    server: ScriptedIrcServer, crowd: Crowd, most: int, msgids: bool, labels: bool
) -> None:
    server.most, server.msgids = most, msgids
    server.caps = CAPS if labels else CAPS - {"labeled-response", "echo-message"}
    memory: dict[str, str] = {}
    kim = await crowd.connect(server.port, "kim", "#tea")
    kim.say("#tea", "before we came")
    await kim.round_trip()
    async with running(server.port, TEA, memory=memory, say_gaps_beyond=0.0) as (adapter, core):
        kim.say("#tea", "heard")
        await until(last(core, "heard"), "line", lambda: core.items)
        await adapter.join(TEA.place, ANA)
        await confirmed(adapter.send(part(TEA.place, ANA, "a puppet's")))
        await confirmed(adapter.send(part(TEA.place, ANA, "the bot's", Voice.BOT)))
        earlier = core.all(Event)
    began = datetime.now(UTC)
    # Many in one millisecond, for a page to end among them.
    missed = [
        server.note("#tea", CAROL, f"missed {number}", began + timedelta(milliseconds=number // 5))
        for number in range(40)
    ]
    second = RecordingCore("libera", [TEA])
    second.earlier = earlier
    async with running(server.port, TEA, memory=memory, core=second, say_gaps_beyond=0.0) as (_, core):
        kim.say("#tea", "live")
        await until(last(core, "live"), "line", lambda: core.items)
        new = [event for event in first(core) if event.origin.native_id != "id2"]
        assert [event.content.body.text for event in new if isinstance(event.content, Message)] == [
            *(each.text for each in missed),
            "live",
        ]
        expected = [datetime.fromisoformat(each.stamp).timestamp() for each in missed]
        assert [event.when for event in new[:-1]] == expected, "at its own time"
        assert gaps(core) == []


async def test_own_lines_in_a_history_are_not_bridged_again_and_a_strangers_under_the_nick_are(
    server: ScriptedIrcServer, crowd: Crowd
) -> None:
    memory: dict[str, str] = {}
    kim = await crowd.connect(server.port, "kim", "#tea")
    async with running(server.port, TEA, memory=memory) as (adapter, core):
        await adapter.join(TEA.place, ANA)
        kim.say("#tea", "heard")
        await until(last(core, "heard"), "line", lambda: core.items)
        await confirmed(adapter.send(part(TEA.place, ANA, "a puppet's")))
        await confirmed(adapter.send(part(TEA.place, ANA, "the bot's", Voice.BOT)))
    stranger = await crowd.connect(server.port, "Ana", "#tea")
    stranger.say("#tea", "a stranger's")
    await stranger.round_trip()
    async with running(server.port, TEA, memory=memory) as (_, core):
        kim.say("#tea", "live")
        await until(last(core, "live"), "line", lambda: core.items)
        assert texts(core)[-2:] == ["a stranger's", "live"]
        assert set(texts(core)) <= {"heard", "a stranger's", "live"}


async def test_nothing_from_before_the_first_time_comes(server: ScriptedIrcServer, heard_once: HeardOnce) -> None:
    memory: dict[str, str] = {}
    kim = await heard_once(memory)
    async with running(server.port, TEA, memory=memory, say_gaps_beyond=0.0) as (_, core):
        kim.say("#tea", "live")
        await until(last(core, "live"), "line", lambda: core.items)
        # What was heard may be told again, as it is known by its id.
        assert texts(core) in (["live"], ["heard", "live"])
    assert server.asked, "though a history was asked for"


async def test_where_the_history_does_not_reach_back_the_gap_is_said(
    server: ScriptedIrcServer, heard_once: HeardOnce
) -> None:
    memory: dict[str, str] = {}
    kim = await heard_once(memory)
    # As if it had been ten minutes ago, of which only a part is kept.
    memory["attended/#tea"] = f"{time.time() - 600:.3f} {time.time() - 1200:.3f}"
    for number in range(10):
        server.note("#tea", CAROL, f"missed {number}", datetime.now(UTC) - timedelta(seconds=100 - number))
    del server.histories["#tea"][:-5]
    async with running(server.port, TEA, memory=memory, say_gaps_beyond=0.0) as (_, core):
        kim.say("#tea", "live")
        await until(last(core, "live"), "line", lambda: core.items)
        assert texts(core) == [*(f"missed {number}" for number in range(5, 10)), "live"]
        (gap,) = gaps(core)
        assert isinstance(first(core)[0].content, Gap), "before what comes after it"
        assert 490 <= gap.until - gap.since <= 510
        assert gap.until == first(core)[1].when


async def test_a_history_that_is_refused_is_a_gap_and_what_is_heard_comes_all_the_same(
    server: ScriptedIrcServer, heard_once: HeardOnce
) -> None:
    memory: dict[str, str] = {}
    kim = await heard_once(memory)
    server.note("#tea", CAROL, "missed")
    server.refuse = True
    async with running(server.port, TEA, memory=memory, say_gaps_beyond=0.0) as (_, core):
        kim.say("#tea", "live")
        await until(last(core, "live"), "line", lambda: core.items)
        assert texts(core) == ["live"]
        assert len(gaps(core)) == 1
        assert isinstance(first(core)[0].content, Gap)


async def test_a_connection_lost_between_two_pages_loses_nothing(
    server: ScriptedIrcServer, heard_once: HeardOnce
) -> None:
    memory: dict[str, str] = {}
    kim = await heard_once(memory)
    missed = [server.note("#tea", CAROL, f"missed {number}").text for number in range(30)]
    server.most, server.cut_after = 10, 1
    server.on_cut = lambda: missed.append(server.note("#tea", CAROL, "missed while lost").text)
    async with running(server.port, TEA, memory=memory, say_gaps_beyond=0.0) as (_, core):
        await until(lambda: core.onlines == 2, "return", lambda: core.failures)
        kim.say("#tea", "live")
        await until(last(core, "live"), "line", lambda: core.items)
        assert texts(core)[-32:] == [*missed, "live"]
        assert set(texts(core)) <= {"heard", *missed, "live"}
        assert gaps(core) == []


async def test_what_is_not_read_to_its_end_is_read_again_by_the_next(
    server: ScriptedIrcServer, heard_once: HeardOnce
) -> None:
    """As far as is remembered, nothing was heard before all of it was."""
    memory: dict[str, str] = {}
    await heard_once(memory)
    before = dict(memory)
    missed = [server.note("#tea", CAROL, f"missed {number}").text for number in range(30)]
    server.most, server.cut_after = 10, 1

    def again() -> None:
        server.cut_after = 1

    server.on_cut = again
    async with running(server.port, TEA, memory=memory, say_gaps_beyond=0.0) as (_, core):
        await until(lambda: core.failures, "loss")
    assert memory == before
    server.cut_after = None
    async with running(server.port, TEA, memory=memory, say_gaps_beyond=0.0) as (_, core):
        await until(last(core, "missed 29"), "line", lambda: core.items)
        assert texts(core)[-30:] == missed
        assert set(texts(core)) <= {"heard", *missed}


async def test_a_part_in_doubt_is_looked_for(server: ScriptedIrcServer, crowd: Crowd) -> None:
    await crowd.connect(server.port, "kim", "#tea")
    async with running(server.port, TEA) as (adapter, core):
        await adapter.join(TEA.place, ANA)
        server.note("#tea", CAROL, "long ago", datetime.now(UTC) - timedelta(hours=1))
        there, nowhere = now(TEA.place, "there"), now(TEA.place, "nowhere")
        await confirmed(adapter.send(there))
        assert adapter.rechecks(TEA.place)
        ids = {kept.text: kept.msgid for kept in server.histories["#tea"]}
        arrived = await adapter.recheck([there, nowhere])
        assert {key: receipt.native_id for key, receipt in arrived.items()} == {there.id: ids["there"]}
        assert (await confirmed(adapter.send(nowhere))).status is Status.SUCCESS
        assert core.failures == []


async def test_a_history_without_our_tags_proves_nothing(server: ScriptedIrcServer, crowd: Crowd) -> None:
    server.strip = True
    await crowd.connect(server.port, "kim", "#tea")
    async with running(server.port, TEA) as (adapter, _):
        await adapter.join(TEA.place, ANA)
        server.note("#tea", CAROL, "long ago", datetime.now(UTC) - timedelta(hours=1))
        perhaps = now(TEA.place, "perhaps")
        await confirmed(adapter.send(perhaps))
        assert await adapter.recheck([perhaps]) == {}
        assert (await confirmed(adapter.send(perhaps))).status is Status.INDETERMINANT


async def test_a_history_that_does_not_reach_back_proves_nothing(server: ScriptedIrcServer, crowd: Crowd) -> None:
    await crowd.connect(server.port, "kim", "#tea")
    async with running(server.port, TEA) as (adapter, _):
        await adapter.join(TEA.place, ANA)
        nowhere = now(TEA.place, "nowhere")
        assert await adapter.recheck([nowhere]) == {}
        assert (await confirmed(adapter.send(nowhere))).status is Status.INDETERMINANT


async def test_where_no_history_is_kept_nobody_is_asked(crowd: Crowd) -> None:
    async with (
        ScriptedIrcServer(caps=CAPS - {"draft/chathistory"}) as server,
        running(server.port, TEA) as (adapter, _),
    ):
        assert not adapter.rechecks(TEA.place)
        assert server.asked == []


async def test_a_line_that_arrived_though_its_connection_was_lost_is_not_said_again(
    server: ScriptedIrcServer, prosody: Prosody, crowd: Crowd, new_folder: Callable[[str], Path], unique: str
) -> None:
    kim = await crowd.connect(server.port, "kim", "#tea")
    settings = {
        "store": "sqlite:///rialto.db",
        "keeper": False,
        "networks": {
            "office": {
                "kind": "xmpp",
                "server": f"127.0.0.1:{prosody.component_port}",
                "domain": DOMAIN,
                "secret": prosody.components[DOMAIN],
            },
            "libera": {"kind": "irc", "server": f"irc://127.0.0.1:{server.port}", "nick": "rialto", "flood": FLOOD},
        },
        "rooms": {"tea": {"office": f"{unique}@{prosody.muc}", "libera": "#tea"}},
    }
    jid = await prosody.register(f"ana{unique}", "password")
    async with XmppClient(jid, "password", prosody.c2s_port) as ana:
        await ana.join(f"{unique}@{prosody.muc}", "Ana")
        async with service(new_folder("rialto"), settings) as rialto:
            said = ["first", "swallowed", "after"]
            server.swallow = {"swallowed"}
            for text in said:
                ana.say(f"{unique}@{prosody.muc}", text)
                await kim.hear(text)
            await until(lambda: ended(rialto).get("confirmed", 0) == 3, "end", lambda: rialto.status())
            assert ended(rialto) == {"confirmed": 3}
            assert kim.heard("#tea") == [("Ana", text) for text in said]


def ended(rialto: Service) -> dict[str, int]:
    """How many deliveries to IRC ended, and how."""
    counts = rialto.status()["counts"]
    return {
        name.rpartition("state=")[2].rstrip("}"): int(value)
        for name, value in counts.items()
        if name.startswith("rialto_deliveries_ended_total") and "libera" in name and value
    }
