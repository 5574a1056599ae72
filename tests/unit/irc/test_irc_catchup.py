"""Histories that are read while the place is heard: what is held, who goes on, and what is let go."""

import asyncio
from typing import Any, cast

import pytest

import adapters.irc.catchup
from adapters.irc.catchup import CatchUp
from adapters.irc.link.connection import Connection
from adapters.irc.protocol.events import Manner, Said
from adapters.irc.protocol.isupport import ISupport
from adapters.irc.protocol.message import Source
from adapters.irc.protocol.servertime import timestamp, written
from bridge.contract import SendError
from bridge.gaps import Gaps
from bridge.model.address import Address, Person, Place
from bridge.model.event import Event, Joined, Origin, State
from bridge.model.message import Gap, Message, Text
from bridge.model.result import Reason

TEA = Place("libera", "#tea")
KIM = Person(Address("libera", "kim"), "kim")
NOW = 1_795_000_000.0


class Told:
    """A connection of ours, whose server answers page by page when the test says so."""

    def __init__(self, *msgids: int) -> None:
        self.ready = True
        self.session = self
        self.isupport = ISupport()
        self.isupport.update(["CHATHISTORY=2", "MSGREFTYPES=msgid"])
        self.asked: list[str] = []
        self.gate = asyncio.Semaphore(0)
        self.lines = [line(number) for number in msgids]
        self.error: SendError | None = None
        self.third = asyncio.Event()

    async def history(self, which: str, channel: str, selector: str, limit: int) -> list[Said]:
        self.asked.append(f"{which} {selector}")
        if len(self.asked) == 3:
            self.third.set()
        await self.gate.acquire()
        if self.error is not None:
            raise self.error
        kind, _, value = selector.partition("=")
        after = [
            said
            for said in self.lines
            if (int(said.msgid) > int(value) if kind == "msgid" else timestamp(said.when, 0) > timestamp(value, 0))
        ]
        before = [said for said in self.lines if said not in after]
        return after[:limit] if which == "AFTER" else before[-limit:]


def line(number: int) -> Said:
    when = written(NOW + number)
    return Said(Source("kim", "k", "h"), "#tea", Manner.TEXT, "x", True, False, msgid=str(number), when=when)


def heard(number: int) -> Event:
    return Event(Origin("libera", str(number)), TEA, KIM, NOW + number, Message(Text("x")))


class Bench:
    """What catches up, with all that it gives in one list."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.crashes: list[BaseException] = []
        self.now = NOW
        memory = {"attended/#tea": f"{NOW:.3f} {NOW - 1000:.3f}"}
        self.gaps = Gaps([TEA], memory, self.put, longest=5.0, now=lambda: self.now)
        self.catchup = CatchUp(
            self.gaps,
            tell=lambda connection, said: self.out.append(f"read {said.msgid}"),
            put=self.put,
            last_seen=lambda place: None,
            crashed=self.crashes.append,
            now=lambda: self.now,
        )

    def put(self, item: Event | State) -> None:
        gap = isinstance(item, Event) and isinstance(item.content, Gap)
        self.out.append("gap" if gap else f"held {item.origin.native_id if isinstance(item, Event) else 'state'}")

    def begin(self, told: Told, **more: Any) -> None:
        self.catchup.begin(TEA, cast(Connection, told), **more)

    def halt(self, told: Told) -> None:
        self.catchup.halt(TEA, cast(Connection, told))

    async def read(self) -> None:
        """Wait until the history is read to its end."""
        task = self.catchup._readings[TEA].task
        assert task is not None
        await asyncio.wait_for(task, 10)
        assert TEA not in self.catchup


async def test_what_is_heard_waits_and_comes_once() -> None:
    bench, told = Bench(), Told(-100, 1, 2, 3, 4, 5)
    bench.begin(told)
    assert bench.catchup.holds(TEA, Joined(TEA, KIM))
    assert bench.catchup.holds(TEA, heard(4))
    assert bench.catchup.holds(TEA, heard(5))
    for _ in range(4):
        told.gate.release()
    await bench.read()
    assert bench.out == ["read 1", "read 2", "read 3", "held state", "held 4", "held 5"]
    assert not bench.catchup.holds(TEA, heard(6))
    assert bench.gaps.beat() == {"attended/#tea": f"{NOW:.3f} {NOW - 1000:.3f}"}


async def test_another_connection_goes_on_where_the_first_has_to_stop() -> None:
    bench, one, two = Bench(), Told(-100, 100, 200, 300, 400), Told(-100, 100, 200, 300, 400)
    bench.begin(one)
    for _ in range(2):
        one.gate.release()
    await asyncio.wait_for(one.third.wait(), 10)
    bench.halt(one)
    assert bench.catchup.holds(TEA, heard(500)), "nobody reads, and what is heard waits all the same"
    bench.halt(two)
    bench.begin(two)
    for _ in range(4):
        two.gate.release()
    await bench.read()
    assert bench.out == ["read 100", "read 200", "read 200", "read 300", "read 400", "held 500"]
    assert bench.crashes == []


async def test_what_nobody_hears_any_more_is_let_go_and_read_again() -> None:
    bench, told = Bench(), Told(-100, 1)
    bench.begin(told)
    bench.catchup.holds(TEA, heard(2))
    bench.catchup.drop(TEA)
    bench.gaps.unheard(TEA)
    told.lines.append(line(2))
    bench.begin(told)
    for _ in range(4):
        told.gate.release()
    await bench.read()
    assert bench.out == ["read 1", "read 2"]


@pytest.mark.parametrize("stayed", [False, True])
async def test_a_refusal_is_a_gap_unless_somebody_heard_it_for_us(stayed: bool) -> None:
    bench, told = Bench(), Told()
    bench.now += 60
    told.error = SendError.permanent(Reason.ITEM_NOT_FOUND, "no history")
    bench.begin(told, stayed=stayed)
    bench.catchup.holds(TEA, heard(1))
    told.gate.release()
    await bench.read()
    assert bench.out == [*([] if stayed else ["gap"]), "held 1"]


async def test_who_cannot_ask_any_more_says_so() -> None:
    bench, told = Bench(), Told()
    bench.now += 60
    bench.begin(told)
    bench.catchup.holds(TEA, heard(1))
    bench.catchup.give_up(TEA)
    bench.catchup.give_up(TEA)
    assert bench.out == ["gap", "held 1"]


async def test_of_more_than_can_be_held_the_messages_are_read_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters.irc.catchup, "HELD", 3)
    bench, told = Bench(), Told(-100, *range(1, 8))
    bench.begin(told)
    bench.catchup.holds(TEA, Joined(TEA, KIM))
    for number in range(1, 8):
        bench.catchup.holds(TEA, heard(number))
    for _ in range(8):
        told.gate.release()
    await bench.read()
    numbers = [int(word) for _, _, word in (item.partition(" ") for item in bench.out) if word.isdigit()]
    assert numbers == list(range(1, 8))
    assert "held state" in bench.out


async def test_a_line_that_is_not_understood_costs_no_other() -> None:
    bench, told = Bench(), Told(-100, 1, 2, 3)

    def stumble(connection: Connection, said: Said) -> None:
        if said.msgid == "2":
            raise ValueError("nobody foresaw it")
        bench.out.append(f"read {said.msgid}")

    bench.catchup._tell = stumble
    bench.begin(told)
    for _ in range(5):
        told.gate.release()
    await bench.read()
    assert bench.out == ["read 1", "read 3"]
    assert bench.crashes == []
