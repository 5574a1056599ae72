"""Matrix identifiers: what may be written, and which of them are ours.

Grammar: Matrix specification v1.19, appendices "Identifier grammar". Room ids are opaque: from room version 12 on
they carry no server name, so none is ever read out of one.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import TypeGuard
from urllib.parse import quote

from bridge.contract import Part
from bridge.model.address import Address
from bridge.names import Names

LONGEST = 255
"""Bytes an identifier may have, sigil and server name included."""

SERVER_NAME = re.compile(r"(?:[A-Za-z0-9.-]{1,230}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
LOCALPART = re.compile(r"[a-z0-9._=/+-]+")
_OPAQUE = re.compile(r"[^\s:\x00/?#%]+")


def segment(text: str) -> str:
    """One segment of a request's path, percent-encoded whole."""
    return quote(text, safe="")


def room_reference(text: str) -> str:
    """The canonical form of a configured room. Raises `ValueError` saying what to write instead."""
    text = text.strip()
    sigil, rest = text[:1], text[1:]
    if len(text.encode("utf-8", "replace")) > LONGEST:
        raise ValueError(f"a Matrix room's alias or id has at most {LONGEST} bytes")
    if sigil == "#":
        local, colon, server = rest.partition(":")
        if local and colon and SERVER_NAME.fullmatch(server) and not re.search(r"[\s\x00]", local):
            return text
        raise ValueError(f"{text!r} is no room alias; write #NAME:DOMAIN, for example #lobby:example.org")
    if sigil == "!":
        opaque, colon, server = rest.partition(":")
        if _OPAQUE.fullmatch(opaque) and (not colon or SERVER_NAME.fullmatch(server)):
            return text
        raise ValueError(f"{text!r} is no room id; copy it from the room's settings, it looks like !AbCd:example.org")
    if sigil == "@":
        raise ValueError(f"{text!r} is a user; a room's place is #NAME:DOMAIN or a room id beginning with !")
    raise ValueError(f"{text!r} is no Matrix room; write its alias #NAME:DOMAIN, or its id beginning with !")


def user_reference(text: str) -> str:
    """A user id as somebody wrote it. Raises `ValueError` saying what to write instead."""
    text = text.strip()
    server = text.partition(":")[2]
    if not is_user_id(text) or not SERVER_NAME.fullmatch(server) or any(character.isspace() for character in text):
        raise ValueError(f"{text[:60]!r} is no Matrix user; write @NAME:DOMAIN, for example @ana:example.org")
    return text


def is_user_id(text: object) -> TypeGuard[str]:
    """Whether it can stand for a user, historical ids included (they may hold any ASCII, and more)."""
    if not isinstance(text, str) or not text.startswith("@") or not 3 < len(text) <= LONGEST:
        return False
    local, colon, server = text[1:].partition(":")
    return bool(local and colon and server) and text.isprintable()


def localpart(user_id: str) -> str:
    """What stands between the sigil and the server name."""
    return user_id[1:].partition(":")[0]


@dataclass(frozen=True, slots=True)
class Namespace:
    """The user ids that are ours: the bot, and everything under the puppets' prefix on our homeserver."""

    domain: str
    prefix: str
    bot: str

    @property
    def bot_id(self) -> str:
        """The bot's user id."""
        return f"@{self.bot}:{self.domain}"

    def owns(self, user_id: str) -> bool:
        """Whether this user is the bot or one of our puppets, and so never a person."""
        return user_id == self.bot_id or self.is_puppet(user_id)

    def is_puppet(self, user_id: str) -> bool:
        """Whether this user id lies in the puppets' namespace."""
        return user_id.startswith(f"@{self.prefix}") and user_id.endswith(f":{self.domain}")

    def puppet_id(self, address: Address, names: Names) -> str:
        """The user id of a foreign person's puppet."""
        room_for = LONGEST - len("@:") - len(self.domain.encode())
        return f"@{names.matrix_local(address, self.prefix, room_for)}:{self.domain}"

    def read(self, user_id: str, names: Names) -> Address | None:
        """Whose puppet the user id is by its spelling alone; None for what we cannot have made."""
        if not self.is_puppet(user_id):
            return None
        try:
            who = names.from_matrix_local(user_id[1 : -len(self.domain) - 1], self.prefix)
        except ValueError:
            return None
        return who if isinstance(who, Address) else None


def transaction_id(part: Part, user_id: str, room_id: str) -> str:
    """The transaction id of a part, the same at every attempt.

    The sender is part of it because Synapse keys its memory of transactions by path and application service, not by
    the masqueraded user: two puppets with one id in one room would be taken for one.
    """
    digest = hashlib.sha256("\0".join((user_id, room_id, part.source, part.id)).encode("utf-8", "replace"))
    return f"rialto-{digest.hexdigest()[:32]}"
