"""`rialto verify`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.common import Code, counted, fail, steps


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `rialto export` wrote.")],
    trust: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Certificates (PEM) whose signature, or that of whom they vouch for, you trust. May be given again.",
        ),
    ] = None,
) -> None:
    """Check that an export is as it was written, octet by octet, and who signed it.

    Without `--trust`, only an export that nobody signed can be found to be well: a signature needs somebody to trust.
    """
    from bridge.export.manifest import ManifestError
    from bridge.export.signing import SignatureError, load_certificates
    from bridge.export.verifying import check

    try:
        trusted = [each for path in trust or () for each in load_certificates(path)]
    except SignatureError as error:
        fail(str(error), Code.USAGE)
    try:
        size = sum(each.stat().st_size for each in folder.iterdir())
        with steps("checking", size) as step:
            found = check(folder, trusted, datetime.now(UTC), step)
    except OSError as error:
        fail(f"{folder}: {error.strerror}; name the folder that rialto export wrote", Code.USAGE)
    except ManifestError as error:
        fail(f"{folder}: {error}", Code.USAGE)
    for each in found.broken:
        typer.echo(str(each))
    if found.broken:
        raise typer.Exit(Code.FAILED)
    by = f"signed by {found.signed}" if found.signed else "nobody signed it"
    typer.echo(f"{folder} is as it was written: {counted(found.objects, 'message')}; {by}")
