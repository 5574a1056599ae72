"""SCRAM-SHA-256, the client's side (RFC 5802, RFC 7677). Pure: the nonce is given, and nothing is sent from here."""

import base64
import binascii
import hashlib
import hmac
import stringprep
import unicodedata
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

MIN_ITERATIONS: Final = 4096
"""What RFC 7677 section 4 has a server ask at least. Fewer would make the password cheap to guess from what we send."""

MAX_ITERATIONS: Final = 250_000
"""Beyond it, the server would have us stand still: some 0.1 s of one core."""

_GS2: Final = "n,,"
_PROHIBITED: Final = (
    *(stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4),
    *(stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8),
    stringprep.in_table_c9,
)


class ScramError(Exception):
    """The server does not follow the protocol, or does not know the password. The text says which."""


class _Step(Enum):
    FIRST = auto()
    CHALLENGED = auto()
    ANSWERED = auto()
    PROVEN = auto()


def saslprep(text: str) -> str:
    """A user name or password as it is compared (RFC 4013). Raises `ValueError` for what may not stand in one."""
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    result = unicodedata.normalize("NFKC", mapped)
    if any(prohibited(character) for character in result for prohibited in _PROHIBITED):
        raise ValueError("a control character, or another that may not stand in a name or password")
    if any(map(stringprep.in_table_d1, result)) and (
        any(map(stringprep.in_table_d2, result))
        or not (stringprep.in_table_d1(result[0]) and stringprep.in_table_d1(result[-1]))
    ):
        raise ValueError("text of both directions is mixed (RFC 3454 section 6)")
    return result


class Scram:
    """One exchange: `answer` each message of the server in turn, an empty one first. `proven`: the server showed, by
    its signature, that it knows the password too."""

    def __init__(self, user: str, password: str, nonce: str) -> None:
        """`nonce` has at least 16 random octets' worth of printable ASCII without commas. Raises `ValueError` for a
        user or password that cannot be prepared."""
        name = saslprep(user).replace("=", "=3D").replace(",", "=2C")
        self._password = saslprep(password).encode()
        self._nonce = nonce
        self._first = f"n={name},r={nonce}"
        self._signature = b""
        self._step = _Step.FIRST

    @property
    def proven(self) -> bool:
        """Whether the exchange is complete and the server is who knows the password."""
        return self._step is _Step.PROVEN

    def answer(self, challenge: bytes) -> bytes:
        """What to say to the server's message. Raises `ScramError`."""
        match self._step:
            case _Step.FIRST if not challenge:
                self._step = _Step.CHALLENGED
                return (_GS2 + self._first).encode()
            case _Step.CHALLENGED:
                self._step = _Step.ANSWERED
                return self._final(challenge)
            case _Step.ANSWERED:
                self._verify(challenge)
                self._step = _Step.PROVEN
                return b""
        raise ScramError("the server says more than SCRAM-SHA-256 has it say")

    def _final(self, challenge: bytes) -> bytes:
        values = _attributes(challenge)
        nonce, salt, count = values.get("r", ""), _base64(values.get("s", "")), values.get("i", "")
        if "m" in values:
            raise ScramError("the server asks for an extension of SCRAM that nobody here knows")
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise ScramError("the server's nonce does not continue ours")
        if not salt:
            raise ScramError("the server gave no salt")
        if not (count.isascii() and count.isdigit()) or len(count) > 9:
            raise ScramError("the server gave no iteration count")
        if not MIN_ITERATIONS <= (iterations := int(count)) <= MAX_ITERATIONS:
            raise ScramError(f"the server asks for {count} iterations; {MIN_ITERATIONS} to {MAX_ITERATIONS} are borne")
        bare = f"c={base64.b64encode(_GS2.encode()).decode()},r={nonce}"
        said = b",".join((self._first.encode(), challenge, bare.encode()))
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(key).digest(), said)
        self._signature = _hmac(_hmac(salted, b"Server Key"), said)
        proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
        return f"{bare},p={base64.b64encode(proof).decode()}".encode()

    def _verify(self, challenge: bytes) -> None:
        values = _attributes(challenge)
        if "e" in values:
            raise ScramError(f"the server refused: {values['e'][:100]}")
        if not hmac.compare_digest(_base64(values.get("v", "")), self._signature):
            raise ScramError("the server does not know the password itself: it is not the one it should be")


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _attributes(message: bytes) -> Mapping[str, str]:
    """The attributes of a server's message; the first of each name counts. Raises `ScramError`."""
    try:
        items = message.decode().split(",")
    except UnicodeDecodeError:
        raise ScramError("the server's message is not text") from None
    values: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if len(name) != 1 or not equals:
            raise ScramError("the server's message is not one of SCRAM")
        values.setdefault(name, value)
    return values
