"""How far back a room is heard again: over a room that ends its history early, forgets it, or has it all."""

import json

from hypothesis import given
from hypothesis import strategies as st

from adapters.xmpp import memory
from adapters.xmpp.beginning import Beginning
from adapters.xmpp.reach import FEW, Before, Reach
from bridge.gaps import Gaps
from bridge.model.event import Event
from bridge.model.message import Gap
from tests.unit.xmpp.muc import PLACE, ROOM

LONGEST = 10.0


class Hall:
    """A room that keeps the newest `keeps` lines, and us, who come and go."""

    def __init__(self, keeps: int) -> None:
        self.keeps = keeps
        self.now = 1000.0
        self.lines: list[float] = []
        self.heard: set[float] = set()
        self.told: list[float | Gap] = []
        self.memory: dict[str, str] = {}
        self.inside = False
        self.start()

    def start(self) -> None:
        """As after a restart: only what was remembered is known."""
        self.gaps = Gaps([PLACE], self.memory, self._put, longest=LONGEST, now=lambda: self.now)
        self.reach = Reach(PLACE, self.gaps, self.memory)

    def _put(self, event: Event) -> None:
        assert isinstance(event.content, Gap)
        self.told.append(event.content)

    def _take(self, when: float) -> None:
        if not self.reach.beginning.is_after(f"{when}", when) and when not in self.heard:
            self.told.append(when)
            self.heard.add(when)

    def say(self) -> None:
        self.now += 1
        self.lines.append(self.now)
        if self.inside:
            self.reach.said(self.now)
            self._take(self.now)

    def come(self) -> None:
        since = self.reach.since(max(self.heard, default=None))
        self.reach.ask(Before.FIRST if since is None else Before.HISTORY)
        self.reach.begin(asked=True)
        self.inside = True
        kept = self.lines[-self.keeps :] if self.keeps else []
        for when in kept if since is None else [when for when in kept if when >= since]:
            self.reach.again(when, lambda when=when: self._take(when))  # type: ignore[misc]
        self.reach.end()

    def go(self) -> None:
        for key, value in (self.gaps.beat() | self.reach.notes()).items():
            if value is None:
                self.memory.pop(key, None)
            else:
                self.memory[key] = value
        self.reach.lost()
        self.inside = False
        self.start()

    def gaps_told(self) -> list[Gap]:
        return [each for each in self.told if isinstance(each, Gap)]


@given(
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans()), min_size=1, max_size=6),
)
def test_what_is_neither_heard_nor_in_a_gap_was_said_before_the_first_time(
    keeps: int, turns: list[tuple[int, int, bool]]
) -> None:
    hall = Hall(keeps)
    first = None
    spoken = []
    for away, there, forgets in turns:
        hall.now += LONGEST
        before = len(hall.lines)
        for _ in range(away):
            hall.say()
        spoken += hall.lines[before:]
        if forgets:
            hall.lines.clear()
        hall.now += LONGEST
        said = list(hall.told)
        hall.come()
        assert hall.told[: len(said)] == said
        first = hall.now if first is None else first
        before = len(hall.lines)
        for _ in range(there):
            hall.say()
        spoken += hall.lines[before:]
        hall.go()
    assert first is not None
    times = [each for each in hall.told if isinstance(each, float)]
    assert times == sorted(set(times))
    assert all(when > first for when in times)
    for gap in hall.gaps_told():
        assert gap.until - gap.since > LONGEST
        assert not [when for when in times if gap.since < when < gap.until], "nothing in it was heard"
    if keeps >= FEW and not any(forgets for _, _, forgets in turns):
        missing = {when for when in spoken if when > first} - set(times)
        assert all(any(gap.since < when < gap.until for gap in hall.gaps_told()) for when in missing)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 5)), min_size=1, max_size=6))
def test_a_history_that_always_reaches_back_leaves_no_gap(turns: list[tuple[int, int]]) -> None:
    hall = Hall(keeps=1000)
    hall.come()
    hall.go()
    for away, there in turns:
        hall.now += 500
        for _ in range(away):
            hall.say()
        hall.come()
        for _ in range(there):
            hall.say()
        hall.go()
    # At first nothing was known that it ought to hold: a dozen lines may then have been more.
    late = turns[0][0] >= FEW
    assert len(hall.gaps_told()) == (1 if late else 0)
    assert [each for each in hall.told if isinstance(each, float)] == hall.lines


def test_a_gap_lies_between_what_was_heard_and_the_oldest_line_that_is_left() -> None:
    hall = Hall(keeps=3)
    hall.come()
    hall.say()
    hall.go()
    left = hall.now
    hall.now += 100
    for _ in range(5):
        hall.say()
    hall.come()
    assert hall.told == [left, Gap(left, hall.lines[-3]), *hall.lines[-3:]]


def test_an_empty_history_that_ought_to_hold_something_is_told_once() -> None:
    hall = Hall(keeps=5)
    hall.come()
    hall.say()
    hall.go()
    left = hall.now
    hall.lines.clear()
    for _ in range(3):
        hall.now += 100
        hall.come()
        hall.go()
    assert hall.gaps_told() == [Gap(left, left + 100)]


def test_who_listened_for_us_leaves_no_gap() -> None:
    hall = Hall(keeps=0)
    hall.come()
    hall.say()
    hall.go()
    hall.now += 100
    hall.reach.ask(Before.HISTORY)
    hall.reach.begin(asked=True, covered=True)
    hall.reach.end()
    assert hall.gaps_told() == []


def test_a_puppet_that_comes_without_the_bot_hears_nothing_of_before() -> None:
    hall = Hall(keeps=5)
    hall.come()
    hall.go()
    left = hall.now
    hall.now += 100
    hall.reach.begin(asked=False)
    assert hall.gaps_told() == [Gap(left, left + 100)]


def test_an_archive_is_whole_where_nothing_is_known_of_before() -> None:
    hall = Hall(keeps=5)
    hall.come()
    hall.go()
    hall.now += 100
    hall.reach.ask(Before.ARCHIVE)
    hall.reach.begin(asked=True)
    taken: list[float] = []
    for number in range(2 * FEW):
        hall.reach.again(hall.now + number, lambda number=number: taken.append(number))  # type: ignore[misc]
    assert taken == list(range(2 * FEW))
    assert hall.gaps_told() == []


def test_where_our_time_begins_is_known_within_a_second() -> None:
    beginning = Beginning(None)
    assert not beginning.is_after("a", 5.0)
    assert beginning.value is None
    beginning.learn()
    for native_id, when in (("a", 5.0), ("b", 6.0), ("c", 6.0)):
        assert beginning.is_after(native_id, when)
    beginning.learnt()
    for later in (beginning, Beginning(beginning.value)):
        assert later.is_after("unknown", 5.0)
        assert later.is_after("c", 6.0)
        assert not later.is_after("d", 6.0)
        assert not later.is_after("c", 7.0)


def test_what_cannot_be_read_is_taken_for_nothing() -> None:
    for value in ("", "x", "[]", "[1]", '["x", []]', "[1, 2]", json.dumps({"a": 1})):
        assert Beginning(value).value is None
    gaps = Gaps([PLACE], {}, lambda event: None, longest=LONGEST, now=lambda: 0.0)
    assert Reach(PLACE, gaps, {memory.newest(ROOM): "x"}).newest is None
