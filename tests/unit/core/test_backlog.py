"""What waits for a place: the beginning in memory, bounded by number and by size, the rest in the store."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import backlog
from bridge.backlog import IN_MEMORY, IN_MEMORY_BYTES, Backlog
from bridge.delivery import Delivery
from bridge.model.result import Failure, Reason
from tests.unit.core.bench import LIBERA, person, running, said
from tests.unit.core.loopback import Loopback

ANA = person("Ana")


def delivery(seq: int, size: int = 1) -> Delivery:
    return Delivery(said("x" * size, ANA), LIBERA, seq)


@given(st.lists(st.tuples(st.integers(1, IN_MEMORY_BYTES), st.booleans()), max_size=80))
def test_all_come_out_in_order_and_little_is_in_memory(steps: list[tuple[int, bool]]) -> None:
    waiting, store, came = Backlog(), list[Delivery](), list[int]()
    for seq, (size, take) in enumerate(steps, start=1):
        store.append(delivery(seq, size))
        waiting.put(store[-1])
        assert waiting._weight <= 2 * IN_MEMORY_BYTES + 2048
        if take and (first := waiting.next()) is not None:
            waiting.take(first)
            came.append(first.seq)
    while waiting or waiting.more_in_store:
        if (first := waiting.next()) is not None:
            waiting.take(first)
            came.append(first.seq)
        else:
            waiting.refill([each for each in store if each.seq > waiting.last_seq], more=False)
            assert waiting._weight <= 2 * IN_MEMORY_BYTES + 2048
    assert came == list(range(1, len(steps) + 1))
    assert waiting._weight == 0


def test_what_was_kept_from_before_is_taken_over_whole() -> None:
    """What is being sent is told apart from it, and may have later numbers: none in between may be left out."""
    waiting = Backlog()
    waiting.load([delivery(seq, IN_MEMORY_BYTES) for seq in range(1, 4)], more=False)
    assert (waiting.waiting, waiting.last_seq, waiting.more_in_store) == (3, 3, False)
    assert not waiting.put(delivery(4))
    assert waiting.more_in_store


def test_the_number_is_bounded_too() -> None:
    waiting = Backlog()
    assert [waiting.put(delivery(seq)) for seq in range(IN_MEMORY + 1)] == [True] * IN_MEMORY + [False]


async def test_long_messages_wait_in_the_store_and_arrive_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "IN_MEMORY_BYTES", 20_000)
    home, libera = Loopback(), Loopback()
    libera.part_bytes = 10_000
    async with running(tmp_path, {"home": home, "libera": libera}) as service:
        libera.core.offline(Failure(Reason.SERVICE_UNAVAILABLE, "away"))
        await home.core.accept(*(said(f"{number} {'x' * 3000}", ANA) for number in range(100)))
        assert service._lanes is not None
        assert service._lanes.queues()["libera"][0] <= 6, "that many are in memory"
        libera.core.online()
        await libera.until(lambda: len(libera.sent) == 100, timeout=30)
        assert [str(part.text).split()[0] for part in libera.sent] == [str(number) for number in range(100)]
