"""The localparts of puppets and foreign rooms on XMPP (design section 5).

After the last bare ``%`` stands the network; or, for the Matrix network that owns bare domains, the domain may stand
there. A domain that could be the name of a network (``localhost``) always gets the network's name as well, so that a
network which is added later changes no existing name.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

from bridge.model.address import NETWORK_NAME, Address, Place
from bridge.names.escape import ROOM, escape, unescape
from bridge.names.scheme import DIGEST, ROOM_SIGNS, Kind, Named, digest

LONGEST = 1023
"""Bytes of a localpart (RFC 7622 section 3.3)."""

_HASHED = re.compile(rf"(#?)\^-([a-z2-7]{{{DIGEST}}})%([a-z][a-z0-9]{{0,15}})")


def encode(who: Address | Place, named: Named) -> str:
    """The localpart, of whatever length."""
    signs = ROOM_SIGNS[named.kind]
    segments = _segments(who, named)
    if isinstance(who, Address):
        return escape(segments, guard=signs)
    if named.kind is Kind.XMPP:
        return escape(segments, mark="#")
    return escape(segments, mark="" if who.native[0] in signs else ROOM)


def _segments(who: Address | Place, named: Named) -> tuple[str, ...]:
    """What stands between the bare percent signs."""
    native = who.native
    if named.kind is Kind.XMPP:
        local, at, domain = native.partition("@")
        if local and at and domain and "/" not in native:
            return local, domain, named.network
    elif named.kind is Kind.MATRIX and native[0] in ("@" if isinstance(who, Address) else "#!"):
        local, colon, server = native.partition(":")
        if colon and server:
            local = local.removeprefix("@")
            bare = named.default and not NETWORK_NAME.fullmatch(server)
            return (local, server) if bare else (local, server, named.network)
    return native, named.network


def decode(local: str, networks: Mapping[str, Named]) -> Address | Place:
    """Who or what has this localpart, if anybody: to be compared with what `encode` makes of the answer."""
    sign, segments = unescape(local)
    *before, last = segments
    named = networks.get(last)
    if named is None:
        named = next((each for each in networks.values() if each.kind is Kind.MATRIX and each.default), None)
        before = segments
        if named is None or len(before) != 2:
            raise ValueError(f"{quote(local)} names neither a network nor a domain")
    room = sign == ROOM or (sign != "" and sign in ROOM_SIGNS[named.kind])
    if room and named.kind is Kind.XMPP:
        before[0] = before[0].removeprefix("#")
    match named.kind, before:
        case _, [native]:
            pass
        case Kind.XMPP, [node, domain]:
            native = f"{node}@{domain}"
        case Kind.MATRIX, [node, server]:
            native = f"{node}:{server}" if room else f"@{node}:{server}"
        case _:
            raise ValueError(f"{quote(local)} has too many parts")
    return Place(named.network, native) if room else Address(named.network, native)


def shorten(who: Address | Place) -> str:
    """The hash form, which `encode` never makes: ``^`` is not followed by ``-`` there."""
    return f"{'#' if isinstance(who, Place) else ''}^-{digest(who)}%{who.network}"


def shortened(local: str) -> str | None:
    """The digest in a hash form; None for any other name."""
    match = _HASHED.fullmatch(local)
    return match.group(2) if match else None
