"""What durability costs: the same messages through journal and lanes, on stores that promise different things.

    python benchmarks/durability.py [--messages N] [--rooms N] [--rounds N] [--folder FOLDER]

The whole core runs between two networks in memory, which cost nothing, so that the store is most of what is left:

    SQLite full      what Rialto does: what was accepted survives a power cut
    SQLite normal    synchronous=NORMAL: survives a crash of Rialto, and may lose the last moments at a power cut
    PostgreSQL       a server of its own on loopback, with its defaults: survives a power cut
    none             SQLite in /dev/shm, no syncing: nothing survives the machine

Latency is of one message at a time, from the call of `accept` to that of `send`; the rates are of as many messages as
there are, in one room and in many at once, until the last has been sent. Rounds alternate, so that whatever else the
machine does falls on all; printed is the median of the rounds, and each rate as a part of the last line's.
"""

import argparse
import asyncio
import logging
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

import structlog

from bridge.contract import Part
from bridge.demo.servers import PostgreSQL
from bridge.model.address import Place
from bridge.model.result import Receipt
from bridge.model.room import Member, Room
from bridge.service import Service
from bridge.store import sqlite
from tests.unit.core.bench import config, person, said
from tests.unit.core.loopback import Loopback, confirm

ANA = person("Ana")


@dataclass
class Figures:
    """Of all rounds of one store: milliseconds, and messages a second."""

    latency: list[float] = field(default_factory=list)
    one: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)


class Sink(Loopback):
    """Confirms at once, and tells when as many parts have come as are expected."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = self._arrived
        self._left = 0
        self._all = asyncio.Event()

    def expect(self, parts: int) -> asyncio.Event:
        """Set when so many will have come."""
        self._left, self._all = parts, asyncio.Event()
        return self._all

    def _arrived(self, part: Part) -> Receipt:
        self._left -= 1
        if self._left == 0:
            self._all.set()
        return confirm(part)

    def note(self, line: str) -> None:
        """Nobody reads it here."""


@asynccontextmanager
async def running(folder: Path, url: str, rooms: int) -> AsyncIterator[tuple[Loopback, Sink, list[Place]]]:
    """A core over two networks, with so many rooms."""
    home, sink = Loopback(), Sink()
    places = [Place("home", f"#room{number}") for number in range(rooms)]
    configured = replace(
        config(folder, {"home": home, "libera": sink}),
        store=url,
        rooms=tuple(Room(at.native, (Member(at), Member(Place("libera", at.native)))) for at in places),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(Service(configured).run(stop))
    await asyncio.wait((task, asyncio.create_task(sink.started.wait())), return_when=asyncio.FIRST_COMPLETED)
    try:
        yield home, sink, places
    finally:
        stop.set()
        await task


async def rate(home: Loopback, sink: Sink, places: list[Place], messages: int) -> float:
    """Messages a second, from so many sources at once: each says one after another, as a network does."""
    arrived = sink.expect(messages)
    each = messages // len(places)

    async def source(place: Place) -> None:
        for _ in range(each):
            await home.core.accept(said("hello", ANA, place))

    began = time.perf_counter()
    await asyncio.gather(*(source(place) for place in places), arrived.wait())
    return messages / (time.perf_counter() - began)


async def measure(figures: Figures, folder: Path, url: str, messages: int, rooms: int) -> None:
    """One round on one store, which is empty before it."""
    async with running(folder, url, rooms) as (home, sink, places):
        # Puppets join with the first message.
        arrived = sink.expect(rooms)
        for place in places:
            await home.core.accept(said("warm", ANA, place))
        await arrived.wait()
        took = []
        for _ in range(min(messages, 200)):
            arrived = sink.expect(1)
            began = time.perf_counter()
            await home.core.accept(said("hello", ANA, places[0]))
            await arrived.wait()
            took.append((time.perf_counter() - began) * 1000)
        figures.latency.append(statistics.median(took))
        figures.one.append(await rate(home, sink, places[:1], messages))
        figures.many.append(await rate(home, sink, places, messages))


async def main(messages: int, rooms: int, rounds: int, folder: Path | None) -> None:
    """All stores, in alternating rounds."""
    figures = {name: Figures() for name in ("SQLite full", "SQLite normal", "PostgreSQL", "none")}
    normal = tuple(pragma.replace("FULL", "NORMAL") for pragma in sqlite.PRAGMAS)
    off = tuple(pragma.replace("FULL", "OFF").replace("WAL", "MEMORY") for pragma in sqlite.PRAGMAS)
    messages = max(1, messages // rooms) * rooms
    disk = Path(tempfile.mkdtemp(prefix="rialto-durability-", dir=folder))
    memory = Path(tempfile.mkdtemp(prefix="rialto-durability-", dir="/dev/shm"))
    disk.chmod(0o711)  # PostgreSQL's own user passes through
    try:
        async with PostgreSQL(disk / "postgresql") as server:
            for number in range(rounds):
                for name, where, pragmas in (
                    ("SQLite full", disk, sqlite.PRAGMAS),
                    ("SQLite normal", disk, normal),
                    ("PostgreSQL", disk, sqlite.PRAGMAS),
                    ("none", memory, off),
                ):
                    own = where / f"{name.replace(' ', '-')}-{number}"
                    own.mkdir()
                    url = f"sqlite:///{own / 'rialto.db'}"
                    if name == "PostgreSQL":
                        url = await server.new_schema(f"round{number}")
                    with patch.object(sqlite, "PRAGMAS", pragmas):
                        await measure(figures[name], own, url, messages, rooms)
    finally:
        shutil.rmtree(disk)
        shutil.rmtree(memory)
    print(f"{'store':14} {'alone, ms':>10} {'one room, msg/s':>22} {f'{rooms} rooms, msg/s':>22}")
    best = figures["none"]
    for name, found in figures.items():
        one, many = statistics.median(found.one), statistics.median(found.many)
        parts = one / statistics.median(best.one), many / statistics.median(best.many)
        alone = statistics.median(found.latency)
        print(f"{name:14} {alone:10.2f} {one:14.0f} ({parts[0]:4.0%}) {many:14.0f} ({parts[1]:4.0%})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000, help="how many for a rate (default 2000)")
    parser.add_argument("--rooms", type=int, default=20, help="how many talk at once (default 20)")
    parser.add_argument("--rounds", type=int, default=3, help="how many rounds (default 3)")
    parser.add_argument("--folder", type=Path, help="where the stores lie (default: the folder for temporary files)")
    arguments = parser.parse_args()
    # What is logged of each message costs more than all else here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    asyncio.run(main(arguments.messages, arguments.rooms, arguments.rounds, arguments.folder))
