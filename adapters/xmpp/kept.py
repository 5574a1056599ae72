"""The component's stream in a keeper: opened by it, and taken up again in the middle when the bridge is back.

The keeper holds bytes. We acknowledge them at the end of a stanza only, and only when what the stanzas before it told
is durable. So whoever comes after us begins at a stanza, in a stream whose header it knows from the snapshot.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final, cast

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.xmpp.component import Component
from adapters.xmpp.known import Recent
from adapters.xmpp.stream import CONNECT_WITHIN, Connector
from bridge.keeper.client import KeeperClient, Kept
from bridge.keeper.held import STREAM_WINDOW, Framing

log = structlog.get_logger(__name__)

FAREWELL: Final = b"</stream:stream>"
HEADER_BYTES: Final = 8192
NAME: Final = "component"

TAG_BYTES: Final = 65536
"""Bytes of an unfinished tag after which it is not waited for."""

_TAG: Final = re.compile(rb">")
_END: Final = re.compile(rb"</(?:[^<>/]*:)?(?:handshake|iq|message|presence)\s*>|/>")
"""Where a stanza may end; whether it does, the parser knows."""


class Snapshot(BaseModel):
    """What must be known of a stream to go on in it. `settings` names the configuration it was opened under, `header`
    is the server's, as it was sent: prefixes that it declares hold for all stanzas."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    settings: str
    header: str


