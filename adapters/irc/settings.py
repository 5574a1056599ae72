"""The keys of a network of kind ``irc``."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from adapters.irc.access import NickServ, Sasl, Tls, Use, Webirc
from adapters.irc.protocol import encoding as encodings
from adapters.irc.protocol.flood import BURST, PER_SECOND
from adapters.irc.protocol.sasl import Mechanism
from adapters.irc.protocol.sender import SILENCE

PLAIN_PORT = 6667
TLS_PORT = 6697

# What is sent on entry must fit into lines of 512 bytes.
_WORD_BYTES = 64
_TEXT_BYTES = 300


class LongText(BaseModel):
    """What becomes of a text that does not fit into one line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lines: Annotated[int, Field(ge=1, le=50)] = 10
    """Lines that one message may become. A longer one is not sent at all, and its sender is told so."""


class Flood(BaseModel):
    """How fast each of our connections may talk."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    burst: Annotated[float, Field(ge=1, le=10_000)] = BURST
    """Lines that may go at once after a silence."""
    per_second: Annotated[float, Field(gt=0, le=100_000)] = PER_SECOND
    """Lines per second in the long run. Raise both only where the network's operators lifted its limits for us."""


class IrcSettings(BaseModel):
    """One IRC network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: str
    """Where to connect: ``ircs://HOST[:6697]`` with TLS, ``irc://HOST[:6667]`` without."""
    nick: str
    """The bot's nick. In use, it is tried with a suffix and won back later."""
    puppets: Annotated[int, Field(ge=0, le=10_000)] = 50
    """How many people of other networks get a connection of their own. Beyond it, or at 0, the bot speaks for them."""
    password: SecretStr | None = None
    """The server's password, if it has one (PASS)."""
    realname: str = "Rialto gateway"
    """What WHOIS shows of the bot."""
    username: str = "rialto"
    """The user part of the bot's nick!user@host, unless the server's ident lookup says otherwise."""
    encoding: str = encodings.FALLBACK
    """How text is read that is not UTF-8. Ours is always sent in UTF-8."""
    flood: Flood = Flood()
    long_text: LongText = LongText()
    silence: Annotated[float, Field(ge=1, le=3600)] = SILENCE
    """Seconds. A connection on which nothing was answered for so long is asked for an answer (PING), and given up when
    none has come after as many more: it may be open, and carry nothing."""
    say_gaps_beyond: Annotated[float, Field(ge=0, le=86_400)] = 10.0
    """Seconds. What is said in a channel while none of our connections is there, nobody can tell afterwards where the
    server keeps nothing; longer than this, and the room is told that nothing was heard, and for how long."""
    tls: Tls = Tls()
    sasl: Sasl | None = None
    nickserv: NickServ | None = None
    webirc: Webirc | None = None

    @field_validator("server")
    @classmethod
    def _server(cls, value: str) -> str:
        parts = urlsplit(value)
        hint = "write ircs://HOST:6697, or irc://HOST:6667 without TLS"
        if parts.scheme not in ("irc", "ircs") or not parts.hostname:
            raise ValueError(f"{value!r} is no IRC server; {hint}")
        try:
            port = parts.port
        except ValueError:
            raise ValueError(f"{value!r} has no port between 1 and 65535; {hint}") from None
        if port == 0 or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
            raise ValueError(f"{value!r} says more than a host and a port; {hint}, and channels under `rooms`")
        return value

    @field_validator("nick")
    @classmethod
    def _nick(cls, value: str) -> str:
        illegal = any(character in "#&@!:,*?.$" for character in value)
        if not _word(value) or illegal or value[0] in "0123456789-+~%" or len(value.encode()) > _WORD_BYTES:
            raise ValueError(f"{value!r} cannot be a nick; write letters, digits, - and _, a letter first, e.g. rialto")
        return value

    @field_validator("username")
    @classmethod
    def _username(cls, value: str) -> str:
        if not _word(value) or any(character in "@!:" for character in value) or len(value.encode()) > _WORD_BYTES:
            raise ValueError(f"{value!r} cannot be a user name; write a few letters, e.g. rialto")
        return value

    @field_validator("realname")
    @classmethod
    def _realname(cls, value: str) -> str:
        if not value.strip() or not value.isprintable() or len(value.encode()) > _TEXT_BYTES:
            raise ValueError("the real name is one short line of text that is not empty, e.g. Rialto gateway")
        return value

    @field_validator("password")
    @classmethod
    def _password(cls, value: SecretStr | None) -> SecretStr | None:
        secret = "-" if value is None else value.get_secret_value()
        if not secret or not secret.isprintable() or len(secret.encode()) > _TEXT_BYTES:
            raise ValueError("the password is empty, too long, or holds a line end or another control character")
        return value

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, value: str) -> str:
        if not encodings.known(value):
            raise ValueError(f"{value!r} is no known text encoding; write for example cp1252, iso8859-15 or koi8-r")
        return value

    @model_validator(mode="after")
    def _external(self) -> Self:
        external = self.sasl is not None and self.sasl.use is not Use.OFF and self.sasl.mechanism is Mechanism.EXTERNAL
        if external and (self.tls.cert is None or not self.secure):
            raise ValueError("`sasl: {mechanism: EXTERNAL}` shows our certificate: it needs ircs:// and `tls: {cert}`")
        return self

    @property
    def host(self) -> str:
        """The server's host name or address."""
        return urlsplit(self.server).hostname or ""

    @property
    def port(self) -> int:
        """The server's port."""
        return urlsplit(self.server).port or (TLS_PORT if self.secure else PLAIN_PORT)

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return urlsplit(self.server).scheme == "ircs"


def _word(value: str) -> bool:
    return bool(value) and value.isprintable() and " " not in value
