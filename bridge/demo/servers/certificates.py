"""Certificates for servers on loopback: of an authority of their own, or signed by themselves. Made by openssl."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.demo.servers.process import ServerError, find_program


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, PEM files both, which everybody who may enter the folder can read."""

    cert: Path
    key: Path


def make_certificate(
    folder: Path, word: str, names: Sequence[str] = ("localhost",), *, issuer: Certificate | None = None
) -> Certificate:
    """A certificate for these names (an IP address is one, too), in files named after `word`.

    Without `issuer` it is signed by itself. Good for two days. Blocks for some milliseconds.
    """
    made = Certificate(folder / f"{word}.pem", folder / f"{word}.key")
    kinds = ["IP" if name.replace(".", "").isdigit() or ":" in name else "DNS" for name in names]
    alternatives = ",".join(f"{kind}:{name}" for kind, name in zip(kinds, names, strict=True))
    command = [
        *(find_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-days", "2", "-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={alternatives}"),
        *("-keyout", str(made.key), "-out", str(made.cert)),
    ]
    if issuer is not None:
        command += ["-CA", str(issuer.cert), "-CAkey", str(issuer.key), "-addext", "basicConstraints=critical,CA:false"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise ServerError(f"openssl made no certificate: {done.stderr.strip()}")
    for path in (made.cert, made.key):
        path.chmod(0o644)
    return made
