"""The breaker: a relay that returns text is stopped; people who repeat themselves, and repeated pushes, are not."""

from dataclasses import replace

import pytest

from bridge.breaker import LONGEST, LOOKED_AT, PAUSE, RETURNS, WINDOW, Breaker, Looping
from bridge.model.address import Place
from bridge.model.event import Event
from bridge.model.message import Reaction
from bridge.model.room import Member, Room
from tests.unit.core.bench import HOME, LIBERA, OFFICE, person, said

ROOM = Room("tea", tuple(Member(place) for place in (HOME, OFFICE, LIBERA)))
ANA, RELAY = person("ana"), person("relay", "libera")


class Bench:
    """A breaker with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.trips: list[Looping] = []
        self.breaker = Breaker(lambda: self.now, self.trips.append)

    def hear(self, event: Event) -> bool:
        """Whether it is taken in; it is said now."""
        return self.hear_late(replace(event, when=self.now))

    def hear_late(self, event: Event) -> bool:
        """Whether it is taken in; it was said when it says."""
        return self.breaker.check(event, ROOM) is None


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("form", ["{}", "<ana> {}", "<r> <ana> {}", "[matrix] ana: {}", "(ana)  {}", "ana: {} "])
def test_a_relay_that_returns_a_text_is_stopped_however_it_marks_it(bench: Bench, form: str) -> None:
    assert bench.hear(said("good morning all", ANA))
    heard = [bench.hear(said(form.format("good morning all"), RELAY, LIBERA)) for _ in range(RETURNS)]
    assert heard == [True, True, False]
    assert bench.trips == [Looping("tea", LIBERA, RELAY.address, PAUSE)]
    assert not bench.hear(said("anything", RELAY, LIBERA))
    assert bench.hear(said("the others go on", ANA))
    assert bench.hear(said("here, too", person("kestrel", "libera"), LIBERA))
    assert bench.breaker.paused(LIBERA) == PAUSE
    assert not bench.breaker.paused(HOME)
    bench.now += PAUSE
    assert bench.hear(said("anything", RELAY, LIBERA))
    assert not bench.breaker.paused(LIBERA)


def test_the_next_pause_is_twice_as_long_and_bounded(bench: Bench) -> None:
    pauses = []
    for number in range(10):
        bench.hear(said(f"text {number}", ANA))
        for _ in range(RETURNS):
            bench.hear(said(f"text {number}", RELAY, LIBERA))
        pauses.append(bench.trips[-1].seconds)
        bench.now += pauses[-1]
    assert pauses[:3] == [PAUSE, 2 * PAUSE, 4 * PAUSE]
    assert pauses[-1] == LONGEST
    bench.now += 3 * LONGEST
    bench.hear(said("again", ANA))
    for _ in range(RETURNS):
        bench.hear(said("again", RELAY, LIBERA))
    assert bench.trips[-1].seconds == PAUSE


def test_who_says_the_same_thing_of_themself_is_only_insistent(bench: Bench) -> None:
    assert all(bench.hear(said("hello?", ANA)) for _ in range(10))
    assert not bench.trips


def test_three_people_who_agree_are_no_loop(bench: Bench) -> None:
    for name in ("ana", "bo", "cy", "dee", "eli"):
        assert bench.hear(said("+1", person(name)))
    assert not bench.trips


def test_slow_repetition_is_no_loop_in_a_busy_room_either(bench: Bench) -> None:
    assert bench.hear(said("lol", ANA))
    for number in range(40):
        bench.now += WINDOW / 4 + 0.1
        bench.hear(said(f"other {number}", ANA))
        if number % 2:
            assert bench.hear(said("lol", RELAY, LIBERA))


def test_what_was_said_over_hours_and_comes_in_at_once_is_no_loop(bench: Bench) -> None:
    for hour in range(10):
        for who, place in ((ANA, HOME), (RELAY, LIBERA)):
            assert bench.hear_late(replace(said("moin", who, place), when=bench.now - 3600 * hour))


def test_memory_is_bounded_however_often_a_text_is_said(bench: Bench) -> None:
    for number in range(2000):
        bench.now += 0.001
        bench.hear(said("ping", person(f"bot{number}")))
    assert sum(len(said) for _, said in bench.breaker._texts.values()) <= LOOKED_AT


def test_an_event_that_is_pushed_again_is_counted_once(bench: Bench) -> None:
    assert bench.hear(said("once", ANA))
    again = said("once", RELAY, LIBERA)
    assert all(bench.hear(again) for _ in range(10))
    assert not bench.trips


def test_empty_texts_and_reactions_are_not_looked_at(bench: Bench) -> None:
    for who, place in ((ANA, HOME), *[(RELAY, LIBERA)] * 5):
        assert bench.hear(said("  ", who, place))
    event = said("x", RELAY, LIBERA)
    reaction = Event(event.origin, Place("libera", "#tea"), RELAY, 1e9, Reaction("x", "y"))
    assert all(bench.hear(reaction) for _ in range(5))


def test_rooms_keep_apart(bench: Bench) -> None:
    other = Room("coffee", ())
    for _ in range(2):
        assert bench.breaker.check(said("x", ANA), other) is None
        assert bench.hear(said("x", RELAY, LIBERA))
    assert not bench.trips


def test_what_was_said_is_forgotten(bench: Bench) -> None:
    for number in range(1000):
        bench.now += 1
        bench.hear(said(f"line {number}", ANA))
    assert len(bench.breaker._texts) <= WINDOW + 2
