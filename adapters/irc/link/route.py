"""The way to one server: by TLS where it is configured, or where the server's policy (STS) demands it."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import structlog

from adapters.irc.link.tls import Pin
from adapters.irc.link.transport import DialError, Receiver, TcpDialler
from adapters.irc.protocol.sts import StsBook, Told
from bridge.model.result import Failure

log = structlog.get_logger(__name__)

Remember: TypeAlias = Callable[[Mapping[str, str | None]], Awaitable[None]]


class Policy:
    """What the server's policy is, shared by all routes to it, and kept durably by `remember`."""

    def __init__(self, book: StsBook, port: int, remember: Remember, *, secure: bool) -> None:
        """`port` and `secure` are what the configuration says."""
        self._book = book
        self._port = port
        self._remember = remember
        self._secure = secure
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def secure(self) -> bool:
        """Whether the next connection is by TLS."""
        return self._secure or self._book.port is not None

    @property
    def upgraded(self) -> bool:
        """Whether it is so by the server's policy alone."""
        return self.secure and not self._secure

    @property
    def port(self) -> int:
        """Where the next connection goes."""
        return self._port if self._secure else self._book.port or self._port

    def heard(self, told: Told, *, secure: bool) -> None:
        """A connection, by TLS or not, was told of the server's policy."""
        self._keep(self._book.heard(told, self.port, secure=secure))

    def parted(self) -> None:
        """A connection by TLS ended."""
        self._keep(self._book.parted())

    async def kept(self) -> None:
        """Return when what was told so far is durable."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _keep(self, values: Mapping[str, str | None]) -> None:
        if values:
            task = asyncio.create_task(self._write(values), name="irc sts")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write(self, values: Mapping[str, str | None]) -> None:
        try:
            await self._remember(values)
        except Exception:
            # The policy still holds in this process, and is told again with the next connection.
            log.exception("the server's policy could not be kept")


class Route:
    """Opens connections to the server, each as the policy of that moment demands."""

    def __init__(self, host: str, policy: Policy, tls: ssl.SSLContext, pins: tuple[Pin, ...], key: str) -> None:
        self._host = host
        self._policy = policy
        self._tls = tls
        self._pins = pins
        self._key = key

    async def dial(self, receiver: Receiver) -> None:
        """Open one, and tell the receiver. Raises `DialError`."""
        policy = self._policy
        tls, pins = (self._tls, self._pins) if policy.secure else (None, ())
        try:
            await TcpDialler(self._host, policy.port, tls, self._key, pins=pins).dial(receiver)
        except DialError as error:
            if not policy.upgraded:
                raise
            text = f"{error.failure.text} (the server said that it is to be spoken to by TLS only: STS)"
            raise DialError(Failure(error.failure.reason, text)) from error
