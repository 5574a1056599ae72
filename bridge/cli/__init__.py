"""The command line: `rialto --help`. One module for each command."""

from importlib.metadata import version
from typing import Annotated

import typer

from bridge.cli.backup import backup
from bridge.cli.check import check
from bridge.cli.common import DISTRIBUTION, examples
from bridge.cli.demo import demo
from bridge.cli.export import export
from bridge.cli.keeper import keeper
from bridge.cli.registration import registration
from bridge.cli.resolve import resolve
from bridge.cli.run import run
from bridge.cli.status import status
from bridge.cli.verify import verify

app = typer.Typer(
    name="rialto",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="To begin: `rialto demo` shows it at work. Then copy config.example.yaml to config.yaml, edit it, and"
    " use check, registration and run, in this order.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rialto {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def rialto(
    shown: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Rialto lets people on XMPP, Matrix and IRC talk to each other as if they shared one network.

    Exit codes: 0 all is well, 1 it failed, 2 a mistake in the command or in the configuration.
    """


app.command(epilog=examples("rialto run", "rialto run -c /etc/rialto/config.yaml"))(run)
app.command(epilog=examples("rialto check", "rialto check --online -c /etc/rialto/config.yaml"))(check)
app.command(epilog=examples("rialto registration home -o rialto.yaml", "rialto registration office"))(registration)
app.command(
    epilog=examples(
        "rialto resolve libera:kestrel", "rialto resolve home:@ana:matrix.org", "rialto resolve 'libera:#tea'"
    )
)(resolve)
app.command(epilog=examples("rialto status", "rialto status --json", "rialto status 01m8f2kwgadppk4p9y0vn5h2xm"))(
    status
)
app.command(epilog=examples("rialto keeper --folder rialto.db.keeper"))(keeper)
app.command(epilog=examples("rialto backup /var/backups/rialto.db"))(backup)
app.command(
    epilog=examples(
        "rialto export november --since 2026-11-01 --until 2026-12-01",
        "rialto export lobby --room lobby --format jsonl",
        "rialto export signed --sign key.pem --certificate certificate.pem",
    )
)(export)
app.command(epilog=examples("rialto verify november", "rialto verify signed --trust certificate.pem"))(verify)
app.command(epilog=examples("rialto demo", "rialto demo --once"))(demo)
