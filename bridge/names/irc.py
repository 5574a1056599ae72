r"""Nicks for foreign people on IRC: candidates, best first.

The base of a nick is

* for a Matrix user id or a bare JID, its localpart (``@ana:matrix.org`` and ``bo@example.org`` give ``ana``, ``bo``),
  if that leaves a letter; otherwise the name the person shows;
* for everyone else, the occupants of rooms that hide JIDs and people of other IRC networks, the name they show;
* where neither leaves anything, ``u`` and a hash of the address.

It is brought to the characters of RFC 2812 section 2.3.1 (letters, digits and ``[]\`_^{|}-``, the first no digit and
no ``-``): NFKC, marks taken off letters, a few letters spelled out, separators as ``_``, the rest left out. Then come
``ana``, ``ana[home]`` and, endless, ``ana-`` with characters of a hash of the address and a count, so that two people
of one name soon part.
"""

import re
import unicodedata
from base64 import b32encode
from collections.abc import Iterator
from hashlib import sha256

from bridge.model.address import Address, Person
from bridge.names.scheme import Kind

SHORTEST = 5
"""Bytes a nick must be allowed to have; RFC 1459 section 1.2 promises 9. At 5, some 30,000 candidates exist."""

_STEM = 3  # characters of the base kept beside the network's name
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D",
     "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "ħ": "h", "Ħ": "H", "ı": "i", "ŋ": "ng", "Ŋ": "Ng", "ŧ": "t", "Ŧ": "T",
     "'": "", "\u2019": ""}
)  # fmt: skip
_SEPARATORS = re.compile(r"[\s.,:;/+=~_\u2010-\u2015]+")
_ILLEGAL = re.compile(r"[^A-Za-z0-9\[\]\\`_^{|}\-]")
_NICK = re.compile(r"[A-Za-z\[\]\\`_^{|}][A-Za-z0-9\[\]\\`_^{|}\-]*")
_LETTER = re.compile(r"[A-Za-z]")
_RESERVED = re.compile(r"(?:.*serv|guest.*|services?|global|anonymous)", re.IGNORECASE | re.DOTALL)
_FOLD = str.maketrans("[]\\^", "{}|~")  # RFC 1459 section 2.2 takes these for one another, as it does A and a
_JID_ESCAPE = re.compile(r"\\(20|22|26|27|2f|3a|3c|3e|40|5c)")


def nicks(person: Person, kind: Kind, length: int, chantypes: str) -> Iterator[str]:
    """See `bridge.names.Names.irc_nicks`, which checks nothing that this does not."""
    if length < SHORTEST:
        raise ValueError(f"nicks of {length} bytes are too short to tell people apart")
    return _distinct(person.address, _base(person, kind, chantypes), length, chantypes)


def _distinct(address: Address, base: str, length: int, chantypes: str) -> Iterator[str]:
    seen: set[str] = set()
    for nick in _candidates(address, base, length):
        folded = nick.lower().translate(_FOLD)
        if folded in seen or _RESERVED.fullmatch(nick) or any(char in chantypes for char in nick):
            continue
        seen.add(folded)
        yield nick


def _candidates(address: Address, base: str, length: int) -> Iterator[str]:
    yield base[:length]
    tag = address.network[: max(length - min(len(base), _STEM) - len("[]"), 0)]
    if len(tag) > 1:
        yield f"{base[: length - len(tag) - len('[]')]}[{tag}]"
    count = 0
    while True:
        # Three characters part a dozen people of one name; more come as the tries grow, so the sequence cannot dry up.
        size = min(3 + count.bit_length() // 4, length - 2)
        yield f"{base[: length - size - 1]}-{_code(address, count)[:size]}"
        count += 1


def _code(address: Address, count: int) -> str:
    hashed = sha256(f"{address.network}\0{address.native}\0{count}".encode("utf-8", "surrogatepass")).digest()
    return b32encode(hashed).decode("ascii").lower()


def _base(person: Person, kind: Kind, chantypes: str) -> str:
    local = _local(person.address.native, kind)
    for source in (local, person.name):
        nick = _legal(source, chantypes)
        if _LETTER.search(nick) and not _RESERVED.fullmatch(nick):
            return nick
    return f"u{_code(person.address, 0)[:7]}"


def _local(native: str, kind: Kind) -> str:
    """The localpart of an account; nothing for whoever is known by their nick."""
    if kind is Kind.MATRIX and native.startswith("@"):
        return native[1:].partition(":")[0]
    if kind is Kind.XMPP and "/" not in native and "@" in native:
        return _JID_ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), native.partition("@")[0])
    return ""


def _legal(text: str, chantypes: str) -> str:
    """The text in the characters of a nick; it may be that none are left. A nick stays as it is."""
    if _NICK.fullmatch(text) and not any(char in chantypes for char in text):
        return text
    plain = unicodedata.normalize("NFKC", text).translate(_LETTERS)
    plain = unicodedata.normalize("NFKD", plain)
    plain = _ILLEGAL.sub("", _SEPARATORS.sub("_", plain))
    if chantypes:
        plain = "".join(char for char in plain if char not in chantypes)
    plain = plain.strip("_") or plain
    return f"_{plain}" if plain[:1].isdigit() or plain.startswith("-") else plain
