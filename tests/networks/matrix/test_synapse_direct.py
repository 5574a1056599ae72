"""Private messages over a real Synapse: rooms of two, made by either side, left, refused, found again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adapters.matrix.adapter import MatrixAdapter
from adapters.matrix.conversations import Stage
from bridge.contract import Notice, SendError, Voice
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.event import HOPS
from bridge.model.message import Message, Text
from bridge.model.result import Failure, Reason, Receipt
from tests.networks.matrix.conftest import Home
from tests.networks.matrix.support import RecordingCore, User, bodies, part, person, running

NewUser = Callable[[Home, str], Awaitable[User]]
BOT = "@rialto:localhost"


def place_of(user: User) -> Place:
    return Place("home", user.user_id, PlaceKind.USER)


def puppet_of(who: Person) -> str:
    return f"@_rialto_{who.address.network}_{who.address.native}:localhost"


async def said(adapter: MatrixAdapter, user: User, who: Person, text: str, part_id: str, **changes: Any) -> Receipt:
    """What the core does for one private message."""
    assert await adapter.meet(place_of(user), who) is Voice.PUPPET
    return await adapter.send(part(place_of(user), text, part_id, who, time.time(), **changes)).confirmation


async def gone(user: User, room_id: str, puppet: str) -> None:
    """Wait until the puppet is not in the room, as the user who is in it sees."""

    async def away() -> bool:
        return puppet not in await user.members(room_id)

    await user.until(away, f"{puppet} to leave")


@pytest.mark.parametrize("version", ["11", "12"])
async def test_a_user_invites_a_puppet(home: Home, new_user: NewUser, unique: str, version: str) -> None:
    """One that nobody has seen before: the homeserver asks, and it is there. What is said before it comes counts."""
    ana = await new_user(home, f"ana-{unique}")
    kestrel = person(f"kestrel-{unique}")
    puppet, core = puppet_of(kestrel), RecordingCore()
    # Presence is told in its own time, and would be counted.
    async with running(core, home.url, home.port, presence=False) as adapter:
        await core.until_online()
        room_id = await ana.room(preset="trusted_private_chat", invite=[puppet], is_direct=True, version=version)
        first = await ana.say(room_id, "are you there?")
        event = await core.said(Message(Text("are you there?")))
        assert (event.origin.native_id, event.place, event.to) == (first, place_of(ana), kestrel.address)
        assert event.sender == Person(Address("home", ana.user_id), f"ana-{unique}")
        assert event.hops == HOPS
        stamped = {"msgtype": "m.text", "body": "hello?", "org.rialto.bridge": {"part": "x", "hops": 3}}
        second = await ana.send(room_id, "m.room.message", stamped)
        event = await core.said(Message(Text("hello?")))
        assert (event.origin.native_id, event.to, event.hops) == (second, kestrel.address, 3)
        assert [event.content for event in core.events()] == [Message(Text("are you there?")), Message(Text("hello?"))]

        before = adapter._client.requests
        receipt = await said(adapter, ana, kestrel, "here", f"{unique}-0", hops=7)
        # To be there under the right name was all that was needed, and done before.
        assert adapter._client.requests - before == 1
        newest = (await ana.messages(room_id))[-1]
        assert (newest["event_id"], newest["sender"]) == (receipt.native_id, puppet)
        stamp = {"part": f"{unique}-0", "hops": 7, "stands_for": f"test:{kestrel.address.native}"}
        assert newest["content"]["org.rialto.bridge"] == stamp
        await core.label("own echo")
        assert len(core.events()) == 2

        failure = Failure(Reason.FORBIDDEN, "kestrel does not want that")
        sender = event.sender
        await adapter.tell(Notice(place_of(ana), sender, "not delivered", second, kestrel.address, failure))
        notice = (await ana.messages(room_id))[-1]
        assert (notice["sender"], notice["content"]["msgtype"]) == (puppet, "m.notice")
        assert notice["content"]["body"] == "not delivered"
        assert notice["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": second}}
        with pytest.raises(SendError) as error:
            await adapter.tell(Notice(place_of(ana), sender, "x", second, Address("libera", "nobody"), failure))
        assert not error.value.temporary


async def test_a_puppet_writes_first(home: Home, new_user: NewUser, unique: str) -> None:
    """The room is made once though several messages wait, used again, and made anew when the user has left it."""
    ana = await new_user(home, f"ana-{unique}")
    kestrel = person(f"kestrel-{unique}", "Kestrel")
    puppet, core = puppet_of(kestrel), RecordingCore()
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await asyncio.gather(*(adapter.meet(place_of(ana), kestrel) for _ in range(5)))
        assert len([key for key in core.memory if key.startswith("dm/")]) == 1
        await said(adapter, ana, kestrel, "before you come", f"{unique}-0")
        room_id = await ana.invitation()
        assert await ana.invitations() == [room_id]
        await ana.act(room_id, "join")
        assert bodies(await ana.messages(room_id)) == [(puppet, "before you come")]
        assert await ana.members(room_id) == {ana.user_id: f"ana-{unique}", puppet: "Kestrel"}
        invite = (await ana.messages(room_id, "m.room.member"))[1]
        assert (invite["content"]["membership"], invite["content"]["is_direct"]) == ("invite", True)
        await ana.say(room_id, "came")
        assert (await core.said(Message(Text("came")))).to == kestrel.address
        await said(adapter, ana, kestrel, "again", f"{unique}-1")
        assert (await ana.messages(room_id))[-1]["content"]["body"] == "again"

        bo = person(f"bo-{unique}@example.org", "Bo", "office")
        await said(adapter, ana, bo, "from another", f"{unique}-2")
        other = await ana.invitation()
        assert await ana.invitations() == [other] != [room_id]

        await said(adapter, ana, Person(kestrel.address, "Kestrel the Second"), "renamed", f"{unique}-3")

        async def renamed() -> bool:
            return (await ana.members(room_id))[puppet] == "Kestrel the Second"

        await ana.until(renamed, "the puppet's new name")

        await ana.act(room_id, "leave")
        await core.until(lambda: f"dm/{room_id}" not in core.memory, "the conversation forgotten")
        await said(adapter, ana, kestrel, "in a new room", f"{unique}-4")

        async def anew() -> list[str]:
            return [room for room in await ana.invitations() if room != room_id]

        rooms = await ana.until(anew, "a second room")
        assert len(rooms) == 2
        assert len([key for key in core.memory if key.startswith("dm/")]) == 2
        assert not [key for key in core.memory if key.startswith(("making/", "refused/"))]


async def test_a_refused_invitation(home: Home, new_user: NewUser, unique: str) -> None:
    """The sender hears of it; there is no second invitation, until the user writes themself."""
    ana = await new_user(home, f"ana-{unique}")
    kestrel, other = person(f"kestrel-{unique}"), person(f"other-{unique}")
    core = RecordingCore()
    async with running(core, home.url, home.port, presence=False) as adapter:
        await core.until_online()
        await said(adapter, ana, kestrel, "hello", f"{unique}-0")
        await ana.act(await ana.invitation(), "leave")
        await core.label("conversation ended")
        before = adapter._client.requests
        for _ in range(3):
            with pytest.raises(SendError, match="has declined this conversation") as error:
                await adapter.meet(place_of(ana), kestrel)
            assert not error.value.temporary
            assert error.value.failure.reason is Reason.FORBIDDEN
        assert adapter._client.requests == before
        assert await ana.invitations() == []
        await said(adapter, ana, other, "hello", f"{unique}-1")
        await ana.invitation()

    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        with pytest.raises(SendError, match="has declined this conversation"):
            await adapter.meet(place_of(ana), kestrel)
        room_id = await ana.room(preset="private_chat", invite=[puppet_of(kestrel)], is_direct=True)
        await ana.say(room_id, "I thought again")
        await core.said(Message(Text("I thought again")))
        await said(adapter, ana, kestrel, "good", f"{unique}-2")
        assert bodies(await ana.messages(room_id))[-1] == (puppet_of(kestrel), "good")
        assert not [key for key in core.memory if key.startswith("refused/")]

        await ana.act(room_id, "kick", user_id=puppet_of(kestrel))
        await core.until(lambda: f"dm/{room_id}" not in core.memory, "the conversation forgotten")
        with pytest.raises(SendError, match="has declined this conversation"):
            await adapter.meet(place_of(ana), kestrel)


async def test_nobody_of_that_name(home: Home, new_user: NewUser, unique: str) -> None:
    core = RecordingCore()
    kestrel = person(f"kestrel-{unique}")
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        cases = {
            f"@nobody-{unique}:localhost": Reason.ITEM_NOT_FOUND,
            puppet_of(person("other")): Reason.ITEM_NOT_FOUND,
            BOT: Reason.ITEM_NOT_FOUND,
            "no user id": Reason.ITEM_NOT_FOUND,
            "@ana:elsewhere.example": Reason.FORBIDDEN,  # this homeserver federates with nobody
        }
        for native, reason in cases.items():
            with pytest.raises(SendError) as error:
                await adapter.meet(Place("home", native, PlaceKind.USER), kestrel)
            assert (error.value.temporary, error.value.failure.reason) == (False, reason), native
        # The room that the homeserver made before it found that it may not invite is left again.
        joined = await adapter._client.request("GET", "/_matrix/client/v3/joined_rooms", user_id=puppet_of(kestrel))
        assert joined["joined_rooms"] == []
        assert not [key for key in core.memory if key.startswith(("dm/", "making/"))]
        assert adapter.at_home(Address("home", "@ana:localhost"))
        assert not adapter.at_home(Address("home", "@ana:elsewhere.example"))


async def test_a_restart_keeps_the_conversation(home: Home, new_user: NewUser, unique: str) -> None:
    """And what was said while we were away comes; parts in doubt are found in the room."""
    ana = await new_user(home, f"ana-{unique}")
    kestrel = person(f"kestrel-{unique}")
    core = RecordingCore()
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await said(adapter, ana, kestrel, "one", f"{unique}-0")
        room_id = await ana.invitation()
        await ana.act(room_id, "join")
        await core.label("membership")
    await ana.say(room_id, "while you were away")
    invited = await ana.room(preset="private_chat", invite=[puppet_of(person(f"owl-{unique}"))])
    await ana.say(invited, "owl?")
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        assert (await core.said(Message(Text("while you were away")))).to == kestrel.address
        assert (await core.said(Message(Text("owl?")))).to == Address("libera", f"owl-{unique}")
        assert adapter.rechecks(place_of(ana))
        parts = [part(place_of(ana), "?", f"{unique}-{number}", kestrel, time.time()) for number in range(2)]
        found = await adapter.recheck([*parts, part(place_of(ana), "?", "x", person("stranger"), time.time())])
        assert list(found) == [f"{unique}-0"]
        await said(adapter, ana, kestrel, "two", f"{unique}-1")
        assert [body for _, body in bodies(await ana.messages(room_id))] == ["one", "while you were away", "two"]
        await ana.act(room_id, "leave")
        await core.until(lambda: f"dm/{room_id}" not in core.memory, "the conversation forgotten")
    # An invitation that came and could not be answered: it is, after the next start.
    waiting = await ana.room(preset="trusted_private_chat", invite=[puppet_of(kestrel)])
    await ana.say(waiting, "first words")
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await core.said(Message(Text("first words")))


async def test_a_room_made_before_a_crash_is_found(home: Home, new_user: NewUser, unique: str) -> None:
    """Made, but neither noted nor pushed: the puppet finds it by its mark."""
    ana = await new_user(home, f"ana-{unique}")
    kestrel = person(f"kestrel-{unique}")
    core = RecordingCore()
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await adapter.meet(place_of(ana), kestrel)
        room_id = await ana.invitation()
        await core.until(lambda: core.memory.get(f"dm/{room_id}"), "the conversation noted")
        # The crash, as the memory after it looks.
        conversation = adapter._conversations.by_id(room_id)
        assert conversation is not None
        adapter._conversations.end(conversation)
        await core.remember(adapter._conversations.begin_making(ana.user_id, kestrel.address))
        del core.memory[f"dm/{room_id}"]
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await said(adapter, ana, kestrel, "found", f"{unique}-0")
        assert await ana.invitations() == [room_id]
        assert f"dm/{room_id}" in core.memory
        assert not [key for key in core.memory if key.startswith("making/")]


async def test_a_puppet_put_out_unnoticed(home: Home, new_user: NewUser, unique: str) -> None:
    """The homeserver's refusal is the first word of it: the message waits, and goes to a new room."""
    ana = await new_user(home, f"ana-{unique}")
    kestrel = person(f"kestrel-{unique}")
    core = RecordingCore()
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await said(adapter, ana, kestrel, "one", f"{unique}-0")
        room_id = await ana.invitation()
        user, puppet = ana.user_id, puppet_of(kestrel)
        await adapter._client.request("POST", "/_matrix/client/v3/rooms", room_id, "leave", user_id=puppet, body={})
        await core.label("conversation ended")
        # As if nobody had pushed it.
        known = adapter._conversations.begin(room_id, user, puppet, kestrel.address, Stage.OPEN, time.time())
        known.checked = True
        await adapter.meet(place_of(ana), kestrel)
        handover = adapter.send(part(place_of(ana), "two", f"{unique}-1", kestrel, time.time()))
        with pytest.raises(SendError, match="made anew") as error:
            await handover.confirmation
        assert error.value.temporary
        await said(adapter, ana, kestrel, "two", f"{unique}-1")
        assert len([key for key in core.memory if key.startswith("dm/")]) == 1


