"""What carries a session's bytes: a seam, and TCP with or without TLS on the far side of it.

A keeper process that holds the sockets across a restart is another `Dialler` (`adapters.irc.link.kept`).
"""

import asyncio
import os
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Final, Protocol, cast

from adapters.irc.link.tls import Pin, pinned
from bridge.model.result import Failure, Reason

CONNECT_WITHIN: Final = 30.0
"""Seconds for the name, TCP and TLS together."""


class Carrier(Protocol):
    """An open connection, seen from the session's side. No method waits."""

    def write(self, data: bytes) -> None:
        """Send bytes, in order."""

    def close(self) -> None:
        """Send what was written, then close. `Receiver.lost` follows."""

    def abort(self) -> None:
        """Close at once. `Receiver.lost` follows."""

    def pause_reading(self) -> None:
        """Take no more from the server until `resume_reading`."""

    def resume_reading(self) -> None:
        """Go on reading."""


class Receiver(Protocol):
    """The session's side, seen from the connection. No method may wait or raise."""

    def connected(self, carrier: Carrier, *, secure: bool) -> None:
        """The connection is open; `secure`: by TLS, and the server's certificate was found right."""

    def received(self, data: bytes) -> None:
        """Bytes came."""

    def lost(self, error: Exception | None) -> None:
        """The connection is closed; nothing follows."""

    def pause_writing(self) -> None:
        """The server takes no more for now."""

    def resume_writing(self) -> None:
        """It takes more again."""


class DialError(Exception):
    """No connection could be opened; `failure` says why, and what to do."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class Dialler(Protocol):
    """Opens connections to one server."""

    async def dial(self, receiver: Receiver) -> None:
        """Open one, and tell the receiver. Raises `DialError`."""


@dataclass(frozen=True, slots=True)
class TcpDialler:
    """Opens TCP connections, with TLS where a context is given. `key` is where the server stands in the configuration,
    `within` how many seconds an attempt may take. With `pins`, the server's certificate has to be one of these."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    key: str = "server"
    within: float = CONNECT_WITHIN
    pins: tuple[Pin, ...] = ()

    async def dial(self, receiver: Receiver) -> None:
        """Open one, and tell the receiver. Raises `DialError`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.within):
                _, bridge = await loop.create_connection(
                    lambda: _Bridge(receiver, self.pins),
                    self.host,
                    self.port,
                    ssl=self.tls,
                    server_hostname=self.host if self.tls else None,
                )
        except OSError as error:
            raise self.failed(error) from error
        if bridge.shown is not None:
            raise mispinned(bridge.shown)

    def failed(self, error: OSError) -> DialError:
        """Why no connection could be opened, in words that say what to do."""
        return DialError(self._failure(error))

    def _failure(self, error: OSError) -> Failure:
        """Why, in words that say what to do. `TimeoutError` and `ssl.SSLError` are `OSError`, too."""
        at = f"{self.host}:{self.port}"
        plain = "write irc:// if the port is plain"
        reason = Reason.REMOTE_SERVER_NOT_FOUND
        match error:
            case TimeoutError():
                reason = Reason.REMOTE_SERVER_TIMEOUT
                how, hint = (" (with TLS)", plain) if self.tls else ("", f"check {self.key}")
                text = f"{at} did not answer{how} within {self.within:.0f} s: {hint}"
            case ssl.SSLCertVerificationError():
                text = f"the server's certificate is not trusted ({error.verify_message}); {_mend(error)}"
            case ssl.SSLError():
                text = f"{at} speaks no TLS that we know ({error.reason or 'no reason given'}): {plain}"
            case ConnectionRefusedError():
                text = f"nothing listens on {at}: is the IRC server running, and is {self.key} right?"
            case socket.gaierror():
                text = f"the name {self.host} is not found: check {self.key}"
            case ConnectionError() if self.tls:
                text = f"{at} closed the connection before TLS was agreed on: {plain}"
            case _:
                said = os.strerror(error.errno) if error.errno else re.sub(r"\[Errno -?\d+\] ", "", str(error))
                text = f"cannot connect to {at} ({said or type(error).__name__}): check {self.key}"
        return Failure(reason, text)


def mispinned(shown: Pin) -> DialError:
    """The server's certificate, whose fingerprint is this, is not the pinned one."""
    text = f"the server's certificate is not the pinned one: if it is right, set `tls: {{pin: {shown}}}`"
    return DialError(Failure(Reason.NOT_AUTHORIZED, text))


_WRONG_NAME: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH


def _mend(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _WRONG_NAME:
        return "write the name that the certificate is for in `server`"
    return "set `tls: {ca: FILE}` to its authority, or `tls: {pin: sha-256:...}` to its fingerprint"


class _Bridge(asyncio.Protocol):
    """asyncio's view of a `Receiver`. `shown` is the fingerprint of a certificate that is not the pinned one; the
    receiver never hears of such a connection."""

    def __init__(self, receiver: Receiver, pins: tuple[Pin, ...]) -> None:
        self._receiver = receiver
        self._pins = pins
        self.shown: Pin | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What create_connection promises; uvloop's transports keep it without being of asyncio's class.
        carrier = cast("asyncio.Transport", transport)
        tls: ssl.SSLObject | None = carrier.get_extra_info("ssl_object")
        if self._pins and tls is not None:
            certificate = tls.getpeercert(binary_form=True) or b""
            if not pinned(certificate, self._pins):
                self.shown = Pin.of(certificate)
                carrier.abort()
                return
        self._receiver.connected(carrier, secure=tls is not None)

    def data_received(self, data: bytes) -> None:
        if self.shown is None:
            self._receiver.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.shown is None:
            self._receiver.lost(exc)

    def pause_writing(self) -> None:
        self._receiver.pause_writing()

    def resume_writing(self) -> None:
        self._receiver.resume_writing()
