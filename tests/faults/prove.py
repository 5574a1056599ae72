"""Breaks a running bridge in every way of the table, counts every message, and writes down what was seen.

scripts/prove                      the whole table, a soak of 30 minutes, and docs/reliability.md
scripts/prove --only kills,xmpp    rows whose names begin so; writes nothing unless --write is given
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import uvloop

from tests.faults.driver import Row, run
from tests.faults.faults import Fault, kept, table
from tests.faults.report import FILE, page
from tests.faults.scene import Scene, scene, servers
from tests.faults.soak import Soak, soak


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/prove", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="NAMES", help="rows whose names begin so, with commas between")
    parser.add_argument("--list", action="store_true", help="show the rows and end")
    parser.add_argument("--minutes", type=float, default=30.0, help="of the soak; 0 for none (default: 30)")
    parser.add_argument("--size", type=int, default=10_000, help="messages that wait (default: 10000)")
    parser.add_argument("--kills", type=int, default=20, help="kills at random moments (default: 20)")
    parser.add_argument("--echo", action="store_true", help="an IRC server that confirms each line (InspIRCd)")
    parser.add_argument("--keeper", action="store_true", help="a keeper holds the bridge's connections")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md also after --only")
    return parser.parse_args()


class Stage:
    """Makes a scene, and a new one after a row that did not settle."""

    def __init__(self, *, echo: bool, keeper: bool) -> None:
        self._echo = echo
        self._keeper = keeper
        self._made = 0
        self._stack = AsyncExitStack()
        self._scene: Scene | None = None

    async def play(self, fault: Fault) -> Row:
        """One row."""
        found = await self._ready()
        row = await run(fault, found, echo=self._echo)
        if row.wrong:
            kept = Path(tempfile.gettempdir()) / f"prove-{fault.name}.log"
            kept.write_bytes((found.bridge.folder / "rialto.log").read_bytes())
            print(f"the bridge's log is kept as {kept}", flush=True)
        if row.trouble:
            await self.close()
        return row

    async def soak(self, minutes: float) -> Soak:
        """The soak, on a fresh scene."""
        await self.close()
        return await soak(await self._ready(), minutes * 60)

    async def _ready(self) -> Scene:
        if self._scene is None:
            found = await self._stack.enter_async_context(servers(self._echo))
            self._made += 1
            self._scene = await self._stack.enter_async_context(scene(*found, f"r{self._made}", keeper=self._keeper))
        return self._scene

    async def close(self) -> None:
        """Take everything down."""
        self._scene = None
        await self._stack.aclose()


@asynccontextmanager
async def stage(*, echo: bool, keeper: bool) -> AsyncIterator[Stage]:
    made = Stage(echo=echo, keeper=keeper)
    try:
        yield made
    finally:
        await made.close()


def chosen(rows: Sequence[Fault], only: str | None) -> list[Fault]:
    """The rows whose names begin with one of these words, in the order of the words."""
    words = only.split(",") if only else [""]
    return list({row.name: row for word in words for row in rows if row.name.startswith(word)}.values())


async def _prove(arguments: argparse.Namespace) -> int:
    rows = chosen(table(sizes=arguments.size, kill_times=arguments.kills), arguments.only)
    if arguments.keeper:
        rows = [kept(row) for row in rows]
    if arguments.list:
        print("\n".join(f"{row.name:24} {row.what}" for row in rows))
        return 0
    done: list[Row] = []
    soaked: Soak | None = None
    async with stage(echo=arguments.echo, keeper=arguments.keeper) as made:
        for number, fault in enumerate(rows, start=1):
            print(f"[{number}/{len(rows)}] {fault.what} ...", flush=True)
            done.append(await made.play(fault))
            print(done[-1], flush=True)
            await _write(arguments, done, None)
        if arguments.minutes and not arguments.only:
            print(f"[soak] {arguments.minutes:g} minutes ...", flush=True)
            soaked = await made.soak(arguments.minutes)
            print(soaked, flush=True)
            await _write(arguments, done, soaked)
    good = not any(row.wrong for row in done) and (soaked is None or not soaked.wrong)
    return 0 if good else 1


async def _write(arguments: argparse.Namespace, done: list[Row], soaked: Soak | None) -> None:
    """After every row, for a run takes long."""
    if arguments.write or not arguments.only:
        ircd = "inspircd" if arguments.echo else "ngircd"
        left = {row.name: row.what for row in table(sizes=arguments.size, kill_times=arguments.kills)}
        for row in done:
            del left[row.name]
        FILE.write_text(await asyncio.to_thread(page, done, soaked, ircd, list(left.values())))


def main() -> None:
    """The command."""
    sys.exit(uvloop.run(_prove(_arguments())))


if __name__ == "__main__":
    main()
