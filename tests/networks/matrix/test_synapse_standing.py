"""Marks of stand-ins on a real Synapse: kept in memberships and messages, and read by another gateway."""

import time
from typing import Any

import pytest

from bridge.model.address import Address, Person, Place
from bridge.model.event import Event, Joined, Left, Roster
from bridge.model.message import Message, Text
from tests.networks.matrix.account_lab import NewUser, account, spoken
from tests.networks.matrix.conftest import Home
from tests.networks.matrix.support import RecordingCore, User, part, person, running

STAMP = "org.rialto.bridge"
BOT = "@rialto:localhost"


async def membership(user: User, room_id: str, of: str) -> dict[str, Any]:
    return dict(await user.ask("GET", "rooms", room_id, "state", "m.room.member", of))


async def memberships(user: User, room_id: str, of: str) -> list[dict[str, Any]]:
    """Every membership of somebody that the room has seen, oldest first."""
    return [event["content"] for event in await user.messages(room_id, "m.room.member") if event["state_key"] == of]


async def made(user: User, unique: str, kind: str) -> str:
    """A room of this kind that the bot can come to and bring others to, and that others can come to if it is public
    or if they are in another room."""
    if kind == "public":
        return await user.room(unique)
    room_id = await user.room(unique, preset="private_chat", version="11")
    await user.act(room_id, "invite", user_id=BOT)
    if kind == "invited":
        levels = await user.ask("GET", "rooms", room_id, "state", "m.room.power_levels", "")
        await user.state(room_id, "m.room.power_levels", levels | {"users": levels["users"] | {BOT: 50}})
        return room_id
    hall = await user.room(f"hall-{unique}")
    allowed = [{"type": "m.room_membership", "room_id": hall}]
    await user.state(room_id, "m.room.join_rules", {"join_rule": "restricted", "allow": allowed})
    return room_id


@pytest.mark.parametrize("kind", ["public", "invited", "restricted"])
async def test_memberships_say_whose_stand_in_it_is(home: Home, new_user: NewUser, unique: str, kind: str) -> None:
    unique = f"{unique}{kind}"
    ana = await new_user(home, f"ana-{unique}")
    room_id = await made(ana, unique, kind)
    place, hall = Place("home", f"#{unique}:localhost"), Place("home", f"#hall-{unique}:localhost")
    core = RecordingCore(place.native, *([hall.native] if kind == "restricted" else []))
    one, two = person(f"one-{unique}"), person(f"two-{unique}", "Two")
    puppets = [f"@_rialto_libera_{nick}-{unique}:localhost" for nick in ("one", "two")]
    async with running(core, home.url, home.port, presence=False) as adapter:
        await core.until_online()
        assert (await membership(ana, room_id, BOT))[STAMP] == {"gateway": True}
        requests = []
        for who in (one, two):
            before = adapter._client.requests
            if kind == "restricted":
                await adapter.join(hall, who)
            await adapter.join(place, who)
            requests.append(adapter._client.requests - before)
        # To register, to name, to join; the first one finds out that an invitation is needed, which costs three more.
        needed = {"public": [3, 3], "invited": [6, 4], "restricted": [4, 4]}
        assert requests == needed[kind]
        for puppet, who in zip(puppets, (one, two), strict=True):
            content = await membership(ana, room_id, puppet)
            assert (content["membership"], content["displayname"]) == ("join", who.name)
            assert content[STAMP] == {"stands_for": f"test:{who.address.native}"}
        # Others find nothing new when we come again.
        count = len(await memberships(ana, room_id, BOT))
    async with running(core, home.url, home.port, presence=False) as adapter:
        await core.until_online()
        assert {each.address for each in await adapter.present(place)} == {one.address, two.address}
        assert len(await memberships(ana, room_id, BOT)) == count


