"""One store, one Rialto: by a lock that ends with the process."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bridge.store import Store, StoreError
from tests.unit.store.test_store import opened
from tests.unit.stores import store_url

HOLD = """
import asyncio, sys
from bridge.store import Store
async def hold():
    await Store(sys.argv[1]).open()
    print("held", flush=True)
    await asyncio.Event().wait()
asyncio.run(hold())
"""


async def test_a_second_one_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    with pytest.raises(StoreError, match=rf"since 2.* UTC: pid {os.getpid()} on .*stop that one first"):
        await Store(store_url(tmp_path)).open()
    await store.close()
    again = await opened(tmp_path)
    await again.close()


async def test_a_kill_frees_it(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, store_url(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match=f"pid {process.pid} on "):
            await Store(store_url(tmp_path)).open()
    finally:
        process.kill()
        await process.wait()
    store = await opened(tmp_path)
    await store.close()
