"""The adapter in one room of a real Prosody: both ways, puppets, topics, people, kicks."""

import asyncio
import time
from xml.etree.ElementTree import fromstring

import pytest

from bridge.contract import Notice, SendError, Voice
from bridge.demo.clients import Sight
from bridge.demo.servers import Prosody
from bridge.model.event import Cause, Event, Joined, Left, PuppetGone, Renamed, Roster, TopicSet
from bridge.model.message import Kick, Media, Message, MessageKind, Reaction
from bridge.model.result import Reason
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, part, person, running, say

NON_ANONYMOUS = {"muc#roomconfig_whois": "anyone"}


async def test_a_room_both_ways(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana", config=NON_ANONYMOUS)
    core = RecordingCore(room)
    place = core.places[0]
    kestrel = person("Kestrel")
    async with running(prosody, "bridge1.localhost", core) as adapter:
        roster = await core.item(Roster)
        assert [(who.address.native, who.name) for who in roster.people] == [(ana.name, "Ana")]

        before = time.time()
        ana.say(room, "hello <there> & \"you\"\n'two' \U0001f600")
        event = await core.heard("hello <there> & \"you\"\n'two' \U0001f600")
        assert event.sender.address.native == ana.name
        assert event.place == place
        assert before <= event.when <= time.time()
        ana.emote(room, "waves")
        emote = await core.heard("waves")
        assert isinstance(emote.content, Message)
        assert emote.content.kind is MessageKind.EMOTE

        await adapter.join(place, kestrel)
        joined = await ana.wait_for(kind=Sight.JOIN, who="Kestrel")
        assert joined.sender == "kestrel%libera@bridge1.localhost/rialto"
        receipt = await say(adapter, part(place, kestrel, "caw & <caw>\nline two"))
        assert receipt.native_id
        await ana.wait_for(kind=Sight.TEXT, who="Kestrel", text="caw & <caw>\nline two")
        await say(adapter, part(place, kestrel, "flies", kind=MessageKind.EMOTE))
        await ana.wait_for(kind=Sight.EMOTE, who="Kestrel", text="flies")
        await say(adapter, part(place, kestrel, "beware", kind=MessageKind.NOTICE))
        await ana.wait_for(kind=Sight.TEXT, who="Kestrel", text="beware")
        await say(adapter, part(place, kestrel, "<Kestrel> hi", voice=Voice.BOT))
        await ana.wait_for(kind=Sight.TEXT, who="rialto", text="<Kestrel> hi")

        await adapter.rename(place, person("Falcon", native="kestrel"))
        await ana.wait_for(kind=Sight.RENAME, who="Kestrel", text="Falcon")
        await adapter.leave(place, kestrel.address, "gone fishing")
        await ana.wait_for(kind=Sight.LEAVE, who="Falcon", text="gone fishing")
        with pytest.raises(SendError) as refused:
            adapter.send(part(place, kestrel, "too late"))
        assert refused.value.temporary
    assert core.texts() == ["hello <there> & \"you\"\n'two' \U0001f600", "waves"]
    assert [item for item in core.items if isinstance(item, Joined | Left | PuppetGone)] == []
    assert "failed" not in core.ignores
    await ana.wait_for(kind=Sight.LEAVE, who="rialto")


async def test_people_come_go_and_change_in_a_semi_anonymous_room(
    prosody: Prosody, room: str, new_client: NewClient
) -> None:
    ana = await new_client(prosody, "ana")
    bo = await new_client(prosody, "bo")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    async with running(prosody, "bridge1.localhost", core) as adapter:
        (seen,) = (await core.item(Roster)).people
        assert seen.address.native.startswith(f"{room}/")
        assert seen.address.native != f"{room}/Ana", "not known by occupant-id"

        await bo.join(room, "Bo")
        joined = await core.item(Joined)
        assert joined.person.name == "Bo"
        await bo.rename(room, "Robert")
        renamed = await core.item(Renamed)
        assert (renamed.person.address, renamed.person.name) == (joined.person.address, "Robert")
        bo.say(room, "it is me")
        assert (await core.heard("it is me")).sender == renamed.person
        await bo.leave(room, "tea")
        left = await core.item(Left)
        assert (left.address, left.cause, left.reason) == (joined.person.address, Cause.LEFT, "tea")

        await bo.join(room, "Bo")
        await core.item(Joined, since=core.items.index(left))
        await ana.kick(room, "Bo", "enough")
        event, kick = await core.content(Kick)
        assert (event.sender, kick.target, kick.target_name, kick.reason) == (
            seen,
            joined.person.address,
            "Bo",
            "enough",
        )
        kicked = await core.item(Left, cause=Cause.KICKED)
        assert (kicked.address, kicked.by, kicked.reason) == (joined.person.address, "Ana", "enough")

        # A puppet is nobody to report, though nothing shows its JID here.
        kestrel = person("Kestrel")
        before = len(core.items)
        await adapter.join(core.places[0], kestrel)
        await say(adapter, part(core.places[0], kestrel, "caw"))
        ana.say(room, "marker")
        await core.heard("marker")
        assert [type(item) for item in core.items[before:]] == [Event]


async def test_a_kicked_puppet_is_told_and_a_banned_one_cannot_come_back(
    prosody: Prosody, room: str, new_client: NewClient
) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana", config=NON_ANONYMOUS)
    core = RecordingCore(room)
    place = core.places[0]
    kestrel = person("Kestrel")
    async with running(prosody, "bridge1.localhost", core) as adapter:
        await adapter.join(place, kestrel)
        await ana.kick(room, "Kestrel", "noise")
        gone = await core.item(PuppetGone)
        assert (gone.address, gone.cause, gone.reason, gone.by) == (kestrel.address, Cause.KICKED, "noise", "Ana")
        event, kick = await core.content(Kick)
        assert (kick.target, kick.target_name, event.sender.name) == (kestrel.address, "Kestrel", "Ana")

        await adapter.join(place, kestrel)
        await ana.xmpp.plugin["xep_0045"].set_affiliation(
            room, "outcast", jid="kestrel%libera@bridge1.localhost", reason="go"
        )
        banned = await core.item(PuppetGone, cause=Cause.BANNED)
        assert banned.reason == "go"
        with pytest.raises(SendError) as refused:
            await adapter.join(place, kestrel)
        assert (refused.value.failure.reason, refused.value.temporary) == (Reason.FORBIDDEN, False)


async def test_nick_conflicts_get_a_suffix_that_stays(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Kestrel")
    core = RecordingCore(room)
    place = core.places[0]
    one, two, three = person("Kestrel"), person("Kestrel", "home", "@k:x.org"), person("Kestrel", "home", "@k:y.org")
    async with running(prosody, "bridge1.localhost", core) as adapter:
        await asyncio.gather(*(adapter.join(place, who) for who in (one, two, three)))
        for nick in ("Kestrel (libera)", "Kestrel (home)", "Kestrel (home 2)"):
            await ana.wait_for(kind=Sight.JOIN, who=nick)
        assert set(ana.occupants[room]) == {
            "rialto",
            "Kestrel",
            "Kestrel (libera)",
            "Kestrel (home)",
            "Kestrel (home 2)",
        }
        await adapter.leave(place, one.address, None)
    again = RecordingCore(room, before=core)
    async with running(prosody, "bridge1.localhost", again) as adapter:
        await ana.rename(room, "Ana")
        await again.item(Renamed)
        position = len(ana.seen)
        await adapter.join(place, one)
        await ana.wait_for(kind=Sight.JOIN, who="Kestrel (libera)", since=position)


async def test_a_nick_that_we_do_not_know_to_be_taken_is_found_out_by_conflict(
    prosody: Prosody, room: str, new_client: NewClient
) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Kestrel")
    core = RecordingCore(room)
    place = core.places[0]
    async with running(prosody, "bridge1.localhost", core) as adapter:
        adapter._find(place).occupants.replace({})
        await adapter.join(place, person("Kestrel"))
        await ana.wait_for(kind=Sight.JOIN, who="Kestrel (libera)")
        adapter._find(place).occupants.replace({})
        await adapter.join(place, person("Falcon"))
        adapter._find(place).occupants.replace({})
        await adapter.rename(place, person("Kestrel", native="falcon"))
        await ana.wait_for(kind=Sight.RENAME, who="Falcon", text="Kestrel (libera 2)")


async def test_topics_both_ways(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana", config={"muc#roomconfig_changesubject": "1"})
    ana.set_topic(room, "old topic")
    await ana.wait_for(kind=Sight.TOPIC, text="old topic")
    core = RecordingCore(room)
    place = core.places[0]
    async with running(prosody, "bridge1.localhost", core) as adapter:
        first = await core.item(TopicSet)
        assert (first.text, first.initial, first.own) == ("old topic", True, False)
        ana.set_topic(room, "tea & biscuits")
        second = await core.item(TopicSet, initial=False)
        assert second.by is not None
        assert (second.text, second.own, second.by.name) == ("tea & biscuits", False, "Ana")
        kestrel = person("Kestrel")
        await adapter.join(place, kestrel)
        await adapter.set_topic(place, "birds", kestrel)
        await ana.wait_for(kind=Sight.TOPIC, text="birds", who="Kestrel")
        assert (await core.item(TopicSet, text="birds")).own
        await adapter.set_topic(place, "bots", person("Nobody"))
        await ana.wait_for(kind=Sight.TOPIC, text="bots", who="rialto")


async def test_a_topic_that_only_moderators_may_set_is_refused_for_good(
    prosody: Prosody, room: str, new_client: NewClient
) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    async with running(prosody, "bridge1.localhost", core) as adapter:
        with pytest.raises(SendError) as refused:
            await adapter.set_topic(core.places[0], "birds", None)
        assert (refused.value.failure.reason, refused.value.temporary) == (Reason.FORBIDDEN, False)
        assert "subject" in refused.value.failure.text


async def test_a_moderated_room_refuses_lines_for_good(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana", config={"muc#roomconfig_moderatedroom": "1"})
    core = RecordingCore(room)
    place = core.places[0]
    kestrel = person("Kestrel")
    async with running(prosody, "bridge1.localhost", core) as adapter:
        await adapter.join(place, kestrel)
        with pytest.raises(SendError) as refused:
            await say(adapter, part(place, kestrel, "may I?"))
        assert (refused.value.failure.reason, refused.value.temporary) == (Reason.FORBIDDEN, False)
        assert "moderated" in refused.value.failure.text


async def test_telling_somebody_in_private(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    bo = await new_client(prosody, "bo")
    await ana.join(room, "Ana")
    await bo.join(room, "Bo")
    core = RecordingCore(room)
    async with running(prosody, "bridge1.localhost", core) as adapter:
        who = next(person for person in (await core.item(Roster)).people if person.name == "Ana")
        await adapter.tell(Notice(core.places[0], who, "not delivered & <sorry>", "some-id"))
        told = await ana.wait_for(text="not delivered & <sorry>")
        assert (told.who, told.place) == ("rialto", "")
        await ana.leave(room)
        await core.item(Left)
        with pytest.raises(SendError) as refused:
            await adapter.tell(Notice(core.places[0], who, "again"))
        assert refused.value.failure.reason is Reason.RECIPIENT_UNAVAILABLE
    assert not bo.matching(text="not delivered & <sorry>")


async def test_edits_reactions_and_files_are_told_apart(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    async with running(prosody, "bridge1.localhost", core):
        first = ana.say(room, "helo")
        said = await core.heard("helo")
        message = ana.xmpp.make_message(mto=room, mbody="hello", mtype="groupchat")
        message["id"] = "edit-0123456789abcdef"
        message.appendxml(fromstring(f"<replace xmlns='urn:xmpp:message-correct:0' id='{first}'/>"))
        message.send()
        edit = (await core.heard("hello")).content
        assert isinstance(edit, Message)
        assert edit.replaces == said.origin.native_id

        reaction = ana.xmpp.make_message(mto=room, mtype="groupchat")
        reaction["id"] = "react-0123456789abcdef"
        reaction.appendxml(
            fromstring(
                f"<reactions xmlns='urn:xmpp:reactions:0' id='{first}'><reaction>\U0001f44d</reaction></reactions>"
            )
        )
        reaction.send()
        _, content = await core.content(Reaction)
        assert content == Reaction(said.origin.native_id, "\U0001f44d")

        file = ana.xmpp.make_message(mto=room, mbody="https://x.org/cat.png", mtype="groupchat")
        file["id"] = "file-0123456789abcdef"
        file.appendxml(fromstring("<x xmlns='jabber:x:oob'><url>https://x.org/cat.png</url></x>"))
        file.send()
        event = await core.until("the file", lambda: next((e for e in core.messages() if _parts(e)), None))
        assert event is not None
        assert _parts(event)[0].url == "https://x.org/cat.png"
        assert isinstance(event.content, Message)
        assert event.content.body.text == ""


def _parts(event: Event) -> list[Media]:
    content = event.content
    return [part for part in content.parts if isinstance(part, Media)] if isinstance(content, Message) else []
