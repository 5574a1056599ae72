"""Real servers for the tests of this folder. How to use them:

* `prosody`, `ngircd`, `inspircd`, `hybrid`, `synapse` are running servers, shared by all tests of the session, started
  when a test first asks for one. What they offer stands in `bridge.demo.servers`. Share them politely: rooms, channels,
  nicks and accounts of a test carry a name of their own (fixture `unique`).
* `prosody` has the components ``bridge1.localhost`` ... ``bridge8.localhost``, all with the secret `prosody.components`
  tells; a test takes the one it names, and gives it back by disconnecting.
* `synapse.appservice` is what is registered there: tokens, port, prefix. Only one test at a time listens on the port.
* `new_prosody`, `new_ngircd`, `new_inspircd`, `new_hybrid`, `new_synapse` start a server for one test alone, with
  the arguments of its class: to restart it, to kill it, to configure it otherwise.
  `new_folder` gives an empty folder that the servers' own
  users may enter, which those below pytest's `tmp_path` are not.
* `new_services` links Atheme to an IRC server that was made with ``services=SERVICES_NAME``: accounts, NickServ, SASL.
* One event loop serves the whole session, tests and fixtures alike (pyproject.toml says so): nothing to declare.

A server that is not installed makes the test fail, and tells what to install; nothing is skipped.
"""

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.demo.servers import (
    AppService,
    HybridIrcd,
    InspIRCd,
    NgIRCd,
    Prosody,
    Server,
    Services,
    Synapse,
    free_ports,
)

COMPONENT_SECRET = "component-secret"
COMPONENTS = {f"bridge{number}.localhost": COMPONENT_SECRET for number in range(1, 9)}

_serial = itertools.count(1)


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """Where the servers' folders lie. Other users may pass through it, and read nothing."""
    folder = Path(tempfile.mkdtemp(prefix="rialto-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def new_folder(servers_folder: Path) -> Callable[[str], Path]:
    """Makes an empty folder, given a word for its name."""

    def make(word: str = "folder") -> Path:
        folder = servers_folder / f"{next(_serial)}-{word}"
        folder.mkdir()
        return folder

    return make


@pytest.fixture
def unique() -> str:
    """A short word that no other test of the session gets: letters and digits, beginning with a letter."""
    return f"t{next(_serial)}"


def appservice(**changes: Any) -> AppService:
    """A registration with the tests' tokens and a free port."""
    (port,) = free_ports(1)
    values: dict[str, Any] = {"port": port, "as_token": "as-token-of-tests", "hs_token": "hs-token-of-tests"}
    return AppService(**values | changes)


@pytest_asyncio.fixture(scope="session")
async def prosody(new_folder: Callable[[str], Path]) -> AsyncIterator[Prosody]:
    """A Prosody with eight components."""
    async with Prosody(new_folder("prosody"), components=COMPONENTS) as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def ngircd(new_folder: Callable[[str], Path]) -> AsyncIterator[NgIRCd]:
    """An ngIRCd without flood control."""
    async with NgIRCd(new_folder("ngircd")) as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def inspircd(new_folder: Callable[[str], Path]) -> AsyncIterator[InspIRCd]:
    """An InspIRCd with most IRCv3 capabilities."""
    async with InspIRCd(new_folder("inspircd")) as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def hybrid(new_folder: Callable[[str], Path]) -> AsyncIterator[HybridIrcd]:
    """An ircd-hybrid without flood control."""
    async with HybridIrcd(new_folder("hybrid")) as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def synapse(new_folder: Callable[[str], Path]) -> AsyncIterator[Synapse]:
    """A Synapse with one application service, `synapse.appservice`."""
    async with Synapse(new_folder("synapse"), appservice=appservice()) as server:
        yield server


@pytest_asyncio.fixture
async def started() -> AsyncIterator[Callable[[Server], Awaitable[None]]]:
    """Starts a server that the test made, and stops it when the test is over."""
    async with AsyncExitStack() as stack:

        async def start(server: Server) -> None:
            stack.push_async_callback(server.stop)
            await server.start()

        yield start


Started = Callable[[Server], Awaitable[None]]


@pytest.fixture
def new_prosody(new_folder: Callable[[str], Path], started: Started) -> Callable[..., Awaitable[Prosody]]:
    """Starts a Prosody for this test alone; takes the arguments of `Prosody` but for the folder."""

    async def make(**arguments: Any) -> Prosody:
        server = Prosody(new_folder("prosody"), **{"components": COMPONENTS} | arguments)
        await started(server)
        return server

    return make


@pytest.fixture
def new_ngircd(new_folder: Callable[[str], Path], started: Started) -> Callable[..., Awaitable[NgIRCd]]:
    """Starts an ngIRCd for this test alone; takes the arguments of `NgIRCd` but for the folder."""

    async def make(**arguments: Any) -> NgIRCd:
        server = NgIRCd(new_folder("ngircd"), **arguments)
        await started(server)
        return server

    return make


@pytest.fixture
def new_inspircd(new_folder: Callable[[str], Path], started: Started) -> Callable[..., Awaitable[InspIRCd]]:
    """Starts an InspIRCd for this test alone; takes the arguments of `InspIRCd` but for the folder."""

    async def make(**arguments: Any) -> InspIRCd:
        server = InspIRCd(new_folder("inspircd"), **arguments)
        await started(server)
        return server

    return make


@pytest.fixture
def new_hybrid(new_folder: Callable[[str], Path], started: Started) -> Callable[..., Awaitable[HybridIrcd]]:
    """Starts an ircd-hybrid for this test alone; takes the arguments of `HybridIrcd` but for the folder."""

    async def make(**arguments: Any) -> HybridIrcd:
        server = HybridIrcd(new_folder("hybrid"), **arguments)
        await started(server)
        return server

    return make


@pytest.fixture
def new_services(
    new_folder: Callable[[str], Path], started: Started
) -> Callable[[InspIRCd | NgIRCd], Awaitable[Services]]:
    """Starts the services of an IRC server, for this test alone."""

    async def make(ircd: InspIRCd | NgIRCd) -> Services:
        services = Services(new_folder("services"), ircd)
        await started(services)
        return services

    return make


@pytest.fixture
def new_synapse(new_folder: Callable[[str], Path], started: Started) -> Callable[..., Awaitable[Synapse]]:
    """Starts a Synapse for this test alone; takes the arguments of `Synapse` but for the folder.

    It has an application service of its own, on a port of its own, unless told ``appservice=None`` or another one.
    """

    async def make(**arguments: Any) -> Synapse:
        server = Synapse(new_folder("synapse"), **{"appservice": appservice()} | arguments)
        await started(server)
        return server

    return make
