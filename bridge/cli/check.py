"""`rialto check`."""

import asyncio
from typing import Annotated

import typer

from bridge.cli.common import CONFIG_FILE, Code, ConfigFile, counted, fail, load_or_exit
from bridge.config import Config, examine
from bridge.log import printable

ONLINE = typer.Option(
    "--online",
    help="Then try every network: connect, prove who we are, enter the rooms, and leave again.",
)


def check(config: ConfigFile = CONFIG_FILE, online: Annotated[bool, ONLINE] = False) -> None:
    """Check the configuration; with --online, also every network it names.

    Every mistake is told with its file, its key and what to write instead; a certificate that cannot be read is one.
    Warnings, as of a file that holds secrets and that everybody can read, or of a password that is sent without TLS,
    leave the exit code at 0.

    With --online all networks are tried side by side, as `rialto run` would use them, for half a minute at most. There
    is one line for each step: the network, `ok` or `failed`, and what is wrong and what to do. Nothing is bridged, and
    everything is left as it was; but people see the bot join the rooms, and leave them again a moment later. Try it
    before the first start, and after every change of the configuration or of a server. Where Rialto runs meanwhile,
    what it has itself, as its nick, is no failure, but not all can be tried: `rialto status` tells its state.

    The exit code is 0 if all is well, 1 if something failed online, 2 if the configuration has mistakes.
    """
    loaded = load_or_exit(config)
    mistakes, doubts = examine(loaded)
    if mistakes:
        fail("\n".join(map(str, mistakes)), Code.USAGE)
    for warning in (*loaded.warnings, *doubts):
        typer.echo(f"warning: {printable(warning)}", err=True)
    networks, rooms = counted(len(loaded.networks), "network"), counted(len(loaded.rooms), "room")
    typer.echo(f"{config.name} is fine: {networks}, {rooms}")
    if online and not _all_well(loaded):
        raise typer.Exit(Code.FAILED)


def _all_well(config: Config) -> bool:
    """Try the networks, print what is found, and tell whether nothing failed."""
    # Late: these take long to import, and a check that touches no network does not need them.
    from uvloop import new_event_loop

    from bridge.cli.probing import HTTP, Line, probe, silenced

    width = max(map(len, (HTTP, *config.networks)))
    failed: dict[str, None] = {}

    def tell(line: Line) -> None:
        if line.good is False:
            failed[line.network] = None
        word, colour = {True: ("ok", "green"), False: ("failed", "red"), None: ("skipped", "yellow")}[line.good]
        shown = typer.style(f"{word:<7}", fg=colour)
        typer.echo(f"{line.network:<{width}}  {shown}  {printable(line.text)}")

    with silenced(), asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(probe(config, tell))
    typer.echo(f"failed: {', '.join(failed)}" if failed else "all is well")
    return not failed
