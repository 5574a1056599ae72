"""Networks in memory where joins, leaves and renames hang or fail, and puppets stay while we are away."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from bridge.capabilities import Ordering
from bridge.contract import SendError
from bridge.model.address import Address, Person, Place
from bridge.model.result import Failure, Reason
from tests.unit.core.bench import person
from tests.unit.core.loopback import Loopback

ANA, CY = person("Ana"), person("Cy")
BO, DEE = person("Bo", "office"), person("Dee", "office")
AWAY = Failure(Reason.REMOTE_SERVER_TIMEOUT, "away")
BUSY = SendError.passing(Reason.RESOURCE_CONSTRAINT, "busy")

Trouble = Callable[[str, Address], Awaitable[None]]


async def no_trouble(act: str, address: Address) -> None:
    return


def failing(act: str, error: Exception) -> Trouble:
    async def trouble(asked: str, address: Address) -> None:
        if asked == act:
            raise error

    return trouble


class Troubled(Loopback):
    """A network where joins, leaves and renames may hang or fail, as `trouble` does when it is told of one."""

    def __init__(self, ordering: Ordering = Ordering.STREAM) -> None:
        super().__init__(ordering)
        self.trouble: Trouble = no_trouble
        self.tries: list[str] = []

    async def join(self, place: Place, person: Person) -> None:
        await self._try("join", person.address)
        await super().join(place, person)

    async def leave(self, place: Place, address: Address, reason: str | None) -> None:
        await self._try("leave", address)
        await super().leave(place, address, reason)

    async def rename(self, place: Place, person: Person) -> None:
        await self._try("rename", person.address)
        await super().rename(place, person)

    async def _try(self, act: str, address: Address) -> None:
        self.tries.append(f"{act} {address.native}")
        self.changed.set()
        await self.trouble(act, address)


class Keeper(Troubled):
    """A network where puppets stay while we are away. Each of `refusals` is raised once instead of an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[Exception] = []
        self.hangs = False
        self.asked = 0

    async def present(self, place: Place) -> Iterable[Person]:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.refusals:
            raise self.refusals.pop(0)
        return [Person(address, name) for (there, address), name in self.puppets.items() if there == place]


class Nets(dict[str, Loopback]):
    """Three networks; `office` is the troubled one, `home` keeps puppets."""

    def __init__(self) -> None:
        self.home, self.office, self.libera = Keeper(), Troubled(), Troubled(Ordering.SPEAKER)
        super().__init__(home=self.home, office=self.office, libera=self.libera)


def texts(adapter: Loopback) -> list[str]:
    return [str(part.text) for part in adapter.sent]


def heard(adapter: Loopback, count: int) -> Callable[[], bool]:
    return lambda: len(adapter.sent) >= count


def joined(adapter: Loopback, times: int) -> bool:
    return adapter.log.count("join Ana") == times


async def quiet(adapter: Loopback) -> None:
    """Let everything that is to happen at once happen: until nothing has been noted for a while."""
    while True:
        adapter.changed.clear()
        try:
            await asyncio.wait_for(adapter.changed.wait(), 0.15)
        except TimeoutError:
            return
