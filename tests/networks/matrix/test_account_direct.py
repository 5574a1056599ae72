"""Private messages through an ordinary account on a real Synapse: rooms of two, found, made, left, refused."""

import itertools
import json
from functools import partial
from typing import Any

import pytest

from adapters.matrix.account.adapter import AccountAdapter
from bridge.contract import Notice, SendError, Voice
from bridge.model.address import Address, Person, Place
from bridge.model.message import Message, Text
from bridge.model.result import Failure, Reason
from tests.networks.matrix.account_lab import NewUser, account, conversation_with, spoken
from tests.networks.matrix.conftest import Home
from tests.networks.matrix.support import RecordingCore, User, bodies, person

_serial = itertools.count(1)


async def rooms_of(user: User, *, joined: bool = False) -> list[str]:
    """The rooms the user is asked into, or is in."""
    if joined:
        return list((await user.ask("GET", "joined_rooms"))["joined_rooms"])
    # Synapse answers the same question from memory for two minutes.
    query = {"timeout": "0", "filter": json.dumps({"room": {"timeline": {"limit": next(_serial)}}})}
    return list((await user.ask("GET", "sync", query=query)).get("rooms", {}).get("invite", {}))


async def deliver(adapter: AccountAdapter, to: str, text: str, part_id: str, speaker: Person | None = None) -> str:
    """As a lane does it."""
    speaker = speaker or person()
    place = conversation_with(to)
    assert await adapter.meet(place, speaker) is Voice.BOT
    receipt = await adapter.send(spoken(place, text, part_id, speaker)).confirmation
    return str(receipt.native_id)


async def has(user: User, room_id: str, who: User) -> bool:
    return who.user_id in await user.members(room_id)


async def lacks(user: User, room_id: str, who: User) -> bool:
    return not await has(user, room_id, who)


async def heard(user: User, room_id: str, count: int) -> list[tuple[str, str]]:
    """What was said in the room, once it is so many lines."""

    async def enough() -> Any:
        said = bodies(await user.messages(room_id))
        return said if len(said) >= count else None

    return list(await user.until(enough, f"{count} lines"))


