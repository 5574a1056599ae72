"""Private messages, purely: what a stanza to one of ours says, and by what id it can be answered later.

A direct stanza is never taken for one that is known already: clients count their ids from 1 and start over. So each
gets an origin id of its own (`Envelope`), which also says what an answer to that very stanza needs.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element

from adapters.xmpp import ids
from adapters.xmpp.inbound import ID_CHARACTERS, Line, read_line
from adapters.xmpp.presence import read_time
from adapters.xmpp.sanitise import clean

_NICK = "{http://jabber.org/protocol/nick}nick"
_MUC_USER = "{http://jabber.org/protocol/muc#user}"
_COPIES = frozenset(
    {
        "{urn:xmpp:carbons:2}sent",
        "{urn:xmpp:carbons:2}received",
        "{urn:xmpp:mam:2}result",
        "{urn:xmpp:forward:0}forwarded",
    }
)
_ESCAPED = re.compile(r"\\(20|22|26|27|2f|3a|3c|3e|40|5c)")
_MINT = re.compile(r"[0-9a-f]{8,24}")

LONGEST = 1024
"""Characters of an origin id."""
NAME_CHARACTERS = 64
"""How long a name that somebody gives themself may be."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who wrote which stanza to whom: `sender` and `to` are JIDs as they stood in it, `id` the stanza's own.

    `str` makes the origin id of it, which never comes twice with another `mint`; `parse` reads it again. Of what would
    be longer than any store's index takes, it keeps less: the bare JIDs, or nothing but the mint.
    """

    mint: str
    id: str
    sender: str
    to: str

    @staticmethod
    def mint_at(now: float, random: str) -> str:
        """A `mint` of this second. `random` is hexadecimal, 16 digits at most."""
        return f"{int(now) & 0xFFFFFFFF:08x}{random}"

    @property
    def written(self) -> float:
        """When it was taken in, in seconds since the epoch."""
        return float(int(self.mint[:8], 16))

    def __str__(self) -> str:
        for id_, sender, to in ((self.id, self.sender, self.to), ("", ids.bare(self.sender), ids.bare(self.to))):
            text = f"dm:{self.mint}:{_quoted(id_)}:{_quoted(to)}:{_quoted(sender)}"
            if len(text) <= LONGEST:
                return text
        return f"dm:{self.mint}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for any other id."""
        kind, *parts = text.split(":")
        if kind != "dm" or len(parts) != 4 or not _MINT.fullmatch(parts[0]):
            return None
        mint, id_, to, sender = parts[0], *map(unquote, parts[1:])
        return cls(mint, id_, sender, to) if to and sender else None


def _quoted(text: str) -> str:
    return quote(text, safe="@/", errors="replace")


def read_private(stanza: Element) -> Line:
    """A message stanza to one of ours that is of no other type than ``chat``, ``normal`` or none.

    What says nothing of a person's, or is no message to us but the copy of one, has no content but a label.
    """
    for child in stanza:
        if child.tag in _COPIES:
            return Line("", label="copy")
        if child.tag == "{jabber:x:conference}x" or child.find(f"{_MUC_USER}invite") is not None:
            # Both may come with words, which are the room's and not a person's.
            return Line("", label="invitation")
    line = read_line(stanza, "")
    if line.subject is not None and line.content is None:
        return Line("", label="subject")
    # Whoever held it back says so, the sender's client or any server on the way; it is the sender's word either way.
    delay = stanza.find("{urn:xmpp:delay}delay")
    return replace(line, stamp=read_time(delay.get("stamp")) if delay is not None else None)


def message_id(stanza: Element) -> str:
    """The stanza's own id; none if it is too long to be one."""
    found = stanza.get("id", "")
    return found if len(found) <= ID_CHARACTERS else ""


def nick_of(stanza: Element) -> str:
    """What the sender calls themself (XEP-0172), empty if they do not."""
    text = "".join(
        char
        for char in clean(stanza.findtext(_NICK) or "")
        if unicodedata.category(char) not in ("Cc", "Cf", "Zl", "Zp")
    )
    return " ".join(text.split())[:NAME_CHARACTERS].strip()


def name_of(bare: str) -> str:
    """What somebody is called of whom only the JID is known: its localpart, unescaped (XEP-0106)."""
    local = bare.rpartition("@")[0] or ids.domain(bare)
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), local)
