"""How the keeper opens a connection, and how what went wrong comes back to the bridge as the error that it was."""

import asyncio
import socket
import ssl
from typing import Any, Final

from bridge.keeper.frames import FrameError

WITHIN: Final = 120.0
"""Seconds that a bridge may give an attempt at most."""


def context(tls: dict[str, Any]) -> ssl.SSLContext:
    """How to speak TLS: ``ca``, ``cert``, ``key`` are files, ``verify`` says whether the certificate is checked,
    ``alpn`` which protocols are offered. Raises `OSError` where a file cannot be used. Reads files, so it blocks."""
    ca, cert, key = (_path(tls, name) for name in ("ca", "cert", "key"))
    made = ssl.create_default_context(cafile=ca)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    alpn = tls.get("alpn", [])
    if not isinstance(alpn, list) or not all(isinstance(name, str) for name in alpn):
        raise FrameError("alpn is no list of texts")
    if alpn:
        made.set_alpn_protocols(alpn)
    if tls.get("verify", True) is False:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if cert is not None:
        # OpenSSL would ask for a pass phrase on the terminal.
        made.load_cert_chain(cert, key, password="")
    return made


def _path(tls: dict[str, Any], name: str) -> str | None:
    value = tls.get(name)
    if value is not None and not isinstance(value, str):
        raise FrameError(f"{name} is no path")
    return value


async def dial(protocol: asyncio.Protocol, host: str, port: int, tls: dict[str, Any] | None, within: float) -> None:
    """Connect the protocol. Raises `OSError` (`TimeoutError` and `ssl.SSLError` are such, too)."""
    made = await asyncio.to_thread(context, tls) if tls is not None else None
    async with asyncio.timeout(min(within, WITHIN)):
        await asyncio.get_running_loop().create_connection(
            lambda: protocol, host, port, ssl=made, server_hostname=host if made is not None else None
        )


def described(error: OSError) -> dict[str, Any]:
    """The error as values that go into a frame."""
    match error:
        case TimeoutError():
            return {"error": "timeout"}
        case ssl.SSLCertVerificationError():
            return {"error": "verify", "code": error.verify_code, "text": error.verify_message}
        case ssl.SSLError():
            return {"error": "tls", "text": error.reason or ""}
        case socket.gaierror():
            return {"error": "name", "code": error.errno or 0, "text": error.strerror or ""}
        case _:
            return {"error": "os", "code": error.errno or 0, "text": error.strerror or str(error)}


def restored(values: dict[str, Any]) -> OSError:
    """The error that `described` told of, of the same class."""
    code, text = values.get("code", 0), str(values.get("text", ""))
    code = code if isinstance(code, int) else 0
    match values.get("error"):
        case "timeout":
            return TimeoutError()
        case "verify":
            verify = ssl.SSLCertVerificationError(1, text)
            verify.verify_code, verify.verify_message = code, text
            return verify
        case "tls":
            tls = ssl.SSLError(1, text)
            tls.reason = text
            return tls
        case "name":
            return socket.gaierror(code, text)
        case _:
            # OSError makes the right class of the number itself: ConnectionRefusedError and the like.
            return OSError(code, text) if code else ConnectionResetError(text)
