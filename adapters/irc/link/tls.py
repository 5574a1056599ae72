"""How a server's certificate is checked, and which one of ours is shown."""

import hashlib
import hmac
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DIGITS: Final = {"sha-256": 64, "sha-512": 128}
_PIN: Final = re.compile(r"(sha-256|sha-512):([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class Pin:
    """The fingerprint of a whole certificate (its DER form), as ``openssl x509 -fingerprint`` tells it."""

    algorithm: str
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> "Pin":
        """Read ``sha-256:HEX`` or ``sha-512:HEX``; colons between the digits are passed over. Raises `ValueError`."""
        algorithm, _, digits = text.strip().lower().partition(":")
        found = _PIN.fullmatch(f"{algorithm}:{digits.replace(':', '')}")
        if found is None or len(found[2]) != _DIGITS[found[1]]:
            raise ValueError(
                f"{text!r} is no fingerprint; write sha-256: and 64 hexadecimal digits, or sha-512: and 128"
            )
        return cls(found[1], bytes.fromhex(found[2]))

    @classmethod
    def of(cls, certificate: bytes, algorithm: str = "sha-256") -> "Pin":
        """The fingerprint of a certificate in DER form."""
        return cls(algorithm, hashlib.new(algorithm.replace("-", ""), certificate).digest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest.hex()}"


def pinned(certificate: bytes, pins: Iterable[Pin]) -> bool:
    """Whether the certificate is one of the pinned ones."""
    return any(hmac.compare_digest(Pin.of(certificate, pin.algorithm).digest, pin.digest) for pin in pins)


class CertificateError(Exception):
    """A file of the configuration cannot be used. `key` is where it stands below ``tls``; the text says why."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


def tls_context(
    ca: str | Path | None = None,
    *,
    verify: bool = True,
    cert: str | Path | None = None,
    key: str | Path | None = None,
) -> ssl.SSLContext:
    """How to speak TLS 1.2 or later. The server's certificate is checked, for its name too, against the system's
    authorities or those in the file `ca`, or with `verify` false not at all. `cert` is shown as ours, with `key`, which
    may stand in the same file. Raises `CertificateError` if a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise CertificateError("ca", f"the certificates in {ca} cannot be read: {_words(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["irc"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert is not None:
        try:
            # OpenSSL would ask for a pass phrase on the terminal.
            context.load_cert_chain(cert, key, password="")
        except (OSError, ValueError) as error:
            hint = "; the key must not be encrypted" if isinstance(error, ssl.SSLError) else ""
            raise CertificateError(
                "cert", f"our certificate in {cert} or its key cannot be used: {_words(error)}{hint}"
            ) from error
    return context


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return getattr(error, "strerror", None) or str(error)
