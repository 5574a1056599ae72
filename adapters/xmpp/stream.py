"""The component's stream for as long as the adapter lives: connects, reconnects, writes, notices silence.

Where the transport comes from is a seam (`Connector`): a TCP connection of our own, or one that a keeper process holds
over our restarts (`adapters.xmpp.kept`).
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from xml.etree.ElementTree import Element

import structlog

from adapters.xmpp import outbound
from adapters.xmpp.component import Component
from adapters.xmpp.errors import stream_failure
from adapters.xmpp.pulse import Pulse
from adapters.xmpp.sanitise import Unsendable, checked
from adapters.xmpp.wire import protocol
from bridge.backoff import HALF, Backoff
from bridge.contract import SendError
from bridge.model.result import Failure, Reason

log = structlog.get_logger(__name__)

Connector = Callable[[Callable[[], asyncio.Protocol]], Awaitable[object]]
"""Connects a protocol, made by the function it is given, to the server. Raises `OSError`."""

CONNECT_WITHIN = 15.0
"""Seconds for the connection, and again for the handshake."""
SILENCE = 60.0
"""The default of `Stream.silence`."""
BUFFERED = 8 * 1024 * 1024
"""Bytes that may wait for the server to read them, before lanes have to wait instead."""
PAUSES = (0.5, 60.0)
"""The first and the longest pause between attempts, in seconds."""
STABLE = 30.0
"""Seconds a connection has to last to be no failure."""


@runtime_checkable
class Once(Protocol):
    """A transport that remembers what was written."""

    def write_once(self, data: bytes, key: str) -> None:
        """Write it, unless it was written before under that key."""


class Listener(Protocol):
    """Who lives on the stream. None of it may block or raise."""

    def opened(self) -> None:
        """The stream can be written to."""

    def received(self, stanza: Element) -> None:
        """A stanza came."""

    def closed(self, failure: Failure) -> None:
        """The stream is gone, or could not be had; another attempt will be made."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a component is, and how it proves it. `server` is for people."""

    network: str
    domain: str
    secret: str
    server: str

    def __repr__(self) -> str:
        return f"Account({self.domain} at {self.server})"


def tcp(host: str, port: int) -> Connector:
    """Connections of our own, over TCP."""

    async def connect(make: Callable[[], asyncio.Protocol]) -> object:
        return await asyncio.get_running_loop().create_connection(make, host, port)

    return connect


