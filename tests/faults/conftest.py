"""One scene for all tests of this folder: making the servers takes longer than breaking them."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.faults.scene import Scene, scene, servers


@pytest_asyncio.fixture(scope="package")
async def world() -> AsyncIterator[Scene]:
    """Real servers, people who talk, and a bridge to be broken."""
    async with servers() as found, scene(*found, "w") as made:
        yield made


@pytest_asyncio.fixture(scope="package")
async def kept_world() -> AsyncIterator[Scene]:
    """The same, with a keeper that holds the bridge's connections."""
    async with servers() as found, scene(*found, "k", keeper=True) as made:
        yield made
