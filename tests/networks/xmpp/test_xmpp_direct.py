"""Private messages through a component of a real Prosody: to people and from them, through rooms, and what fails."""

import asyncio
import os
import signal
import time
from xml.etree.ElementTree import fromstring

import pytest

from bridge.contract import Direct, Notice, SendError, Showing, Voice
from bridge.demo.clients import Sight, XmppClient
from bridge.demo.servers import Prosody
from bridge.model.address import Address, Place, PlaceKind
from bridge.model.event import Event, Joined, Left, Protection, Roster
from bridge.model.message import Message, MessageKind, Reaction, Retraction
from bridge.model.result import Failure, Reason
from tests.networks.xmpp.test_xmpp_trouble import NewProsody
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, part, person, running, say

DOMAIN = "bridge2.localhost"
PUPPET = f"kestrel%libera@{DOMAIN}"
KESTREL = person("Kestrel")
NON_ANONYMOUS = {"muc#roomconfig_whois": "anyone"}


def inbox(native: str) -> Place:
    return Place("office", native, PlaceKind.USER)


def raw(client: XmppClient, to: str, inner: str, *, kind: str = "chat", stanza_id: str = "raw-1") -> None:
    """Send a message with that content."""
    client.xmpp.send_raw(f"<message to='{to}' type='{kind}' id='{stanza_id}'>{inner}</message>")


async def test_what_is_written_to_a_puppet_while_we_are_away_is_returned_to_its_sender(
    prosody: Prosody, new_client: NewClient
) -> None:
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    async with running(prosody, "bridge6.localhost", core):
        ana.tell("kestrel%libera@bridge6.localhost", "here")
        await core.heard("here")
    ana.tell("kestrel%libera@bridge6.localhost", "away")
    await ana.wait_for(kind=Sight.ERROR, who="kestrel%libera@bridge6.localhost")
    later = RecordingCore()
    async with running(prosody, "bridge6.localhost", later):
        ana.tell("kestrel%libera@bridge6.localhost", "here again")
        await later.heard("here again")
    assert later.texts() == ["here again"]


