"""Pace: the bucket, the queue, and back-off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.protocol.errors import LocalProtocolError
from adapters.irc.protocol.flood import RESERVED, Outbox, Queued, TokenBucket, Urgency
from adapters.irc.protocol.message import Wire
from bridge.backoff import Backoff


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def item(text: str, token: int | None = None, target: str = "") -> Queued:
    return Queued(Wire(text.encode()), token, target)


def test_a_burst_then_the_rate() -> None:
    bucket = TokenBucket(3, 0.5, 0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.ready_at(0.0) == 2.0
    assert not bucket.take(1.9)
    assert bucket.take(2.0)
    assert not bucket.take(2.0)
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_reserving_runs_into_the_future() -> None:
    bucket = TokenBucket(2, 1, 0.0)
    assert [bucket.reserve(0.0) for _ in range(5)] == [0, 0, 1, 2, 3]


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 5), st.floats(0.1, 10))
def test_never_more_than_allowed(waits: list[float], burst: int, rate: float) -> None:
    bucket, now, taken = TokenBucket(burst, rate, 0.0), 0.0, 0
    for wait in waits:
        now += wait
        taken += bucket.take(now)
        assert taken <= burst + now * rate + 1e-3


@given(st.floats(0.01, 100), st.floats(0, 1e6))
def test_the_token_is_there_when_announced(rate: float, start: float) -> None:
    bucket = TokenBucket(1, rate, start)
    assert bucket.take(start)
    assert bucket.take(bucket.ready_at(start))


def test_urgent_lines_pass_and_the_rest_keeps_order() -> None:
    clock = Clock()
    outbox = Outbox(TokenBucket(2, 1, clock()), clock)
    for number in range(3):
        outbox.put(item(f"s{number}", number), Urgency.SPEECH)
    outbox.put(item("r"), Urgency.REPLY)
    outbox.put(item("c"), Urgency.CONTROL)
    for number in range(3):
        outbox.put(item(f"n{number}"), Urgency.NOW)
    assert [queued.wire for queued in outbox.due()] == [b"n0", b"n1", b"n2", b"c", b"s0"]
    assert outbox.waits(1)
    assert outbox.deadline() == 101.0
    clock.now = 102.0
    assert [queued.wire for queued in outbox.due()] == [b"s1", b"s2"]
    clock.now = 103.0
    assert [queued.wire for queued in outbox.due()] == [b"r"]
    assert outbox.deadline() is None


def test_what_is_taken_back_does_not_go_out() -> None:
    clock = Clock()
    outbox = Outbox(TokenBucket(1, 1, clock()), clock)
    for number in range(4):
        outbox.put(item(f"s{number}", number, "#a" if number % 2 else "#b"), Urgency.SPEECH)
    outbox.withdraw(2)
    assert outbox.purge(["#a"]) == [1, 3]
    assert [queued.wire for queued in outbox.due()] == [b"s0"]
    assert len(outbox) == 0
    assert outbox.purge() == []


def test_targets_take_turns_and_each_keeps_its_order() -> None:
    clock = Clock()
    outbox = Outbox(TokenBucket(1, 1, clock()), clock, limit=10_000)
    for number in range(5000):
        outbox.put(item(f"a{number}", number, "#a"), Urgency.SPEECH)
    for number in range(2):
        outbox.put(item(f"b{number}", 5000 + number, "#b"), Urgency.SPEECH)
    outbox.put(item("c0", 6000, "#c"), Urgency.SPEECH)
    sent = []
    for _ in range(8):
        sent += [queued.wire.decode() for queued in outbox.due()]
        clock.now += 1
    assert sent == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4"]


def test_how_many_go_before_counts_turns() -> None:
    clock = Clock()
    outbox = Outbox(TokenBucket(1, 1, clock()), clock)
    assert outbox.before("#a") == 0
    for number in range(50):
        outbox.put(item(f"a{number}", number, "#a"), Urgency.SPEECH)
    assert (outbox.before("#a"), outbox.before("#b")) == (50, 1)
    outbox.put(item("JOIN"), Urgency.CONTROL)
    outbox.put(item("b", 60, "#b"), Urgency.SPEECH)
    assert (outbox.before("#a"), outbox.before("#b"), outbox.before("#c")) == (52, 4, 3)
    outbox.put(item("WHO"), Urgency.REPLY)
    assert outbox.before("#c") == 3


TARGETS = st.sampled_from(["#a", "#b", "#c"])


@given(st.lists(st.tuples(TARGETS, st.booleans()), max_size=60), st.data())
def test_what_is_said_next_goes_when_it_was_foretold(steps: list[tuple[str, bool]], data: st.DataObject) -> None:
    clock = Clock()
    outbox = Outbox(TokenBucket(1, 1, clock()), clock)
    outbox.due()
    said: dict[str, list[int]] = {}
    sent: dict[str, list[int]] = {}

    def send() -> Queued | None:
        clock.now += 1
        due = outbox.due()
        assert len(due) <= 1
        for queued in due:
            sent.setdefault(queued.target, []).append(queued.token or 0)
        return due[0] if due else None

    for number, (target, speak) in enumerate(steps, start=1):
        if speak:
            outbox.put(item("x", number, target), Urgency.SPEECH)
            said.setdefault(target, []).append(number)
        else:
            send()
    target = data.draw(TARGETS)
    foretold = outbox.before(target)
    outbox.put(item("x", 1000, target), Urgency.SPEECH)
    said.setdefault(target, []).append(1000)
    turns = 0
    while (queued := send()) is not None:
        if queued.token == 1000:
            # Whose turn it is in this round, is not asked for the forecast: one line of each other target at most.
            assert foretold - 2 <= turns <= foretold
        turns += 1
    assert sent == said
    assert len(outbox) == 0


def test_a_full_queue_takes_a_few_for_whoever_has_nothing_in_it() -> None:
    clock = Clock()
    outbox = Outbox(TokenBucket(1, 1, clock()), clock, limit=100)
    for number in range(100):
        outbox.put(item("a", number, "#a"), Urgency.SPEECH)
    with pytest.raises(LocalProtocolError):
        outbox.put(item("a", 100, "#a"), Urgency.SPEECH)
    for number in range(RESERVED):
        outbox.put(item("b", 200 + number, "#b"), Urgency.SPEECH)
    with pytest.raises(LocalProtocolError):
        outbox.put(item("b", 300, "#b"), Urgency.SPEECH)


def test_the_queue_is_bounded_but_for_what_keeps_us_alive() -> None:
    clock = Clock()
    outbox = Outbox(TokenBucket(1, 1, clock()), clock, limit=RESERVED)
    for _ in range(RESERVED):
        outbox.put(item("s"), Urgency.SPEECH)
    with pytest.raises(LocalProtocolError):
        outbox.put(item("s"), Urgency.SPEECH)
    outbox.put(item("PONG"), Urgency.NOW)


def test_backoff_grows_to_its_cap_and_starts_anew() -> None:
    backoff = Backoff(1, 100, draw=lambda low, high: high)
    assert [backoff.next() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 64, 100, 100]
    for _ in range(5000):
        assert backoff.next() == 100
    backoff.reset()
    assert backoff.next() == 1


def test_full_jitter_reaches_down_to_the_floor() -> None:
    assert Backoff(8, 100, draw=lambda low, high: low).next() == 0
    assert Backoff(8, 100, floor=3, draw=lambda low, high: low).next() == 3
    waits = [Backoff(8, 100).next() for _ in range(200)]
    assert 0 <= min(waits) < 2 < 6 < max(waits) <= 8
