"""The way of reports to the core, where the core takes nothing."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from adapters.irc.intake import Intake
from bridge.contract import Core
from bridge.model.address import Place
from bridge.model.event import Event, State, TopicSet

TOPIC = TopicSet(Place("libera", "#tea"), "tea", None)


class SlowCore:
    """A core whose store does not work until `works` is set."""

    network = "libera"

    def __init__(self) -> None:
        self.works = asyncio.Event()
        self.taken: list[Event | State] = []
        self.memory: dict[str, str | None] = {}

    async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
        await self.works.wait()
        self.taken += items
        self.memory |= remember or {}


def intake_of(core: SlowCore) -> Intake:
    return Intake(cast(Core, cast(Any, core)), lambda on: None, lambda: lambda: None)


async def test_what_waits_at_a_stop_is_taken_in() -> None:
    core = SlowCore()
    core.works.set()
    intake = intake_of(core)
    intake.put(TOPIC)
    intake.remember({"a": "1"})
    await intake.drain(within=60.0)
    assert (core.taken, core.memory) == ([TOPIC], {"a": "1"})


async def test_a_core_that_takes_nothing_does_not_hold_up_a_stop() -> None:
    core = SlowCore()
    intake = intake_of(core)
    intake.put(TOPIC)
    intake.remember({"a": "1"})
    await asyncio.wait_for(intake.drain(within=0.0), 5.0)
    assert (core.taken, core.memory) == ([], {})
    core.works.set()
    await intake.drain(within=60.0)
    assert (core.taken, core.memory) == ([TOPIC], {"a": "1"}), "nothing of it is lost by that"
