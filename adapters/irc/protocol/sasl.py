"""SASL over IRC (IRCv3 sasl 3.2): PLAIN (RFC 4616), EXTERNAL (RFC 4422 appendix A) and SCRAM-SHA-256 (RFC 7677).

Pure: the server's AUTHENTICATE parameters in, ours out. Who is logged in, the numerics 900 to 908 tell, not this.
"""

import base64
import binascii
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from adapters.irc.protocol.scram import Scram, ScramError

CHUNK: Final = 400
"""Characters of base64 in one AUTHENTICATE; one of exactly so many says that more follow, if only ``+``."""

LONGEST: Final = 8192
"""Characters of base64 that a server's message may have in all."""

ABORT: Final = "*"


class Mechanism(StrEnum):
    """How we show who we are."""

    PLAIN = "PLAIN"
    EXTERNAL = "EXTERNAL"
    SCRAM_SHA_256 = "SCRAM-SHA-256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account to log in to. `required`: rather no connection than one without it."""

    mechanism: Mechanism
    user: str = ""
    password: str = field(default="", repr=False)
    required: bool = True


class SaslError(Exception):
    """The exchange cannot go on; say ``AUTHENTICATE *``. The text says why."""


class _Exchange(Protocol):
    """One mechanism at work. `proven`: the server owes us nothing more."""

    @property
    def proven(self) -> bool: ...

    def answer(self, challenge: bytes) -> bytes: ...


class _Told:
    """A mechanism in which we say one thing, and the server nothing."""

    proven = True

    def __init__(self, said: bytes) -> None:
        self._said: bytes | None = said

    def answer(self, challenge: bytes) -> bytes:
        if challenge or self._said is None:
            raise SaslError("the server asks for more than the mechanism has")
        said, self._said = self._said, None
        return said


class Sasl:
    """One attempt to log in. Say ``AUTHENTICATE`` with the mechanism's name, then what `receive` gives."""

    def __init__(self, credentials: Credentials, nonce: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> None:
        self._buffer = ""
        self._exchange = _begin(credentials, nonce)

    @property
    def proven(self) -> bool:
        """Whether success may be believed: with SCRAM, whether the server's signature was right."""
        return self._exchange.proven

    def receive(self, chunk: str) -> list[str]:
        """Take the parameter of a server's AUTHENTICATE; the parameters of ours, in order. Raises `SaslError`."""
        if len(chunk) > CHUNK:
            raise SaslError("the server sends more than 400 characters at once")
        self._buffer += "" if chunk == "+" else chunk
        if len(self._buffer) > LONGEST:
            raise SaslError("the server's message is too long")
        if len(chunk) == CHUNK:
            return []
        try:
            challenge = base64.b64decode(self._buffer, validate=True)
        except (binascii.Error, ValueError):
            raise SaslError("the server's message is not base64") from None
        self._buffer = ""
        try:
            return chunks(self._exchange.answer(challenge))
        except ScramError as error:
            raise SaslError(str(error)) from error


def chunks(payload: bytes) -> list[str]:
    """The parameters of the AUTHENTICATE commands that carry a message."""
    text = base64.b64encode(payload).decode()
    pieces = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
    if len(text) % CHUNK == 0:
        pieces.append("+")
    return pieces


def _begin(credentials: Credentials, nonce: Callable[[], str]) -> _Exchange:
    user, password = credentials.user, credentials.password
    match credentials.mechanism:
        case Mechanism.PLAIN:
            return _Told(f"\0{user}\0{password}".encode())
        case Mechanism.EXTERNAL:
            return _Told(user.encode())
        case Mechanism.SCRAM_SHA_256:
            return Scram(user, password, nonce())
