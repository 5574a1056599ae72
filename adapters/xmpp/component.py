"""One connection of a component (XEP-0114): the stream's header and handshake.

Elements go to the listener as they were parsed, before any stanza object is built.
"""

import asyncio
import hashlib
import ssl
from typing import Protocol, cast
from xml.etree.ElementTree import Element

from slixmpp.basexmpp import BaseXMPP

from adapters.xmpp.errors import read_stream_error
from adapters.xmpp.sanitise import attribute
from adapters.xmpp.wire import Wire

STREAM_ERROR = "{http://etherx.jabber.org/streams}error"
_ACCEPT = "{jabber:component:accept}"
_CLIENT = "{jabber:client}"


class Listener(Protocol):
    """Who is told what happens on one connection."""

    def opened(self) -> None:
        """The server has accepted the handshake."""

    def received(self, stanza: Element) -> None:
        """A stanza came. Must not raise."""


class Component(Wire):
    """See `adapters.xmpp.wire.Wire`."""

    def __init__(self, domain: str, secret: str, listener: Listener) -> None:
        # Not by way of ComponentXMPP: it reads all certificates there are, for a stream that has no TLS, which holds up
        # the event loop for 100 ms.
        BaseXMPP.__init__(  # type: ignore[no-untyped-call]  # slixmpp leaves its constructors untyped
            self,
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
        self.accepted = False
        self.begin()

    def resume(self, transport: asyncio.Transport, header: bytes) -> None:
        """The stream stands, since the server said this header: nothing is introduced, stanzas are next."""
        self.transport = transport
        self.init_parser()
        assert self.parser is not None  # noqa: S101 - just made
        self.parser.feed(header)
        for found in self.parser.read_events():
            self.xml_root, self.xml_depth = cast(tuple[str, Element], found)[1], 1
        self.accepted = True
        self._listener.opened()

    def start_stream_handler(self, xml: Element) -> None:
        """The server's header is there: prove that we know the secret (XEP-0114 section 3)."""
        proof = (xml.get("id", "") + self._secret).encode()
        # SHA-1 is what the protocol says.
        self.send_raw(f"<handshake>{hashlib.sha1(proof, usedforsecurity=False).hexdigest()}</handshake>")

    def element(self, element: Element) -> None:
        """The end of the handshake, a stanza, or an error."""
        tag = element.tag
        if tag == STREAM_ERROR:
            self.failed_with(*read_stream_error(element))
        elif tag == f"{_ACCEPT}handshake":
            self.accepted = True
            self._listener.opened()
        elif self.accepted:
            if tag.startswith(_CLIENT):
                for found in element.iter():
                    if found.tag.startswith(_CLIENT):
                        found.tag = _ACCEPT + found.tag[len(_CLIENT) :]
            self._listener.received(element)
