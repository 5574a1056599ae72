"""Thousands of messages that wait for one place hold up no other place of the same network. Counted are turns."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.capabilities import Ordering
from bridge.contract import Part
from bridge.lane import IN_FLIGHT
from bridge.model.address import Place
from bridge.model.result import Failure, Reason, Receipt
from bridge.model.room import Member, Room
from bridge.service import Service
from tests.unit.core.bench import HOME, LIBERA, OFFICE, config, person, said
from tests.unit.core.loopback import Loopback

ANA = person("Ana", "office")
QUIET = {
    "home": Place("home", "#quiet:example.org"),
    "office": Place("office", "quiet@conf"),
    "libera": Place("libera", "#quiet"),
}
BUSY = 5000
FEW = 3
"""Turns."""


class Narrow(Loopback):
    """A network that takes one part at a time, in the order in which they were handed over, when `turn` says so."""

    def __init__(self, ordering: Ordering) -> None:
        super().__init__(ordering)
        self.answer = lambda part: None
        self.line: list[Part] = []

    def turn(self) -> Part | None:
        """The next part arrives."""
        for number, part in enumerate(self.sent):
            if part.id in self.open:
                self.open.pop(part.id).set_result(Receipt(f"native-{number}"))
                self.line.append(part)
                return part
        return None


@asynccontextmanager
async def two_rooms(folder: Path, networks: dict[str, Loopback]) -> AsyncIterator[Service]:
    rooms = (
        Room("tea", tuple(Member(place) for place in (HOME, OFFICE, LIBERA) if place.network in networks)),
        Room("quiet", tuple(Member(place) for name, place in QUIET.items() if name in networks)),
    )
    service = Service(replace(config(folder, networks), rooms=rooms))
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        for network in networks.values():
            await network.started.wait()
        yield service
    finally:
        stop.set()
        await task


@pytest.mark.parametrize(
    ("network", "ordering"),
    [("home", Ordering.SERIAL), ("libera", Ordering.SPEAKER), ("libera", Ordering.STREAM)],
)
async def test_a_word_in_a_quiet_place_passes_thousands_in_a_busy_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, ordering: Ordering
) -> None:
    monkeypatch.setattr("bridge.service.DRAIN_WITHIN", 1.0)
    narrow, office = Narrow(ordering), Loopback()
    async with two_rooms(tmp_path, {network: narrow, "office": office}) as service:
        narrow.core.offline(Failure(Reason.SERVICE_UNAVAILABLE, "away"))
        for start in range(0, BUSY, 500):
            await office.core.accept(*(said(f"busy {start + number}", ANA, OFFICE) for number in range(500)))
        narrow.core.online()
        for _ in range(10):
            await narrow.until(lambda: bool(narrow.open))
            narrow.turn()
        handed = len(narrow.sent)
        await office.core.accept(said("a quiet word", ANA, QUIET["office"]))
        taken = 0
        quiet = QUIET[network]
        while not any(part.place == quiet for part in narrow.sent):
            # The network is as slow as it can be: it takes the next part only when nothing else happens.
            await narrow.until(lambda: bool(narrow.open) or any(part.place == quiet for part in narrow.sent))
            assert taken <= FEW, "the quiet place waits for the busy one"
            await asyncio.sleep(0.05)  # for the store, which a lane asks before it sends
            if not any(part.place == quiet for part in narrow.sent):
                narrow.turn()
                taken += 1
        # What runs ahead of its confirmation is bounded; the connection gives each place its turn among that.
        assert len(narrow.sent) - handed <= FEW + (1 if ordering is Ordering.SERIAL else IN_FLIGHT)
        assert service._lanes is not None
        assert service._lanes.queues()[network][0] >= 900, "the busy one still waits"
