"""While the database does not work, everybody waits; nothing is lost, and nothing is taken for a fault of its own."""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, select
from structlog.testing import capture_logs

from bridge.store import Store, StoreError
from bridge.store.tables import memory
from tests.unit.store.trouble import fill, full, impatient, in_trouble, large, put
from tests.unit.stores import in_a_file


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)


def keys(connection: Connection) -> list[str]:
    return sorted(connection.execute(select(memory.c.key)).scalars())


async def opened(folder: Path) -> Store:
    store = Store(in_a_file(folder))
    await store.open()
    return store


async def test_a_full_store_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await opened(tmp_path)
    with capture_logs() as logs:
        with monkeypatch.context() as patch:
            full(patch)
            await fill(store)
            writes = [store.write(partial(large, key=f"key {number}")) for number in range(20)]
            assert "database or disk is full; make room on its disk" in await in_trouble(store)
            await asyncio.wait(writes, timeout=0.5)
            assert not any(write.done() for write in writes)
        # A fault of one among those who waited is its own all the same.
        twice = store.write(partial(put, key="key 0"))
        assert await asyncio.gather(*writes) == [f"key {number}" for number in range(20)]
        with pytest.raises(Exception, match="UNIQUE"):
            await twice
    assert store.trouble is None
    assert await store.read(keys) == sorted(f"key {number}" for number in range(20))
    told = [entry["log_level"] for entry in logs if entry["event"].startswith("the store ")]
    assert told == ["error", "info"]  # once, and once more when it works again
    await store.close()


async def test_one_that_another_program_keeps_locked_is_waited_for(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    other = sqlite3.connect(tmp_path / "rialto.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    write = store.write(partial(put, key="a"))
    assert "another program keeps it locked" in await in_trouble(store)
    assert not write.done()
    other.execute("COMMIT")
    assert await write == "a"
    other.close()
    await store.close()


async def test_what_waits_in_vain_is_refused_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await opened(tmp_path)
    full(monkeypatch)
    await fill(store)
    writes = [store.write(partial(large, key=str(number))) for number in range(3)]
    await in_trouble(store)
    await asyncio.wait_for(store.close(), 30)
    for write in writes:
        with pytest.raises(StoreError, match="being closed"):
            await write


async def test_a_file_that_may_not_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is for one who is not root; root may write any file."""
    store = await opened(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("bridge.store.sqlite.PRAGMAS", ("query_only=ON",))
        await store.write(lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON").close())
        write = store.write(partial(put, key="a"))
        assert "may be written to" in await in_trouble(store)
    assert await write == "a"
    await store.close()


async def test_a_backup_taken_meanwhile_disturbs_nobody(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.write(partial(put, key="before"))
    reader = sqlite3.connect(tmp_path / "rialto.db")
    reader.execute("BEGIN")
    assert reader.execute("SELECT key FROM memory").fetchall() == [("before",)]
    await store.write(partial(put, key="after"))
    assert reader.execute("SELECT key FROM memory").fetchall() == [("before",)]
    reader.close()
    assert store.trouble is None
    await store.close()


async def test_a_fault_among_those_who_waited_is_its_own(tmp_path: Path) -> None:
    """It is found when the database works again, and then no trouble is left."""
    store = await opened(tmp_path)
    await store.write(partial(put, key="taken"))
    other = sqlite3.connect(tmp_path / "rialto.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    first = store.write(partial(put, key="taken"))
    await in_trouble(store)
    second = store.write(partial(put, key="free"))
    other.execute("COMMIT")
    other.close()
    with pytest.raises(Exception, match="UNIQUE"):
        await first
    assert await second == "free"
    await in_trouble(store, wanted=False)
    await store.close()
