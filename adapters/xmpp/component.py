"""One connection of a component (XEP-0114): slixmpp's stream, without what costs much or answers by itself.

Of slixmpp this keeps the stream: header, parser, life cycle. Elements go to the listener as they were parsed, before
any stanza object is built; its handlers, filters, roster and send queue are passed by (research: they cost 20 to 240
us a stanza, answer subscriptions by themselves, and lose the queue in silence when the connection breaks).
"""

import asyncio
import hashlib
import ssl
import time
from typing import Any, Protocol, cast
from xml.etree.ElementTree import Element, ParseError

import structlog
from slixmpp.basexmpp import BaseXMPP
from slixmpp.xmlstream.xmlstream import XMLStream

from adapters.xmpp.errors import read_stream_error
from adapters.xmpp.sanitise import attribute

log = structlog.get_logger(__name__)

STREAM_ERROR = "{http://etherx.jabber.org/streams}error"
_ACCEPT = "{jabber:component:accept}"
_CLIENT = "{jabber:client}"

RECEIVED_BYTES = 4 * 1024 * 1024
"""How large a single stanza from the server may be. Servers refuse far smaller ones of their users."""


class Listener(Protocol):
    """Who is told what happens on one connection."""

    def opened(self) -> None:
        """The server has accepted the handshake."""

    def received(self, stanza: Element) -> None:
        """A stanza came. Must not raise."""


class Component(BaseXMPP):
    """An `asyncio.Protocol` for one connection. `finished` ends when it is lost, with the server's stream error.

    The result is condition and text of the error; condition is empty where the connection just ended.
    """

    def __init__(self, domain: str, secret: str, listener: Listener) -> None:
        # Not by way of ComponentXMPP: it reads all certificates there are, for a stream that has no TLS, which holds up
        # the event loop for 100 ms.
        super().__init__(  # type: ignore[no-untyped-call]  # slixmpp leaves its constructors untyped
            domain,
            "jabber:component:accept",
            ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            loop=asyncio.get_running_loop(),
        )
        self.is_component = True
        self.stream_header = (
            f"<stream:stream xmlns='jabber:component:accept' xmlns:stream='{self.stream_ns}' to='{attribute(domain)}'>"
        )
        self.stream_footer = "</stream:stream>"
        self._secret = secret
        self._listener = listener
        self._error: tuple[str, str] | None = None
        self._since_stanza = 0
        self._prolog = b""
        self.finished: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
        self.accepted = False
        self.heard = time.monotonic()

    def send_raw(self, data: str | bytes) -> None:
        """Write, unless the connection is gone. Called by slixmpp for header and footer, by `Stream` for the rest."""
        if self.transport is not None:
            self.transport.write(data.encode() if isinstance(data, str) else data)

    def start_stream_handler(self, xml: Element) -> None:
        """The server's header is there: prove that we know the secret (XEP-0114 section 3)."""
        proof = (xml.get("id", "") + self._secret).encode()
        # SHA-1 is what the protocol says.
        self.send_raw(f"<handshake>{hashlib.sha1(proof, usedforsecurity=False).hexdigest()}</handshake>")

    def data_received(self, data: bytes | str) -> None:
        """Parse; a stanza that is complete goes to the listener."""
        if self.parser is None:
            return
        self.heard = time.monotonic()
        chunk = data.encode() if isinstance(data, str) else data
        if self.xml_root is None:
            # No DTD, so no entities: RFC 6120 section 11.1. After the root's start tag XML itself forbids them.
            self._prolog += chunk
            if b"<!" in self._prolog:
                self._give_up("restricted-xml", "the server sent a document type declaration")
                return
        self._since_stanza += len(chunk)
        if self._since_stanza > RECEIVED_BYTES + 65536:
            self._give_up("policy-violation", "the server sent a stanza beyond all limits")
            return
        try:
            self.parser.feed(chunk)
            for found in self.parser.read_events():
                event, element = cast(tuple[str, Element], found)
                self._parsed(event, element)
        except ParseError:
            # Not logged as slixmpp would: with what people said.
            self._give_up("not-well-formed", "the server sent something that is not XML")

    def _parsed(self, event: str, element: Element) -> None:
        if event == "start":
            if self.xml_depth == 0:
                self.xml_root = element
                self._prolog = b""
                self.start_stream_handler(element)
            self.xml_depth += 1
            return
        self.xml_depth -= 1
        if self.xml_depth == 0:
            self.abort()
        elif self.xml_depth == 1:
            self._since_stanza = 0
            self._element(element)
            if self.xml_root is not None:
                self.xml_root.clear()

    def _element(self, element: Element) -> None:
        tag = element.tag
        if tag == STREAM_ERROR:
            self._error = read_stream_error(element)
        elif tag == f"{_ACCEPT}handshake":
            self.accepted = True
            self._listener.opened()
        elif self.accepted:
            if tag.startswith(_CLIENT):
                for found in element.iter():
                    if found.tag.startswith(_CLIENT):
                        found.tag = _ACCEPT + found.tag[len(_CLIENT) :]
            self._listener.received(element)

    def connection_lost(self, exception: BaseException | None) -> None:
        """The connection is gone, whoever ended it."""
        XMLStream.connection_lost(self, exception)
        if not self.finished.done():
            self.finished.set_result(self._error or ("", str(exception or "")))

    def exception(self, exception: Exception) -> None:
        """An event handler of slixmpp's failed; we have none."""
        log.error("slixmpp failed", error=str(exception))

    def _give_up(self, condition: str, text: str) -> None:
        self._error = (condition, text)
        self.parser = None
        if self.transport is not None:
            self.transport.abort()


def protocol(made: Component) -> asyncio.Protocol:
    """The component as what asyncio takes: slixmpp derives from BaseProtocol, and has all of a Protocol's methods."""
    return cast(asyncio.Protocol, cast(Any, made))
