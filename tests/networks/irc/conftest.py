"""People for the IRC adapter's tests."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.networks.irc.irc_lab import Crowd


@pytest_asyncio.fixture
async def crowd() -> AsyncIterator[Crowd]:
    """Connects people, and sends them home when the test is over."""
    people = Crowd()
    yield people
    await people.close()