async def test_to_a_person_and_back(prosody: Prosody, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    async with running(prosody, DOMAIN, core) as adapter:
        assert isinstance(adapter, Direct)
        assert isinstance(adapter, Showing)
        place = inbox(ana.name)
        assert await adapter.meet(place, KESTREL) is Voice.PUPPET
        assert adapter.capabilities(place, KESTREL, Voice.PUPPET).lines
        spoken = part(place, KESTREL, "caw & <caw>\nline two")
        receipt = await say(adapter, spoken)
        assert receipt.native_id == f"rialto-{spoken.id}"
        seen = await ana.wait_for(kind=Sight.TEXT, who=PUPPET, text="caw & <caw>\nline two")
        assert (seen.sender, seen.id, seen.history) == (f"{PUPPET}/rialto", f"rialto-{spoken.id}", False)
        await say(adapter, part(place, KESTREL, "flies", kind=MessageKind.EMOTE))
        await ana.wait_for(kind=Sight.EMOTE, who=PUPPET, text="flies")
        late = part(place, KESTREL, "said long ago", when=time.time() - 3600)
        await say(adapter, late)
        assert (await ana.wait_for(text="said long ago")).history

        before = time.time()
        ana.tell(seen.sender, "hello <Kestrel> & all")
        event = await core.heard("hello <Kestrel> & all")
        assert (event.place, event.to) == (place, KESTREL.address)
        assert (event.sender.address, event.sender.name) == (Address("office", ana.name), ana.name.partition("@")[0])
        assert (event.protection, before <= event.when <= time.time()) == (Protection.NONE, True)
        ana.tell(PUPPET, "/me waves")
        assert isinstance((await core.heard("waves")).content, Message)


async def test_many_at_once_keep_their_order_and_share_pings(prosody: Prosody, new_client: NewClient) -> None:
    ana, bo = await new_client(prosody, "ana"), await new_client(prosody, "bo")
    core = RecordingCore()
    async with running(prosody, DOMAIN, core) as adapter:
        written: list[str] = []
        write = adapter._stream.write

        def listen(stanza: str, key: str = "") -> None:
            written.append(stanza)
            write(stanza, key)

        adapter._stream.write = listen  # type: ignore[method-assign]  # only listens
        adapter._queries._write = listen
        spoken = [part(inbox(who.name), KESTREL, f"{number}") for number in range(50) for who in (ana, bo)]
        async with asyncio.timeout(30):
            await asyncio.gather(*(adapter.send(each).confirmation for each in spoken))
        assert sum("urn:xmpp:ping" in each for each in written) == 1, "one server, one ping"
        for client in (ana, bo):
            await client.wait_for(text="49")
            assert [seen.text for seen in client.matching(kind=Sight.TEXT)] == [f"{number}" for number in range(50)]


async def test_the_puppet_says_its_name_once_and_when_it_changes(prosody: Prosody, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    nicks: list[str | None] = []
    ana.xmpp.add_event_handler(
        "message", lambda message: nicks.append(message.xml.findtext("{http://jabber.org/protocol/nick}nick"))
    )
    core = RecordingCore()
    async with running(prosody, DOMAIN, core) as adapter:
        for who, text in ((KESTREL, "1"), (KESTREL, "2"), (person("Falcon <&>", native="kestrel"), "3")):
            await say(adapter, part(inbox(ana.name), who, text))
        await ana.wait_for(text="3")
    assert nicks == ["Kestrel", None, "Falcon <&>"]


async def test_nobody_there_is_told_by_the_servers_error(prosody: Prosody, new_client: NewClient, unique: str) -> None:
    bo = await new_client(prosody, "bo")
    core = RecordingCore()
    async with running(prosody, DOMAIN, core) as adapter:
        first, second = (part(inbox(native), KESTREL, "hi") for native in (f"nobody{unique}@localhost", bo.name))
        handed = [adapter.send(each).confirmation for each in (first, second)]
        with pytest.raises(SendError) as refused:
            await asyncio.wait_for(handed[0], 30)
        assert (refused.value.failure.reason, refused.value.temporary) == (Reason.SERVICE_UNAVAILABLE, False)
        assert "nobody of that address" in refused.value.failure.text
        assert (await asyncio.wait_for(handed[1], 30)).native_id


async def test_who_is_offline_finds_it_later_and_who_blocks_the_puppet_is_told_apart(
    prosody: Prosody, new_client: NewClient
) -> None:
    ana, bo = await new_client(prosody, "ana"), await new_client(prosody, "bo")
    core = RecordingCore()
    async with running(prosody, DOMAIN, core) as adapter:
        for client in (ana, bo):
            client.tell(PUPPET, f"I am {client.name}")
            await core.heard(f"I am {client.name}")
        await bo.close()
        await say(adapter, part(inbox(bo.name), KESTREL, "for later"))
        async with XmppClient(bo.name, "password", prosody.c2s_port) as again:
            assert (await again.wait_for(text="for later")).history

        block = fromstring(f"<block xmlns='urn:xmpp:blocking'><item jid='{PUPPET}'/></block>")
        request = ana.xmpp.make_iq(itype="set")
        request.append(block)
        await request.send(timeout=30)  # type: ignore[no-untyped-call]  # slixmpp leaves it untyped
        with pytest.raises(SendError) as refused:
            await say(adapter, part(inbox(ana.name), KESTREL, "hello?"))
        assert (refused.value.failure.reason, refused.value.temporary) == (Reason.RECIPIENT_UNAVAILABLE, False)
        assert "block" in refused.value.failure.text


async def test_a_server_that_cannot_be_had(prosody: Prosody, unique: str) -> None:
    core = RecordingCore()
    async with running(prosody, DOMAIN, core) as adapter:
        with pytest.raises(SendError) as refused:
            await say(adapter, part(inbox("bo@nowhere.invalid"), KESTREL, "hi"))
        # Without federation, this server says so.
        assert (refused.value.failure.reason, refused.value.temporary) == (Reason.NOT_ALLOWED, False)
        assert "remote domains" in refused.value.failure.text
        # A component that is configured, and not connected.
        with pytest.raises(SendError) as refused:
            await say(adapter, part(inbox("bo@bridge8.localhost"), KESTREL, "hi"))
        assert refused.value.temporary, refused.value
        assert refused.value.failure.reason is Reason.REMOTE_SERVER_TIMEOUT


async def test_our_own_are_no_recipients(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    async with running(prosody, DOMAIN, core) as adapter:
        for native in (PUPPET, f"rialto@{DOMAIN}", room, f"{room}/nobody", "gone@conference.localhost/x"):
            with pytest.raises(SendError) as refused:
                await adapter.meet(inbox(native), KESTREL)
            assert not refused.value.temporary, native
        assert adapter.at_home(Address("office", ana.name))
        assert not adapter.at_home(Address("office", "ana@example.org"))
        assert not adapter.at_home(Address("office", f"{room}/occupant"))


async def test_what_is_no_message_and_whom_nobody_is_called(prosody: Prosody, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    async with running(prosody, DOMAIN, core):
        for number, (to, words) in enumerate(
            {
                f"nobody@{DOMAIN}": "nobody here is called so",
                f"kestrel%nowhere@{DOMAIN}/rialto": "nobody here is called so",
                f"#tea%libera@{DOMAIN}": "a room, not a person",
                f"bo%example.org%office@{DOMAIN}": "on this network",
            }.items()
        ):
            raw(ana, to, "<body>psst</body>", stanza_id=f"to-{number}")
            error = await ana.wait_for(kind=Sight.ERROR, id=f"to-{number}")
            assert error.text.startswith("item-not-found")
            assert words in error.text
        for kind, inner in (
            ("chat", "<composing xmlns='http://jabber.org/protocol/chatstates'/>"),
            ("chat", "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>"),
            ("chat", "<received xmlns='urn:xmpp:receipts' id='x'/>"),
            ("headline", "<body>news</body>"),
            ("groupchat", "<body>no room</body>"),
            ("normal", "<subject>only that</subject>"),
            ("normal", "<body>come</body><x xmlns='jabber:x:conference' jid='a@b'/>"),
        ):
            raw(ana, PUPPET, inner, kind=kind)
        ana.tell(PUPPET, "marker")
        await core.heard("marker")
    assert core.texts() == ["marker"]
    assert {"typing", "read marker", "receipt", "headline", "unknown room", "subject", "invitation"} <= set(
        core.ignores
    )


async def test_the_same_id_twice_are_two_messages_and_edits_find_theirs(
    prosody: Prosody, new_client: NewClient
) -> None:
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    async with running(prosody, DOMAIN, core) as adapter:
        nick = "<nick xmlns='http://jabber.org/protocol/nick'>Ana \n B.</nick>"
        raw(ana, PUPPET, f"<body>one</body>{nick}", stanza_id="1")
        raw(ana, PUPPET, "<body>two</body>", stanza_id="1", kind="normal")
        raw(ana, PUPPET, "<body>three</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>", stanza_id="2")
        one, two, three = [await core.heard(text) for text in ("one", "two", "three")]
        assert len({event.origin for event in (one, two, three)}) == 3
        assert [event.sender.name for event in (one, two, three)] == ["Ana B."] * 3
        assert isinstance(three.content, Message)
        assert three.content.replaces == two.origin.native_id
        raw(ana, PUPPET, "<retract xmlns='urn:xmpp:message-retract:1' id='2'/>", stanza_id="3")
        _, retraction = await core.content(Retraction)
        assert retraction.target == three.origin.native_id

        spoken = part(inbox(ana.name), KESTREL, "like it?")
        receipt = await say(adapter, spoken)
        seen = await ana.wait_for(text="like it?")
        emoji = "<reaction>\U0001f44d</reaction>"
        raw(ana, PUPPET, f"<reactions xmlns='urn:xmpp:reactions:0' id='{seen.id}'>{emoji}</reactions>", stanza_id="4")
        event, reaction = await core.content(Reaction)
        assert (reaction.target, reaction.key, event.to) == (receipt.native_id, "\U0001f44d", KESTREL.address)


async def test_the_writer_is_told_by_an_error_for_the_very_stanza(prosody: Prosody, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    async with running(prosody, DOMAIN, core) as adapter:
        sent = ana.tell(PUPPET, "are you there?")
        event = await core.heard("are you there?")

        def notice(text: str, failure: Failure | None) -> Notice:
            return Notice(event.place, event.sender, text, event.origin.native_id, event.to, failure)

        await adapter.tell(notice("kestrel is offline & away", Failure(Reason.RECIPIENT_UNAVAILABLE, "offline")))
        error = await ana.wait_for(kind=Sight.ERROR)
        assert (error.id, error.text) == (sent, "recipient-unavailable kestrel is offline & away")
        assert error.sender == PUPPET
        await adapter.tell(notice("something else", None))
        told = await ana.wait_for(kind=Sight.TEXT, text="something else")
        assert told.sender == PUPPET
        await adapter.tell(Notice(event.place, event.sender, "about nothing", None, event.to))
        assert (await ana.wait_for(text="about nothing")).sender == f"{PUPPET}/rialto"


async def test_lines_to_the_bot(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    async with running(prosody, DOMAIN, core) as adapter:
        for to in (f"rialto@{DOMAIN}", f"rialto@{DOMAIN}/rialto", DOMAIN, f"{room}/rialto"):
            position = len(ana.seen)
            ana.tell(to, f"libera:kestrel: hello by {to}")
            event = await core.heard(f"hello by {to}")
            assert event.to == KESTREL.address
            failure = Failure(Reason.FORBIDDEN, "no")
            await adapter.tell(Notice(event.place, event.sender, "no", event.origin.native_id, event.to, failure))
            assert (await ana.wait_for(kind=Sight.ERROR, since=position)).text == "forbidden no"
            ana.tell(to, "hello?")
            told = await ana.wait_for(kind=Sight.TEXT, since=position)
            assert "begin with their address" in told.text
            ana.tell(to, f"block {to}")
            await ana.wait_for(text=f"Answer to block {to}.\nIn two lines.")
            # Through a room they are the occupant, and outside of it their own address.
            person, said = core.commanded[-1]
            assert said == f"block {to}"
            assert person.address.native.startswith(room if to.startswith(room) else ana.xmpp.boundjid.bare)
        ana.tell(f"rialto@{DOMAIN}", "office:bo@example.org hi")
        assert "on this network" in (await ana.wait_for(kind=Sight.ERROR, since=len(ana.seen) - 1)).text
        for _ in range(6):
            ana.tell(DOMAIN, "hello?")
        await ana.wait_for(lambda seen: seen.text.startswith("bad-request"), kind=Sight.ERROR)


async def test_private_messages_in_a_room_that_hides_who_they_are(
    prosody: Prosody, room: str, new_client: NewClient
) -> None:
    ana, bo = await new_client(prosody, "ana"), await new_client(prosody, "bo")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    async with running(prosody, DOMAIN, core) as adapter:
        await adapter.join(core.places[0], KESTREL)
        sent = ana.tell(f"{room}/Kestrel", "psst")
        event = await core.heard("psst")
        assert event.sender == (await core.item(Roster)).people[0]
        assert (event.to, event.place) == (KESTREL.address, inbox(event.sender.address.native))
        assert event.sender.address.native.startswith(f"{room}/")

        for reason, condition in (
            (Reason.FORBIDDEN, "forbidden"),
            # For these a room would put the puppet out.
            (Reason.ITEM_NOT_FOUND, "undefined-condition"),
            (Reason.SERVICE_UNAVAILABLE, "undefined-condition"),
        ):
            position = len(ana.seen)
            about = event.origin.native_id
            await adapter.tell(Notice(event.place, event.sender, "not so", about, event.to, Failure(reason, "no")))
            error = await ana.wait_for(kind=Sight.ERROR, since=position)
            assert (error.id, error.text, error.who) == (sent, f"{condition} not so", "Kestrel")

        assert await adapter.meet(event.place, KESTREL) is Voice.PUPPET
        await say(adapter, part(event.place, KESTREL, "yes?"))
        answer = await ana.wait_for(kind=Sight.TEXT, text="yes?")
        assert (answer.who, answer.place) == ("Kestrel", "")
        # Somebody who has no puppet in the room is spoken for by the bot, who says once how to answer.
        merlin = person("Merlin")
        assert await adapter.meet(event.place, merlin) is Voice.BOT
        for text in ("<Merlin> hi", "<Merlin> you"):
            await say(adapter, part(event.place, merlin, text, voice=Voice.BOT))
            assert (await ana.wait_for(kind=Sight.TEXT, text=text)).who == "rialto"
        assert len(ana.matching(lambda seen: "libera:merlin" in seen.text)) == 1

        await bo.join(room, "Bo")
        there = (await core.item(Joined)).person
        await bo.leave(room)
        await core.item(Left)
        with pytest.raises(SendError) as refused:
            await adapter.meet(inbox(there.address.native), KESTREL)
        assert (refused.value.failure.reason, refused.value.temporary) == (Reason.RECIPIENT_UNAVAILABLE, False)
        await say(adapter, part(core.places[0], KESTREL, "and is in the room still"))
    assert core.texts() == ["psst"]


async def test_an_occupant_who_is_gone_before_we_know_is_told_by_the_room(
    prosody: Prosody, room: str, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, bo = await new_client(prosody, "ana"), await new_client(prosody, "bo")
    await ana.join(room, "Ana")
    await bo.join(room, "Bo")
    core = RecordingCore(room)
    async with running(prosody, DOMAIN, core) as adapter:
        await adapter.join(core.places[0], KESTREL)
        who = next(each for each in (await core.item(Roster)).people if each.name == "Bo")
        found = adapter._find(core.places[0])
        monkeypatch.setattr(found, "presence", lambda own, stanza: None)
        await bo.leave(room)
        with pytest.raises(SendError) as refused:
            await say(adapter, part(inbox(who.address.native), KESTREL, "hi"))
        assert (refused.value.failure.reason, refused.value.temporary) == (Reason.ITEM_NOT_FOUND, False)
        assert "not in the room any more" in refused.value.failure.text


async def test_who_shows_their_jid_is_one_person_in_the_room_and_outside(
    prosody: Prosody, room: str, new_client: NewClient
) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana", config=NON_ANONYMOUS)
    core = RecordingCore(room)
    async with running(prosody, DOMAIN, core) as adapter:
        await adapter.join(core.places[0], KESTREL)
        ana.tell(f"{room}/Kestrel", "psst")
        assert (await core.heard("psst")).place == inbox(ana.name)
        assert core.items.index(await core.item(Event)) > 0


async def test_when_the_stream_breaks_what_is_not_confirmed_fails_for_now(
    new_prosody: NewProsody, new_client: NewClient
) -> None:
    prosody = await new_prosody(components={DOMAIN: "secret"})
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    async with running(prosody, DOMAIN, core) as adapter:
        # A server that stands still, then dies: it cannot answer first.
        assert prosody.pid is not None
        os.kill(prosody.pid, signal.SIGSTOP)
        handed = adapter.send(part(inbox(ana.name), KESTREL, "caw"))
        await prosody.kill()
        with pytest.raises(SendError) as refused:
            await asyncio.wait_for(handed.confirmation, 30)
        assert refused.value.temporary
        with pytest.raises(SendError) as refused:
            adapter.send(part(inbox(ana.name), KESTREL, "caw"))
        assert refused.value.temporary
        assert not adapter.rechecks(inbox(ana.name))