async def test_who_is_not_to_be_spoken_with(home: Home, new_user: NewUser, unique: str) -> None:
    """Crowds, those who stand for nobody, and people of this very network."""
    ana, bo = await new_user(home, f"ana-{unique}"), await new_user(home, f"bo-{unique}")
    kestrel = person(f"kestrel-{unique}")
    puppet, core = puppet_of(kestrel), RecordingCore()
    async with running(core, home.url, home.port):
        await core.until_online()
        crowd = await ana.room(preset="private_chat", invite=[puppet, bo.user_id])
        await _told(ana, crowd, puppet, "only two can speak")
        await gone(ana, crowd, puppet)

        two = await ana.room(preset="private_chat", invite=[puppet])
        await ana.say(two, "alone")
        await core.said(Message(Text("alone")))
        await ana.act(two, "invite", user_id=puppet_of(person(f"owl-{unique}")))
        await core.until(lambda: core.labels.count("invitation") >= 3, "the second puppet's invitation")
        await ana.act(two, "invite", user_id=bo.user_id)
        await ana.say(two, "still alone")
        await core.said(Message(Text("still alone")))
        await bo.act(two, "join")
        await _told(ana, two, puppet, "only two can speak")
        await gone(ana, two, puppet)
        assert f"dm/{two}" not in core.memory

        for nobody in (f"_rialto_home_=40ana-{unique}=3alocalhost", f"_rialto_nowhere_{unique}", f"_rialto_{unique}"):
            room_id = await ana.room(preset="private_chat", invite=[f"@{nobody}:localhost"])

            async def declined(room_id: str = room_id, nobody: str = nobody) -> Any:
                events = await ana.messages(room_id, "m.room.member")
                last = events[-1]["content"]
                return last["membership"] == "leave" and events[-1]["state_key"] == f"@{nobody}:localhost" and last

            content = await ana.until(declined, f"{nobody} to decline")
            assert "stands for nobody" in content["reason"]
        assert len([key for key in core.memory if key.startswith("dm/")]) == 0


