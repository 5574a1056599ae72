"""The localparts of puppets' user ids and of foreign rooms' aliases on Matrix (design section 5).

After the prefix and the network's name, the canonical native id in the mapping of the specification's appendix
"Mapping from other character sets" (v1.8 and later, which allow ``+``): an upper-case letter is ``_a``, ``_`` is
``__``, and every other byte of UTF-8 that is not allowed is ``=hh``. Three marks are added, which the mapping cannot
make because its ``=`` is followed by two hexadecimal digits:

======  ====================================================================
``=-``  the hash form of a name that is too long
``=+``  at the beginning: a room, though its id does not look so
``=.``  at the beginning: a person, though its id looks as a room's does
======  ====================================================================
"""

import re
from collections.abc import Mapping

from bridge.model.address import Address, Place
from bridge.names.scheme import DIGEST, ROOM_SIGNS, Kind, Named, digest

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-/+")
_ROOM = "=+"
_PERSON = "=."
_HASHED = re.compile(rf"=-([a-z2-7]{{{DIGEST}}})")
_ENCODED = re.compile(r"(?:[a-z0-9.\-/+]|__|_[a-z]|=[0-9a-f]{2})+")
_TOKEN = re.compile(rb"_(_|[a-z])|=([0-9a-f]{2})")


def _byte(value: int) -> str:
    char = chr(value)
    if char in _SAFE:
        return char
    if char == "_":
        return "__"
    return f"_{char.lower()}" if "A" <= char <= "Z" else f"={value:02x}"


_BYTES = tuple(map(_byte, range(256)))


def encode(who: Address | Place, named: Named) -> str:
    """What stands after the prefix, of whatever length."""
    native, mark = who.native, ""
    if isinstance(who, Place) and named.kind is Kind.XMPP:
        native = f"#{native}"
    elif isinstance(who, Place) != (native[0] in ROOM_SIGNS[named.kind]):
        mark = _ROOM if isinstance(who, Place) else _PERSON
    return f"{named.network}_{mark}{''.join(_BYTES[byte] for byte in native.encode())}"


def decode(rest: str, networks: Mapping[str, Named]) -> Address | Place:
    """Who or what has this name after the prefix: to be compared with what `encode` makes of the answer."""
    network, _, name = rest.partition("_")
    named = networks.get(network)
    if named is None:
        raise ValueError(f"{network!r} is not a network")
    mark = name[:2] if name.startswith((_ROOM, _PERSON)) else ""
    encoded = name.removeprefix(mark)
    if not _ENCODED.fullmatch(encoded):
        raise ValueError(f"{name!r} is not encoded as the specification says")
    native = _TOKEN.sub(_plain, encoded.encode("ascii")).decode()
    room = mark == _ROOM or (not mark and native[0] in ROOM_SIGNS[named.kind])
    if not room:
        return Address(network, native)
    if named.kind is Kind.XMPP and not mark:
        native = native[1:]
    return Place(network, native)


def _plain(token: re.Match[bytes]) -> bytes:
    letter, code = token.groups()
    return bytes.fromhex(code.decode("ascii")) if code else letter.upper()


def shorten(who: Address | Place) -> str:
    """The hash form of what stands after the prefix."""
    return f"{who.network}_=-{digest(who)}"


def shortened(rest: str) -> tuple[str, str] | None:
    """The network and the digest in a hash form; None for any other name."""
    network, _, name = rest.partition("_")
    match = _HASHED.fullmatch(name)
    return (network, match.group(1)) if match else None
