"""`rialto registration`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.common import CONFIG_FILE, Code, ConfigFile, fail, load_or_exit
from bridge.config.mistakes import guess


def registration(
    network: Annotated[str, typer.Argument(help="The network's name in the configuration.")],
    config: ConfigFile = CONFIG_FILE,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it to this file, which only you can read."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Print what your own server must be told so that Rialto can attach to it.

    For Matrix this is the registration file of the application service, for XMPP the lines for Prosody or ejabberd.
    It holds secrets.
    """
    loaded = load_or_exit(config)
    attachment = loaded.networks.get(network)
    if attachment is None:
        hint = guess(network, list(loaded.networks), "networks are")
        fail(f"{config.name}: no network is called {network!r}; {hint}", Code.USAGE)
    text = attachment.factory.registration(attachment.settings, loaded.context(network))
    text = text if text.endswith("\n") else text + "\n"
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        if force:
            output.unlink(missing_ok=True)
        # Made anew and closed to others from the first moment: the mode of a file that was there would stay.
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        fail(f"{output} is there already; name another file, or add --force", Code.USAGE)
    except OSError as error:
        fail(f"{output} cannot be written: {error.strerror or error}")
    typer.echo(f"{output} is written, readable by you only; your server's own user must be able to read it", err=True)