class Stream:
    """Owns the connection. `run` is its task; everything else is called from the same event loop."""

    def __init__(self, account: Account, listener: Listener, connector: Connector, *, silence: float = SILENCE) -> None:
        """`silence`: see `Pulse`."""
        self.silence = silence
        self._pulse = Pulse(silence, time.monotonic())
        self._word = ""
        self._account = account
        self._listener = listener
        self._connector = connector
        self._component: Component | None = None
        self._backoff = Backoff(*PAUSES, least=HALF)
        self._closing = False
        self._paused = False

    @property
    def silent_for(self) -> float:
        """Seconds since the server last answered on the connection that is, or was."""
        return time.monotonic() - self._pulse.answered

    @property
    def is_open(self) -> bool:
        """Whether stanzas can be written."""
        component = self._component
        return component is not None and component.accepted and component.transport is not None

    def write(self, stanza: str, key: str = "") -> None:
        """The one way into the stream. Raises `SendError`: permanent for what may not be sent at all.

        On a stream that a keeper holds, what has a key is written once, however often it is given.
        """
        try:
            data = checked(stanza)
        except Unsendable as error:
            raise SendError.permanent(Reason.POLICY_VIOLATION, str(error)) from None
        component = self._component
        transport = component.transport if component is not None and component.accepted else None
        if component is None or transport is None or transport.is_closing():
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "the XMPP server is not connected")
        if transport.get_write_buffer_size() > BUFFERED:
            raise SendError.passing(Reason.RESOURCE_CONSTRAINT, "the XMPP server reads too slowly", retry_after=1.0)
        if key and isinstance(transport, Once):
            transport.write_once(data, key)
        else:
            transport.write(data)

    def pause(self, on: bool) -> None:
        """Stop reading, on this connection and any to come, or go on: for those who cannot keep up with what comes."""
        self._paused = on
        if self._component is not None:
            self._component.pause(on)

    @property
    def held_up(self) -> bool:
        """Whether the server may have said what we have not read yet, by our own doing."""
        return self._component is not None and self._component.held_up

    async def run(self) -> None:
        """Keep a stream, until cancelled or closed."""
        while True:
            started = time.monotonic()
            condition, text = await self._connection()
            if self._closing:
                return
            failure = self._failure(condition, text)
            if time.monotonic() - started > STABLE:
                self._backoff.reset()
            pause = self._backoff.next()
            self._listener.closed(failure)
            log.warning("stream closed", network=self._account.network, error=str(failure), retry_in=round(pause, 1))
            await asyncio.sleep(pause)

    async def close(self, within: float = 2.0) -> None:
        """Say good-bye and let go."""
        self._closing = True
        component = self._component
        if component is None or component.transport is None:
            return
        component.send_raw(component.stream_footer)
        await asyncio.wait({component.finished}, timeout=within)
        component.abort()
        await asyncio.wait({component.finished}, timeout=within)
        self._component = None

    async def _connection(self) -> tuple[str, str]:
        """One connection, from first to last. Gives condition and text of its end."""
        component = Component(self._account.domain, self._account.secret, self)
        self._component = component
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                await self._connector(lambda: protocol(component))
        except TimeoutError:
            return "unreachable", "it does not answer"
        except OSError as error:
            return "unreachable", error.strerror or str(error)
        try:
            return await self._watched(component)
        finally:
            component.abort()

    async def _watched(self, component: Component) -> tuple[str, str]:
        deadline = time.monotonic() + CONNECT_WITHIN
        self._pulse = Pulse(self.silence, time.monotonic())
        while not component.finished.done():
            now = time.monotonic()
            if component.accepted:
                component.pause(self._paused)
            if component.held_up:
                # It is us who do not listen.
                self._pulse.excuse(now)
            if not component.accepted:
                if now > deadline:
                    return "unreachable", "it does not answer the handshake"
                pause = 0.5
            elif self._pulse.is_gone(now):
                return "unreachable", "it has fallen silent"
            else:
                if self._pulse.asks(now):
                    # To ourselves: it goes to the server and back, whatever else the server knows.
                    domain, self._word = self._account.domain, f"alive-{secrets.token_hex(8)}"
                    component.send_raw(outbound.ping(domain, domain, self._word))
                pause = self.silence / 4
            await asyncio.wait({component.finished}, timeout=pause)
        return component.finished.result()

    # The connection's listener

    def opened(self) -> None:
        """The server has taken us, or never let go of us."""
        self._pulse.answer(time.monotonic())
        self._listener.opened()

    def received(self, stanza: Element) -> None:
        """A stanza came; our own question is the answer."""
        domain = self._account.domain
        if self._word and stanza.get("id") == self._word and stanza.get("from") == stanza.get("to") == domain:
            self._word = ""
            self._pulse.answer(time.monotonic())
            return
        self._listener.received(stanza)

    def _failure(self, condition: str, text: str) -> Failure:
        account = self._account
        if condition == "unreachable":
            return Failure(
                Reason.REMOTE_SERVER_NOT_FOUND,
                f"the XMPP server at {account.server} cannot be reached ({text}): is it running, and does it listen"
                f" for components there (networks.{account.network}.server)?",
            )
        if not condition:
            return Failure(
                Reason.REMOTE_SERVER_TIMEOUT,
                f"the XMPP server at {account.server} closed the connection" + (f" ({text})" if text else ""),
            )
        return stream_failure(condition, text, network=account.network, domain=account.domain, server=account.server)
