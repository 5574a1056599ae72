"""What the server says of itself in numeric 005 (draft-brocklesby-irc-isupport, Modern IRC "RPL_ISUPPORT")."""

import re
from collections.abc import Iterable, Mapping

from adapters.irc.protocol.casemap import Casemapping
from adapters.irc.protocol.message import LINE_BYTES

_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})")
_NAME = re.compile(r"[A-Za-z0-9./-]+")

NICK_BYTES = 9
"""RFC 1459 section 1.2: what a server that does not tell can be trusted to take."""

AWAY_BYTES = 160
"""What a server that does not tell is trusted to keep of an AWAY: no server in use cuts shorter than ngIRCd (127) and
they cut by themselves, so this only bounds what we send."""

UNLIMITED = 1_000_000

_USER_BYTES = 20
_HOST_BYTES = 63
_LINE_CAP = 8192


class ISupport:
    """The tokens that hold now. Whatever the server sends, reading a property never fails: nonsense is as absence."""

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}

    def update(self, tokens: Iterable[str]) -> None:
        """Take the tokens of one 005, without its first and last parameter."""
        for token in tokens:
            if token.startswith("-"):
                self._tokens.pop(token[1:].upper(), None)
                continue
            name, _, value = token.partition("=")
            if _NAME.fullmatch(name):
                self._tokens[name.upper()] = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), value)

    @property
    def tokens(self) -> dict[str, str]:
        """All of them, as they were understood."""
        return dict(self._tokens)

    def resume(self, tokens: Mapping[str, str]) -> None:
        """Hold these, which `tokens` gave before."""
        self._tokens = dict(tokens)

    def __contains__(self, name: str) -> bool:
        return name in self._tokens

    def get(self, name: str, default: str = "") -> str:
        """The value of a token: empty for one that has none, `default` for one that was not sent."""
        return self._tokens.get(name, default)

    def number(self, name: str, default: int) -> int:
        """The value of a token that counts something; `default` unless it is a positive number."""
        value = self._tokens.get(name, "")
        return int(value) if value.isascii() and value.isdigit() and 0 < len(value) < 10 and int(value) else default

    @property
    def casemapping(self) -> Casemapping:
        """How names compare. RFC 1459's rule where the server does not tell."""
        return Casemapping.of(self.get("CASEMAPPING", "rfc1459"))

    @property
    def chantypes(self) -> str:
        """The characters with which channel names begin."""
        return self.get("CHANTYPES", "#&")

    @property
    def prefixes(self) -> dict[str, str]:
        """Channel member modes by the symbol shown before a nick, highest first; empty where the server has none."""
        modes, bracket, symbols = self.get("PREFIX", "(ov)@+").removeprefix("(").partition(")")
        if not bracket or len(modes) != len(symbols):
            return {}
        return dict(zip(symbols, modes, strict=True))

    @property
    def statusmsg(self) -> str:
        """The symbols which, put before a channel's name, address only some of its members."""
        return self.get("STATUSMSG")

    @property
    def nick_bytes(self) -> int:
        """The longest nick."""
        return self.number("NICKLEN", self.number("MAXNICKLEN", NICK_BYTES))

    @property
    def topic_bytes(self) -> int:
        """The longest topic."""
        return self.number("TOPICLEN", 390)

    @property
    def user_bytes(self) -> int:
        """The longest user name as others see it, with the ``~`` of one that was not verified."""
        return self.number("USERLEN", _USER_BYTES - 1) + 1

    @property
    def host_bytes(self) -> int:
        """The longest host name."""
        return self.number("HOSTLEN", _HOST_BYTES)

    @property
    def line_bytes(self) -> int:
        """The longest line, CRLF included and tags not."""
        return min(max(self.number("LINELEN", LINE_BYTES), LINE_BYTES), _LINE_CAP)

    @property
    def away_bytes(self) -> int:
        """The longest text of an AWAY."""
        return self.number("AWAYLEN", AWAY_BYTES)

    @property
    def bot_mode(self) -> str:
        """The letter of the user mode that marks bots, which WHO shows among the flags; empty where there is none."""
        return self.get("BOT")[:1]

    @property
    def monitor(self) -> int | None:
        """How many nicks MONITOR takes, `UNLIMITED` where the server names no limit; None where it is not offered."""
        return self.number("MONITOR", UNLIMITED) if "MONITOR" in self else None

    def takes_client_tag(self, name: str) -> bool:
        """Whether the server passes on a client-only tag (IRCv3 message-tags, CLIENTTAGDENY). `name` has no ``+``."""
        denied = self.get("CLIENTTAGDENY").split(",")
        return f"-{name}" in denied if "*" in denied else name not in denied

    def is_channel(self, name: str) -> bool:
        """Whether the name is a channel's."""
        return bool(name) and name[0] in self.chantypes

    def status_target(self, name: str) -> bool:
        """Whether the name addresses only some members of a channel (``@#channel``)."""
        bare = name.lstrip(self.statusmsg) if self.statusmsg else name
        return bare != name and self.is_channel(bare) and not self.is_channel(name)