async def test_an_encrypted_message(home: Home, new_user: NewUser, unique: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    kestrel = person(f"kestrel-{unique}")
    core = RecordingCore()
    async with running(core, home.url, home.port):
        await core.until_online()
        room_id = await ana.room(preset="trusted_private_chat", invite=[puppet_of(kestrel)], is_direct=True)
        secret = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}
        early = await ana.send(room_id, "m.room.encrypted", secret)
        await core.until(lambda: '"open"' in core.memory.get(f"dm/{room_id}", ""), "the puppet in the room")
        late = await ana.send(room_id, "m.room.encrypted", secret)
        for about in (early, late):
            notice = await _told(ana, room_id, puppet_of(kestrel), "cannot read it", about)
            assert notice["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == about
        assert not core.events()


async def test_an_encrypted_room(home: Home, new_user: NewUser, unique: str) -> None:
    """It is never where the puppet speaks, and the puppet says so on coming, or when it becomes one."""
    ana = await new_user(home, f"ana-{unique}")
    kestrel, owl = person(f"kestrel-{unique}"), person(f"owl-{unique}")
    puppet, core = puppet_of(kestrel), RecordingCore()
    encryption = {"algorithm": "m.megolm.v1.aes-sha2"}
    initial = [{"type": "m.room.encryption", "state_key": "", "content": encryption}]

    async def made(who: Person, **more: Any) -> str:
        room_id = await ana.room(preset="trusted_private_chat", invite=[puppet_of(who)], is_direct=True, **more)
        await core.until(lambda: '"open"' in core.memory.get(f"dm/{room_id}", ""), "the puppet in the room")
        return room_id

    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        plain = await made(kestrel)
        secret = await made(kestrel, initial_state=initial)
        await _told(ana, secret, puppet, "This room is encrypted")
        await said(adapter, ana, kestrel, "in clear", f"{unique}-0")
        assert bodies(await ana.messages(plain)) == [(puppet, "in clear")]
        lost = await ana.send(secret, "m.room.encrypted", encryption | {"ciphertext": "x"})
        await _told(ana, secret, puppet, "cannot read it", lost)
        assert len(await ana.messages(secret)) == 2

        # Of somebody with whom there is no other room.
        alone = await made(owl, initial_state=initial)
        await said(adapter, ana, owl, "hello", f"{unique}-1")
        other = await ana.invitation()
        assert other not in (alone, plain, secret)
        await ana.act(other, "join")
        assert bodies(await ana.messages(other)) == [(puppet_of(owl), "hello")]
        assert len(await ana.messages(alone)) == 1

    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await said(adapter, ana, kestrel, "after a restart", f"{unique}-2")
        assert bodies(await ana.messages(plain))[-1] == (puppet, "after a restart")
        await ana.state(plain, "m.room.encryption", encryption)
        await _told(ana, plain, puppet, "This room is encrypted")
        await said(adapter, ana, kestrel, "anew", f"{unique}-3")
        anew = await ana.invitation()
        await ana.act(anew, "join")
        assert bodies(await ana.messages(anew)) == [(puppet, "anew")]
        for room_id in (plain, secret, alone):
            notices = [body for _, body in bodies(await ana.messages(room_id)) if body.startswith("This room")]
            assert len(notices) == 1, room_id


async def test_lines_to_the_bot(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bo = await new_user(home, f"ana-{unique}"), await new_user(home, f"bo-{unique}")
    core = RecordingCore()
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        room_id = await ana.room(preset="trusted_private_chat", invite=[BOT], is_direct=True)
        await _told(ana, room_id, BOT, "begin with their address")
        event_id = await ana.say(room_id, "libera:kestrel: hello\nthere")
        event = await core.said(Message(Text("hello\nthere")))
        assert (event.origin.native_id, event.place, event.to) == (
            event_id, place_of(ana), Address("libera", "kestrel")
        )  # fmt: skip
        failure = Failure(Reason.FORBIDDEN, "no")
        await adapter.tell(Notice(place_of(ana), event.sender, "refused", event_id, event.to, failure))
        await _told(ana, room_id, BOT, "refused", event_id)
        for text, answer in (
            ("hello there", "begin with their address"),
            ("libera:kestrel", "begin with their address"),
            ("home:@bo:localhost hi", "write to them without me"),
            ("nowhere: hi", "begin with their address"),
        ):
            about = await ana.say(room_id, text)
            await _told(ana, room_id, BOT, answer, about)
        about = await ana.say(room_id, "block somebody")
        await _told(ana, room_id, BOT, "Answer to block somebody.\nIn two lines.", about)
        assert core.commanded[-1][0].address == Address("home", ana.user_id)
        await ana.say(room_id, "an announcement", "m.notice")
        await core.until(lambda: core.labels.count("not for anybody") == 6, "the announcement counted")
        assert len(core.events()) == 1

        crowd = await ana.room(preset="private_chat", invite=[BOT, bo.user_id])
        await _told(ana, crowd, BOT, "This is neither")
        await gone(ana, crowd, BOT)
        # The answer to a line comes from the person's own puppet.
        await said(adapter, ana, Person(Address("libera", "kestrel"), "kestrel"), "hello Ana", f"{unique}-0")
        await ana.invitation()


async def _told(user: User, room_id: str, sender: str, words: str, about: str = "") -> dict[str, Any]:
    """Wait for a notice by one of ours."""

    async def seen() -> Any:
        for message in await user.messages(room_id):
            content = message["content"]
            reply = content.get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id", "")
            right = (message["sender"], content.get("msgtype")) == (sender, "m.notice") and words in content["body"]
            if right and (not about or reply == about):
                return message
        return None

    found = await user.until(seen, f"a notice by {sender} with {words!r}")
    assert isinstance(found, dict)
    return found
