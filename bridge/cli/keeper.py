"""`rialto keeper`."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import structlog
import typer

from bridge import log
from bridge.cli.common import Code
from bridge.config.schema import Log
from bridge.keeper.process import LINGER, Keeper


def keeper(
    folder: Annotated[
        Path, typer.Option("--folder", help="Where its socket is: beside the store, named as it and `.keeper`.")
    ],
    linger: Annotated[
        float, typer.Option("--linger", min=0.1, help="Seconds without a bridge after which it ends.")
    ] = LINGER,
) -> None:
    """Hold connections while no bridge is there. `rialto run` starts it by itself.

    It ends by itself: with the bridge, when that is stopped, or when no bridge comes back.
    """
    log.set_up(Log())
    try:
        asyncio.run(_serve(folder.absolute(), linger))
    except OSError as error:
        structlog.get_logger(__name__).error("cannot hold", why=str(error))
        raise typer.Exit(Code.FAILED) from None


async def _serve(folder: Path, linger: float) -> None:
    held = Keeper(folder, linger)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, held.end)
    await held.run()
