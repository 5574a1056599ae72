"""What a stream of ours makes of the bytes it gets, component's or client's: elements, and an end that tells why.

Of slixmpp this keeps the stream's header and life cycle. Its parser's defences, handlers, filters, roster and send
queue are passed by (research: they cost 20 to 240 us a stanza, answer subscriptions by themselves, and lose the queue
in silence when the connection breaks).
"""

import asyncio
import time
from typing import Any, Protocol, cast, runtime_checkable
from xml.etree.ElementTree import Element, ParseError

import structlog
from slixmpp.basexmpp import BaseXMPP
from slixmpp.xmlstream.xmlstream import XMLStream

log = structlog.get_logger(__name__)

RECEIVED_BYTES = 4 * 1024 * 1024
"""How large a single stanza from the server may be. Servers refuse far smaller ones of their users."""


@runtime_checkable
class Holding(Protocol):
    """A transport that stops to read by itself."""

    @property
    def full(self) -> bool:
        """Whether it may have stopped, because what it brought is not acknowledged."""


class Wire(BaseXMPP):
    """An `asyncio.Protocol` for one connection. `finished` ends when it is lost, with the reason.

    The result is condition and text of the error; condition is empty where the connection just ended. Who derives
    from this calls `begin` when slixmpp has been set up, and has `element` do something.
    """

    finished: asyncio.Future[tuple[str, str]]
    heard: float
    """When (`time.monotonic`) the server last said anything."""
    paused: bool
    """Whether nothing is read for now."""

    def begin(self) -> None:
        """Nothing has been said yet."""
        self._error: tuple[str, str] | None = None
        self._since_stanza = 0
        self._prolog = b""
        self.paused = False
        self.finished = asyncio.get_running_loop().create_future()
        self.heard = time.monotonic()

    def start_stream_handler(self, xml: Element) -> None:
        """The server's header is there."""
        super().start_stream_handler(xml)  # type: ignore[no-untyped-call]  # slixmpp leaves it untyped

    def element(self, element: Element) -> None:
        """A whole element of the stream came. Must not raise."""
        raise NotImplementedError

    @property
    def at_rest(self) -> bool:
        """Whether what came ends with a whole stanza."""
        return self.xml_depth == 1 and self._since_stanza == 0

    @property
    def held_up(self) -> bool:
        """Whether nothing may be heard because of us: the server may have said much."""
        transport: object = self.transport
        return self.paused or (isinstance(transport, Holding) and transport.full)

    def send_raw(self, data: str | bytes) -> None:
        """Write, unless the connection is gone. Never logged: passwords go this way, too."""
        if self.transport is not None:
            self.transport.write(data.encode() if isinstance(data, str) else data)

    def pause(self, on: bool) -> None:
        """Stop reading, or go on."""
        transport = self.transport
        if transport is None or transport.is_closing() or on is self.paused:
            return
        self.paused = on
        if on:
            transport.pause_reading()
        else:
            self.heard = time.monotonic()
            transport.resume_reading()

    def init_parser(self) -> None:
        """The stream begins, or begins anew."""
        super().init_parser()
        self._prolog, self._since_stanza = b"", 0

    def data_received(self, data: bytes | str) -> None:
        """Parse; elements that are complete go to `element`."""
        if self.parser is None:
            return
        self.heard = time.monotonic()
        chunk = data.encode() if isinstance(data, str) else data
        if self.xml_root is None:
            # No DTD, so no entities: RFC 6120 section 11.1. After the root's start tag XML itself forbids them.
            self._prolog += chunk
            if b"<!" in self._prolog:
                self.give_up("restricted-xml", "the server sent a document type declaration")
                return
        self._since_stanza += len(chunk)
        if self._since_stanza > RECEIVED_BYTES + 65536:
            self.give_up("policy-violation", "the server sent a stanza beyond all limits")
            return
        parser = self.parser
        try:
            parser.feed(chunk)
            if (flush := getattr(parser, "flush", None)) is not None:
                # Later releases of expat leave the end of what came for later; with them Python has this.
                flush()
            for found in parser.read_events():
                if self.parser is not parser:
                    return  # the stream begins anew: what was sent before that is not to be believed (RFC 6120 5.4.3.3)
                event, element = cast(tuple[str, Element], found)
                self._parsed(event, element)
        except ParseError:
            # Not logged as slixmpp would: with what people said.
            self.give_up("not-well-formed", "the server sent something that is not XML")

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
            self.element(element)
            if self.xml_root is not None:
                self.xml_root.clear()

    def failed_with(self, condition: str, text: str) -> None:
        """The server said why the stream will end."""
        self._error = (condition, text)

    def connection_lost(self, exception: BaseException | None) -> None:
        """The connection is gone, whoever ended it."""
        XMLStream.connection_lost(self, exception)
        self.ended(str(exception or ""))

    def ended(self, text: str = "") -> None:
        """There will be nothing more."""
        if not self.finished.done():
            self.finished.set_result(self._error or ("", text))

    def exception(self, exception: Exception) -> None:
        """An event handler of slixmpp's failed; of those that we leave there."""
        log.error("slixmpp failed", error=str(exception))

    def give_up(self, condition: str, text: str) -> None:
        """The connection is of no use; the first reason counts."""
        self._error = self._error or (condition, text)
        self.parser = None
        if self.transport is not None:
            self.transport.abort()


def protocol(made: Wire) -> asyncio.Protocol:
    """The wire as what asyncio takes: slixmpp derives from BaseProtocol, and has all of a Protocol's methods."""
    return cast(asyncio.Protocol, cast(Any, made))
