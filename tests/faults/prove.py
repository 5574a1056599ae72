"""Breaks a running bridge in every way of the table, counts every message, and writes down what was seen.

scripts/prove                      the whole table, a soak of 30 minutes, and docs/reliability.md
scripts/prove --keeper             the same table, with a keeper
scripts/prove --echo               the same, and an IRC server that confirms each line
scripts/prove --only kills,xmpp    rows whose names begin so; writes nothing unless --write is given
scripts/prove --only soak --write  the soak
scripts/prove --size 500 ...       fewer messages that wait, for a quick look
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
from tests.faults.faults import Fault, kept
from tests.faults.report import FILE, Setting, note, note_soak, page
from tests.faults.scene import Scene, scene, servers
from tests.faults.soak import Soak, soak
from tests.faults.table import table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/prove", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="NAMES", help="rows whose names begin so, with commas between")
    parser.add_argument("--list", action="store_true", help="show the rows and end")
    parser.add_argument("--minutes", type=float, default=30.0, help="of the soak; 0 for none (default: 30)")
    parser.add_argument("--warm-up", type=float, default=10.0, help="minutes of the same before it (default: 10)")
    parser.add_argument("--pace", type=float, default=1.0, help="so many times as much is said (default: 1)")
    parser.add_argument(
        "--size", type=int, default=10_000, help="messages that wait, a tenth toward Matrix (default: 10000)"
    )
    parser.add_argument("--kills", type=int, default=20, help="kills at random moments (default: 20)")
    setting = parser.add_mutually_exclusive_group()
    setting.add_argument(
        "--echo", action="store_true", help="a keeper, and an IRC server that confirms each line (InspIRCd)"
    )
    setting.add_argument("--keeper", action="store_true", help="a keeper holds the bridge's connections")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md also after --only")
    return parser.parse_args()


SOAK = "soak"
"""What the soak is called among the rows."""


class Stage:
    """Makes a scene, and a new one after a row that did not settle."""

    def __init__(self, *, echo: bool, keeper: bool, pace: float) -> None:
        """`pace` times as much is said as `Scene.talk` has by itself: less, on a machine that is busy otherwise."""
        self._pace = pace
        self._echo = echo
        self._keeper = keeper
        self._made = 0
        self._stack = AsyncExitStack()
        self._scene: Scene | None = None

    async def play(self, fault: Fault) -> Row:
        """One row."""
        found = await self._ready()
        row = await run(fault, found, echo=self._echo, within=300.0)
        if row.wrong:
            kept = Path(tempfile.gettempdir()) / f"prove-{fault.name}.log"
            kept.write_bytes((found.bridge.folder / "rialto.log").read_bytes())
            print(f"the bridge's log is kept as {kept}", flush=True)
        if row.trouble:
            await self.close()
        return row

    async def soak(self, minutes: float, warm_up: float) -> Soak:
        """The soak, on a fresh scene."""
        await self.close()
        return await soak(await self._ready(), minutes * 60, warm_up=warm_up * 60)

    async def _ready(self) -> Scene:
        if self._scene is None:
            found = await self._stack.enter_async_context(servers(self._echo))
            self._made += 1
            self._scene = await self._stack.enter_async_context(scene(*found, f"r{self._made}", keeper=self._keeper))
            self._scene.talk.slow_down(self._pace)
        return self._scene

    async def close(self) -> None:
        """Take everything down."""
        self._scene = None
        await self._stack.aclose()


@asynccontextmanager
async def stage(*, echo: bool, keeper: bool, pace: float) -> AsyncIterator[Stage]:
    made = Stage(echo=echo, keeper=keeper, pace=pace)
    try:
        yield made
    finally:
        await made.close()


def chosen(rows: Sequence[Fault], only: str | None) -> list[Fault]:
    """The rows whose names begin with one of these words, in the order of the words."""
    words = only.split(",") if only else [""]
    return list({row.name: row for word in words for row in rows if row.name.startswith(word)}.values())


async def _prove(arguments: argparse.Namespace) -> int:
    names = {row.name: row.what for row in table(sizes=arguments.size, kill_times=arguments.kills)}
    rows = chosen(table(sizes=arguments.size, kill_times=arguments.kills), arguments.only)
    keeper = arguments.keeper or arguments.echo
    if keeper:
        rows = [kept(row) for row in rows]
    if arguments.list:
        print("\n".join(f"{row.name:24} {row.what}" for row in rows))
        return 0
    setting = Setting.KEEPER if arguments.keeper else Setting.ECHO if arguments.echo else Setting.PLAIN
    writes = arguments.write or not arguments.only
    soaks = SOAK in arguments.only.split(",") if arguments.only else setting is Setting.PLAIN
    good = True
    async with stage(echo=arguments.echo, keeper=keeper, pace=arguments.pace) as made:
        for number, fault in enumerate(rows, start=1):
            print(f"[{number}/{len(rows)}] {fault.what} ...", flush=True)
            row = await made.play(fault)
            print(row, flush=True)
            good = good and not row.wrong
            if writes:
                # After every row, for a run takes long.
                await asyncio.to_thread(note, setting, [row], arguments.pace)
        if arguments.minutes and soaks:
            print(f"[soak] {arguments.minutes:g} minutes ...", flush=True)
            soaked = await made.soak(arguments.minutes, arguments.warm_up)
            print(soaked, flush=True)
            good = good and not soaked.wrong
            if writes:
                await asyncio.to_thread(note_soak, soaked, arguments.pace)
    if writes:
        FILE.write_text(page(names))
    return 0 if good else 1


def main() -> None:
    """The command."""
    sys.exit(uvloop.run(_prove(_arguments())))


if __name__ == "__main__":
    main()
