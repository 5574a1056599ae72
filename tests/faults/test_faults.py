"""A short form of the proof: one kill for each crash point, a minute of everything at once, a soak of half a minute."""

import pytest

from bridge.crashpoints import Point
from tests.faults.driver import run
from tests.faults.faults import Fault, crash, kept, kills, mix
from tests.faults.scene import Scene
from tests.faults.soak import soak

# Whole processes start and end here, on a machine that may be busy with others.
pytestmark = pytest.mark.timeout(300)

# Each point on a network that tells something of it: the source of an event, or one that confirms in its own way.
CRASHES = [
    (Point.JOURNALED, "office"),
    (Point.JOURNALED, "home"),
    (Point.NOTED, "libera"),
    (Point.HANDED, "home"),
    (Point.CONFIRMED, "office"),
    (Point.ENDED, "libera"),
]


@pytest.mark.parametrize(("point", "network"), CRASHES)
async def test_killed_at_a_crash_point_nothing_is_lost(world: Scene, point: Point, network: str) -> None:
    row = await run(Fault(f"{point}-{network}", "", crash(point, network), crashes=True), world)
    assert not row.wrong, f"{row}\n{world.bridge.log()}"
    assert row.kills == 2  # once to start one that is to crash, once where it crashed
    assert row.said > 20


@pytest.mark.parametrize("network", ["libera", "office"])
@pytest.mark.parametrize("point", [Point.JOURNALED, Point.HANDED])
async def test_with_a_keeper_a_crash_costs_nothing(kept_world: Scene, point: Point, network: str) -> None:
    row = await run(kept(Fault(f"kept-{point}-{network}", "", crash(point, network))), kept_world)
    assert not row.wrong, f"{row}\n{kept_world.bridge.log()}"
    assert row.kills == 2
    assert row.said > 20


async def test_with_a_keeper_kills_at_any_moment_cost_nothing(kept_world: Scene) -> None:
    row = await run(kept(Fault("kept-kills", "", lambda scene: kills(scene, 4))), kept_world)
    assert not row.wrong, f"{row}\n{kept_world.bridge.log()}"
    assert row.kills == 4


async def test_a_minute_of_everything(world: Scene) -> None:
    fault = Fault("mix", "", mix(60.0), crashes=True, cuts=frozenset({"xmpp", "irc"}))
    row = await run(fault, world)
    assert not row.wrong, f"{row}\n{world.bridge.log()}"
    assert row.kills > 2
    assert row.said > 500


async def test_a_short_soak_leaves_nothing_behind(world: Scene) -> None:
    """After the kills, so that what is looked at is a process that has just started: it may still grow a little."""
    found = await soak(world, 30.0, pause=(2.0, 8.0))
    assert not found.row.wrong, f"{found}\n{world.bridge.log()}"
    assert found.tasks_after <= found.tasks_before, str(found)
    first, last = found.memory(found.window)
    assert last < first * 1.5, str(found)
