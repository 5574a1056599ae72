"""The account's session for as long as the adapter lives: it connects, resumes, writes, acknowledges, notices silence.

A session outlives its connections (XEP-0198): while it is suspended, what is written waits for the next one. Only when
the server has it no more, it is closed, and what was not acknowledged is in doubt.
"""

import asyncio
import contextlib
import secrets
import ssl
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol
from xml.etree.ElementTree import Element

import structlog
from slixmpp.xmlstream import resolver

from adapters.xmpp import outbound
from adapters.xmpp.account.acks import MODULO, AckError, Incoming, Outgoing
from adapters.xmpp.account.certificates import trusted, unreadable
from adapters.xmpp.account.connection import SM, Connection, Login, Phase, Resumption
from adapters.xmpp.account.failures import failure
from adapters.xmpp.account.settings import DEFAULT_PORT, AccountSettings
from adapters.xmpp.pulse import Pulse
from adapters.xmpp.sanitise import Unsendable, checked
from adapters.xmpp.stream import BUFFERED, CONNECT_WITHIN, PAUSES, STABLE
from adapters.xmpp.wire import protocol
from bridge.backoff import HALF, Backoff
from bridge.contract import SendError, StartError
from bridge.model.result import Failure, Reason

log = structlog.get_logger(__name__)

STANZA_BYTES = 64_000
"""The largest stanza we send where the server does not say what it takes (XEP-0478). RFC 6120 section 13.12 asks for
10,000 at least; ejabberd's usual limit is 65,536, Prosody's 262,144, and beyond it the stream ends."""
LARGEST = 256_000
"""The largest we send in any case."""
ANSWER_WITHIN = 5.0
"""Seconds in which the server is answered that asks what we have, though not all of it is durable yet. It gives the
connection up after some thirty."""

_SERVICES = {"xmpps-client": True, "xmpp-client": False}
"""DNS services (RFC 6120 section 3.2.1, XEP-0368), and whether TLS is spoken there from the first byte on."""


@dataclass(frozen=True, slots=True)
class _Endpoint:
    host: str
    port: int
    direct: bool


class Listener(Protocol):
    """Who lives on the session. None of it may block or raise."""

    def opened(self) -> None:
        """There is a new session: nobody is in any room."""

    def resumed(self) -> None:
        """The session goes on: nothing was lost."""

    def received(self, stanza: Element) -> None:
        """A stanza came."""

    def suspended(self, failure: Failure) -> None:
        """The connection is gone; the session may go on with the next one."""

    def closed(self, failure: Failure) -> None:
        """The session is gone, or none could be had; another attempt will be made."""


