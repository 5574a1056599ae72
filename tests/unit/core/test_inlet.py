"""What waits for the core, and for the store: bounded, in order, and whoever has more is told to stop."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import inlet
from bridge.allowance import Allowance
from bridge.inlet import BATCH, BATCH_BYTES, HIGH, LOW, Inlet
from bridge.model.event import Event, Joined, Roster, TopicSet
from bridge.model.message import Message, Opaque, Reaction, Retraction, Text
from bridge.model.weight import ENTRY, weight
from tests.unit.core.bench import HOME, OFFICE, person, running, said
from tests.unit.core.loopback import Loopback
from tests.unit.core.test_store_trouble import break_down
from tests.unit.store.trouble import impatient

ANA, BO = person("Ana"), person("Bo", "office")


def test_what_is_said_weighs_what_it_is_long() -> None:
    short = said("x", ANA, native_id="1")
    contents = (
        Message(Text("x" * 5000)),
        Message(Text(""), subject=Text("x" * 5000)),
        Opaque("a poll", Text("x" * 5000)),
        Reaction("t", "x" * 5000),
        Retraction("t", "x" * 5000),
    )
    for content in contents:
        assert weight(Event(short.origin, HOME, ANA, 1e9, content)) > ENTRY + 5000
    assert weight(said("x", ANA, native_id="x" * 5000)) > ENTRY + 5000
    assert weight(short) < 2 * ENTRY
    assert weight(Joined(HOME, ANA)) == ENTRY
    assert weight(TopicSet(HOME, "x" * 5000)) == ENTRY + 5000
    assert weight(Roster(HOME, (ANA,) * 1000)) > 1000 * 100


@given(st.lists(st.integers(0, HIGH), max_size=60), st.lists(st.booleans(), max_size=200))
def test_an_inlet_keeps_the_order_and_says_when_to_stop(sizes: list[int], steps: list[bool]) -> None:
    told: list[bool] = []
    made: Inlet[tuple[int, int]] = Inlet("home", told.append, lambda item: item[1])
    coming, came = list(enumerate(sizes)), list[tuple[int, int]]()
    for read in [*steps, *[False] * (len(sizes) + 1)]:
        if read and coming and not made.stopped:
            made.put([coming.pop(0)])
        else:
            came += made.take()
            made.done()
        assert made.weight <= HIGH + max(sizes, default=0)
        assert made.stopped == (told[-1] if told else False)
    assert came == list(enumerate(sizes))[: len(came)]
    assert len(came) + len(coming) == len(sizes)
    assert made.weight == 0
    assert told == [True, False] * (len(told) // 2)


def test_a_batch_is_bounded_by_number_and_by_size() -> None:
    made: Inlet[int] = Inlet("home", lambda on: None, lambda size: size)
    made.put([1] * 1000)
    assert len(made.take()) == BATCH
    made.done()
    large: Inlet[int] = Inlet("home", lambda on: None, lambda size: size)
    large.put([BATCH_BYTES // 2 + 1] * 5)
    assert len(large.take()) == 2
    large.back()
    assert len(large) == 5
    assert large.weight == 5 * (BATCH_BYTES // 2 + 1)


def test_what_was_taken_counts_until_it_is_done() -> None:
    told: list[bool] = []
    made: Inlet[int] = Inlet("home", told.append, lambda size: size)
    made.put([HIGH + 1])
    assert made.take() == [HIGH + 1]
    assert (told, made.stopped, len(made)) == ([True], True, 0)
    made.put([1])
    assert told == [True]
    made.done()
    assert (told, made.weight) == ([True, False], 1)
    assert inlet.LOW == LOW < HIGH


async def test_an_allowance_is_lent_in_turn() -> None:
    allowance, order = Allowance(10), list[str]()

    async def want(name: str, units: int) -> None:
        await allowance.lend(units)
        order.append(name)

    await want("a", 6)
    tasks = [asyncio.create_task(want(name, units)) for name, units in (("b", 5), ("c", 1), ("huge", 50), ("d", 1))]
    await asyncio.sleep(0)
    assert (order, allowance.lent) == (["a"], 6), "whoever asked later does not pass, though there is room"
    allowance.give_back(6)
    await asyncio.gather(*tasks[:2])
    assert (order, allowance.lent) == (["a", "b", "c"], 6)
    allowance.give_back(5)
    await asyncio.sleep(0)
    assert order == ["a", "b", "c"]
    allowance.give_back(1)
    await tasks[2]
    assert (order[-1], allowance.lent) == ("huge", 50)
    tasks[3].cancel()
    await asyncio.wait([tasks[3]])
    allowance.give_back(50)
    await want("e", 10)
    assert (order[-1], allowance.lent) == ("e", 10)


async def test_nobody_passes_who_is_just_being_let_in() -> None:
    allowance, order = Allowance(10), list[str]()

    async def want(name: str, units: int) -> None:
        await allowance.lend(units)
        order.append(name)

    await allowance.lend(10)
    first = asyncio.create_task(want("first", 1))
    await asyncio.sleep(0)
    second = asyncio.create_task(want("second", 1))
    allowance.give_back(10)
    # The second one runs before the first one, whose turn it is, is woken.
    await asyncio.gather(first, second)
    assert order == ["first", "second"]
    assert allowance.lent == 2


async def test_who_is_cancelled_with_their_turn_gives_it_back() -> None:
    allowance = Allowance(1)
    await allowance.lend(1)
    first, second = asyncio.create_task(allowance.lend(1)), asyncio.create_task(allowance.lend(1))
    await asyncio.sleep(0)
    allowance.give_back(1)
    first.cancel()
    await second
    assert first.cancelled()
    assert allowance.lent == 1


async def test_who_is_cancelled_while_first_in_the_row_lets_the_next_pass() -> None:
    allowance = Allowance(10)
    await allowance.lend(6)
    large, small = asyncio.create_task(allowance.lend(9)), asyncio.create_task(allowance.lend(3))
    await asyncio.sleep(0)
    large.cancel()
    await small
    assert allowance.lent == 9


async def test_no_more_is_on_its_way_than_may_be_and_everything_comes_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two networks flood while the store is full: of each, what is beyond the limit is not even given a number."""
    impatient(monkeypatch)
    most = 40 * ENTRY
    monkeypatch.setattr("bridge.journal.AT_ONCE", most)
    home, office, libera = Loopback(), Loopback(), Loopback()
    async with running(tmp_path, {"home": home, "office": office, "libera": libera}) as service:
        journal = service._journal
        assert journal is not None
        with monkeypatch.context() as patch:
            filler = await break_down(service, patch)
            accepting = [
                asyncio.create_task(net.core.accept(said(f"{number}", who, place, f"{who.name}{number}")))
                for number in range(100)
                for net, who, place in ((home, ANA, HOME), (office, BO, OFFICE))
            ]
            await asyncio.wait(accepting, timeout=0.5)
            assert not any(each.done() for each in accepting)
            assert 0 < journal._allowance.lent <= most
            assert {network: items for network, (items, _) in journal.pending().items()} == {"home": 100, "office": 100}
            assert all(age > 0 for _, age in journal.pending().values())
            on_the_way = sum(len(each.items) for each in journal._pending)
            assert on_the_way <= most // ENTRY
        await asyncio.gather(filler, *accepting)
        assert journal.pending() == {}
        await libera.until(lambda: len(libera.sent) == 200, timeout=30)
        for who in (ANA, BO):
            mine = [str(part.text) for part in libera.sent if part.speaker.address == who.address]
            assert mine == [str(number) for number in range(100)]
        assert journal._allowance.lent == 0


