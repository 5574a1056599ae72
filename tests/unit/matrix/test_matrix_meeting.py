"""Rooms of two whose making goes wrong. Against a small homeserver in memory, since no real one can be made to lose
exactly one answer."""

import asyncio
from typing import Any

import pytest

from adapters.matrix.conversations import Stage, direct_place
from bridge.contract import SendError, Voice
from bridge.model.address import Address, Person
from bridge.model.result import Reason
from tests.unit.matrix.homeserver import homeserver
from tests.unit.matrix.parlour import parlour
from tests.unit.matrix.scenes import ANA, KESTREL, pdu

WHO = Person(Address("libera", "kestrel"), "Kestrel")
PLACE = direct_place("home", ANA)


async def test_an_answer_that_got_lost_makes_no_second_room() -> None:
    async with homeserver() as (server, client):
        parts = parlour(client=client)
        server.lose = ["after"]
        for refuse in ({}, {"joined_rooms": (500, dict[str, Any]())}):
            server.refuse = refuse
            with pytest.raises(SendError) as error:
                await parts.meeting.meet(PLACE, WHO)
            assert error.value.temporary
        assert [key.partition("/")[0] for key in parts.core.memory if "puppet" not in key] == ["making"]
        server.refuse = {}
        assert await parts.meeting.meet(PLACE, WHO) is Voice.PUPPET
        assert list(server.rooms) == ["!room0"]
        assert server.rooms["!room0"] == {
            "preset": "trusted_private_chat",
            "is_direct": True,
            "invite": [ANA],
            "creation_content": {"org.rialto.bridge": {"dm": ANA}},
        }
        assert "dm/!room0" in parts.core.memory
        assert [conversation.room.room_id for conversation in parts.opened] == ["!room0"]
        assert server.left == []
        # One that was lost before anything was made.
        server.lose = ["before"]
        other = Person(Address("libera", "owl"), "owl")
        with pytest.raises(SendError):
            await parts.meeting.meet(PLACE, other)
        await parts.meeting.meet(PLACE, other)
        assert list(server.rooms) == ["!room0", "!room1"]
        await parts.tasks.stop()


async def test_a_room_that_was_pushed_before_the_answer() -> None:
    async with homeserver() as (server, client):
        parts = parlour(client=client)
        server.lose = ["after"]
        with pytest.raises(SendError):
            await parts.meeting.meet(PLACE, WHO)
        create = pdu("m.room.create", {"org.rialto.bridge": {"dm": ANA}}, KESTREL, state_key="", room_id="!room0")
        await parts.intake.transaction({"events": [create]})
        assert '"offered"' in parts.core.memory["dm/!room0"]
        await parts.meeting.meet(PLACE, WHO)
        assert list(server.rooms) == ["!room0"]
        assert server.count("joined_rooms") == 0
        await parts.tasks.stop()


async def test_many_at_once_and_one_that_gives_up() -> None:
    async with homeserver() as (server, client):
        parts = parlour(client=client)
        waiting = [asyncio.create_task(parts.meeting.meet(PLACE, WHO)) for _ in range(20)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError)
        assert set(done[1:]) == {Voice.PUPPET}
        assert server.count("createRoom") == 1
        asked = len(server.asked)
        await parts.meeting.meet(PLACE, WHO)
        assert len(server.asked) == asked, "a conversation at hand costs nothing"
        await parts.meeting.meet(PLACE, Person(WHO.address, "Kestrel II"))
        assert [path for _, path, _ in server.asked[asked:]] == [f"profile/{KESTREL}/displayname"]
        await parts.tasks.stop()


@pytest.mark.parametrize(
    ("end", "status", "errcode", "temporary", "reason"),
    [
        (f"profile/{ANA}", 404, "M_NOT_FOUND", False, Reason.ITEM_NOT_FOUND),
        (f"profile/{ANA}", 404, "M_UNKNOWN", False, Reason.ITEM_NOT_FOUND),
        (f"profile/{ANA}", 502, "M_UNKNOWN", True, Reason.REMOTE_SERVER_TIMEOUT),
        (f"profile/{ANA}", 429, "M_LIMIT_EXCEEDED", True, Reason.RESOURCE_CONSTRAINT),
        ("createRoom", 403, "M_FORBIDDEN", False, Reason.FORBIDDEN),
        ("createRoom", 403, "M_INVITE_BLOCKED", False, Reason.FORBIDDEN),
        ("createRoom", 500, "M_UNKNOWN", True, Reason.INTERNAL_SERVER_ERROR),
    ],
)
async def test_refusals(end: str, status: int, errcode: str, temporary: bool, reason: Reason) -> None:
    async with homeserver() as (server, client):
        parts = parlour(client=client)
        server.refuse[end] = (status, {"errcode": errcode, "error": "no"})
        for _ in range(3):
            with pytest.raises(SendError) as error:
                await parts.meeting.meet(PLACE, WHO)
            assert (error.value.temporary, error.value.failure.reason) == (temporary, reason)
        if end == "createRoom" and not temporary:
            assert server.count("createRoom") == 1, "what was refused is not tried with every message"
        assert not [key for key in parts.core.memory if key.startswith("dm/")]
        await parts.tasks.stop()


@pytest.mark.parametrize(("status", "errcode"), [(403, "M_FORBIDDEN"), (404, "M_UNRECOGNIZED")])
async def test_a_profile_that_is_not_shown(status: int, errcode: str) -> None:
    async with homeserver() as (server, client):
        parts = parlour(client=client)
        server.refuse[f"profile/{ANA}"] = (status, {"errcode": errcode})
        assert await parts.meeting.meet(PLACE, WHO) is Voice.PUPPET
        await parts.tasks.stop()


async def test_a_conversation_is_looked_at_once_a_run() -> None:
    async with homeserver() as (server, client):
        parts = parlour(client=client)
        parts.conversations.begin("!kept", ANA, KESTREL, WHO.address, Stage.OPEN, 1.0)
        for _ in range(3):
            await parts.meeting.meet(PLACE, WHO)
        assert server.count(f"!kept/state/m.room.member/{ANA}", KESTREL) == 1
        assert server.count("createRoom") == 0
        server.refuse[f"!kept/state/m.room.member/{ANA}"] = (200, {"membership": "leave"})
        for conversation in parts.conversations:
            conversation.checked, conversation.stage = False, Stage.OFFERED
        with pytest.raises(SendError, match="declined"):
            await parts.meeting.meet(PLACE, WHO)
        await parts.tasks.stop()


async def test_a_conversation_that_was_encrypted_unnoticed() -> None:
    """By the user, while we were away: another room is made. By the homeserver, which does so in each: not."""
    async with homeserver() as (server, client):
        parts = parlour(client=client)
        kept = parts.conversations.begin("!kept", ANA, KESTREL, WHO.address, Stage.OPEN, 1.0)
        server.refuse["!kept/state/m.room.encryption/"] = (200, {"sender": KESTREL, "content": {}})
        await parts.meeting.meet(PLACE, WHO)
        assert parts.conversations.of(ANA, WHO.address) is kept
        kept.checked = False
        server.refuse["!kept/state/m.room.encryption/"] = (200, {"sender": ANA, "content": {}})
        await parts.meeting.meet(PLACE, WHO)
        assert list(server.rooms) == ["!room0"]
        assert parts.meeting.room(PLACE, WHO.address).room_id == "!room0"
        assert '"encrypted"' in parts.core.memory["dm/!kept"]
        assert server.left == []
        await parts.meeting.meet(PLACE, WHO)
        assert server.count("createRoom") == 1
        await parts.tasks.stop()
