"""Detached signatures: CMS (RFC 5652) with ECDSA on P-256 and SHA-256, as RFC 8591 section 4 wants of S/MIME for chat.

Made by the library `cryptography`, which has no call to check one; that is done here, over the structures of RFC 5652
as pyasn1 reads them, and must agree with ``openssl cms -verify -binary``.
"""

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import (
    PKCS7Options,
    PKCS7SignatureBuilder,
    load_der_pkcs7_certificates,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyasn1.codec.der import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import univ
from pyasn1_modules import rfc5652

CHAIN = 5
"""Certificates between the signer's and one that is trusted, at most."""

_SHA256 = univ.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_ECDSA_WITH_SHA256 = univ.ObjectIdentifier("1.2.840.10045.4.3.2")
_MAKE_KEY = "openssl ecparam -name prime256v1 -genkey -noout -out key.pem"


class SignatureError(ValueError):
    """Something cannot be signed, or a signature does not hold. Says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: a private key on P-256 and the certificate of it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...] = ()

    @classmethod
    def load(cls, key: Path, certificate: Path) -> Self:
        """From PEM files; the certificate's may hold those of its authorities after it. Raises `SignatureError`."""
        try:
            private = load_pem_private_key(key.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise SignatureError(f"{key}: no private key in PEM without a password can be read: {error}") from error
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise SignatureError(f"{key}: not a key on P-256, which RFC 8591 asks for; make one: {_MAKE_KEY}")
        own, *others = load_certificates(certificate)
        if own.public_key() != private.public_key():
            raise SignatureError(f"{certificate}: the first certificate there is not of the key {key}")
        return cls(private, own, tuple(others))

    def sign(self, data: bytes) -> bytes:
        """A detached signature over the data, in DER."""
        builder = PKCS7SignatureBuilder().set_data(data).add_signer(self.certificate, self.key, hashes.SHA256())
        for each in self.others:
            builder = builder.add_certificate(each)
        options = [PKCS7Options.DetachedSignature, PKCS7Options.Binary, PKCS7Options.NoCapabilities]
        return builder.sign(Encoding.DER, options)


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that holds: by whom, and when they say that it was."""

    certificate: x509.Certificate
    when: datetime | None

    def __str__(self) -> str:
        who = self.certificate.subject.rfc4514_string() or "a certificate without a name"
        return f"{who}, {self.when:%Y-%m-%d %H:%M:%S} UTC" if self.when else who


def load_certificates(path: Path) -> list[x509.Certificate]:
    """All certificates of a PEM file. Raises `SignatureError` if there is none."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SignatureError(f"{path}: no certificate in PEM can be read: {error}") from error


def verify(data: bytes, signature: bytes, trusted: Sequence[x509.Certificate], now: datetime) -> Signed:
    """Check a detached signature over the data, by somebody whom one of `trusted` is, or has vouched for, at `now`.

    Raises `SignatureError`.
    """
    try:
        outer, rest = decoder.decode(signature, asn1Spec=rfc5652.ContentInfo())
        if rest or outer["contentType"] != rfc5652.id_signedData:
            raise SignatureError("it is no CMS signature")
        signed, _ = decoder.decode(bytes(outer["content"]), asn1Spec=rfc5652.SignedData())
        [info] = signed["signerInfos"]
        inner = signed["encapContentInfo"]
        if inner["eContentType"] != rfc5652.id_data or inner["eContent"].isValue:
            raise SignatureError("it is not detached from what it signs")
        embedded = _certificates(signature)
        attributes = {each["attrType"]: each["attrValues"] for each in info["signedAttrs"]}
        digest = bytes(_only(attributes, rfc5652.id_messageDigest, univ.OctetString()))
        kind = _only(attributes, rfc5652.id_contentType, univ.ObjectIdentifier())
        when = _signing_time(attributes)
        who = _signer(info["sid"], embedded)
        # What is signed is the SET OF them, not as they lie there with their implicit tag (RFC 5652 section 5.4).
        retagged = info["signedAttrs"].clone(tagSet=univ.SetOf.tagSet, cloneValueFlag=True)
        octets = encoder.encode(retagged)
        value = bytes(info["signature"])
        digests = {each["algorithm"] for each in (*signed["digestAlgorithms"], info["digestAlgorithm"])}
        algorithm = info["signatureAlgorithm"]["algorithm"]
        key = who.public_key()
    except (PyAsn1Error, ValueError, KeyError, TypeError, UnsupportedAlgorithm) as error:
        if isinstance(error, SignatureError):
            raise
        raise SignatureError(f"it is no CMS signature by one signer: {error}") from error
    if digests != {_SHA256} or algorithm != _ECDSA_WITH_SHA256 or not isinstance(key, ec.EllipticCurvePublicKey):
        raise SignatureError("it is not by ECDSA with SHA-256, which is what is made here (RFC 8591)")
    if kind != rfc5652.id_data or digest != hashlib.sha256(data).digest():
        raise SignatureError("it is not over these octets: they were changed, or it belongs to others")
    try:
        key.verify(value, octets, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise SignatureError("it was not made with the key of the certificate in it") from error
    _vouched(who, embedded, trusted, now)
    return Signed(who, when)


def _certificates(signature: bytes) -> list[x509.Certificate]:
    """Those in the signature, octet by octet as they lie there, which pyasn1 would not keep."""
    try:
        with warnings.catch_warnings():
            # What the library still lets pass, for old software's sake, nobody makes here.
            warnings.simplefilter("error")
            found = load_der_pkcs7_certificates(signature)
            for each in found:
                # It reads a certificate's parts when they are asked for: what is wrong in one is to be found here.
                _ = each.subject, each.issuer, each.extensions, each.public_key(), each.serial_number
                _ = each.not_valid_before_utc, each.not_valid_after_utc
    except (ValueError, Warning, x509.DuplicateExtension, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise SignatureError(f"a certificate in it cannot be read: {error}") from error
    return found


def _only(attributes: dict[Any, Any], wanted: Any, spec: Any) -> Any:
    [value] = attributes[wanted]
    return decoder.decode(bytes(value), asn1Spec=spec)[0]


def _signing_time(attributes: dict[Any, Any]) -> datetime | None:
    if rfc5652.id_signingTime not in attributes:
        return None
    found = _only(attributes, rfc5652.id_signingTime, rfc5652.SigningTime())
    when: datetime = found.getComponent().asDateTime
    return when.astimezone(UTC)


def _signer(sid: Any, embedded: Iterable[x509.Certificate]) -> x509.Certificate:
    """The certificate that the signature names."""
    serial = int(sid["issuerAndSerialNumber"]["serialNumber"])
    issuer = encoder.encode(sid["issuerAndSerialNumber"]["issuer"])
    for each in embedded:
        if each.serial_number == serial and each.issuer.public_bytes() == issuer:
            return each
    raise SignatureError("the signer's certificate is not in it")


def _vouched(
    who: x509.Certificate, embedded: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate], now: datetime
) -> None:
    _fit_for_signing(who)
    link = who
    for _ in range(CHAIN):
        if not link.not_valid_before_utc <= now <= link.not_valid_after_utc:
            raise SignatureError(f"the certificate of {link.subject.rfc4514_string()} is not valid now")
        if link in trusted:
            return
        above = next((each for each in (*trusted, *embedded) if each != link and _issued(each, link)), None)
        if above is None:
            break
        link = above
    raise SignatureError(f"nobody whom you trust vouches for {who.subject.rfc4514_string()}: name them with --trust")


def _issued(authority: x509.Certificate, link: x509.Certificate) -> bool:
    try:
        link.verify_directly_issued_by(authority)
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return constraints.value.ca


def _fit_for_signing(who: x509.Certificate) -> None:
    """What a certificate says of its use, if it says anything (RFC 8550 sections 4.4.2 and 4.4.4)."""
    try:
        if not who.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
            raise SignatureError("the signer's certificate is not for signatures")
    except x509.ExtensionNotFound:
        pass
    try:
        uses = who.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(uses):
        raise SignatureError("the signer's certificate is not for messages (extended key usage emailProtection)")
