"""What the naming schemes share: which names mean rooms, and the short form of a name that is too long."""

from base64 import b32encode
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from bridge.model.address import Address, Place, PlaceKind


class Kind(StrEnum):
    """The kinds of network that have a naming scheme."""

    XMPP = "xmpp"
    MATRIX = "matrix"
    IRC = "irc"


@dataclass(frozen=True, slots=True)
class Named:
    """A configured network as far as names go. `default`: it owns the bare domains of its kind for ever."""

    network: str
    kind: Kind
    default: bool = False


ROOM_SIGNS = {Kind.XMPP: "#", Kind.MATRIX: "#!", Kind.IRC: "#&+!"}
"""The first characters that make a name the name of a room.

Matrix and IRC ids bring them along (IRC: every channel type of RFC 2811 section 2.1); a JID does not tell a room from
a person, so that the room of an XMPP network gets a ``#`` put before it.
"""

DIGEST = 32
"""Characters of a digest: 160 bits in base32."""


def subject(who: Address | Place) -> Address | Place:
    """Whom or what a name is to be made for: a conversation with one user is named as that user.

    Raises `ValueError` for an id that is empty or no well-formed Unicode.
    """
    if not who.native:
        raise ValueError("an empty native id has no name")
    if any(character in who.native for character in "\x00\r\n"):
        raise ValueError("no native id holds a line end: it could not even be written down")
    who.native.encode()  # refuses lone surrogates with a UnicodeEncodeError, which is a ValueError
    if isinstance(who, Place) and who.kind is PlaceKind.USER:
        return Address(who.network, who.native)
    return who


def digest(who: Address | Place) -> str:
    """The short form of a name: `DIGEST` characters of ``a-z2-7``, the same on every network and for ever."""
    sort = "room" if isinstance(who, Place) else "person"
    hashed = sha256("\0".join((sort, who.network, who.native)).encode()).digest()
    return b32encode(hashed).decode("ascii").lower()[:DIGEST]
