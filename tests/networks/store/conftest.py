"""PostgreSQL for the tests of this folder: one server, and a schema for each test, where the test's store then is."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.demo.servers import PostgreSQL, Server
from tests.unit import stores


@pytest_asyncio.fixture(scope="session")
async def postgresql(new_folder: Callable[[str], Path]) -> AsyncIterator[PostgreSQL]:
    """A server, without syncing: nobody pulls the plug."""
    async with PostgreSQL(new_folder("postgresql"), sync=False) as server:
        yield server


@pytest.fixture
def new_postgresql(
    new_folder: Callable[[str], Path], started: Callable[[Server], Awaitable[None]]
) -> Callable[..., Awaitable[PostgreSQL]]:
    """Starts a server for this test alone."""

    async def make(**arguments: Any) -> PostgreSQL:
        server = PostgreSQL(new_folder("postgresql"), **{"sync": False} | arguments)
        await started(server)
        return server

    return make


@pytest_asyncio.fixture
async def schema(postgresql: PostgreSQL, unique: str) -> str:
    """The URL of an empty schema. A database for each test would take as long as the tests, and a gigabyte."""
    return await postgresql.new_schema(unique)


@pytest.fixture
def on_postgresql(schema: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test's store is there."""
    monkeypatch.setattr(stores, "where", lambda folder: schema)
    return schema
