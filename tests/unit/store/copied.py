"""A conversation during which a backup is taken, and what comes of it when the backup is restored."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bridge.model.event import Event
from bridge.model.result import Failure, Reason
from bridge.store import Store
from tests.unit import stores
from tests.unit.core.bench import person, running, said
from tests.unit.core.loopback import Loopback

ANA = person("Ana")
LINES = 60


def lines(first: int, last: int) -> list[Event]:
    return [said(str(number), ANA, native_id=f"$line {number}") for number in range(first, last)]


async def talk_and_copy(folder: Path, copy: Callable[[Store], Awaitable[object]]) -> None:
    """Lines up to `LINES` are delivered, the next ten wait for their network; then the copy is taken while more are
    said, which wait as well."""
    home, libera = Loopback(), Loopback()
    async with running(folder, {"home": home, "libera": libera}) as service:
        await home.core.accept(*lines(0, LINES))
        await libera.until(lambda: len(libera.sent) == LINES)
        libera.core.offline(Failure(Reason.SERVICE_UNAVAILABLE, "away"))
        await home.core.accept(*lines(LINES, LINES + 10))
        copying = asyncio.ensure_future(copy(service._store))
        late = 0
        while not copying.done() or late < 20:
            await home.core.accept(*lines(1000 + late, 1001 + late))
            late += 1
        await copying


async def restored(folder: Path, url: str, patch: pytest.MonkeyPatch) -> None:
    """Rialto goes on with the copy: what it knew is known, what waited in it is delivered, what was said later can be
    said again."""
    folder.mkdir()
    patch.setattr(stores, "where", lambda _: url)
    home, libera = Loopback(), Loopback()
    async with running(folder, {"home": home, "libera": libera}):
        # As a network tells its history again: all from before the copy, and one line that nobody has heard.
        await home.core.accept(*lines(0, LINES + 10), *lines(5000, 5001))
        await libera.until(lambda: libera.sent != [] and libera.sent[-1].text.text == "5000")
        texts = [int(part.text.text) for part in libera.sent]
        # What was said while it was copied is in it up to a moment, and not beyond it.
        during = [number for number in texts if 1000 <= number < 5000]
        assert during == list(range(1000, 1000 + len(during)))
        assert texts == [*range(LINES, LINES + 10), *during, 5000]
