"""One store, one Rialto: by a lock that ends with the process."""

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.store import Store, StoreError
from bridge.store.looking import look
from tests.unit.store.test_store import keys, opened, put
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


async def test_who_only_looks_needs_no_lock_and_can_change_nothing(tmp_path: Path) -> None:
    url = store_url(tmp_path)
    with pytest.raises(StoreError, match=r"there is none at|there is nothing in it yet"):
        await asyncio.to_thread(look, url, keys)
    store = await opened(tmp_path)
    await store.write(partial(put, key="a"))
    assert await asyncio.to_thread(look, url, keys) == ["a"]
    with pytest.raises(StoreError, match="cannot be read: "):
        await asyncio.to_thread(look, url, partial(put, key="b"))
    await store.write(partial(put, key="c"))
    await store.close()
    assert await asyncio.to_thread(look, url, keys) == ["a", "c"]


async def test_who_only_looks_does_not_migrate(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '0001'")))
    await store.close()
    with pytest.raises(StoreError, match="is older than this version of Rialto"):
        await asyncio.to_thread(look, store_url(tmp_path), keys)


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
