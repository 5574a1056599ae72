"""The soak: people talk, come, go and mend what they said for a long time, while connections break; the bridge's memory
must stay flat, and no task of it may be left behind."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bridge.demo.clients import ClientError, IrcClient
from tests.faults.driver import Row, run
from tests.faults.faults import RNG, Fault, in_turn
from tests.faults.scene import FAST, GUESTS, SLOW, Scene

SAMPLE = 2.0
"""Seconds between two looks at the bridge's memory."""

MARGIN = 0.05
"""By how much memory may differ between the first and the last part of a long soak."""

SETTLE_TASKS = 60.0
"""Seconds in which the bridge's tasks come back to as many as there were."""


@dataclass(slots=True)
class Soak:
    """What was seen. `rss` are bytes, sampled; tasks are counted when all is quiet, before and after.

    Memory is looked at for `seconds`, after `warm_up` seconds of the same: until then it fills with what is remembered
    of each room, which is bounded (5,000 lines).
    """

    row: Row
    seconds: float
    warm_up: float = 0.0
    rss: list[tuple[float, int]] = field(default_factory=list)
    tasks_before: int = 0
    tasks_after: int = 0

    def memory(self, window: float) -> tuple[float, float]:
        """Median memory in the first and in the last `window` seconds, in MiB."""
        begin, end = self.rss[0][0] + self.warm_up, self.rss[-1][0]
        first = [size for when, size in self.rss if begin <= when <= begin + window]
        last = [size for when, size in self.rss if when >= end - window]
        return median(first) / 2**20, median(last) / 2**20

    @property
    def window(self) -> float:
        """Seconds of the first and of the last part: five minutes, where there is time for it."""
        return min(300.0, self.seconds / 4)

    @property
    def wrong(self) -> list[str]:
        """What was promised and not kept."""
        first, last = self.memory(self.window)
        wrong = list(self.row.wrong)
        if last > first * (1 + MARGIN):
            wrong.append(f"memory grew from {first:.1f} to {last:.1f} MiB")
        if self.tasks_after > self.tasks_before:
            wrong.append(f"{self.tasks_after} tasks are left, of {self.tasks_before} before")
        return wrong

    def __str__(self) -> str:
        first, last = self.memory(self.window)
        return (
            f"{self.row}\n    memory {first:.1f} MiB, then {last:.1f} MiB; tasks {self.tasks_before}, then "
            f"{self.tasks_after}" + "".join(f"\n    WRONG: {each}" for each in self.wrong)
        )


async def soak(
    scene: Scene,
    seconds: float,
    *,
    warm_up: float = 0.0,
    pause: tuple[float, float] = (10.0, 25.0),
    within: float = 180.0,
) -> Soak:
    """Run it, with no kill of the bridge, for it is its memory that is looked at.

    `pause` is how long after one trouble comes the next. As it is, each connection is cut every other minute: were it
    cut as soon as it is there, the bridge would wait ever longer before it comes back, and nothing would be said.
    """
    before = await tasks(scene)
    result = Soak(Row("soak", ""), seconds, warm_up, tasks_before=before)
    troubles = in_turn(warm_up + seconds, ("office", "push", "lose", "limit", "libera", "fail"), pause=pause)

    async def make(scene: Scene) -> None:
        async with _alongside(_watch(scene, result.rss), _come_and_go(scene), _mend(scene)):
            await troubles(scene)

    fault = Fault("soak", f"{seconds / 60:.0f} minutes of talk and trouble", make, cuts=frozenset({"xmpp", "irc"}))
    result.row = await run(fault, scene, within=within)
    deadline = time.monotonic() + SETTLE_TASKS
    while time.monotonic() < deadline:
        result.tasks_after = await tasks(scene)
        if result.tasks_after <= before:
            break
        await asyncio.sleep(1.0)  # asked as Prometheus would ask
    return result


async def tasks(scene: Scene) -> int:
    """How many tasks the bridge has now, by its metrics."""
    for line in (await scene.bridge.metrics()).splitlines():
        if line.startswith("rialto_tasks "):
            return int(float(line.split()[1]))
    raise AssertionError("the bridge does not tell how many tasks it has")


async def _watch(scene: Scene, samples: list[tuple[float, int]]) -> None:
    page = 4096
    while True:
        if (pid := scene.bridge.pid) is not None:
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/statm").read_text()
                samples.append((time.monotonic(), int(text.split()[1]) * page))
        await asyncio.sleep(SAMPLE)


async def _come_and_go(scene: Scene) -> None:
    """A guest on IRC, under ever new names."""
    number = 0
    while True:
        number += 1
        with contextlib.suppress(ClientError, OSError, EOFError):
            async with IrcClient(f"guest{number % GUESTS}", scene.ircd.port) as guest:
                await guest.join(scene.kestrel.rooms[FAST])
                await asyncio.sleep(RNG.uniform(1.0, 3.0))
        await asyncio.sleep(RNG.uniform(0.5, 2.0))


async def _mend(scene: Scene) -> None:
    """Bo says something and corrects it."""
    room, client = scene.bo.rooms[SLOW], scene.bo.client
    while True:
        with contextlib.suppress(ClientError, OSError, TimeoutError):
            event = await client.say(room, "teh tea")
            await client.edit(room, event, "the tea")
        await asyncio.sleep(RNG.uniform(2.0, 5.0))


@asynccontextmanager
async def _alongside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    running = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        for outcome in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