class KeptTransport(asyncio.Transport):
    """A stream in the keeper, as what slixmpp takes for a transport."""

    def __init__(
        self, kept: Kept, component: Component, settings: str, fed: Callable[[], None], known: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._known = known
        self._written: Recent[str, bool] = Recent()
        self._kept = kept
        self._component = component
        self._settings = settings
        self._fed = fed
        self._header = b""
        self._rest = b""
        self._closing = False
        self._choked = False
        self._position = 0
        self._boundary = 0
        self._acknowledged = 0
        self._told = self._resumed = False
        self._when = 0.0
        self.is_over = False

    # The stream's side

    def write(self, data: Any) -> None:
        """See `asyncio.WriteTransport`."""
        self._kept.write(bytes(data))

    def write_once(self, data: bytes, key: str) -> None:
        """Write it, unless it was written before under that key."""
        self._written[key] = True
        self._kept.write(data, key)

    def unkey(self, key: str) -> None:
        """What was written with the key was refused, or did not arrive."""
        self._kept.unkey(key)

    def close(self) -> None:
        """See `asyncio.BaseTransport`."""
        self._closing = True
        self._kept.close()

    def abort(self) -> None:
        """See `asyncio.WriteTransport`."""
        self._closing = True
        self._kept.abort()

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._closing or self.is_over

    def get_write_buffer_size(self) -> int:
        """Much, as long as the server takes nothing. See `asyncio.WriteTransport`."""
        return 1 << 30 if self._choked else 0

    @property
    def full(self) -> bool:
        """Whether so much is not acknowledged that the keeper may read no further."""
        return self._position + len(self._rest) - self._acknowledged >= STREAM_WINDOW // 2

    def pause_reading(self) -> None:
        """The keeper reads no further by itself while too much is not acknowledged."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    # The keeper's side

    def got(self, start: int, data: bytes, when: float) -> None:
        """Bytes came. They are fed in pieces that end where a stanza may: the same ones however they came."""
        component, self._when = self._component, when
        data, self._position = self._rest + data, start - len(self._rest)
        whole = self._whole(data)
        data, self._rest = data[:whole], data[whole:]
        position = 0
        while position < len(data):
            found = (_TAG if component.xml_depth == 0 else _END).search(data, position)
            end = found.end() if found is not None else len(data)
            piece = data[position:end]
            position = end
            self._position += len(piece)
            if component.xml_depth == 0 and len(self._header) < HEADER_BYTES:
                self._header += piece
            component.data_received(piece)
            if component.at_rest:
                self._boundary = self._position
        self._fed()

    @staticmethod
    def _whole(data: bytes) -> int:
        """How much of it is not an unfinished tag."""
        tag = data.rfind(b"<")
        unfinished = tag >= 0 and data.find(b">", tag) < 0 and len(data) - tag < TAG_BYTES
        return tag if unfinished else len(data)

    def known(self, key: str) -> None:
        """What was to be written with this key had been written before."""
        self._known(key)

    def choked(self, on: bool) -> None:
        """The server takes no more for now, or does again."""
        self._choked = on

    def lost(self, error: Exception | None) -> None:
        """The stream has ended."""
        self.is_over = True
        self._component.connection_lost(error)
        self._fed()

    # What is durable

    @property
    def origin(self) -> tuple[str, float]:
        """The stanza that is being received: a name that it has whoever receives it, and when it came."""
        return f"{self._kept.id}-{self._position:x}", self._when

    def is_old(self, key: str) -> bool:
        """Whether, if anything was written with this key, that was before us."""
        return self._resumed and self._written.get(key) is None

    def begin(self, header: bytes) -> None:
        """The stream was open before us, with this header."""
        self._header, self._told, self._resumed = header, True, True

    def mark(self) -> Callable[[], None] | None:
        """What to do when all that was received so far is durable; None if there is nothing to do."""
        if self.is_over:
            return self._kept.forget
        boundary, snapshot = self._boundary, None
        if not self._component.accepted or (self._told and boundary == self._acknowledged):
            return None
        if not self._told:
            made = Snapshot(settings=self._settings, header=self._header.decode(errors="replace"))
            snapshot = made.model_dump_json().encode()

        def settle() -> None:
            self._told, self._acknowledged = True, boundary
            self._kept.acknowledge(boundary, snapshot)

        return settle


class KeptConnector:
    """Connects the component through a keeper, or by `otherwise` when that is gone. `fed`: there may be something to
    acknowledge. `resuming` is called before a stream is taken up again, `known` with the key of what was not written
    again."""

    def __init__(
        self,
        keeper: KeeperClient,
        network: str,
        address: tuple[str, int],
        settings: str,
        otherwise: Connector,
        *,
        fed: Callable[[], None],
        resuming: Callable[[], None],
        known: Callable[[str], None],
    ) -> None:
        self._known = known
        self._keeper = keeper
        self._name = f"{network}/{NAME}"
        self._address = address
        self._settings = settings
        self._otherwise = otherwise
        self._fed = fed
        self._resuming = resuming
        self._transport: KeptTransport | None = None
        self._over: list[KeptTransport] = []

    async def __call__(self, make: Callable[[], asyncio.Protocol]) -> object:
        """See `adapters.xmpp.stream.Connector`."""
        if self._transport is not None:
            self._over.append(self._transport)
            self._transport = None
        found = self._found()
        if found is None and not self._keeper.alive:
            return await self._otherwise(make)
        component = cast(Component, make())
        if found is not None:
            kept, header = found
            transport = self._begun(kept, component)
            transport.begin(header)
            self._resuming()
            component.resume(transport, header)
            kept.begin(transport, resume=True)
            return transport
        host, port = self._address
        kept = await self._keeper.open(
            self._name, host, port, tls=None, framing=Framing.STREAM, farewell=FAREWELL, within=CONNECT_WITHIN
        )
        transport = self._begun(kept, component)
        component.connection_made(transport)
        kept.begin(transport, resume=False)
        return transport

    def _begun(self, kept: Kept, component: Component) -> KeptTransport:
        self._transport = KeptTransport(kept, component, self._settings, self._fed, self._known)
        return self._transport

    def unkey(self, key: str) -> None:
        """As `KeptTransport.unkey`."""
        if self._transport is not None:
            self._transport.unkey(key)

    def is_old(self, key: str) -> bool:
        """As `KeptTransport.is_old`: it may be given again, for the keeper knows whether it was written."""
        return self._transport is not None and not self._transport.is_over and self._transport.is_old(key)

    @property
    def origin(self) -> tuple[str, float] | None:
        """As `KeptTransport.origin`; None where the stream is our own."""
        return self._transport.origin if self._transport is not None else None

    def mark(self) -> Callable[[], None]:
        """To be called when what was received is about to be made durable; what it gives, when that is done."""
        over, self._over = self._over, []
        transports = [*over, self._transport] if self._transport is not None else over
        settling = [settle for each in transports if (settle := each.mark()) is not None]

        def settle_all() -> None:
            for settle in settling:
                settle()

        return settle_all

    def _found(self) -> tuple[Kept, bytes] | None:
        kept = next((each for each in self._keeper.unclaimed if each.name == self._name), None)
        if kept is None:
            return None
        try:
            snapshot = Snapshot.model_validate_json(kept.snapshot)
        except ValidationError:
            snapshot = None
        if snapshot is None or snapshot.settings != self._settings:
            log.info("stream not taken up", connection=kept.name, why="it was opened under another configuration")
            self._keeper.refuse(kept)
            return None
        self._keeper.claim(self._name)
        log.info("stream found", connection=kept.name, open=kept.is_open)
        return kept, snapshot.header.encode()
