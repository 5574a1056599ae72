"""What is wrong when no encrypted connection comes about, in words that say what to do. Pure."""

import ssl
from typing import Final

import aiohttp

ERRCODE: Final = "M_TLS"
"""What a `MatrixError` for such a fault has for a code; none of the specification's."""


def trouble(error: aiohttp.ClientSSLError, homeserver: str, key: str) -> str:
    """Why `homeserver`, a URL, cannot be spoken to. `key` is where it stands in the configuration."""
    if not isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"{homeserver} speaks no TLS that we know: write http:// in {key} if the port is plain"
    shown = error.certificate_error
    said = shown.verify_message if isinstance(shown, ssl.SSLCertVerificationError) else str(shown)
    return (
        f"the certificate of {homeserver} is not trusted ({said}): write the name that it is for in {key}, or "
        "let the homeserver show one that an authority known here vouches for (the variable SSL_CERT_FILE "
        "names a file of authorities)"
    )
