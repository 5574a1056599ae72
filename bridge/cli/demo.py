"""`rialto demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after the conversation; exit 0 only if every line reached everyone.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", metavar="FOLDER", help="Keep the servers' files here, instead of in a folder that is removed."
        ),
    ] = None,
) -> None:
    """Start real servers on this machine, and show a short conversation across them.

    Prosody, Synapse and ngIRCd run on free loopback ports, in a private folder; no system service is touched. What
    each of three clients saw is printed side by side. Without --once everything stays up, with the addresses and
    passwords to join in by hand, until Ctrl-C.
    """
    from bridge.demo import run_demo  # late: the other commands start without it

    raise typer.Exit(run_demo(once, folder))
