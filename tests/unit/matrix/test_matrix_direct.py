"""Transactions from rooms of two, without a homeserver: what is noted, what is bounded, what must not raise."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.matrix import direct, opening
from adapters.matrix.conversations import ROOMS_OF_ONE, Stage
from adapters.matrix.private import UNREADABLE
from bridge.model.address import Address, Place
from bridge.model.event import Event
from tests.networks.matrix.support import RecordingCore
from tests.unit.matrix.homeserver import homeserver
from tests.unit.matrix.parlour import Parlour, parlour
from tests.unit.matrix.scenes import ANA, KESTREL, LOBBY, OURS, member, pdu
from tests.unit.matrix.test_matrix_inbound import JSON, PDUS

TEXT = {"msgtype": "m.text", "body": "hi"}
WHO = Address("libera", "kestrel")
EVE = "@eve:example.net"


async def take(parts: Parlour, *events: dict[str, Any]) -> None:
    """One transaction of room ``!two`` (where the events name none but the lobby), each event with an id of its own."""
    start = len(parts.intake._recent)
    numbered = [event | {"event_id": f"$event-{start + index}"} for index, event in enumerate(events)]
    rooms = [event | {"room_id": "!two"} if event["room_id"] == "!lobby" else event for event in numbered]
    await parts.intake.transaction({"events": rooms})


def begun(parts: Parlour, stage: Stage = Stage.OPEN) -> None:
    conversation = parts.conversations.begin("!two", ANA, KESTREL, WHO, stage, 1.0, "Ana")
    parts.core.memory |= {key: value for key, value in parts.conversations.note(conversation).items() if value}


async def test_an_invitation_is_noted_before_it_is_answered() -> None:
    parts = parlour()
    await take(parts, member(KESTREL, "invite", ANA))
    assert '"asked"' in parts.core.memory["dm/!two"]
    await take(parts, pdu("m.room.message", TEXT))
    assert not parts.core.events()
    conversation = parts.conversations.by_id("!two")
    assert conversation is not None
    assert conversation.missed
    again = parlour(RecordingCore(LOBBY.native))
    again.core.memory = parts.core.memory
    again.conversations.recall(again.core.memory, 2.0)
    again.direct.resume()
    assert "!two" in again.opening._under_way
    await parts.tasks.stop()
    await again.tasks.stop()


async def test_a_conversation_through_its_life() -> None:
    parts = parlour()
    create = pdu("m.room.create", {"org.rialto.bridge": {"dm": ANA}}, KESTREL, state_key="")
    await take(parts, create, member(KESTREL, "join"), member(ANA, "invite", KESTREL))
    assert '"offered"' in parts.core.memory["dm/!two"]
    await take(parts, member(ANA, "join", displayname="Ana L"), pdu("m.room.message", TEXT))
    (event,) = parts.core.events()
    assert (event.to, event.sender.name) == (WHO, "Ana L")
    assert '"open"' in parts.core.memory["dm/!two"]
    await take(parts, member(ANA, "join", displayname="Ana M"), pdu("m.room.encryption", {}, state_key=""))
    assert '"Ana M"' in parts.core.memory["dm/!two"]
    await take(parts, member(ANA, "leave"))
    assert not parts.core.memory
    await take(parts, pdu("m.room.message", TEXT))
    assert len(parts.core.events()) == 1
    await parts.tasks.stop()


async def test_encryption_turned_on() -> None:
    """By the user it ends the room as the one of the conversation, and is told once; by one of ours it does not."""
    for sender, key, encrypted in ((ANA, "", True), (KESTREL, "", False), (ANA, "x", False)):
        async with homeserver() as (server, client):
            parts = parlour(client=client)
            begun(parts)
            switch = pdu("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}, sender, state_key=key)
            await take(parts, switch, switch, pdu("m.room.message", TEXT))
            assert (parts.conversations.of(ANA, WHO) is None) is encrypted
            assert parts.core.labels.count("encryption turned on") == 2
            again = parlour(RecordingCore(LOBBY.native))
            again.conversations.recall(parts.core.memory, 2.0)
            assert (again.conversations.of(ANA, WHO) is None) is encrypted
            if encrypted:
                await asyncio.wait_for(server.came.wait(), 5)
            await parts.tasks.stop()
            told = [body["body"] for user, path, body in server.asked if user == KESTREL and "!two/send" in path]
            assert told == ([UNREADABLE] if encrypted else [])
            assert len(parts.core.events()) == 1, "what is said in clear all the same is heard"


async def test_what_counts_as_a_refusal() -> None:
    cases: list[tuple[Stage, dict[str, Any], bool]] = [
        (Stage.OFFERED, member(ANA, "leave"), True),
        (Stage.OFFERED, member(ANA, "leave", KESTREL), False),
        (Stage.OPEN, member(ANA, "leave"), False),
        (Stage.OPEN, member(KESTREL, "ban", ANA), True),
        (Stage.OPEN, member(KESTREL, "leave", KESTREL), False),
    ]
    for stage, event, refused in cases:
        parts = parlour()
        begun(parts, stage)
        await take(parts, event)
        assert "dm/!two" not in parts.core.memory
        assert [key.partition("/")[0] for key in parts.core.memory] == (["refused"] if refused else []), event
        await parts.tasks.stop()


async def test_an_invitation_into_a_conversation() -> None:
    """Of its own puppet: it was not there after all. Of another: not here."""
    parts = parlour()
    begun(parts)
    await take(parts, member(OURS.puppet_id(Address("libera", "owl"), parts.core.names), "invite", ANA))
    assert parts.conversations.rooms_of(ANA) == 1
    await take(parts, member(KESTREL, "invite", ANA))
    assert '"asked"' in parts.core.memory["dm/!two"]
    await parts.tasks.stop()


async def test_bounds(monkeypatch: Any) -> None:
    parts = parlour()
    for number in range(ROOMS_OF_ONE + 5):
        await take(parts, member(KESTREL, "invite", ANA) | {"room_id": f"!{number}"})
    assert parts.conversations.rooms_of(ANA) == ROOMS_OF_ONE
    monkeypatch.setattr(opening, "WAITING", ROOMS_OF_ONE + 1)
    await take(parts, member(KESTREL, "invite", EVE) | {"room_id": "!eve-1"})
    await take(parts, member(KESTREL, "invite", EVE) | {"room_id": "!eve-2"})
    assert parts.conversations.rooms_of(EVE) == 1
    monkeypatch.setattr(direct, "ASKED_BY", 3)
    parts.conversations.begin("!bot", EVE, OURS.bot_id, None, Stage.OPEN, 1.0)
    for number in range(5):
        line = pdu("m.room.message", TEXT | {"body": f"libera:wren {number}"}, EVE, room_id="!bot")
        await parts.intake.transaction({"events": [line | {"event_id": f"$line-{number}"}]})
    assert [parts.direct.asked_in(f"$line-{number}") is not None for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert parts.direct.asked_in(None) is None
    await parts.tasks.stop()


async def test_who_is_out_of_sight() -> None:
    parts = parlour()
    begun(parts)
    room = parts.rooms.bind(LOBBY, "!lobby")
    room.people[ANA] = "Ana"
    await parts.intake.transaction(
        {"events": [], "ephemeral": [{"type": "m.presence", "sender": ANA, "content": {"presence": "online"}}]}
    )
    await take(parts, member(ANA, "leave"))
    assert len(parts.core.shown) == 1
    await parts.intake.transaction({"events": [member(ANA, "leave", before="join") | {"event_id": "$last"}]})
    assert [bool(shown.tuples) for shown in parts.core.shown] == [True, False]
    await parts.tasks.stop()


MEMBERS = st.builds(
    member,
    st.sampled_from([ANA, EVE, KESTREL, OURS.bot_id, "@_rialto_x:example.org"]),
    st.sampled_from(["join", "invite", "leave", "ban", "knock"]),
    st.sampled_from([ANA, EVE, KESTREL, OURS.bot_id]),
)
CREATES = st.builds(lambda content, sender: pdu("m.room.create", content, sender, state_key=""), JSON, st.just(KESTREL))


@given(st.lists(PDUS | MEMBERS | CREATES | JSON, max_size=6), st.booleans())
def test_no_transaction_raises(events: list[Any], open_room: bool) -> None:
    async def run() -> RecordingCore:
        parts = parlour()
        if open_room:
            begun(parts)
        rooms = [event | {"room_id": "!two"} if isinstance(event, dict) else event for event in events]
        await parts.intake.transaction({"events": rooms})
        await parts.tasks.stop()
        return parts.core

    core = asyncio.run(run())
    for event in core.items:
        assert isinstance(event, Event)
        assert event.to is not None
        assert event.place == Place("home", event.sender.address.native, event.place.kind)