async def test_a_network_that_floods_does_not_keep_another_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in commits: what another network says is durable after a few of them."""
    monkeypatch.setattr("bridge.journal.AT_ONCE", 100 * ENTRY)
    home, office, libera = Loopback(), Loopback(), Loopback()
    async with running(tmp_path, {"home": home, "office": office, "libera": libera}):
        batches = 0

        async def flood() -> None:
            nonlocal batches
            for start in range(0, 1500, 50):
                await home.core.accept(*(said(f"{start + number}", ANA) for number in range(50)))
                batches += 1

        flooding = asyncio.create_task(flood())
        await libera.until(lambda: batches > 3)
        before = batches
        await office.core.accept(said("quiet word", BO, OFFICE))
        assert batches - before <= 3
        assert not flooding.done()
        await flooding


async def test_what_cannot_be_worked_out_takes_nothing_away_from_what_may_be_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, libera = Loopback(), Loopback()
    async with running(tmp_path, {"home": home, "libera": libera}) as service:
        journal = service._journal
        assert journal is not None

        def broken(place: object) -> int:
            raise RuntimeError("a fault of ours")

        with monkeypatch.context() as patch:
            patch.setattr(journal, "_number", broken)
            with pytest.raises(RuntimeError):
                await home.core.accept(said("one", ANA))
        assert journal._allowance.lent == 0
        await home.core.accept(said("two", ANA))
        await libera.until(lambda: [part.text.text for part in libera.sent] == ["two"])
