"""What is kept of rooms."""

import pytest

from adapters.matrix.inbound import Change
from adapters.matrix.rooms import Rooms
from bridge.model.address import Address, Person, Place
from bridge.model.event import Roster
from tests.unit.matrix.scenes import ANA, KESTREL, LOBBY, OURS

BO = "@bo:matrix.org"


def test_what_changes_while_the_members_are_listed_counts() -> None:
    room = Rooms([LOBBY]).bind(LOBBY, "!lobby")
    room.apply(Change("@gone:x.org", "Gone"), OURS)
    room.begin_loading()
    room.apply(Change(BO, "Bo"), OURS)  # came after the homeserver made its list
    room.apply(Change(ANA, None), OURS)  # went after it
    room.load([Change(ANA, "Ana"), Change(KESTREL, "kestrel"), Change(OURS.bot_id, "Rialto")], OURS)
    assert room.roster() == Roster(LOBBY, (Person(Address("home", BO), "Bo"),))
    assert room.puppets == {KESTREL: "kestrel"}
    assert room.entered


def test_the_bot_is_neither_person_nor_puppet() -> None:
    room = Rooms([LOBBY]).bind(LOBBY, "!lobby")
    room.apply(Change(OURS.bot_id, "Rialto"), OURS)
    assert room.entered
    assert not room.people
    assert not room.puppets
    room.apply(Change(OURS.bot_id, None), OURS)
    assert not room.entered


def test_a_removed_puppet_that_is_back_is_not_removed() -> None:
    room = Rooms([LOBBY]).bind(LOBBY, "!lobby")
    room.removed.add(KESTREL)
    room.apply(Change(KESTREL, "kestrel"), OURS)
    assert not room.removed


def test_one_room_is_one_place() -> None:
    other = Place("home", "!lobby")
    rooms = Rooms([LOBBY, other])
    room = rooms.bind(LOBBY, "!lobby")
    assert rooms.bind(LOBBY, "!lobby") is room
    with pytest.raises(ValueError, match="same Matrix room"):
        rooms.bind(other, "!lobby")


def test_an_alias_that_moved() -> None:
    rooms = Rooms([LOBBY])
    rooms.bind(LOBBY, "!old").puppets[KESTREL] = "kestrel"
    assert rooms.rooms_of(KESTREL) == 1
    room = rooms.bind(LOBBY, "!new")
    assert rooms.by_id("!old") is None
    assert rooms.by_id("!new") is room is rooms.by_place(LOBBY)
    assert rooms.rooms_of(KESTREL) == 0
    assert rooms.by_id(["!new"]) is None