class Stream:
    """Owns session and connection. `run` is its task; everything else is called from the same event loop."""

    def __init__(self, settings: AccountSettings, network: str, folder: Path, listener: Listener) -> None:
        """`folder` is where a relative path of the settings starts."""
        self._settings = settings
        self._folder = folder
        self._network = network
        self._listener = listener
        self._login: Login | None = None
        self._connection: Connection | None = None
        self._backoff = Backoff(*PAUSES, least=HALF)
        self._out: Outgoing | None = None
        """None: there is no session."""
        self._in = Incoming()
        self._session = ""
        self._managed = False
        self._limit = STANZA_BYTES
        self._asking = False
        self._owed: int | None = None
        self._answering: asyncio.TimerHandle | None = None
        self._closing = False
        self._paused = False
        self._pulse = Pulse(settings.silence, time.monotonic())
        self._word = ""

    async def prepare(self) -> None:
        """Read the certificates. Raises `StartError`."""
        settings = self._settings
        try:
            # Reads files, for some 100 ms.
            context = await asyncio.to_thread(trusted, settings, self._folder)
        except OSError as error:
            raise StartError(f"networks.{self._network}.tls.ca: {unreadable(settings, error)}") from error
        password = settings.password.get_secret_value()
        self._login = Login(
            settings.bare, password, settings.resource, settings.host, context, settings.protected, settings.tls.plain
        )

    # Writing

    @property
    def connected(self) -> bool:
        """Whether there is a session, and a connection to it."""
        return self._out is not None and self._connection is not None and self._connection.phase is Phase.OPEN

    def write(self, stanza: str) -> None:
        """The one way into the stream; while the session is suspended, it waits. Raises `SendError`: permanent for
        what may not be sent at all."""
        try:
            data = checked(stanza)
        except Unsendable as error:
            raise SendError.permanent(Reason.POLICY_VIOLATION, str(error)) from None
        if len(data) > self._limit:
            raise SendError.permanent(
                Reason.POLICY_VIOLATION,
                f"the message is too large: {len(data)} bytes, of which the server takes {self._limit}",
            )
        if self._out is None:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "the XMPP server is not connected")
        connection = self._connection
        transport = connection.transport if connection is not None else None
        buffered = transport.get_write_buffer_size() if transport is not None else 0
        if max(self._out.bytes, buffered) > BUFFERED:
            raise SendError.passing(Reason.RESOURCE_CONSTRAINT, "the XMPP server reads too slowly", retry_after=1.0)
        if self._managed:
            self._out.add(data)
        if connection is not None and connection.phase is Phase.OPEN:
            connection.send_raw(data)
            self._ask()

    def name(self, name: str) -> None:
        """What was just written is called so, to be asked for by `knows` and `holds`."""
        if self._out is not None:
            self._out.name(name)

    def knows(self, name: str) -> bool:
        """Whether that was written in this session: it has arrived at the server, or will."""
        return self._out is not None and self._out.knows(name)

    def holds(self, name: str) -> bool:
        """Whether that was written in this session, and the server has not said that it has it."""
        return self._out is not None and self._out.holds(name)

    # What came in, on its way to the core

    def made(self, items: int) -> None:
        """So many items for the core came of the stanza that is being dealt with."""
        self._in.made(items)

    def taken(self, items: int) -> None:
        """The core has so many of them, durably."""
        self._in.taken(items)
        if self._owed is not None and self._in.handled >= self._owed:
            self._answer()

    def pause(self, on: bool) -> None:
        """Stop reading, on this connection and any to come, or go on: for those who cannot keep up with what comes."""
        self._paused = on
        if self._connection is not None:
            self._connection.pause(on)

    @property
    def held_up(self) -> bool:
        """Whether the server may have said what we have not read yet, by our own doing."""
        return self._connection is not None and self._connection.held_up

    # Life

    async def run(self) -> None:
        """Keep a session, until cancelled or closed."""
        while True:
            started = time.monotonic()
            condition, text = await self._connect()
            if self._closing:
                return
            if time.monotonic() - started > STABLE:
                self._backoff.reset()
            pause = self._backoff.next()
            why = failure(condition, text, self._network, self._settings)
            self._interrupted(why)
            log.warning("stream closed", network=self._network, error=str(why), retry_in=round(pause, 1))
            await asyncio.sleep(pause)

    async def close(self, within: float = 2.0) -> None:
        """Say what we have, and good-bye; and let go."""
        self._closing = True
        connection = self._connection
        self._forget_question()
        if connection is not None and connection.phase is Phase.OPEN:
            if self._managed:
                connection.send_raw(f'<a xmlns="{SM}" h="{self._in.handled % MODULO}"/>')
            with contextlib.suppress(SendError):  # it goes anyway
                self.write('<presence type="unavailable"/>')
            connection.send_raw(connection.stream_footer)
            await asyncio.wait({connection.finished}, timeout=within)
        if connection is not None:
            connection.close()
        self._out = None

    async def _connect(self) -> tuple[str, str]:
        """One connection, from first to last. Gives condition and text of its end."""
        outcome = "unreachable", "the name is not known"
        for endpoint in await self._endpoints():
            connection = self._made(endpoint)
            try:
                async with asyncio.timeout(CONNECT_WITHIN):
                    await asyncio.get_running_loop().create_connection(
                        partial(protocol, connection),
                        endpoint.host,
                        endpoint.port,
                        ssl=self._logging_in.context if endpoint.direct else None,
                        server_hostname=self._settings.host if endpoint.direct else None,
                    )
                return await self._watched(connection)
            except ssl.SSLCertVerificationError as error:
                outcome = "certificate", error.verify_message or str(error)
            except ssl.SSLError as error:
                outcome = "tls", error.reason or str(error)
            except TimeoutError:
                outcome = "unreachable", "it does not answer"
            except OSError as error:
                outcome = "unreachable", error.strerror or str(error)
            finally:
                connection.close()
        return outcome

    def _made(self, endpoint: _Endpoint) -> Connection:
        resumption = None
        if self._session and self._out is not None:
            resumption = Resumption(self._session, self._in.received % MODULO)
        connection = Connection(self._logging_in, self, resumption, secure=endpoint.direct)
        self._connection = connection
        return connection

    @property
    def _logging_in(self) -> Login:
        assert self._login is not None  # noqa: S101 - `prepare` comes first
        return self._login

    async def _endpoints(self) -> list[_Endpoint]:
        settings = self._settings
        if settings.address is not None:
            host, port = settings.address
            return [_Endpoint(host, port, settings.tls.direct)]
        found = await resolver.resolve(
            settings.host, DEFAULT_PORT, loop=asyncio.get_running_loop(), services=list(_SERVICES)
        )
        return [_Endpoint(address, port, _SERVICES.get(service, False)) for service, _, address, port in found]

    async def _watched(self, connection: Connection) -> tuple[str, str]:
        deadline = time.monotonic() + CONNECT_WITHIN
        self._pulse = Pulse(self._settings.silence, time.monotonic())
        while not connection.finished.done():
            now = time.monotonic()
            if connection.phase is Phase.OPEN:
                connection.pause(self._paused)
            if connection.held_up:
                # It is us who do not listen.
                self._pulse.excuse(now)
            if connection.phase is not Phase.OPEN:
                if now > deadline:
                    return "silent", ""
                pause = 0.5
            elif self._pulse.is_gone(now):
                return "silent", "it has fallen silent"
            else:
                if self._pulse.asks(now):
                    self._call(connection)
                pause = self._settings.silence / 4
            await asyncio.wait({connection.finished}, timeout=pause)
        return connection.finished.result()

    def _call(self, connection: Connection) -> None:
        """Have the server say something."""
        if self._managed:
            connection.send_raw(f'<r xmlns="{SM}"/>')
        else:
            self._word = f"alive-{secrets.token_hex(8)}"
            connection.send_raw(outbound.ping(self._settings.bare, self._settings.host, self._word))

    def _interrupted(self, why: Failure) -> None:
        self._asking = False
        self._forget_question()
        if self._out is not None and self._session:
            self._listener.suspended(why)
        else:
            self._drop(why)

    def _drop(self, why: Failure) -> None:
        self._out, self._session = None, ""
        self._listener.closed(why)

    # The connection's listener

    def bound(self, session: str, *, managed: bool, limit: int | None) -> None:
        """A new session."""
        if self._out is not None:
            lost = self._out.waiting
            log.warning("the session could not be resumed", network=self._network, in_doubt=lost)
            self._drop(
                Failure(Reason.REMOTE_SERVER_TIMEOUT, "the XMPP server has forgotten the session; beginning a new one")
            )
        self._out, self._session, self._managed = Outgoing(), session, managed
        self._in.begin()
        self._limit = min(limit or STANZA_BYTES, LARGEST)
        if not session:
            log.warning(
                "sessions cannot be resumed on this server",
                network=self._network,
                todo="ask its operator for stream management (XEP-0198): without it, a broken connection costs more",
            )
        self._listener.opened()

    def resumed(self, h: int) -> None:
        """The session goes on."""
        connection = self._connection
        if self._out is None or connection is None or not self._acknowledged(h):
            return
        again = self._out.unacked()
        log.info("session resumed", network=self._network, sent_again=len(again))
        for data in again:
            connection.send_raw(data)
        self._ask()
        self._listener.resumed()

    def not_resumed(self, h: int | None) -> None:
        """The server has the session no more."""
        if h is not None and self._out is not None:
            self._acknowledged(h)

    def acked(self, h: int) -> None:
        """The server has so many of our stanzas."""
        self._asking = False
        self._pulse.answer(time.monotonic())
        if self._acknowledged(h):
            self._ask()

    def asked(self) -> None:
        """The server asks how many of its stanzas we have: what is not durable yet does not count."""
        self._owed = self._in.received
        if self._in.handled >= self._owed:
            self._answer()
        elif self._answering is None:
            self._answering = asyncio.get_running_loop().call_later(ANSWER_WITHIN, self._answer)

    def received(self, stanza: Element) -> None:
        """A stanza came."""
        if self._word and stanza.get("id") == self._word and stanza.get("from") == self._settings.host:
            # Whatever it says.
            self._word = ""
            self._pulse.answer(time.monotonic())
        else:
            self._listener.received(stanza)
        self._in.stanza()

    # Acknowledgements

    def _acknowledged(self, h: int) -> bool:
        assert self._out is not None  # noqa: S101 - there is a session
        try:
            self._out.acked(h)
        except AckError as error:
            log.error("the server counts wrongly", network=self._network, error=str(error))
            # The session is of no use: the next one is new.
            self._session = ""
            if self._connection is not None:
                self._connection.give_up("undefined-condition", str(error))
            return False
        return True

    def _ask(self) -> None:
        """Have the server say what it has, behind all that is being written at this moment."""
        if self._asking or not self._managed or self._out is None or not self._out.waiting:
            return
        self._asking = True
        asyncio.get_running_loop().call_soon(self._question, self._connection)

    def _question(self, connection: Connection | None) -> None:
        if connection is self._connection and connection is not None and connection.phase is Phase.OPEN:
            connection.send_raw(f'<r xmlns="{SM}"/>')

    def _answer(self) -> None:
        self._forget_question()
        connection = self._connection
        if connection is not None and connection.phase is Phase.OPEN:
            connection.send_raw(f'<a xmlns="{SM}" h="{self._in.handled % MODULO}"/>')

    def _forget_question(self) -> None:
        self._owed = None
        if self._answering is not None:
            self._answering.cancel()
            self._answering = None
