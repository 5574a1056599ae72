"""What a room's history proves of parts in doubt, and what it does not."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from adapters.xmpp.history import judge
from bridge.contract import Part, Voice
from bridge.model.message import MessageKind, Text
from bridge.model.result import Receipt
from tests.unit.xmpp.folk import KESTREL
from tests.unit.xmpp.muc import PLACE, Muc


def parts(count: int) -> list[Part]:
    """Said one second after the other, from 100 on."""
    return [
        Part(f"e{number}-0", PLACE, KESTREL, Voice.PUPPET, MessageKind.TEXT, Text("caw"), 100.0 + number)
        for number in range(count)
    ]


def seen(*numbers: int) -> dict[str, Receipt]:
    return {f"e{number}-0": Receipt(f"s{number}") for number in numbers}


def numbers(arrived: Sequence[str]) -> list[int]:
    return sorted(int(part_id[1:].partition("-")[0]) for part_id in arrived)


def test_what_the_history_shows_has_arrived_and_the_rest_has_not() -> None:
    found = judge(parts(5), seen(0, 1, 2).get, 90.0)
    assert found.arrived == seen(0, 1, 2)
    assert found.unproven == 0


def test_with_more_in_flight_than_the_room_keeps_those_before_have_arrived_too() -> None:
    found = judge(parts(50), seen(*range(20, 40)).get, 120.0)
    assert numbers(list(found.arrived)) == list(range(40))
    assert found.arrived["e0-0"] == Receipt(None)
    assert found.arrived["e20-0"] == Receipt("s20")


def test_one_that_is_missing_between_two_others_was_not_taken() -> None:
    found = judge(parts(5), seen(0, 1, 3).get, 100.2)
    assert numbers(list(found.arrived)) == [0, 1, 3]


def test_one_that_the_history_would_show_was_not_taken() -> None:
    assert numbers(list(judge(parts(3), seen(1, 2).get, 50.0).arrived)) == [1, 2]


def test_where_none_of_ours_is_left_in_it_nobody_knows() -> None:
    found = judge(parts(3), seen().get, 100.5)
    assert found.arrived == {}
    assert found.unproven == 2


def test_where_nothing_was_said_nothing_of_ours_was() -> None:
    found = judge(parts(3), seen().get, None)
    assert (found.arrived, found.unproven) == ({}, 0)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 25))
def test_of_a_stream_that_broke_nothing_is_lost_nor_comes_twice(count: int, taken: int, kept: int) -> None:
    """The room took the first `taken` of the parts as they were said, and keeps `kept` lines."""
    taken = min(count, taken)
    shown = range(max(0, taken - kept), taken)
    oldest = 100.0 + shown[0] if shown else None
    found = judge(parts(count), seen(*shown).get, oldest)
    assert numbers(list(found.arrived)) == list(range(taken))


async def test_a_room_knows_how_far_back_the_history_went_that_came() -> None:
    muc = Muc()
    muc.room.enter(muc.bot, "rialto", since=0.0)
    muc.presence(muc.bot, "rialto", "110")
    muc.body("ana", "two", sid="s1", stamp="1970-01-01T00:08:20Z")
    muc.body("ana", "three", sid="s2", stamp="1970-01-01T00:09:00Z")
    muc.line("ana", "<subject>old</subject>", stamp="1970-01-01T00:00:07Z")
    muc.body("ana", "now", sid="s3", stamp="1970-01-01T00:00:01Z")
    assert (muc.room.reaches, muc.room.oldest) == (0.0, 500.0)
    muc.room.enter(muc.bot, "rialto", since=400.0)
    assert muc.room.oldest is None
