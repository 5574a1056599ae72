"""Ids on the wire: JIDs in canonical form, ids we stamp on what we say, ids we know other people's lines by."""

import hashlib
import re

from slixmpp.jid import JID, InvalidJID

BOT_LOCAL = "rialto"
"""The bot's localpart. No puppet can have it: their names always hold a ``%`` (design section 5)."""

RESOURCE = "rialto"
"""The fixed resource of the bot and of every puppet: after a restart we are the same occupants again."""

_WIRE = "rialto-"
_PART = re.compile(r"[A-Za-z0-9-]{1,128}")

STRONG = 16
"""From how many characters on a message id is taken never to be used twice by one sender. Clients that count their
ids from 1 use shorter ones."""


def jid(text: str) -> JID:
    """Parse a JID (RFC 7622, by way of stringprep). Raises `ValueError`."""
    try:
        return JID(text)
    except (InvalidJID, UnicodeError) as error:
        raise ValueError(f"{text!r} is not a JID: {error}") from None


def room_jid(text: str) -> str:
    """The canonical bare JID of a room. Raises `ValueError` saying what to write instead."""
    text = text.strip().removeprefix("xmpp:").removesuffix("?join")
    try:
        parsed = jid(text)
    except ValueError as error:
        raise ValueError(f"{error}; write ROOM@SERVICE, for example lobby@conference.example.org") from None
    if parsed.resource:
        raise ValueError(f"{text!r} names somebody in a room; write the room alone: {parsed.bare}")
    if not parsed.local:
        example = parsed.domain or "conference.example.org"
        raise ValueError(f"{text!r} names no room; write ROOM@SERVICE, for example lobby@{example}")
    return str(parsed.bare)


def person_jid(text: str) -> str:
    """The canonical bare JID of a person. Raises `ValueError` saying what to write instead."""
    text = text.strip().removeprefix("xmpp:")
    try:
        parsed = jid(text)
    except ValueError as error:
        raise ValueError(f"{error}; write NAME@DOMAIN, for example bo@example.org") from None
    if not parsed.local or parsed.resource:
        raise ValueError(f"{text!r} names no person; write NAME@DOMAIN, for example bo@example.org")
    return str(parsed.bare)


def own_jid(local: str, domain: str) -> str:
    """The full JID of the bot or of a puppet, as the server writes it. Raises `ValueError` if it cannot be one."""
    return str(jid(f"{local}@{domain}/{RESOURCE}").full)


def bare(full: str) -> str:
    """The bare JID of a JID as the server writes it."""
    return full.partition("/")[0]


def resource(full: str) -> str:
    """The resource of a JID as the server writes it; in a room, the nick."""
    return full.partition("/")[2]


def domain(full: str) -> str:
    """The domain of a JID as the server writes it."""
    return bare(full).rpartition("@")[2]


def within(domain: str, jid: str) -> bool:
    """Whether a JID, as the server writes it, is of that very domain."""
    return bare(jid).rpartition("@")[2] == domain


def wire_id(part_id: str) -> str:
    """What a part's message has as its id (and origin-id, XEP-0359)."""
    return _WIRE + part_id


def part_id(wire: str) -> str | None:
    """The part that the message id was made of, None if it is not one of ours."""
    if not wire.startswith(_WIRE):
        return None
    rest = wire[len(_WIRE) :]
    return rest if _PART.fullmatch(rest) else None


def line_id(*, stanza_id: str | None, sender: str, message_id: str, stamp: float) -> str:
    """What a line said in a room is known by for ever.

    The room's own id for it (XEP-0359) where there is one. Else a digest of sender and message id, which are the same
    now and when the line comes again in the room's history; of when it was said, too, where the id is none that
    its client would never use twice. `sender` is the nick it was said under, never an occupant id, which may be told
    or believed at one time and not at another. `stamp` is in seconds since the epoch.
    """
    if stanza_id:
        return stanza_id
    known = [sender, message_id]
    if len(message_id) < STRONG:
        known.append(f"{stamp:.3f}")
    return "sha256:" + hashlib.sha256("\0".join(known).encode(errors="replace")).hexdigest()[:40]
