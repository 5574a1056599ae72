"""An account in private conversations on a real Prosody."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.xmpp.account.adapter import AccountAdapter
from bridge.contract import Notice, Part, SendError, Voice
from bridge.demo.clients import Sight, XmppClient
from bridge.model.address import Address, Place, PlaceKind
from bridge.model.message import Message, MessageKind
from bridge.model.presence import Basic
from bridge.model.result import Failure, Reason, Receipt
from tests.networks.xmpp.client_lab import PASSWORD, Server, account, at_work
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, part, person

ANA = Address("home", "@ana:example.org")


@pytest_asyncio.fixture(scope="module")
async def server(new_folder: Callable[[str], Path]) -> AsyncIterator[Server]:
    """One for all tests of this module."""
    async with Server(new_folder("prosody")) as running:
        yield running


def to(native: str, text: str) -> Part:
    """A part for a person, as the core makes it: the bot's, with the speaker's name."""
    return part(Place("office", native, PlaceKind.USER), person("kestrel"), text, voice=Voice.BOT)


async def deliver(adapter: AccountAdapter, each: Part) -> Receipt:
    """As the core does it."""
    assert await adapter.meet(each.place, each.speaker) is Voice.BOT
    async with asyncio.timeout(30):
        return await adapter.send(each).confirmation


async def test_a_message_to_a_person_and_back(server: Server, new_client: NewClient, unique: str) -> None:
    bo = await new_client(server, "bo")
    core = RecordingCore()
    bot = await server.account(f"bot{unique}")
    async with at_work(account(server, bot), core) as adapter:
        first, second = to(bo.name, "<kestrel> one"), to(bo.name, "<kestrel> two")
        receipt = await deliver(adapter, first)
        await deliver(adapter, second)
        assert receipt.native_id
        await bo.wait_for(text="<kestrel> two")
        told = [seen.text for seen in bo.matching(who=bot)]
        assert told[0] == "<kestrel> one"
        assert told[2:] == ["<kestrel> two"], "how to answer is told once"
        assert '"libera:kestrel your text"' in told[1]
        bo.tell(bot, "libera:kestrel, good morning")
        event = await core.heard("good morning")
        assert event.to == Address("libera", "kestrel")
        assert event.place == Place("office", bo.name, PlaceKind.USER)
        assert event.sender.address == Address("office", bo.name)
        assert event.sender.name == bo.name.partition("@")[0]
        bo.tell(bot, "home:@ana:example.org /me waves")
        event = await core.heard("waves")
        assert event.to == ANA
        assert isinstance(event.content, Message)
        assert event.content.kind is MessageKind.EMOTE
    assert len(core.messages()) == 2, core.texts()


async def test_who_says_nothing_of_whom_it_is_for_learns_how_to_write(
    server: Server, new_client: NewClient, unique: str
) -> None:
    bo = await new_client(server, "bo")
    core = RecordingCore()
    bot = await server.account(f"bot{unique}")
    async with at_work(account(server, bot), core):
        bo.tell(bot, "hello?")
        seen = await bo.wait_for(who=bot)
        assert "begin with their address" in seen.text
        position = len(bo.seen)
        bo.tell(bot, f"office:{bo.name} hello")
        await bo.wait_for(kind=Sight.ERROR, since=position)
    assert core.messages() == []


async def test_a_failure_comes_back_as_an_error_to_that_very_message(
    server: Server, new_client: NewClient, unique: str
) -> None:
    bo = await new_client(server, "bo")
    core = RecordingCore()
    bot = await server.account(f"bot{unique}")
    async with at_work(account(server, bot), core) as adapter:
        sent = bo.tell(bot, "libera:kestrel are you there?")
        event = await core.heard("are you there?")
        failure = Failure(Reason.ITEM_NOT_FOUND, "nobody is called so")
        about = event.origin.native_id
        await adapter.tell(Notice(event.place, event.sender, "Not delivered: gone", about, event.to, failure))
        seen = await bo.wait_for(kind=Sight.ERROR)
        assert seen.id == sent
        assert "item-not-found" in seen.text
        assert "Not delivered: gone" in seen.text


async def test_nobody_of_that_name(server: Server, unique: str) -> None:
    core = RecordingCore()
    bot = await server.account(f"bot{unique}")
    async with at_work(account(server, bot), core) as adapter:
        with pytest.raises(SendError) as refused:
            await deliver(adapter, to(f"nobody{unique}@{server.host}", "<kestrel> hi"))
        assert not refused.value.temporary
        assert refused.value.failure.reason is Reason.SERVICE_UNAVAILABLE
        with pytest.raises(SendError) as refused:
            await adapter.meet(Place("office", bot, PlaceKind.USER), person("kestrel"))
        assert not refused.value.temporary
        assert adapter.at_home(Address("office", f"bo@{server.host}"))
        assert not adapter.at_home(Address("office", "bo@elsewhere.example"))
        assert not adapter.at_home(Address("office", f"lobby@{server.muc}/Bo"))


async def test_what_was_said_while_we_were_away_comes_once_with_its_time(
    server: Server, new_client: NewClient, unique: str
) -> None:
    bo = await new_client(server, "bo")
    core = RecordingCore()
    bot = await server.account(f"bot{unique}")
    bo.tell(bot, f"libera:kestrel while away {unique}")
    fence = bo.tell(f"nobody{unique}@{server.host}", "fence")
    await bo.wait_for(lambda seen: seen.id == fence, kind=Sight.ERROR)
    await asyncio.sleep(1.5)  # stamps of offline messages are in whole seconds
    began = time.time()
    async with at_work(account(server, bot), core):
        event = await core.heard(f"while away {unique}")
        assert began - 60 < event.when < began
        bo.tell(bot, "libera:kestrel now")
        await core.heard("now")
    again = RecordingCore()
    async with at_work(account(server, bot), again):
        bo.tell(bot, "libera:kestrel after")
        await again.heard("after")
    assert again.texts() == ["after"], "what was taken in does not come again"


async def test_private_messages_through_a_room_that_hides_who_is_there(
    server: Server, new_client: NewClient, unique: str
) -> None:
    room = f"{unique}@{server.muc}"
    ana = await new_client(server, "ana")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    async with at_work(account(server, await server.account(f"bot{unique}")), core) as adapter:
        await ana.wait_for(kind=Sight.JOIN, who="rialto")
        ana.tell(f"{room}/rialto", "libera:kestrel psst")
        event = await core.heard("psst")
        assert event.sender.name == "Ana"
        assert event.place.kind is PlaceKind.USER
        assert event.place.native == event.sender.address.native
        assert event.place.native.startswith(f"{room}/"), "the room hides the JID"
        await deliver(adapter, to(event.place.native, "<kestrel> yes?"))
        seen = await ana.wait_for(text="<kestrel> yes?")
        assert seen.who == "rialto"
        await core.until("Ana is seen", lambda: [each for each in core.shown if each.tuples])
        assert core.shown[-1].presentity == event.sender.address
        assert core.shown[-1].tuples[0].basic is Basic.OPEN
        await ana.leave(room)
        await core.until("Ana is gone", lambda: not core.shown[-1].tuples)
        with pytest.raises(SendError) as refused:
            await adapter.meet(event.place, person("kestrel"))
        assert refused.value.failure.reason is Reason.RECIPIENT_UNAVAILABLE


async def test_what_the_account_itself_says_elsewhere_is_no_event(
    server: Server, new_client: NewClient, unique: str
) -> None:
    bo = await new_client(server, "bo")
    core = RecordingCore()
    bot = await server.account(f"bot{unique}")
    async with at_work(account(server, bot), core):
        async with XmppClient(bot, PASSWORD, server.c2s_port) as by_hand:
            by_hand.tell(bot, "libera:kestrel a note to myself")
            by_hand.tell(bo.name, "libera:kestrel from another client")
            await bo.wait_for(text="libera:kestrel from another client")
        bo.tell(bot, "libera:kestrel fence")
        await core.heard("fence")
    assert core.texts() == ["fence"]
