"""The adapter over a real Synapse: what is said and done in rooms, both ways."""

import time
from collections.abc import Awaitable, Callable

import pytest

from bridge.contract import Notice, SendError, Voice
from bridge.model.address import Address, Person, Place
from bridge.model.event import Cause, Joined, Left, Protection, PuppetGone, Renamed, Roster, TopicSet
from bridge.model.message import Kick, Message, MessageKind, Opaque, Reaction, Retraction, Text
from bridge.model.result import Reason
from tests.networks.matrix.conftest import Home
from tests.networks.matrix.support import RecordingCore, User, bodies, part, person, running

NewUser = Callable[[Home, str], Awaitable[User]]


@pytest.mark.parametrize("version", ["11", "12"])
async def test_both_directions(home: Home, new_user: NewUser, unique: str, version: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique, version=version)
    assert (":" in room_id) == (version == "11")
    await ana.state(room_id, "m.room.topic", {"topic": "tea"})
    alias = f"#{unique}:localhost"
    place, core = Place("home", alias), RecordingCore(alias)
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        ana_here = Person(Address("home", ana.user_id), f"ana-{unique}")
        assert await core.state(Roster) == Roster(place, (ana_here,))
        assert await core.state(TopicSet) == TopicSet(place, "tea", initial=True)

        before = time.time()
        event_id = await ana.say(room_id, "hello\nthere")
        event = await core.said(Message(Text("hello\nthere")))
        assert (event.origin.native_id, event.place, event.sender) == (event_id, place, ana_here)
        assert int(before) <= event.when <= time.time()
        await ana.say(room_id, "waves", "m.emote")
        await core.said(Message(Text("waves"), MessageKind.EMOTE))
        await ana.say(room_id, "is up", "m.notice")
        await core.said(Message(Text("is up"), MessageKind.NOTICE))
        await ana.send(
            room_id, "m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": "👍"}}
        )
        await core.said(Reaction(event_id, "👍"))
        await ana.ask("PUT", "rooms", room_id, "redact", event_id, "r1", body={"reason": "typo"})
        await core.said(Retraction(event_id, "typo", vouched=True))
        await ana.send(room_id, "m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"})
        assert (await core.said(Opaque("an encrypted message"))).protection is Protection.END_TO_END

        kestrel = person(f"kestrel-{unique}", "Kestrel")
        await adapter.join(place, kestrel)
        puppet = f"@_rialto_libera_kestrel-{unique}:localhost"
        assert (await ana.members(room_id))[puppet] == "Kestrel"
        handover = adapter.send(part(place, "from irc\nline two", f"{unique}-0", kestrel, time.time()))
        receipt = await handover.confirmation
        emote = part(place, "dives", f"{unique}-1", kestrel, time.time(), kind=MessageKind.EMOTE)
        await adapter.send(emote).confirmation
        an_hour_ago = time.time() - 3600
        bot = part(place, "<bo> hi", f"{unique}-2", person("bo"), an_hour_ago, voice=Voice.BOT)
        await adapter.send(bot).confirmation
        first, second, third = (await ana.messages(room_id))[-3:]
        assert (first["event_id"], first["sender"]) == (receipt.native_id, puppet)
        assert first["content"] == {
            "msgtype": "m.text",
            "body": "from irc\nline two",
            "m.mentions": {},
            "org.rialto.bridge": {"part": f"{unique}-0", "hops": 20, "stands_for": f"test:kestrel-{unique}"},
        }
        assert second["content"]["msgtype"] == "m.emote"
        assert (third["sender"], third["content"]["body"]) == ("@rialto:localhost", "<bo> hi")
        assert third["origin_server_ts"] == int(an_hour_ago * 1000)
        await core.label("own echo")
        assert not [event for event in core.events() if "irc" in str(event.content)]
        assert await adapter.present(place) == (Person(kestrel.address, "Kestrel"),)