async def test_somebody_is_written_to_and_answers(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    core = RecordingCore()
    async with account(core, home.url, bot.user_id) as adapter:
        await core.until_online()
        await deliver(adapter, ana.user_id, "hello", f"{unique}-1")
        (room_id,) = await ana.until(lambda: rooms_of(ana), "an invitation")
        invitation = await bot.ask("GET", "rooms", room_id, "state", "m.room.member", ana.user_id)
        assert invitation["is_direct"] is True, invitation
        await ana.act(room_id, "join")
        await deliver(adapter, ana.user_id, "are you there?", f"{unique}-2")
        said = await heard(ana, room_id, 3)
        assert sorted(text for _, text in said) == sorted(
            [
                "<kestrel> hello",
                "<kestrel> are you there?",
                'To answer kestrel, write to me: "libera:kestrel your text".',
            ]
        )
        event_id = await ana.say(room_id, "libera:kestrel yes, here")
        event = await core.said(Message(Text("yes, here")))
        assert event.to == Address("libera", "kestrel")
        assert event.place == conversation_with(ana.user_id)
        assert event.sender.address == Address("home", ana.user_id)
        assert event.origin.native_id == event_id

        await deliver(adapter, ana.user_id, "from another", f"{unique}-3", person("osprey"))
        assert len(await heard(ana, room_id, 6)) == 6
        direct = await bot.ask("GET", "user", bot.user_id, "account_data", "m.direct")
        assert direct == {ana.user_id: [room_id]}

    # After a restart: the same room, and how to answer is told once more.
    core.is_online = False
    async with account(core, home.url, bot.user_id) as adapter:
        await core.until_online()
        await deliver(adapter, ana.user_id, "still there?", f"{unique}-4")
        assert (await heard(ana, room_id, 8))[-2][1] == "<kestrel> still there?"
        found = await adapter.recheck(
            [spoken(conversation_with(ana.user_id), text, f"{unique}-{n}") for n, text in ((1, "x"), (9, "y"))]
        )
        assert list(found) == [f"{unique}-1"]

        # Ana has had enough of the room: the next message makes another.
        await ana.act(room_id, "leave")
        await core.until(lambda: not any(key == f"dm/{room_id}" for key in core.memory), "the room forgotten")
        await deliver(adapter, ana.user_id, "come back", f"{unique}-5")
        (other,) = await ana.until(lambda: rooms_of(ana), "another invitation")
        assert other != room_id


async def test_a_room_that_the_account_data_names_is_used(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await bot.room(preset="trusted_private_chat", is_direct=True, invite=[ana.user_id])
    await ana.act(room_id, "join")
    await bot.ask("PUT", "user", bot.user_id, "account_data", "m.direct", body={ana.user_id: ["!gone", room_id]})
    core = RecordingCore()
    async with account(core, home.url, bot.user_id) as adapter:
        await core.until_online()
        await deliver(adapter, ana.user_id, "hello", f"{unique}-1")
        assert bodies(await ana.messages(room_id))[0] == (bot.user_id, "<kestrel> hello")
    assert await rooms_of(ana) == []


async def test_somebody_writes_first(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    core = RecordingCore()
    async with account(core, home.url, bot.user_id) as adapter:
        await core.until_online()
        room_id = await ana.room(preset="trusted_private_chat", is_direct=True, invite=[bot.user_id])

        await ana.until(partial(has, ana, room_id, bot), "the account in the room")
        about = await ana.say(room_id, "hello?")
        said = await heard(ana, room_id, 2)
        assert said[-1][0] == bot.user_id
        assert "begin with their address" in said[-1][1]
        answer = (await ana.messages(room_id))[-1]
        assert answer["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == about
        assert answer["content"]["msgtype"] == "m.notice"

        await ana.say(room_id, "libera:kestrel: good day")
        event = await core.said(Message(Text("good day")))
        assert event.to == Address("libera", "kestrel")
        # The core found that it cannot be brought.
        failure = Failure(Reason.RECIPIENT_UNAVAILABLE, "kestrel is not on libera")
        words = f"not delivered: {failure.text}"
        who = event.sender
        await adapter.tell(Notice(event.place, who, words, event.origin.native_id, event.to, failure))
        assert (await heard(ana, room_id, 4))[-1][1] == words
        assert (await ana.messages(room_id))[-1]["content"]["m.relates_to"] == {
            "m.in_reply_to": {"event_id": event.origin.native_id}
        }
        await ana.say(room_id, f"home:{bot.user_id} hello")
        assert "on Matrix" in (await heard(ana, room_id, 6))[-1][1]
        # What bots announce is not answered.
        await ana.say(room_id, "I am a bot", "m.notice")
        await ana.say(room_id, "libera:kestrel and on")
        await core.said(Message(Text("and on")))
        assert len(await ana.messages(room_id)) == 8
        # An answer goes to the room where they wrote.
        await deliver(adapter, ana.user_id, "good day to you", f"{unique}-1")
        assert any(text == "<kestrel> good day to you" for _, text in bodies(await ana.messages(room_id)))


async def test_nobody_and_the_bridge_itself(home: Home, new_user: NewUser, unique: str) -> None:
    bot = await new_user(home, f"bot-{unique}")
    core = RecordingCore()
    async with account(core, home.url, bot.user_id) as adapter:
        await core.until_online()
        for native, reason in (
            (f"@nobody-{unique}:localhost", Reason.ITEM_NOT_FOUND),
            (bot.user_id, Reason.ITEM_NOT_FOUND),
            ("@ana:elsewhere.example", Reason.FORBIDDEN),  # a homeserver that federates with nobody
        ):
            with pytest.raises(SendError) as refused:
                await adapter.meet(conversation_with(native), person())
            assert not refused.value.temporary, native
            assert refused.value.failure.reason is reason, refused.value
            assert native in refused.value.failure.text
        assert adapter.at_home(Address("home", "@ana:localhost"))
        assert not adapter.at_home(Address("home", "@ana:elsewhere.example"))

        async def none_left() -> Any:
            return await rooms_of(bot, joined=True) == []

        await bot.until(none_left, "no room left behind")
        assert not [key for key in core.memory if key.startswith("dm/")]


async def test_rooms_that_are_none_of_its_business(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bo, bot = [await new_user(home, f"{name}-{unique}") for name in ("ana", "bo", "bot")]
    crowd = await ana.room(preset="private_chat")
    await ana.act(crowd, "invite", user_id=bo.user_id)
    await bo.act(crowd, "join")
    core = RecordingCore(f"#{unique}:localhost")
    async with account(core, home.url, bot.user_id):
        await core.until_online()
        await ana.act(crowd, "invite", user_id=bot.user_id)

        async def gone() -> Any:
            state = await ana.ask("GET", "rooms", crowd, "state", "m.room.member", bot.user_id)
            return state if state["membership"] == "leave" else None

        assert "configured" in (await ana.until(gone, "the account gone"))["reason"]

        # A conversation that a third person comes to is none any more.
        pair = await ana.room(preset="trusted_private_chat", is_direct=True, invite=[bot.user_id])

        await ana.until(partial(has, ana, pair, bot), "the account in the room")
        await ana.act(pair, "invite", user_id=bo.user_id)
        await bo.act(pair, "join")

        await ana.until(partial(lacks, ana, pair, bot), "the account gone again")
        # The configured room, which did not exist when the account came, by the alias in the invitation.
        lobby = await ana.room(unique, preset="private_chat")
        await ana.act(lobby, "invite", user_id=bot.user_id)
        place = Place("home", f"#{unique}:localhost")
        await core.until(lambda: (place, None) in core.standing, "inside")
        await ana.say(lobby, "welcome")
        await core.said(Message(Text("welcome")))


async def test_an_invitation_from_before_the_first_start(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await ana.room(preset="trusted_private_chat", is_direct=True, invite=[bot.user_id])
    await ana.say(room_id, "libera:kestrel before")
    core = RecordingCore()
    async with account(core, home.url, bot.user_id):
        await core.until_online()

        await ana.until(partial(has, ana, room_id, bot), "the account in the room")
        await ana.say(room_id, "libera:kestrel after")
        await core.said(Message(Text("after")))


async def test_who_declines_is_left_in_peace_until_they_write(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    core = RecordingCore()
    async with account(core, home.url, bot.user_id) as adapter:
        await core.until_online()
        await deliver(adapter, ana.user_id, "hello", f"{unique}-1")
        (room_id,) = await ana.until(lambda: rooms_of(ana), "an invitation")
        await ana.act(room_id, "leave")
        await core.until(lambda: f"dm/{room_id}" not in core.memory, "the room forgotten")
        with pytest.raises(SendError, match="declined") as refused:
            await adapter.meet(conversation_with(ana.user_id), person())
        assert not refused.value.temporary
    core.is_online = False
    async with account(core, home.url, bot.user_id) as adapter:
        await core.until_online()
        with pytest.raises(SendError, match="declined"):
            await adapter.meet(conversation_with(ana.user_id), person())
        other = await ana.room(preset="trusted_private_chat", is_direct=True, invite=[bot.user_id])
        await core.until(lambda: f"dm/{other}" in core.memory, "a conversation")
        await deliver(adapter, ana.user_id, "so you are there", f"{unique}-2")
        assert (await heard(ana, other, 1))[0] == (bot.user_id, "<kestrel> so you are there")


async def test_what_is_encrypted_is_answered_with_what_to_do(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    core = RecordingCore()
    async with account(core, home.url, bot.user_id):
        await core.until_online()
        room_id = await ana.room(preset="trusted_private_chat", is_direct=True, invite=[bot.user_id])
        await ana.until(partial(has, ana, room_id, bot), "the account in the room")
        await ana.state(room_id, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
        content = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "y"}
        about = await ana.send(room_id, "m.room.encrypted", content)
        # One notice for the room, one for the line; they may come in either order.
        assert {sender for sender, _ in await heard(ana, room_id, 2)} == {bot.user_id}
        contents = [message["content"] for message in await ana.messages(room_id)]
        (general,) = [content for content in contents if "m.relates_to" not in content]
        (answer,) = [content for content in contents if "m.relates_to" in content]
        assert "without encryption" in general["body"]
        assert "not encrypted" in answer["body"]
        assert answer["m.relates_to"]["m.in_reply_to"]["event_id"] == about
    assert core.events() == []


async def test_an_encrypted_room_is_not_the_conversation(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    core = RecordingCore()
    async with account(core, home.url, bot.user_id) as adapter:
        await core.until_online()
        plain = await ana.room(preset="trusted_private_chat", is_direct=True, invite=[bot.user_id])
        await core.until(lambda: f"dm/{plain}" in core.memory, "a conversation")
        content = {"algorithm": "m.megolm.v1.aes-sha2"}
        initial = [{"type": "m.room.encryption", "state_key": "", "content": content}]
        secret = await ana.room(
            preset="trusted_private_chat", is_direct=True, invite=[bot.user_id], initial_state=initial
        )
        ((sender, words),) = await heard(ana, secret, 1)
        assert sender == bot.user_id
        assert "without encryption" in words
        await deliver(adapter, ana.user_id, "in clear", f"{unique}-1")
        assert (await heard(ana, plain, 1))[0] == (bot.user_id, "<kestrel> in clear")
        assert len(await ana.messages(secret)) == 1


async def test_rooms_the_account_was_in_before_rialto(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bo, bot = [await new_user(home, f"{name}-{unique}") for name in ("ana", "bo", "bot")]
    pair, crowd = [await ana.room(preset="private_chat", invite=[bot.user_id]) for _ in range(2)]
    await ana.act(crowd, "invite", user_id=bo.user_id)
    for user, room_id in ((bot, pair), (bot, crowd), (bo, crowd)):
        await user.act(room_id, "join")
    core = RecordingCore()
    async with account(core, home.url, bot.user_id) as adapter:
        await core.until_online()
        await ana.say(crowd, "libera:kestrel among others")
        await core.label("room not configured")
        await ana.say(pair, "libera:kestrel between us")
        event = await core.said(Message(Text("between us")))
        assert event.to == Address("libera", "kestrel")
        assert len(core.events()) == 1
        # Nobody asked the account to leave what its owner has it in.
        assert bot.user_id in await ana.members(crowd)
        await deliver(adapter, ana.user_id, "so be it", f"{unique}-1")
        assert (bot.user_id, "<kestrel> so be it") in await heard(ana, pair, 2)
