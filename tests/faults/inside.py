"""Faults in the bridge's own house: its clock, and its store."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Awaitable, Callable

from tests.faults.faults import calm
from tests.faults.scene import Scene
from tests.networks.cable import UP


def clock_moved(seconds: float) -> Callable[[Scene], Awaitable[None]]:
    """The bridge's clock jumps by so much while lines wait for IRC, the connection to Prosody breaks by that clock, and
    then it jumps back."""

    async def make(scene: Scene) -> None:
        handles = scene.bridge.handles
        assert handles is not None
        await calm(scene)
        scene.cables["libera"].hold(UP)
        await calm(scene)
        handles.move_clock(seconds)
        await calm(scene)
        scene.cables["libera"].release()
        await calm(scene)
        await _office_again(scene, seconds)
        handles.move_clock(0.0)
        await calm(scene)
        await _office_again(scene, 0.0)

    return make


async def _office_again(scene: Scene, ahead: float) -> None:
    """The connection to Prosody breaks and comes again, and the bridge says so at a time by its clock."""
    scene.cables["office"].cut()
    await asyncio.sleep(0.5)
    await scene.bridge.ready()
    status = await scene.bridge.status()
    assert status is not None
    off = status["networks"]["office"]["since"] - time.time() - ahead
    assert abs(off) < 120, f"the bridge's clock is {off:.0f} seconds off what it was to be"
    await calm(scene)


async def a_day_passes(scene: Scene) -> None:
    """The IRC server goes away, the bridge's clock jumps by 25 hours, and the server comes back: what waited by then is
    too old, what was said after that is not."""
    handles = scene.bridge.handles
    assert handles is not None
    await calm(scene)
    await scene.ircd.kill()
    await calm(scene, 3.0)
    too_old = dict(scene.talk.numbers)
    handles.move_clock(25 * 3600.0)
    await calm(scene, 3.0)
    await scene.start_ircd()
    await scene.bridge.ready(120)
    await calm(scene, 3.0)
    early = [said for said in scene.bridge.given_up() if said[2] > too_old[said[0], said[1]]]
    assert not early, f"what was said after the clock had jumped was given up: {early}"


async def store_full(scene: Scene) -> None:
    """The store has no room for another page, until the bridge says so and for some seconds more."""
    handles = scene.bridge.handles
    assert handles is not None
    await calm(scene)
    handles.fill_store(full=True)
    await _store_fails(scene)
    await calm(scene, 3.0)
    handles.fill_store(full=False)
    await _store_works(scene)
    await calm(scene, 3.0)


async def store_locked(scene: Scene) -> None:
    """Another program holds the store's database in a transaction, until the bridge says so and for some seconds."""
    await calm(scene)
    with contextlib.closing(sqlite3.connect(scene.bridge.folder / "rialto.db", isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout=10000")
        other.execute("BEGIN EXCLUSIVE")
        await _store_fails(scene)
        await calm(scene, 3.0)
        other.execute("ROLLBACK")
    await _store_works(scene)
    await calm(scene, 3.0)


async def _store_fails(scene: Scene) -> None:
    """The operator is told, by `rialto status`."""
    assert await _store_is(scene, working=False), f"the bridge does not say that its store fails\n{scene.bridge.log()}"


async def _store_works(scene: Scene) -> None:
    assert await _store_is(scene, working=True), f"the store was not used again\n{scene.bridge.log()}"


async def _store_is(scene: Scene, *, working: bool, within: float = 60.0) -> bool:
    deadline = asyncio.get_running_loop().time() + within
    while asyncio.get_running_loop().time() < deadline:
        status = await scene.bridge.status()
        if status is not None and (status["store"]["failure"] is None) is working:
            return True
        await asyncio.sleep(0.1)  # asked as an operator would ask
    return False