async def test_memberships(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bo = await new_user(home, f"ana-{unique}"), await new_user(home, f"bo-{unique}")
    room_id = await ana.room(unique)
    alias = f"#{unique}:localhost"
    place, core = Place("home", alias), RecordingCore(alias)
    bo_address = Address("home", bo.user_id)
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await bo.act(room_id, "join")
        assert (await core.state(Joined)).person == Person(bo_address, f"bo-{unique}")
        await bo.ask("PUT", "profile", bo.user_id, "displayname", body={"displayname": "Bo Li"})
        assert (await core.state(Renamed)).person == Person(bo_address, "Bo Li")
        await bo.say(room_id, "my name?")
        assert (await core.said(Message(Text("my name?")))).sender.name == "Bo Li"
        await bo.act(room_id, "leave", reason="later")
        assert await core.state(Left) == Left(place, bo_address, Cause.LEFT, "later")
        await bo.act(room_id, "join")
        await ana.act(room_id, "kick", user_id=bo.user_id, reason="enough")
        kick = await core.said(Kick(bo_address, "Bo Li", "enough"))
        assert kick.sender.address == Address("home", ana.user_id)
        left = await core.state(Left, lambda left: left.cause is Cause.KICKED)
        assert left == Left(place, bo_address, Cause.KICKED, "enough", f"ana-{unique}")

        kestrel = person(f"kestrel-{unique}")
        puppet = f"@_rialto_libera_kestrel-{unique}:localhost"
        await adapter.join(place, kestrel)
        await adapter.rename(place, Person(kestrel.address, "Kestrel the Second"))

        async def renamed() -> bool:
            return (await ana.members(room_id)).get(puppet) == "Kestrel the Second"

        await ana.until(renamed, "the puppet's new name")
        await adapter.leave(place, kestrel.address, "quit")
        assert puppet not in await ana.members(room_id)
        await adapter.leave(place, kestrel.address, None)
        await adapter.join(place, kestrel)
        assert puppet in await ana.members(room_id)
        assert not [item for item in core.items if isinstance(item, PuppetGone)]

        await ana.act(room_id, "kick", user_id=puppet, reason="flood")
        await core.said(Kick(kestrel.address, kestrel.address.native, "flood"))
        gone = await core.state(PuppetGone)
        assert gone == PuppetGone(place, kestrel.address, Cause.KICKED, "flood", f"ana-{unique}")
        refused = adapter.send(part(place, "again", f"{unique}-9", kestrel, time.time()))
        with pytest.raises(SendError) as error:
            await refused.confirmation
        assert not error.value.temporary
        assert error.value.failure.reason is Reason.FORBIDDEN
        assert puppet not in await ana.members(room_id)


async def test_one_person_under_two_names(home: Home, new_user: NewUser, unique: str) -> None:
    """A nick differs from room to room; the profile is one. The second room gets the name for itself."""
    ana = await new_user(home, f"ana-{unique}")
    rooms = [await ana.room(f"{unique}{name}") for name in "ab"]
    places = [Place("home", f"#{unique}{name}:localhost") for name in "ab"]
    core = RecordingCore(*(place.native for place in places))
    bo = person(f"bo-{unique}@example.org", "Bo", "office")
    puppet = f"@_rialto_office_bo-{unique}=40example.org:localhost"
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await adapter.join(places[0], bo)
        await adapter.join(places[1], Person(bo.address, "bobo"))
        assert [(await ana.members(room_id))[puppet] for room_id in rooms] == ["Bo", "bobo"]
        await adapter.rename(places[0], Person(bo.address, "Bo II"))
        assert [(await ana.members(room_id))[puppet] for room_id in rooms] == ["Bo II", "bobo"]


async def test_an_invite_only_room(home: Home, new_user: NewUser, unique: str) -> None:
    """The bot waits for its invitation, comes at once when it is there, and brings puppets by inviting them."""
    ana = await new_user(home, f"ana-{unique}")
    alias = f"#{unique}:localhost"
    room_id = await ana.room(unique, preset="private_chat")
    place, core = Place("home", alias), RecordingCore(alias)
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        assert not [item for item in core.items if isinstance(item, Roster)]
        for asked in (adapter.join(place, person()), adapter.set_topic(place, "x", None)):
            with pytest.raises(SendError, match="invite @rialto:localhost") as error:
                await asked
            assert error.value.temporary
        ((refused, failure),) = core.standing
        assert (refused, failure and failure.reason) == (place, Reason.FORBIDDEN)
        assert f"invite @rialto:localhost to {alias}" in str(failure)
        await ana.act(room_id, "invite", user_id="@rialto:localhost")
        await core.state(Roster)
        await core.until(lambda: core.onlines == 2, "online again, for the room that was entered late")
        assert core.standing[1:] == [(place, None)]
        first, second = person(f"one-{unique}"), person(f"two-{unique}")
        await ana.state(room_id, "m.room.power_levels", await _levels(ana, room_id, {"@rialto:localhost": 50}))
        await adapter.join(place, first)
        await adapter.join(place, second)
        assert {f"@_rialto_libera_one-{unique}:localhost", f"@_rialto_libera_two-{unique}:localhost"} <= set(
            await ana.members(room_id)
        )


async def test_the_bot_is_removed(home: Home, new_user: NewUser, unique: str) -> None:
    """It does not come back by itself, and does when it is invited; puppets in the room can speak all the while."""
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique)
    alias = f"#{unique}:localhost"
    place, core = Place("home", alias), RecordingCore(alias)
    kestrel = person(f"kestrel-{unique}")
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await adapter.join(place, kestrel)
        await ana.act(room_id, "kick", user_id="@rialto:localhost")
        await ana.say(room_id, "gone?")
        await core.said(Message(Text("gone?")))
        with pytest.raises(SendError, match="invite @rialto:localhost") as error:
            adapter.send(part(place, "x", f"{unique}-0", kestrel, time.time(), voice=Voice.BOT))
        assert error.value.temporary
        await adapter.send(part(place, "by itself", f"{unique}-1", kestrel, time.time())).confirmation
        assert await adapter._entering.enter_all() == 0
        assert core.standing[0] == (place, None)
        assert f"the bot was removed from {alias}: invite @rialto:localhost to it again" in str(core.standing[1][1])
        await ana.act(room_id, "invite", user_id="@rialto:localhost")
        await core.until(lambda: core.onlines == 2, "online again, with the bot in its room")
        assert core.standing[2:] == [(place, None)]
        await adapter.send(part(place, "back", f"{unique}-2", kestrel, time.time(), voice=Voice.BOT)).confirmation
        puppet = f"@_rialto_libera_kestrel-{unique}:localhost"
        assert bodies(await ana.messages(room_id))[-2:] == [(puppet, "by itself"), ("@rialto:localhost", "back")]


