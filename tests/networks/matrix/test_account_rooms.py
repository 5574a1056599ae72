"""An ordinary account in rooms of a real Synapse: both ways, by password and by token, late, removed, refused."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from bridge.contract import SendError
from bridge.demo.servers import Synapse
from bridge.model.address import Place
from bridge.model.event import Joined, Left, Renamed, Roster, TopicSet
from bridge.model.message import Message, Text
from bridge.model.result import Reason
from tests.networks.matrix.account_lab import PASSWORD, NewUser, Proxy, account, spoken
from tests.networks.matrix.conftest import Home
from tests.networks.matrix.support import RecordingCore, User, bodies, person


async def test_a_room_both_ways(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await ana.room(unique, topic="tea")
    await ana.say(room_id, "before anybody listened")
    place = Place("home", f"#{unique}:localhost")
    core = RecordingCore(place.native)
    async with account(core, home.url, bot.user_id) as adapter:
        await core.until_online()
        assert (place, None) in core.standing
        roster = await core.state(Roster)
        assert [each.address.native for each in roster.people] == [ana.user_id]
        assert (await core.state(TopicSet)).text == "tea"

        await ana.say(room_id, "hello")
        event = await core.said(Message(Text("hello")))
        assert event.sender.address.native == ana.user_id
        assert event.place == place

        receipt = await adapter.send(spoken(place, "good day", f"{unique}-1")).confirmation
        assert bodies(await ana.messages(room_id))[-1] == (bot.user_id, "<kestrel> good day")
        assert receipt.native_id == (await ana.messages(room_id))[-1]["event_id"]
        await core.label("own echo")

        await adapter.recheck([])
        found = await adapter.recheck([spoken(place, "good day", f"{unique}-1"), spoken(place, "no", f"{unique}-2")])
        assert {key: value.native_id for key, value in found.items()} == {f"{unique}-1": receipt.native_id}
    assert [event.content for event in core.events()] == [Message(Text("hello"))]


async def test_who_comes_and_goes_and_the_topic(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bo, bot = [await new_user(home, f"{name}-{unique}") for name in ("ana", "bo", "bot")]
    room_id = await ana.room(unique, power_level_content_override={"users": {bot.user_id: 50}})
    place = Place("home", f"#{unique}:localhost")
    core = RecordingCore(place.native)
    async with account(core, home.url, bot.user_id) as adapter:
        await core.until_online()
        await bo.act(room_id, "join")
        await core.state(Joined, lambda state: state.person.address.native == bo.user_id)
        await bo.ask("PUT", "profile", bo.user_id, "displayname", body={"displayname": "Bo the Second"})
        await core.state(Renamed, lambda state: state.person.name == "Bo the Second")
        await ana.state(room_id, "m.room.topic", {"topic": "coffee"})
        assert (await core.state(TopicSet, lambda state: state.text == "coffee")).own is False
        await adapter.set_topic(place, "cocoa", person())
        assert (await core.state(TopicSet, lambda state: state.text == "cocoa")).own is True
        await ana.act(room_id, "kick", user_id=bo.user_id, reason="enough")
        left = await core.state(Left, lambda state: state.address.native == bo.user_id)
        assert left.reason == "enough"


async def test_a_room_by_id_that_lets_nobody_in_without_invitation(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await ana.room(preset="private_chat")
    place = Place("home", room_id)
    core = RecordingCore(room_id)
    async with account(core, home.url, bot.user_id) as adapter:
        await core.until_online()
        with pytest.raises(SendError, match=f"invite {bot.user_id}") as refused:
            adapter.send(spoken(place, "too early", f"{unique}-1"))
        assert refused.value.temporary
        await ana.say(room_id, "not for the bridge yet")
        await ana.act(room_id, "invite", user_id=bot.user_id)
        await core.until(lambda: (place, None) in core.standing, "inside")
        await ana.say(room_id, "welcome")
        await core.said(Message(Text("welcome")))
        await adapter.send(spoken(place, "thanks", f"{unique}-2")).confirmation

        await ana.act(room_id, "kick", user_id=bot.user_id)
        failure = await core.until(lambda: core.standing[-1][1], "removed")
        assert f"invite {bot.user_id}" in failure.text
        await ana.say(room_id, "while it was out")
        await ana.act(room_id, "invite", user_id=bot.user_id)
        await core.until(lambda: core.standing[-1] == (place, None), "inside again")
        await ana.say(room_id, "welcome back")
        await core.said(Message(Text("welcome back")))
    texts = [str(event.content.body) for event in core.events() if isinstance(event.content, Message)]
    assert texts == ["welcome", "welcome back"]


async def test_a_password_is_used_once(home: Home, new_user: NewUser, unique: str) -> None:
    bot = await new_user(home, f"bot-{unique}")
    core = RecordingCore()
    for _ in range(2):
        async with account(core, home.url, bot.user_id, password=PASSWORD, device_name="The bridge"):
            await core.until_online()
        core.is_online = False
    devices = (await bot.ask("GET", "devices"))["devices"]
    named = [device["device_id"] for device in devices if device["display_name"] == "The bridge"]
    assert len(named) == 1, devices
    # The owner ends the session: another is begun, as the same device.
    session = core.memory["session"]
    await bot.ask("POST", "logout", "all")
    async with account(core, home.url, bot.user_id, password=PASSWORD, device_name="The bridge"):
        await core.until_online()
    assert core.memory["session"] != session
    assert named[0] in core.memory["session"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"access_token": "syt_nobody"}, ("does not know this access token", "networks.home.access_token")),
        ({"password": "wrong"}, ("does not accept this password", "networks.home.password")),
    ],
)
async def test_what_is_wrong_is_said(
    home: Home, new_user: NewUser, unique: str, keys: dict[str, str], words: tuple[str, ...]
) -> None:
    bot = await new_user(home, f"bot-{unique}")
    core = RecordingCore(f"#{unique}:localhost")
    async with account(core, home.url, bot.user_id, **keys) as adapter:
        failure = await core.until_offline(words[0])
        assert failure.reason is Reason.NOT_AUTHORIZED
        assert all(word in failure.text for word in words), failure
        with pytest.raises(SendError) as refused:
            adapter.send(spoken(Place("home", f"#{unique}:localhost"), "hello", f"{unique}-1"))
        assert refused.value.temporary
    assert not core.onlines


async def test_the_token_of_somebody_else(home: Home, new_user: NewUser, unique: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    token = await home.synapse.register(f"bot-{unique}", PASSWORD)
    core = RecordingCore()
    async with account(core, home.url, ana.user_id, access_token=token):
        failure = await core.until_offline("belongs to")
        assert f"@bot-{unique}:localhost" in failure.text
        assert ana.user_id in failure.text


async def test_synapse_restarts(new_synapse: Callable[..., Awaitable[Synapse]], unique: str) -> None:
    synapse = await new_synapse()
    async with aiohttp.ClientSession() as session:
        token = await synapse.register("ana", PASSWORD)
        ana = User(session, synapse.url, token, "@ana:localhost")
        room_id = await ana.room(unique)
        place = Place("home", f"#{unique}:localhost")
        core = RecordingCore(place.native)
        bot = await synapse.register("bot", PASSWORD)
        async with account(core, synapse.url, "@bot:localhost", access_token=bot) as adapter:
            await core.until_online()
            await ana.say(room_id, "one")
            await core.said(Message(Text("one")))
            await synapse.stop()
            await core.until_offline()
            with pytest.raises(SendError) as refused:
                adapter.send(spoken(place, "not now", f"{unique}-1"))
            assert refused.value.temporary
            await synapse.start()
            await core.until(lambda: core.onlines > 1, "online again", 60)
            await ana.say(room_id, "two")
            await core.said(Message(Text("two")))
            await adapter.send(spoken(place, "and on", f"{unique}-2")).confirmation
        texts = [str(event.content.body) for event in core.events() if isinstance(event.content, Message)]
        assert texts == ["one", "two"]


async def test_what_was_said_while_nobody_listened(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await ana.room(unique)
    core = RecordingCore(f"#{unique}:localhost")
    said = [f"line {number}" for number in range(260)]
    async with account(core, home.url, bot.user_id):
        await core.until_online()
        await ana.say(room_id, said[0])
        await core.said(Message(Text(said[0])))
    for line in said[1:]:
        await ana.say(room_id, line)
    core.is_online = False
    async with account(core, home.url, bot.user_id):
        await core.until_online()
        await ana.say(room_id, "now")
        await core.said(Message(Text("now")))
    texts = [str(event.content.body) for event in core.events() if isinstance(event.content, Message)]
    assert texts == [*said, "now"]


async def test_what_was_said_before_the_account_came_is_not_bridged(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    core = RecordingCore(f"#{unique}:localhost")
    async with account(core, home.url, bot.user_id):
        await core.until_online()
        failure = await core.until(lambda: core.standing[-1][1] if core.standing else None, "no room yet")
        assert f"#{unique}:localhost names no room" in failure.text
    core.is_online = False
    room_id = await ana.room(unique)
    for number in range(10):
        await ana.say(room_id, f"history {number}")
    await bot.act(room_id, "join")  # the account's owner, with any client
    said = [f"line {number}" for number in range(120)]
    for line in said:
        await ana.say(room_id, line)
    async with account(core, home.url, bot.user_id):
        await core.until_online()
    texts = [str(event.content.body) for event in core.events() if isinstance(event.content, Message)]
    assert texts == said


async def test_it_stops_without_waiting_for_an_answer(home: Home, new_user: NewUser, unique: str) -> None:
    """Of what it asks for most of the time, which is whatever comes next."""
    bot = await new_user(home, f"bot-{unique}")
    core = RecordingCore(f"#{unique}:localhost")
    asked = asyncio.Event()

    async def never_answered(request: web.Request) -> web.StreamResponse | None:
        if request.path.endswith("/sync") and "since" in request.query:
            asked.set()
            await asyncio.Event().wait()
        return None

    async with Proxy(home.url).standing() as proxy, asyncio.timeout(60), account(core, proxy.url, bot.user_id):
        await core.until_online()
        proxy.fault = never_answered
        # Whatever is new ends what is asked now, and it asks again.
        await bot.ask("PUT", "user", bot.user_id, "account_data", "org.example.news", body={})
        await asked.wait()
