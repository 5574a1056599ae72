"""What is kept over a restart: under which nick, and as which occupant, each puppet was in each room."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.model.address import Address, AddressError

_PREFIX = "puppet "
_HEARD = "heard "
_NEWEST = "newest "
_BEGINNING = "beginning "


@dataclass(frozen=True, slots=True)
class Remembered:
    """A puppet as it was last seen in a room. `name` is the person's name then, that the nick was made of."""

    address: Address
    nick: str
    name: str
    occupant_id: str | None = None


def prefix(room: str) -> str:
    """What the keys of all puppets in that room begin with. Rooms' JIDs hold no spaces."""
    return f"{_PREFIX}{room} "


def heard(room: str) -> str:
    """Under what it is remembered up to which line a room was heard."""
    return f"{_HEARD}{room}"


def newest(room: str) -> str:
    """Under what it is remembered when the newest line of its history was said."""
    return f"{_NEWEST}{room}"


def beginning(room: str) -> str:
    """Under what it is remembered where our time in the room begins."""
    return f"{_BEGINNING}{room}"


def key(room: str, address: Address) -> str:
    """Under what a puppet is remembered."""
    return f"{prefix(room)}{address}"


def write(known: Remembered) -> str:
    """The value to keep."""
    return json.dumps([known.nick, known.name, known.occupant_id], ensure_ascii=True)


def read_one(address: Address, value: str) -> Remembered | None:
    """What `write` wrote; None if it cannot be read, which only means that a nick is asked for anew."""
    try:
        kept = json.loads(value)
    except ValueError:
        return None
    if not isinstance(kept, list) or len(kept) != 3:
        return None
    nick, name, occupant_id = kept
    if not isinstance(nick, str) or not isinstance(name, str) or not isinstance(occupant_id, str | None):
        return None
    return Remembered(address, nick, name, occupant_id)


def read(room: str, recalled: Mapping[str, str]) -> Iterable[Remembered]:
    """All who were in that room once, of what was recalled under its prefix."""
    for found, value in recalled.items():
        try:
            known = read_one(Address.parse(found.removeprefix(prefix(room))), value)
        except AddressError:
            continue
        if known is not None:
            yield known
