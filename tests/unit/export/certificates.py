"""Keys and certificates for tests, made anew for each."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)


class Identity:
    """A key and its certificate, by itself or by `issuer`, in files of a folder."""

    def __init__(
        self,
        folder: Path,
        name: str,
        issuer: "Identity | None" = None,
        *,
        key: Any = None,
        ca: bool = False,
        days: int = 10,
        extensions: tuple[x509.ExtensionType, ...] = (),
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=2))
            .not_valid_after(NOW + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        for each in extensions:
            builder = builder.add_extension(each, critical=False)
        self.certificate: x509.Certificate = builder.sign((issuer or self).key, hashes.SHA256())
        self.key_file = folder / f"{name}.key.pem"
        self.key_file.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(Encoding.PEM))
