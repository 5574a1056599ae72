"""Where a puppet seems to come from (https://ircv3.net/docs/specs/extensions/webirc).

All puppets share our address. With WEBIRC the server is told a host and an IP address for each person instead, always
the same ones, so that its operators and channels' can ban one person and need not ban all. Pure.
"""

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from bridge.model.address import Address

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

DOMAIN: Final = "rialto"
ADDRESSES: Final = ipaddress.IPv6Network("fd72:6961:6c74:6f00::/64")
"""Unique local addresses (RFC 4193), which are nobody's on the Internet; their prefix spells the word rialto."""

_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_HOST_BYTES: Final = 63 - len("0123456789abcdef.")
"""Many servers keep 63 bytes of a host."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What one WEBIRC command says."""

    password: str = field(repr=False)
    gateway: str
    host: str
    ip: str


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the network's operators agreed on with us: a password, our name, and where our people come from."""

    password: str = field(repr=False)
    name: str = "rialto"
    domain: str = DOMAIN
    addresses: Network = ADDRESSES

    def identity(self, address: Address) -> Identity:
        """Where the person comes from: the same for the same person, and told from their address by a hash alone."""
        digest = hashlib.blake2b(f"{address.network}\0{address.native}".encode(), digest_size=24).digest()
        room = self.addresses.num_addresses
        # In small ranges the first and last address are the net's own and its broadcast.
        offset = int.from_bytes(digest[8:]) % room if room < 4 else 1 + int.from_bytes(digest[8:]) % (room - 2)
        ip = str(self.addresses[offset])
        # A parameter must not begin with a colon.
        return Identity(self.password, self.name, f"{digest[:8].hex()}.{self.domain}", "0" + ip if ip[0] == ":" else ip)


def legal_domain(text: str) -> bool:
    """Whether hosts of puppets can end in this."""
    return len(text) <= _HOST_BYTES and all(map(_LABEL.fullmatch, text.split(".")))
