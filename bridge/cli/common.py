"""What the commands share: exit codes, the configuration option, the way to end with words instead of a traceback."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from bridge.config import Config, ConfigError, load
from bridge.log import printable

DISTRIBUTION = "rialto-bridge"


class Code(IntEnum):
    """How the command ended."""

    FINE = 0
    FAILED = 1
    USAGE = 2


class UnreachableError(Exception):
    """The running instance did not say what it was asked. The text says why, and what to do."""


class NobodyError(UnreachableError):
    """None runs."""


ConfigFile = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        envvar="RIALTO_CONFIG",
        metavar="FILE",
        help="The configuration file.",
        rich_help_panel="Configuration",
    ),
]
CONFIG_FILE = Path("config.yaml")


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\n\n".join([f"Example{'s' * (len(lines) > 1)}:", *(f"`{line}`" for line in lines)])


def fail(text: str, code: Code = Code.FAILED) -> NoReturn:
    """Say on standard error what is wrong, and end."""
    for line in text.splitlines():
        typer.echo(printable(line), err=True)
    raise typer.Exit(code)


def load_or_exit(path: Path) -> Config:
    """The configuration; where it has mistakes, they are listed and the command ends."""
    try:
        return load(path)
    except ConfigError as error:
        fail(str(error), Code.USAGE)


def counted(number: int, noun: str) -> str:
    """``1 room``, ``2 rooms``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def console() -> Console:
    """Where tables go. As wide as it needs to be where nobody watches, so that nothing is cut for a program."""
    shown = Console(highlight=False, emoji=False)
    return shown if shown.is_terminal else Console(highlight=False, emoji=False, width=200)


@contextmanager
def steps(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows on standard error how far something long has come, where somebody watches. Call it with what was done."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)


def cell(text: str, style: str = "") -> Text:
    """Text for a table, as it is: no markup is read in it (a nick may be ``ana[home]``), no terminal steered by it."""
    return Text(printable(text), style=style, overflow="fold")


def since(when: float, now: float) -> str:
    """A moment (seconds since the epoch) and how long ago it was."""
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M:%S} UTC ({age(now - when)})"


def age(seconds: float) -> str:
    """A length of time in its largest unit: ``3 min``."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
