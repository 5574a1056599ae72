"""`rialto backup`."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.common import CONFIG_FILE, Code, ConfigFile, fail, load_or_exit


def backup(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write. There must be none of that name yet.")],
    config: ConfigFile = CONFIG_FILE,
) -> None:
    """Copy the store into a file, as it is at this moment; Rialto may run meanwhile.

    The file holds what waits to be delivered, and secrets such as the sessions of accounts: only you can read it. A
    store on PostgreSQL is copied by pg_dump.
    """
    from bridge.store import StoreError  # late: it takes long to import
    from bridge.store.backup import copy

    url = load_or_exit(config).store
    if not url.startswith("sqlite:///"):
        fail("the store is on PostgreSQL: use pg_dump --format=custom (see docs/operating.md)", Code.USAGE)
    try:
        size = copy(Path(url.removeprefix("sqlite:///")), to)
    except FileExistsError:
        fail(f"{to} is there already; name another file", Code.USAGE)
    except (StoreError, OSError) as error:
        fail(str(error))
    typer.echo(f"{to} is written: {size / 1e6:.1f} MB", err=True)
