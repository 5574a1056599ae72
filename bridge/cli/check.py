"""`rialto check`."""

import typer

from bridge.cli.common import CONFIG_FILE, ConfigFile, counted, load_or_exit
from bridge.log import printable


def check(config: ConfigFile = CONFIG_FILE) -> None:
    """Check the configuration, without touching any network.

    Every mistake is told with its file, its key and what to write instead. Warnings, as of a file that holds secrets
    and that everybody can read, leave the exit code at 0.
    """
    loaded = load_or_exit(config)
    for warning in loaded.warnings:
        typer.echo(f"warning: {printable(warning)}", err=True)
    networks, rooms = counted(len(loaded.networks), "network"), counted(len(loaded.rooms), "room")
    typer.echo(f"{config.name} is fine: {networks}, {rooms}")
