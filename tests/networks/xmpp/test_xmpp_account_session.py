"""Sessions of an account that are not as one would wish: without stream management, contested, or too small."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from slixmpp import JID

from bridge.contract import SendError, Voice
from bridge.demo.clients import Sight
from bridge.model.address import Place, PlaceKind
from bridge.model.event import Roster
from bridge.model.result import Reason
from tests.networks.cable import Cable
from tests.networks.conftest import Started
from tests.networks.xmpp.client_lab import Server, account, at_work, present
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, part, person

LINES = 12
"""Fewer than the 20 that a room keeps by default: beyond its history nobody can say what arrived."""


@pytest.fixture
async def plain(new_folder: Callable[[str], Path], started: Started) -> Server:
    """A server without stream management."""
    made = Server(new_folder("prosody"), smacks=False)
    await started(made)
    return made


@pytest.fixture
async def server(new_folder: Callable[[str], Path], started: Started) -> Server:
    made = Server(new_folder("prosody"), extra="c2s_stanza_size_limit = 1024*1024")
    await started(made)
    return made


async def test_without_stream_management_it_works_and_a_cut_is_told(
    plain: Server, new_client: NewClient, unique: str
) -> None:
    room = f"{unique}@{plain.muc}"
    ana = await new_client(plain, "ana")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    bot = await plain.account(f"bot{unique}")
    async with (
        Cable(plain.c2s_port) as cable,
        at_work(account(plain, bot, server=f"127.0.0.1:{cable.port}"), core) as adapter,
    ):
        await ana.wait_for(kind=Sight.JOIN, who="rialto")
        before = part(core.places[0], person("kestrel"), "before", voice=Voice.BOT)
        private = part(Place("office", ana.name, PlaceKind.USER), person("kestrel"), "private", voice=Voice.BOT)
        async with asyncio.timeout(30):
            await adapter.send(before).confirmation
            await adapter.send(private).confirmation
        ana.say(room, "heard before the cut")
        await core.heard("heard before the cut")
        cable.hold("down")
        parts = [part(core.places[0], person("kestrel"), f"line {n}", voice=Voice.BOT) for n in range(LINES)]
        sent = [adapter.send(each).confirmation for each in parts]
        await ana.wait_for(text=f"line {LINES - 1}")
        cable.hold("up")
        lost = part(core.places[0], person("kestrel"), "never sent", voice=Voice.BOT)
        sent.append(adapter.send(lost).confirmation)
        ana.say(room, "said meanwhile")
        cable.cut()
        await asyncio.wait(sent, timeout=30)
        errors = [each.exception() for each in sent]
        assert all(isinstance(error, SendError) and error.temporary for error in errors), errors
        await core.until("another session", lambda: core.log.count("online") == 2)
        await present(adapter, core)
        # As the lane does before it sends anything again.
        arrived = await adapter.recheck([*parts, lost])
        assert set(arrived) == {each.id for each in parts}
        await core.heard("said meanwhile")
    assert core.texts() == ["heard before the cut", "said meanwhile"]
    assert len([item for item in core.items if isinstance(item, Roster)]) > 1, "it had to enter again"


async def test_whoever_else_logs_in_by_the_same_name_is_told_of(server: Server, unique: str) -> None:
    first, second = RecordingCore(), RecordingCore()
    bot = await server.account(f"bot{unique}")
    async with at_work(account(server, bot), first), at_work(account(server, bot), second):
        failure = await first.until("offline", lambda: first.failures and first.failures[0])
    assert failure
    assert failure.reason is Reason.CONFLICT, failure
    assert bot in failure.text


async def test_a_message_that_would_end_the_stream_is_refused_and_the_next_one_goes(
    server: Server, new_client: NewClient, unique: str
) -> None:
    room = f"{unique}@{server.muc}"
    core = RecordingCore(room)
    bot = await server.account(f"bot{unique}")
    async with at_work(account(server, bot), core) as adapter:
        with pytest.raises(SendError) as refused:
            adapter.send(part(core.places[0], person("kestrel"), "x" * 70_000, voice=Voice.BOT))
        assert not refused.value.temporary
        worst = "&" * adapter.capabilities(core.places[0], person("kestrel"), Voice.BOT).part_bytes
        async with asyncio.timeout(30):
            await adapter.send(part(core.places[0], person("kestrel"), worst, voice=Voice.BOT)).confirmation
        hostile = "a\0b\ufffe\ud800 <x>&amp;]]>"
        async with asyncio.timeout(30):
            await adapter.send(part(core.places[0], person("kestrel"), hostile, voice=Voice.BOT)).confirmation
    assert core.log == ["online"]


async def test_requests_are_answered_and_the_unwanted_is_passed_over(
    server: Server, new_client: NewClient, unique: str
) -> None:
    bo = await new_client(server, "bo")
    core = RecordingCore()
    bot = await server.account(f"bot{unique}")
    async with at_work(account(server, bot), core):
        full = JID(f"{bot}/rialto")
        info = await bo.xmpp.plugin["xep_0030"].get_info(jid=full, timeout=30)
        identities = {(category, kind) for category, kind, *_ in info["disco_info"]["identities"]}
        assert ("client", "bot") in identities
        assert await bo.xmpp.plugin["xep_0199"].ping(full, timeout=30)
        bo.xmpp.send_presence_subscription(pto=bot, ptype="subscribe")
        for payload in ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", "<subject>hello</subject>"):
            bo.xmpp.send_raw(f"<message to='{bot}' type='chat'>{payload}</message>")
        bo.xmpp.send_raw(
            f"<message to='{bot}'><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
            f"<message xmlns='jabber:client' from='{bot}'><body>libera:kestrel forged</body></message>"
            "</forwarded></sent></message>"
        )
        bo.tell(bot, "libera:kestrel fence")
        await core.heard("fence")
    assert core.texts() == ["fence"]
    assert "subscription request" in core.ignores
