"""A Synapse that knows the application service by the file that `rialto registration` writes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest_asyncio

from adapters.matrix import ADAPTER
from bridge.demo.servers import Synapse, free_ports
from tests.networks.matrix.support import User, context, settings


@dataclass
class Home:
    """A homeserver, and the port at which it expects the application service."""

    synapse: Synapse
    port: int

    @property
    def url(self) -> str:
        return self.synapse.url


def registered(folder: Path, port: int) -> Path:
    path = folder / "rialto.yaml"
    path.write_text(ADAPTER.registration(settings("http://127.0.0.1"), context(port)))
    return path


@pytest_asyncio.fixture(scope="session")
async def home(new_folder: Callable[[str], Path]) -> AsyncIterator[Home]:
    """Shared by the tests of this folder; one adapter at a time listens for it."""
    (port,) = free_ports(1)
    path = registered(new_folder("registration"), port)
    async with Synapse(new_folder("synapse-as"), registrations=[path]) as server:
        yield Home(server, port)


@pytest_asyncio.fixture
async def own_home(new_folder: Callable[[str], Path], new_synapse: Callable[..., Awaitable[Synapse]]) -> Home:
    """A homeserver for one test alone, to be restarted."""
    (port,) = free_ports(1)
    path = registered(new_folder("registration"), port)
    return Home(await new_synapse(appservice=None, registrations=[path]), port)


@pytest_asyncio.fixture
async def new_user() -> AsyncIterator[Callable[[Home, str], Awaitable[User]]]:
    """Makes accounts."""
    async with aiohttp.ClientSession() as session:

        async def make(home: Home, name: str) -> User:
            token = await home.synapse.register(name, "password of tests")
            return User(session, home.url, token, f"@{name}:localhost")

        yield make