async def test_a_place_by_its_room_id(home: Home, new_user: NewUser, unique: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room()
    core = RecordingCore(room_id, f"#missing-{unique}:localhost")
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await ana.say(room_id, "by id")
        assert (await core.said(Message(Text("by id")))).place == Place("home", room_id)
        assert core.standing[0] == (core.places[0], None)
        assert "make the room, or give it this alias" in str(core.standing[1][1])
        with pytest.raises(SendError, match="names no room") as error:
            adapter.send(part(core.places[1], "x", f"{unique}-0", person(), time.time()))
        assert error.value.temporary


async def test_topic_and_notice(home: Home, new_user: NewUser, unique: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique)
    alias = f"#{unique}:localhost"
    place, core = Place("home", alias), RecordingCore(alias)
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        with pytest.raises(SendError, match="power level") as error:
            await adapter.set_topic(place, "scones", None)
        assert not error.value.temporary
        await ana.state(room_id, "m.room.power_levels", await _levels(ana, room_id, {"@rialto:localhost": 50}))
        await adapter.set_topic(place, "scones", None)
        assert (await ana.ask("GET", "rooms", room_id, "state", "m.room.topic", ""))["topic"] == "scones"
        assert await core.state(TopicSet) == TopicSet(place, "scones", own=True)
        await ana.state(room_id, "m.room.topic", {"topic": "jam"})
        changed = await core.state(TopicSet, lambda topic: not topic.own)
        assert (changed.text, changed.by) == ("jam", Person(Address("home", ana.user_id), f"ana-{unique}"))

        event_id = await ana.say(room_id, "lost")
        ana_here = (await core.said(Message(Text("lost")))).sender
        await adapter.tell(Notice(place, ana_here, "your message was not delivered", event_id))
        (notice,) = [m for m in await ana.messages(room_id) if m["sender"] == "@rialto:localhost"]
        assert notice["content"]["msgtype"] == "m.notice"
        assert notice["content"]["body"] == f"ana-{unique}: your message was not delivered"
        assert notice["content"]["m.mentions"] == {"user_ids": [ana.user_id]}
        assert notice["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": event_id}}


