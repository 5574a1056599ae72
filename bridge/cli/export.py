"""`rialto export`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.common import CONFIG_FILE, Code, ConfigFile, counted, fail, load_or_exit, steps
from bridge.config import Config, directory
from bridge.config.mistakes import guess

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.store.archive import Choice


def export(
    to: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write; nothing may be there yet.")],
    room: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only what was said in this room. May be given again.")
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Only what this person said, or was told in private. May be given again."),
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Only what was said then or later (UTC).")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only what was said before then (UTC).")] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="cpim: message/cpim objects (RFC 3862); or jsonl.")
    ] = "cpim",
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign it with this private key on P-256 (PEM).")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate of the key, and of who vouches for it (PEM).")
    ] = None,
    config: ConfigFile = CONFIG_FILE,
) -> None:
    """Write out what was said, as far as it was kept (`archive` in the configuration); Rialto may run meanwhile.

    The folder holds a file for each day and a manifest with the digest of each message. `rialto verify` checks it.
    """
    from bridge.export.lines import line
    from bridge.export.objects import cpim
    from bridge.export.signing import SignatureError, Signer
    from bridge.export.writing import Format, Writer
    from bridge.store import StoreError, archive
    from bridge.store.looking import look

    if form not in {each.value for each in Format}:
        fail(f"--format: write {' or '.join(Format)}, not {form}", Code.USAGE)
    if (sign is None) != (certificate is None):
        fail("--sign and --certificate belong together: the key, and the certificate of it", Code.USAGE)
    found = load_or_exit(config)
    choice = _choice(found, room, person, since, until)
    try:
        signer = None if sign is None or certificate is None else Signer.load(sign, certificate)
    except SignatureError as error:
        fail(str(error), Code.USAGE)
    octets = cpim if form == Format.CPIM else line

    def write(store: "Connection") -> int:
        wanted = archive.count(store, choice)
        if wanted:
            with Writer(to, Format(form), octets, signer) as writer, steps("writing", wanted) as step:
                for kept in archive.read(store, choice):
                    writer.add(kept)
                    step(1)
        return wanted

    try:
        written = look(found.store, write)
    except FileExistsError:
        fail(f"{to} is there already; name another folder", Code.USAGE)
    except (StoreError, OSError, ValueError) as error:
        fail(f"nothing is exported: {error}")
    if not written:
        fail(_nothing(found))
    typer.echo(f"{to} is written: {counted(written, 'message')}{', signed' if signer else ''}", err=True)


def _choice(
    config: Config, rooms: list[str] | None, people: list[str] | None, since: str | None, until: str | None
) -> "Choice":
    from bridge.store.archive import Choice

    names = [each.name for each in config.rooms]
    for each in rooms or ():
        if each not in names:
            fail(f"--room: no room is called {each!r}; {guess(each, names, 'rooms are')}", Code.USAGE)
    who = directory(config.networks)
    try:
        addresses = None if people is None else tuple(who.find(each) for each in people)
    except ValueError as error:
        fail(f"--person: {error}", Code.USAGE)
    return Choice(None if rooms is None else tuple(rooms), addresses, _time("--since", since), _time("--until", until))


def _time(option: str, text: str | None) -> float | None:
    """Seconds since the epoch of a day or a time, in UTC where it does not say otherwise."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option}: write a day or a time, as 2026-11-27 or 2026-11-27T18:00, not {text!r}", Code.USAGE)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _nothing(config: Config) -> str:
    if config.archive.seconds is None:
        return "nothing is kept: say for how long what is said is to be kept (archive.keep in the configuration)"
    return "nothing of that is kept: what is chosen was not said since archive.keep was set, or is left out of it"
