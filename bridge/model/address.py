"""Who, and where: addresses of people, and the places messages go to.

An `Address` is at once what RFC 2778 calls a presentity and an instant inbox; its printable forms are the ``pres:``
and ``im:`` URIs of RFC 3859 and RFC 3860. Inside the gateway an address is qualified by the *network*, the name of
one configured attachment, which stands where a domain would stand.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from bridge.model.uri import LINE_BREAKING, Scheme, UriError, decode, encode

NETWORK_NAME = re.compile(r"[a-z][a-z0-9]{0,15}")
"""What a network may be called (design, names): short, lower case, and never mistaken for a domain."""


class AddressError(ValueError):
    """The text is not an address, or not of the form asked for."""


@dataclass(frozen=True, slots=True)
class Address:
    """One person as one network knows them.

    `native` is the canonical native id, made by that network's adapter alone: a bare JID, a MUC occupant's
    ``room@conference/occupant-id``, a Matrix user id, an IRC nick folded by the network's CASEMAPPING.
    """

    network: str
    native: str

    def __str__(self) -> str:
        return f"{self.network}:{self.native}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote. Raises `AddressError`."""
        network, colon, native = text.partition(":")
        if not colon or not native or not NETWORK_NAME.fullmatch(network) or LINE_BREAKING.search(native):
            raise AddressError(f"{text!r} is not an address; write NETWORK:ID, for example libera:kestrel")
        return cls(network, native)

    def uri(self, scheme: Scheme) -> str:
        """The ``im:`` (RFC 3860 appendix A) or ``pres:`` (RFC 3859 appendix A) URI, network-qualified."""
        return f"{scheme}:{encode(self.native)}@{self.network}"

    @classmethod
    def from_uri(cls, uri: str) -> Self:
        """Read a URI as `uri` writes it, in any percent-encoding; the network, as a host, in any case.

        Headers (``?subject=...``) are not part of an address and are left out. Raises `AddressError`.
        """
        scheme, colon, rest = uri.partition(":")
        if not colon or scheme.lower() not in ("im", "pres"):
            raise AddressError(f"{uri!r} is not an im: or pres: URI")
        mailbox = rest.partition("?")[0]
        local, at, host = mailbox.partition("@")
        network = host.lower()
        if not at or not local or not host.isascii() or not NETWORK_NAME.fullmatch(network):
            raise AddressError(f"{uri!r} names no inbox on a network")
        try:
            native = decode(local)
        except UriError as error:
            raise AddressError(str(error)) from error
        return cls(network, native)


def local_part(address: Address) -> str:
    """What somebody is called whose name nobody has said: the id without its domain."""
    return re.split("[@:/]", address.native.removeprefix("@"), maxsplit=1)[0] or address.native


class PlaceKind(StrEnum):
    """What a place is: a room many read, or a conversation with one user."""

    ROOM = "room"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Place:
    """Where messages go on one network. `native` is the room's or user's canonical native id there."""

    network: str
    native: str
    kind: PlaceKind = PlaceKind.ROOM

    def __str__(self) -> str:
        return f"{self.network}:{self.native}"


@dataclass(frozen=True, slots=True)
class Person:
    """An address and the name its owner shows right now: a display name or a nick, as the network spells it.

    `stands_for` is set for a puppet that another gateway made: the identity (`bridge.contract.Identifying`) of the
    person it stands for, as that gateway says on the wire.
    """

    address: Address
    name: str
    stands_for: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"