async def test_a_message_costs_one_request(home: Home, new_user: NewUser, unique: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique)
    alias = f"#{unique}:localhost"
    place, core = Place("home", alias), RecordingCore(alias)
    # Presence is told in its own time, and would be counted.
    async with running(core, home.url, home.port, presence=False) as adapter:
        await core.until_online()
        people = [person(f"{nick}-{unique}") for nick in ("one", "two")]
        for speaker in people:
            await adapter.join(place, speaker)
        before = adapter._client.requests
        for number in range(10):
            speaker = people[number % 2]
            await adapter.join(place, speaker)
            await adapter.send(part(place, f"{number}", f"{unique}-{number}", speaker, time.time())).confirmation
        assert adapter._client.requests - before == 10
        assert [body for _, body in bodies(await ana.messages(room_id))] == [str(number) for number in range(10)]


async def test_the_largest_part_is_taken(home: Home, new_user: NewUser, unique: str) -> None:
    """What the capabilities promise, at its worst: every byte of it takes two in JSON."""
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique)
    alias = f"#{unique}:localhost"
    place, core = Place("home", alias), RecordingCore(alias)
    kestrel = person(f"kestrel-{unique}")
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await adapter.join(place, kestrel)
        text = '"' * adapter.capabilities(place, kestrel, Voice.PUPPET).part_bytes
        await adapter.send(part(place, text, f"{unique}-0", kestrel, time.time())).confirmation
        (message,) = await ana.messages(room_id)
        assert message["content"]["body"] == text


async def test_hostile_text_crosses_as_text(home: Home, new_user: NewUser, unique: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique)
    alias = f"#{unique}:localhost"
    place, core = Place("home", alias), RecordingCore(alias)
    mallory = person(f"mallory-{unique}", "\u202eyrollaM\x00\n" + "x" * 400)
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await adapter.join(place, mallory)
        (name,) = [name for user, name in (await ana.members(room_id)).items() if "mallory" in user]
        assert name == "yrollaM " + "x" * 247
        text = "a\x00b\x02c\ud800d\ufffee\r\n<script>"
        await adapter.send(part(place, text, f"{unique}-0", mallory, time.time())).confirmation
        (message,) = await ana.messages(room_id)
        assert message["content"]["body"] == "a\ufffdb\ufffdc\ufffdd\ufffee\n<script>"


async def _levels(user: User, room_id: str, users: dict[str, int]) -> dict[str, object]:
    levels: dict[str, object] = await user.ask("GET", "rooms", room_id, "state", "m.room.power_levels", "")
    present = levels.get("users")
    return levels | {"users": (present if isinstance(present, dict) else {}) | users}
