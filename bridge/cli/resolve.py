"""`rialto resolve`."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

import typer
from rich.table import Table

from bridge.cli.common import CONFIG_FILE, Code, ConfigFile, cell, console, fail, load_or_exit
from bridge.config import Attachment, Config, directory, names
from bridge.config.mistakes import guess
from bridge.model.address import NETWORK_NAME, Address, AddressError, Person, Place
from bridge.names import Kind, Names

_MATRIX_ID = 255
"""Bytes in a Matrix user id or room alias, with sigil, colon and domain (Matrix specification, appendix 4.2)."""

_NICK = 30
"""Bytes in a nick where the network is not asked: what most allow. The network's own NICKLEN decides."""

_CANDIDATES = 3

ROOM_SIGNS = "#!&+"


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody or something is called on one network."""

    network: str
    kind: str
    form: str
    note: str = ""


def resolve(
    address: Annotated[
        str, typer.Argument(help="NETWORK:ID, for example libera:kestrel; or a person's bare id, as bo@example.org.")
    ],
    config: ConfigFile = CONFIG_FILE,
    room: Annotated[
        bool, typer.Option("--room", help="It is a room; without it, only ids that begin with #, !, & or + are.")
    ] = False,
    name: Annotated[
        str | None,
        typer.Option("--name", help="The name that the person shows; a nick is made of it where the id does not do."),
    ] = None,
) -> None:
    """Print what a person or room is called on every configured network.

    A puppet's id may be given as well: it is read back to the person behind it. No network is asked.
    """
    loaded = load_or_exit(config)
    wanted = _wanted(address, loaded)
    attachment = loaded.networks[wanted.network]
    known = names(loaded)
    is_room = room or wanted.native[0] in ROOM_SIGNS
    try:
        subject = _behind(wanted, is_room, attachment, known)
        if subject is None:
            subject = _canonical(wanted, is_room, attachment)
        found = list(forms(subject, name, loaded, known))
    except ValueError as error:
        fail(f"{address}: {error}", Code.USAGE)
    table = Table("network", "kind", "form", "note", title="room" if isinstance(subject, Place) else "person")
    for each in found:
        table.add_row(cell(each.network), cell(each.kind), cell(each.form, "bold"), cell(each.note))
    if isinstance(subject, Address):
        table.caption = cell(f"{subject.uri('im')}  {subject.uri('pres')}")
    console().print(table)


def _wanted(address: str, config: Config) -> Address:
    """What was written, as an address on a configured network."""
    network, colon, _ = address.partition(":")
    if colon and NETWORK_NAME.fullmatch(network):
        try:
            wanted = Address.parse(address)
        except AddressError as error:
            fail(str(error), Code.USAGE)
        if wanted.network not in config.networks:
            hint = guess(wanted.network, list(config.networks), "networks are")
            fail(f"no network is called {wanted.network!r}; {hint}", Code.USAGE)
        return wanted
    try:
        return directory(config.networks).find(address)
    except ValueError as error:
        if address[:1] in tuple(ROOM_SIGNS):
            fail(f"{address!r} does not say on which network; write NETWORK:{address}, in quotes", Code.USAGE)
        fail(str(error), Code.USAGE)


def _behind(wanted: Address, is_room: bool, at: Attachment, known: Names) -> Address | Place | None:
    """Whose puppet, or which room's stand-in, this is; None for a native of the network."""
    native, domain = wanted.native, _text(at, "domain")
    try:
        if domain and at.kind == Kind.XMPP and native.lower().endswith(f"@{domain}".lower()):
            return known.from_xmpp_local(native[: -len(domain) - 1].lower())
        prefix = _prefix(at)
        if domain and at.kind == Kind.MATRIX and native.endswith(f":{domain}") and native[1:].startswith(prefix):
            return known.from_matrix_local(native[1 : -len(domain) - 1], prefix)
    except ValueError as error:
        kind = "room" if is_room else "person"
        raise ValueError(f"lies among Rialto's own names, but is no {kind}'s: {error}") from error
    return None


def _canonical(wanted: Address, is_room: bool, at: Attachment) -> Address | Place:
    """As the adapter would call it, as far as that is known without asking the network."""
    if is_room:
        return Place(wanted.network, at.factory.place(wanted.native, at.settings))
    if at.kind == Kind.XMPP and "/" in wanted.native:
        bare, slash, resource = wanted.native.partition("/")
        return Address(wanted.network, bare.lower() + slash + resource)  # the occupant of a room
    return Address(wanted.network, at.factory.person(wanted.native, at.settings))


def forms(who: Address | Place, name: str | None, config: Config, known: Names) -> Iterator[Form]:
    """What `who` is called on every configured network. Raises `ValueError` for an id that can have no name."""
    for at in config.networks.values():
        if at.name == who.network:
            yield Form(at.name, at.kind, who.native, "is at home here")
        elif at.kind != Kind.IRC and not _text(at, "domain"):
            yield Form(at.name, at.kind, "-", "has no puppets: the bot's account speaks for people")
        elif at.kind == Kind.XMPP:
            yield Form(at.name, at.kind, f"{known.xmpp_local(who)}@{_text(at, 'domain')}", "JID")
        elif at.kind == Kind.MATRIX:
            domain = _text(at, "domain")
            local = known.matrix_local(who, _prefix(at), _MATRIX_ID - len(domain.encode()) - 2)
            sigil, note = ("#", "alias") if isinstance(who, Place) else ("@", "user id")
            yield Form(at.name, at.kind, f"{sigil}{local}:{domain}", note)
        elif isinstance(who, Address):
            shown = Person(who, name or _own_name(who, config.networks[who.network]))
            first, *others = islice(known.irc_nicks(shown, _NICK), _CANDIDATES)
            bot = _text(at, "nick")
            # A nick is theirs only while their puppet bears it; elsewhere it may be anybody's.
            note = f"nick of their puppet, where there is one ({', '.join(others)}, ... if it is taken); "
            yield Form(
                at.name, at.kind, first, f"{note}always: /msg {bot} {directory(config.networks).written(who)} ..."
            )
        else:
            yield Form(at.name, at.kind, "-", "rooms of other networks have no name here")


def _own_name(who: Address, at: Attachment) -> str:
    """What the person is likely to show: the local part of their id."""
    native = who.native.removeprefix("@")
    return native.partition(":")[0] if at.kind == Kind.MATRIX else native.partition("@")[0]


def _text(at: Attachment, key: str) -> str:
    return str(getattr(at.settings, key, ""))


def _prefix(at: Attachment) -> str:
    return _text(at, "prefix") or "_rialto_"
