"""The way to one server: by TLS where it is configured, or where the server's policy (STS) demands it."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeAlias, TypeVar

import structlog

from adapters.irc.link.tls import Pin, pinned
from adapters.irc.link.transport import DialError, Receiver, TcpDialler, mispinned
from adapters.irc.protocol.sts import StsBook, Told
from bridge.keeper.client import KeeperClient, Kept
from bridge.keeper.held import Framing
from bridge.model.result import Failure

log = structlog.get_logger(__name__)

T = TypeVar("T")

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

    def __init__(
        self,
        host: str,
        policy: Policy,
        tls: ssl.SSLContext,
        pins: tuple[Pin, ...],
        key: str,
        files: Mapping[str, Any] | None = None,
    ) -> None:
        """`files` is what `tls` was made of, for a keeper to make another."""
        self._files = files or {}
        self._host = host
        self._policy = policy
        self._tls = tls
        self._pins = pins
        self._key = key

    async def dial(self, receiver: Receiver) -> None:
        """Open one, and tell the receiver. Raises `DialError`."""
        await self._by_policy(self._dialler().dial(receiver))

    async def dial_by(self, keeper: KeeperClient, name: str, farewell: bytes) -> Kept:
        """Have the keeper open one. Raises `DialError`."""
        return await self._by_policy(self._kept(keeper, name, farewell))

    def _dialler(self) -> TcpDialler:
        tls, pins = (self._tls, self._pins) if self._policy.secure else (None, ())
        return TcpDialler(self._host, self._policy.port, tls, self._key, pins=pins)

    async def _kept(self, keeper: KeeperClient, name: str, farewell: bytes) -> Kept:
        way = self._dialler()
        files = self._files if way.tls is not None else None
        try:
            kept = await keeper.open(
                name,
                way.host,
                way.port,
                tls=files,
                framing=Framing.LINES,
                farewell=farewell,
                within=way.within,
            )
        except OSError as error:
            raise way.failed(error) from error
        if way.pins and kept.secure and not pinned(kept.certificate, way.pins):
            kept.forget()
            raise mispinned(Pin.of(kept.certificate))
        return kept

    async def _by_policy(self, dialling: Coroutine[Any, Any, T]) -> T:
        try:
            return await dialling
        except DialError as error:
            if not self._policy.upgraded:
                raise
            text = f"{error.failure.text} (the server said that it is to be spoken to by TLS only: STS)"
            raise DialError(Failure(error.failure.reason, text)) from error
