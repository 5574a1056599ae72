"""Whole transactions, without a homeserver: what is counted, what is kept in mind, what must not raise."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.matrix.intake import Intake
from adapters.matrix.rooms import Room
from bridge.model.address import Address, Person
from bridge.model.event import Cause, Event, Joined, Left, PuppetGone
from bridge.model.result import Receipt
from tests.networks.matrix.support import RecordingCore
from tests.unit.matrix.homeserver import homeserver
from tests.unit.matrix.parlour import parlour
from tests.unit.matrix.scenes import ANA, KESTREL, LOBBY, member, pdu
from tests.unit.matrix.test_matrix_inbound import JSON, PDUS


def made() -> tuple[RecordingCore, Intake, Room]:
    """An intake over one room; its client is never opened."""
    parts = parlour()
    return parts.core, parts.intake, parts.rooms.bind(LOBBY, "!lobby")


TEXT = {"msgtype": "m.text", "body": "hi"}


async def test_order_is_kept_and_what_came_before_counts() -> None:
    """A member's name at the time of each event: the events of one transaction see what those before them changed."""
    core, intake, room = made()
    events = [
        member(ANA, "join", displayname="Ana") | {"event_id": "$1"},
        pdu("m.room.message", TEXT, event_id="$2"),
        member(ANA, "join", displayname="Ana Lima") | {"event_id": "$3"},
        pdu("m.room.message", TEXT, event_id="$4"),
        member(ANA, "leave", before="join") | {"event_id": "$5"},
    ]
    await intake.transaction({"events": events})
    assert [type(item).__name__ for item in core.items] == ["Joined", "Event", "Renamed", "Event", "Left"]
    assert [event.sender.name for event in core.events()] == ["Ana", "Ana Lima"]
    assert not room.people


async def test_an_old_membership_does_not_come_twice() -> None:
    core, intake, _ = made()
    join, leave = member(ANA, "join") | {"event_id": "$1"}, member(ANA, "leave", before="join") | {"event_id": "$2"}
    await intake.transaction({"events": [join]})
    await intake.transaction({"events": [leave]})
    await intake.transaction({"events": [join]})
    assert [type(item) for item in core.items] == [Joined, Left]
    assert core.labels == ["event taken in before"]


async def test_a_departure_of_ours_that_is_told_late_is_no_departure_of_somebody_elses() -> None:
    """It was to leave, and has come back before we were told of either."""
    async with homeserver() as (_, client):
        parts = parlour(client=client)
        core, intake, room = parts.core, parts.intake, parts.rooms.bind(LOBBY, "!lobby")
        who = Person(Address("libera", "kestrel"), "kestrel")
        join, leave = member(KESTREL, "join", sender=KESTREL), member(KESTREL, "leave", sender=KESTREL, before="join")
        for _ in range(2):
            await parts.puppets.enter(room, who)
            await parts.puppets.leave(room, who.address, "bye")
        await parts.puppets.enter(room, who)
        for number, event in enumerate((join, leave, join, leave, join)):
            await intake.transaction({"events": [event | {"event_id": f"${number}"}]})
            assert KESTREL in room.puppets
        assert core.labels == ["own membership"] * 5
        assert core.items == []
        # Word of its coming is late, and it is leaving again.
        await parts.puppets.leave(room, who.address, "bye")
        await intake.transaction({"events": [join | {"event_id": "$5"}, leave | {"event_id": "$6"}]})
        assert KESTREL not in room.puppets
        assert core.items == []
        # Nobody has asked for this one.
        await parts.puppets.enter(room, who)
        await intake.transaction({"events": [leave | {"event_id": "$7"}]})
        assert core.items == [PuppetGone(LOBBY, who.address, Cause.LEFT)]


async def test_what_the_core_did_not_take_is_taken_again() -> None:
    core, intake, _ = made()
    core.held = asyncio.Event()
    transaction = {"events": [pdu("m.room.message", TEXT)]}
    first = asyncio.create_task(intake.transaction(transaction))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    core.held = None
    assert not core.items
    await intake.transaction(transaction)
    assert len(core.items) == 1


@pytest.mark.parametrize("keys", [("ephemeral",), ("de.sorunome.msc2409.ephemeral", "ephemeral")])
async def test_ephemeral_events_are_counted_once(keys: tuple[str, ...]) -> None:
    core, intake, _ = made()
    edus = [{"type": "m.typing"}, {"type": "m.receipt"}, {"type": "m.presence"}, {"type": "m.new"}, 5]
    await intake.transaction({"events": []} | dict.fromkeys(keys, edus))
    assert core.labels == ["typing", "receipt", "malformed presence", "ephemeral event", "ephemeral event"]


@pytest.mark.parametrize(
    ("event", "label"),
    [
        (pdu("m.room.message", TEXT, room_id="!other"), "room not configured"),
        (member(KESTREL, "invite", ANA) | {"room_id": "!other"}, "invitation"),
        (pdu("m.room.power_levels", {}, state_key=""), "state event"),
        (pdu("m.room.encryption", {"algorithm": "x"}, state_key=""), "encryption turned on"),
        (pdu("m.room.tombstone", {"replacement_room": "!x"}, state_key=""), "room replaced"),
        (pdu("m.room.topic", {"topic": "x"}, state_key="odd"), "state event"),
        ({}, "room not configured"),
    ],
)
async def test_what_is_only_counted(event: dict[str, Any], label: str) -> None:
    core, intake, _ = made()
    await intake.transaction({"events": [event]})
    assert not core.items
    assert core.labels == [label]


async def test_an_echo_that_nobody_waits_for_confirms() -> None:
    core, intake, _ = made()
    stamped = TEXT | {"org.rialto.bridge": {"part": "01HZX-1-0"}}
    await intake.transaction({"events": [pdu("m.room.message", stamped, KESTREL)]})
    await intake.transaction({"events": [pdu("m.room.message", stamped, event_id="$forged")]})
    assert core.late == {"01HZX-1-0": Receipt("$event")}
    assert len(core.events()) == 1, "what a person says under our stamp is theirs"


@given(st.lists(PDUS | JSON, max_size=4), st.lists(JSON, max_size=2))
def test_no_transaction_raises(events: list[Any], edus: list[Any]) -> None:
    async def take() -> RecordingCore:
        core, intake, _ = made()
        rooms = [event | {"room_id": "!lobby"} if isinstance(event, dict) else event for event in events]
        await intake.transaction({"events": rooms, "ephemeral": edus})
        return core

    core = asyncio.run(take())
    assert len(core.labels) + len(core.items) >= len(edus)
    assert all(isinstance(event, Event) for event in core.events())
