"""One connection as the keeper holds it: what came in stays until the bridge has it, what goes out goes out once."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, cast

WINDOW: Final[int] = 1024 * 1024
"""Bytes of a connection that the bridge may leave unacknowledged; beyond, nothing is read from the server."""

STREAM_WINDOW: Final[int] = 8 * 1024 * 1024
"""The same of a stream, which is everybody's, and where the bridge can acknowledge at the end of a stanza only."""

PIECE: Final = 64 * 1024
"""Bytes of an unfinished line after which it is handed on as it is."""

KEYS: Final = 4096
"""Keys of written pieces that are remembered for each connection."""


class Framing(StrEnum):
    """How what comes in is cut: at line ends, so that a bridge goes on at one; or not at all."""

    LINES = "lines"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that came in at `when` (seconds since the epoch). They begin at `start`, counted from the connection's
    first byte on."""

    start: int
    when: float
    data: bytes

    @property
    def end(self) -> int:
        """Where the next piece begins."""
        return self.start + len(self.data)


class Owner(Protocol):
    """Who is told what happens on a connection. No method may wait or raise."""

    @property
    def attached(self) -> bool:
        """Whether a bridge is there."""

    def came(self, held: "Held", piece: Piece) -> None:
        """Bytes came."""

    def lost(self, held: "Held") -> None:
        """The connection is closed."""

    def choked(self, held: "Held", on: bool) -> None:
        """The server takes no more for now, or does again."""


class Held(asyncio.Protocol):
    """A connection to a server. `id` is never used again, not by another keeper either."""

    def __init__(self, id: str, name: str, framing: Framing, farewell: bytes, owner: Owner) -> None:  # noqa: A002
        self.id = id
        self.name = name
        self.framing = framing
        self.farewell = farewell
        self.snapshot = b""
        self.secure = False
        self.certificate = b""
        self.error: str | None = None
        self.is_open = False
        self.flowing = False
        """Whether the bridge that is there gets what comes in."""
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._pieces: deque[Piece] = deque()
        self._tail = b""
        self._end = 0
        self._unacknowledged = 0
        self._paused = False
        self._window = STREAM_WINDOW if framing is Framing.STREAM else WINDOW
        self._keys: OrderedDict[str, None] = OrderedDict()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True
        self._transport.set_write_buffer_limits(high=self._window)
        tls = transport.get_extra_info("ssl_object")
        self.secure = tls is not None
        if tls is not None:
            self.certificate = tls.getpeercert(binary_form=True) or b""

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self.framing is Framing.LINES:
            whole, newline, rest = (self._tail + data).rpartition(b"\n")
            data, self._tail = whole + newline, rest
            if len(self._tail) > PIECE:
                data, self._tail = data + self._tail, b""
        if data:
            self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self.is_open = False
        self.error = str(exc) if exc is not None else None
        if self._tail:
            self._take(self._tail)
            self._tail = b""
        if not self.closed.done():
            self.closed.set_result(None)
        self._owner.lost(self)

    def pause_writing(self) -> None:
        """The server takes no more for now."""
        self._owner.choked(self, True)

    def resume_writing(self) -> None:
        """It takes more again."""
        self._owner.choked(self, False)

    # The bridge's side

    def pieces(self) -> Iterator[Piece]:
        """What the bridge has not acknowledged."""
        return iter(list(self._pieces))

    def acknowledge(self, upto: int) -> None:
        """The bridge needs nothing before this place again."""
        while self._pieces and self._pieces[0].end <= upto:
            self._unacknowledged -= len(self._pieces.popleft().data)
        if self._pieces and self._pieces[0].start < upto:
            first = self._pieces.popleft()
            cut = upto - first.start
            self._unacknowledged -= cut
            self._pieces.appendleft(Piece(upto, first.when, first.data[cut:]))
        if self._paused and self._unacknowledged <= self._window // 2 and self._transport is not None and self.is_open:
            self._paused = False
            self._transport.resume_reading()

    def write(self, data: bytes, key: str = "") -> bool:
        """Send bytes. False if those of this key were written before, which then are not sent again."""
        if key:
            if key in self._keys:
                return False
            self._keys[key] = None
            if len(self._keys) > KEYS:
                self._keys.popitem(last=False)
        if self._transport is not None and self.is_open:
            self._transport.write(data)
        return True

    def unkey(self, key: str) -> None:
        """What was written with the key was refused: it may be written again."""
        self._keys.pop(key, None)

    def close(self, words: bytes) -> None:
        """Say some last words, and close when they are written."""
        if self._transport is None or not self.is_open:
            return
        if words:
            self._transport.write(words)
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None and self.is_open:
            self._transport.abort()

    def alone(self) -> None:
        """No bridge is there any more: answer what it may have left unanswered. An answer too many does no harm."""
        self.flowing = False
        for piece in self._pieces:
            self._answer(piece.data)

    # Between the two

    def _take(self, data: bytes) -> None:
        piece = Piece(self._end, time.time(), data)
        self._end = piece.end
        self._pieces.append(piece)
        self._unacknowledged += len(data)
        if not self._owner.attached:
            self._answer(data)
        self._owner.came(self, piece)
        if self._unacknowledged > self._window and not self._paused and self._transport is not None and self.is_open:
            self._paused = True
            self._transport.pause_reading()

    def _answer(self, data: bytes) -> None:
        if self.framing is not Framing.LINES:
            return
        for line in data.split(b"\n") if b"PING" in data.upper() else ():
            if (answer := pong(line.rstrip(b"\r"))) and self._transport is not None and self.is_open:
                self._transport.write(answer)


def pong(line: bytes) -> bytes:
    """The answer to a PING (RFC 2812 section 3.7.2); empty for any other line."""
    if line.startswith(b"@"):
        line = line.partition(b" ")[2].lstrip(b" ")
    if line.startswith(b":"):
        line = line.partition(b" ")[2].lstrip(b" ")
    command, space, rest = line.partition(b" ")
    return b"PONG " + rest.lstrip(b" ") + b"\r\n" if command.upper() == b"PING" and space else b""
