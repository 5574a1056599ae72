"""One line of the IRC client protocol: parsed from bytes, and serialised to bytes.

Grammar: RFC 1459 section 2.3.1 as the Modern IRC document repairs it, with IRCv3 message tags. `serialise` is the
only way in which bytes for a server come to be; it lets no line end and no NUL through, because ngIRCd and
ircd-hybrid end a command at a bare CR, so that a text holding one would run what follows it as a command.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NewType

from adapters.irc.protocol.encoding import FALLBACK, decode
from adapters.irc.protocol.errors import LocalProtocolError, RemoteProtocolError

Wire = NewType("Wire", bytes)
"""One complete line, CRLF included, as only `serialise` makes it."""

LINE_BYTES: Final = 512
"""The longest line without tags, CRLF included (RFC 1459 section 2.3)."""

CLIENT_TAG_BYTES: Final = 4094
"""The longest tag data a client may send (IRCv3 message-tags, size limit)."""

_NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})
_COMMAND = re.compile(rb"[A-Za-z]+|[0-9]{3}")
_TAG_KEY = re.compile(r"\+?(?:[A-Za-z0-9.-]+/)?[A-Za-z0-9-]+")
_ESCAPES: Final = {":": ";", "s": " ", "\\": "\\", "r": "\r", "n": "\n"}
_UNESCAPES: Final = {ord(value): "\\" + key for key, value in _ESCAPES.items()} | {0: ""}
_BREAKS: Final = {0: "", ord("\r"): " ", ord("\n"): " "}
_TEXTUAL: Final = frozenset({"PRIVMSG", "NOTICE", "TOPIC", "QUIT", "PART", "USER", "AWAY", "KICK"})
"""Commands whose last parameter is text for people: it is cleaned of line ends. Anywhere else they are refused."""


@dataclass(frozen=True, slots=True)
class Source:
    """Who a line comes from. A server has neither `user` nor `host`."""

    nick: str
    user: str | None = None
    host: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Source":
        """Read ``nick!user@host``, ``nick@host``, a nick or a server name."""
        rest, at, host = text.partition("@")
        nick, bang, user = rest.partition("!")
        return cls(nick, user if bang else None, host if at else None)

    def __str__(self) -> str:
        user = "" if self.user is None else f"!{self.user}"
        host = "" if self.host is None else f"@{self.host}"
        return f"{self.nick}{user}{host}"


@dataclass(frozen=True, slots=True)
class Line:
    """A parsed line. `command` is upper case; tags that appear twice keep their last value."""

    command: str
    params: tuple[str, ...] = ()
    source: Source | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: _NO_TAGS)

    def param(self, index: int) -> str:
        """The parameter at `index` (negative counts from the end), or nothing where the line has fewer."""
        try:
            return self.params[index]
        except IndexError:
            return ""


def unescape(value: str) -> str:
    """A tag's value as it was meant (IRCv3 message-tags, escaping values); a lone trailing backslash is dropped."""
    if "\\" not in value:
        return value
    out: list[str] = []
    characters = iter(value)
    for character in characters:
        if character == "\\":
            following = next(characters, "")
            out.append(_ESCAPES.get(following, following))
        else:
            out.append(character)
    return "".join(out)


def parse(raw: bytes, fallback: str = FALLBACK) -> Line:
    """Read one line, without its line end. Any bytes are either read or raise `RemoteProtocolError`."""
    if b"\r" in raw or b"\0" in raw:
        raw = raw.rstrip(b"\r").replace(b"\0", b"").replace(b"\r", b" ")
    tags = _NO_TAGS
    if raw.startswith(b"@"):
        head, _, raw = raw[1:].partition(b" ")
        tags = _parse_tags(head.decode(errors="replace"))
    raw = raw.lstrip(b" ")
    source = None
    if raw.startswith(b":"):
        prefix, _, raw = raw[1:].partition(b" ")
        source = Source.parse(decode(prefix, fallback))
        raw = raw.lstrip(b" ")
    command, _, raw = raw.partition(b" ")
    if not _COMMAND.fullmatch(command):
        raise RemoteProtocolError(f"a line without a command: {command[:20]!r}")
    params: list[str] = []
    while raw:
        if raw.startswith(b":"):
            params.append(decode(raw[1:], fallback))
            break
        param, _, raw = raw.partition(b" ")
        if param:
            params.append(decode(param, fallback))
    return Line(command.decode("ascii").upper(), tuple(params), source, tags)


def _parse_tags(text: str) -> Mapping[str, str]:
    tags: dict[str, str] = {}
    for item in text.split(";"):
        key, _, value = item.partition("=")
        if key:
            tags[key] = unescape(value)
    return tags


def serialise(command: str, *params: str, tags: Mapping[str, str] | None = None, line_bytes: int = LINE_BYTES) -> Wire:
    """The line as bytes, CRLF included.

    The last parameter of a command that carries text loses NUL, and has its line ends turned into spaces. Raises
    `LocalProtocolError` for a line end, NUL or space anywhere else, for what is no command or tag, and for a line
    longer than `line_bytes` (tags not counted).
    """
    command = command.upper()
    if not command.isascii() or not _COMMAND.fullmatch(command.encode()):
        raise LocalProtocolError("not an IRC command")
    words = [command]
    for position, param in enumerate(params, 1):
        last = position == len(params)
        if last and command in _TEXTUAL:
            words.append(":" + param.translate(_BREAKS))
            continue
        if any(forbidden in param for forbidden in "\r\n\0"):
            raise LocalProtocolError(f"parameter {position} of {command} holds a line end or NUL")
        if not param or " " in param or param.startswith(":"):
            if not last:
                raise LocalProtocolError(f"parameter {position} of {command} is empty, holds a space or begins with :")
            param = ":" + param
        words.append(param)
    body = " ".join(words).encode(errors="replace") + b"\r\n"
    if len(body) > line_bytes:
        raise LocalProtocolError(f"a {command} line of {len(body)} bytes; the server takes {line_bytes}")
    return Wire(_serialise_tags(tags or {}) + body)


def _serialise_tags(tags: Mapping[str, str]) -> bytes:
    if not tags:
        return b""
    items = []
    for key, value in tags.items():
        if not _TAG_KEY.fullmatch(key):
            raise LocalProtocolError("not a tag name")
        items.append(f"{key}={value.translate(_UNESCAPES)}" if value else key)
    data = ";".join(items).encode(errors="replace")
    if len(data) > CLIENT_TAG_BYTES:
        raise LocalProtocolError(f"{len(data)} bytes of tags; a client may send {CLIENT_TAG_BYTES}")
    return b"@" + data + b" "
