"""From the stream to the core: bounded while the core does not take, in order, and nothing acknowledged too early."""

import asyncio
from collections.abc import Mapping

from adapters.xmpp.intake import Intake
from bridge.inlet import HIGH, LOW
from bridge.model.event import Event, State
from bridge.tasks import cancel
from tests.unit.core.bench import OFFICE, person, said

BO = person("Bo", "office")


class Slow:
    """A core that takes what it is given when `gate` is open."""

    network = "office"

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.taken: list[str] = []
        self.remembered: dict[str, str | None] = {}
        self.acknowledged = 0
        self.marks = 0

    async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
        await self.gate.wait()
        self.taken += [item.origin.native_id for item in items if isinstance(item, Event)]
        self.remembered |= remember or {}

    def mark(self) -> "Slow":
        self.marks += 1
        return self

    def __call__(self) -> None:
        self.acknowledged += 1


async def test_the_stream_is_stopped_before_memory_grows_and_read_again_when_it_is_free() -> None:
    core, paused = Slow(), list[bool]()
    intake = Intake(core, paused.append, core.mark)
    running = asyncio.create_task(intake.run())
    number = 0
    while not paused:
        intake.put(said("x" * 10_000, BO, OFFICE, f"{number}"))
        number += 1
        if number % 100 == 0:
            await asyncio.sleep(0)
    assert number <= HIGH // 10_000 + 1
    assert core.taken == []
    assert intake._inlet.weight > LOW
    core.gate.set()
    await intake.drained(10)
    assert core.taken == [str(each) for each in range(number)]
    assert paused == [True, False]
    await cancel([running])


async def test_nothing_is_acknowledged_while_some_of_what_came_before_still_waits() -> None:
    core = Slow()
    intake = Intake(core, lambda on: None, core.mark)
    core.gate.set()
    intake.put(*(said("x", BO, OFFICE, f"{number}") for number in range(600)))
    running = asyncio.create_task(intake.run())
    await intake.drained(10)
    assert (core.marks, core.acknowledged) == (1, 1)
    await cancel([running])


async def test_what_came_while_the_core_was_waited_for_is_acknowledged_too() -> None:
    """Stanzas that tell the core nothing fill a keeper's window as well as others."""
    core = Slow()
    intake = Intake(core, lambda on: None, core.mark)
    running = asyncio.create_task(intake.run())
    intake.put(said("x", BO, OFFICE, "1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert core.marks == 1
    intake.touch()
    core.gate.set()
    await intake.drained(10)
    for _ in range(5):
        await asyncio.sleep(0)
    assert (core.marks, core.acknowledged) == (2, 2)
    await cancel([running])


async def test_notes_go_with_the_items_before_them_and_the_last_of_a_kind_counts() -> None:
    core = Slow()
    core.gate.set()
    intake = Intake(core, lambda on: None)
    running = asyncio.create_task(intake.run())
    intake.note("heard", "1")
    intake.note("heard", "2")
    intake.put(said("x", BO, OFFICE, "3"))
    await intake.drained(10)
    assert (core.taken, core.remembered) == (["3"], {"heard": "2"})
    assert intake._inlet.weight == 0
    await cancel([running])