async def test_a_rename_keeps_the_mark(home: Home, new_user: NewUser, unique: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    rooms = [await ana.room(f"{unique}{name}") for name in "ab"]
    places = [Place("home", f"#{unique}{name}:localhost") for name in "ab"]
    core = RecordingCore(*(place.native for place in places))
    kestrel = person(f"kestrel-{unique}", "Kestrel")
    puppet = f"@_rialto_libera_kestrel-{unique}:localhost"

    async def shown(room_id: str, name: str) -> None:
        """Synapse brings a new name from the profile into rooms some time later."""

        async def so() -> bool:
            content = await membership(ana, room_id, puppet)
            return content["displayname"] == name and content.get(STAMP) == {"stands_for": f"test:kestrel-{unique}"}

        await ana.until(so, f"{name} with the mark")

    async with running(core, home.url, home.port, presence=False) as adapter:
        await core.until_online()
        await adapter.join(places[0], kestrel)
        await shown(rooms[0], "Kestrel")
        await core.label("own membership")
        await adapter.rename(places[0], Person(kestrel.address, "Kes"))
        await shown(rooms[0], "Kes")
        await adapter.join(places[1], Person(kestrel.address, "K"))
        await adapter.rename(places[1], Person(kestrel.address, "K2"))
        await shown(rooms[1], "K2")
        await shown(rooms[0], "Kes")


async def test_another_gateway_reads_the_marks(home: Home, new_user: NewUser, unique: str) -> None:
    """One by an application service and one by an account, in the same room."""
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await ana.room(unique)
    place = Place("home", f"#{unique}:localhost")
    service, other = RecordingCore(place.native), RecordingCore(place.native)
    early, late = person(f"early-{unique}"), person(f"late-{unique}")
    puppets = {nick: f"@_rialto_libera_{nick}-{unique}:localhost" for nick in ("early", "late")}
    async with running(service, home.url, home.port) as adapter:
        await service.until_online()
        await adapter.join(place, early)
        async with account(other, home.url, bot.user_id) as second:
            await other.until_online()
            told = {each.address.native: each.stands_for for each in (await other.state(Roster)).people}
            assert told == {ana.user_id: "", puppets["early"]: f"test:early-{unique}"}
            assert (await membership(ana, room_id, bot.user_id))[STAMP] == {"gateway": True}
            await service.label("another gateway")
            assert not [item for item in service.items if isinstance(item, Joined)]

            await adapter.join(place, late)
            joined = await other.state(Joined)
            assert (joined.person.address.native, joined.person.stands_for) == (puppets["late"], f"test:late-{unique}")
            await adapter.rename(place, Person(early.address, "Early Bird"))
            await ana.until(
                lambda: _known_as(ana, room_id, puppets["early"], "Early Bird"), "the new name in the membership"
            )
            assert not [item for item in other.items if isinstance(item, Left)]

            await adapter.send(part(place, "by a puppet", f"{unique}-1", early, time.time())).confirmation
            sender = (await other.said(Message(Text("by a puppet")))).sender
            assert (sender.address.native, sender.stands_for) == (puppets["early"], f"test:early-{unique}")
            await second.send(spoken(place, "by the bot", f"{unique}-2", late)).confirmation
            sender = (await service.said(Message(Text("<late-" + unique + "> by the bot")))).sender
            assert (sender.address.native, sender.stands_for) == (bot.user_id, f"test:late-{unique}")
            await ana.say(room_id, "by a person")
            assert (await service.said(Message(Text("by a person")))).sender.stands_for == ""

            for mine, theirs in ((adapter, second), (second, adapter)):
                assert mine.identity(Address("home", ana.user_id)) == f"matrix:{ana.user_id}"
                assert mine.native(f"matrix:{ana.user_id}") == Address("home", ana.user_id)
                assert not theirs.ours(f"matrix:{ana.user_id}")
            assert adapter.ours(f"matrix:{puppets['late']}")
            assert second.native(f"matrix:{puppets['late']}") == Address("home", puppets["late"])
            assert second.ours(f"matrix:{bot.user_id}")
    assert not [item for item in service.items if isinstance(item, Event) and item.sender.address.native == BOT]


async def _known_as(user: User, room_id: str, of: str, name: str) -> bool:
    return (await membership(user, room_id, of)).get("displayname") == name
