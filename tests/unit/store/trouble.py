"""What the tests of a store that does not work share."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import Connection, insert

from bridge.store import Store, database, sqlite
from bridge.store.tables import memory

WITHIN = 30.0


def put(connection: Connection, key: str, value: str = "value") -> str:
    """One row, as large as wanted."""
    connection.execute(insert(memory), {"network": "home", "key": key, "value": value})
    return key


def impatient(patch: pytest.MonkeyPatch) -> None:
    """It is tried again soon, and a lock is waited for shortly."""
    patch.setattr(database, "RETRY_FIRST", 0.05)
    patch.setattr(database, "RETRY_AT_MOST", 0.2)
    short = [pragma for pragma in sqlite.PRAGMAS if "busy_timeout" not in pragma]
    patch.setattr(sqlite, "PRAGMAS", (*short, "busy_timeout=50"))


def full(patch: pytest.MonkeyPatch) -> None:
    """From its next connection on, the file may not grow."""
    patch.setattr(sqlite, "PRAGMAS", (*sqlite.PRAGMAS, "max_page_count=1"))


async def fill(store: Store) -> None:
    """Make the store's present connection one that may not let the file grow, either."""
    await store.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=1").close())


async def until(condition: Callable[[], bool], seen: Callable[[], object]) -> None:
    """Wait until it holds; on failure say what was seen instead."""
    deadline = asyncio.get_running_loop().time() + WITHIN
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, seen()
        await asyncio.sleep(0.02)  # the store tells its trouble in an attribute, as `rialto status` asks for it


async def in_trouble(store: Store, *, wanted: bool = True) -> str:
    """Wait until the store says that it does not work, or works again. Returns what it says."""
    await until(lambda: (store.trouble is not None) is wanted, lambda: store.trouble)
    return "" if store.trouble is None else store.trouble.text


async def says(store: Store, words: str) -> None:
    """Wait until the trouble is this one: the words change with the attempts."""
    await until(lambda: store.trouble is not None and words in store.trouble.text, lambda: store.trouble)


large = partial(put, value="x" * 100_000)
