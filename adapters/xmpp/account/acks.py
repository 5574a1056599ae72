"""Stream management (XEP-0198): what either side has said, and what the other has taken over. Pure.

slixmpp's plugin for it is not used: it tells the server that a stanza is handled when it has been parsed, where we
have to keep it durably first, and forgets without a word what was not acknowledged when a stream cannot be resumed.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass

MODULO = 2**32
"""Counters wrap there (XEP-0198 section 4)."""
NAMED = 5000
"""Names of stanzas that are remembered."""


class AckError(Exception):
    """The server acknowledges what was never sent; nothing it says of this stream can be believed."""


@dataclass(slots=True)
class _Held:
    serial: int
    data: bytes


class Outgoing:
    """What we wrote in this session. Serials count from 1 and never wrap; the server's counter does."""

    def __init__(self) -> None:
        self._count = 0
        self._acked = 0
        self._held: deque[_Held] = deque()
        self._named: OrderedDict[str, int] = OrderedDict()
        self.bytes = 0
        """How much waits to be acknowledged."""

    @property
    def waiting(self) -> int:
        """Stanzas that wait to be acknowledged."""
        return len(self._held)

    def add(self, data: bytes) -> None:
        """A stanza has been written, or will be when the stream is resumed."""
        self._count += 1
        self._held.append(_Held(self._count, data))
        self.bytes += len(data)

    def name(self, name: str) -> None:
        """What was added last is, or ends, what is called so."""
        self._named[name] = self._count
        self._named.move_to_end(name)
        if len(self._named) > NAMED:
            self._named.popitem(last=False)

    def knows(self, name: str) -> bool:
        """Whether that was written in this session, acknowledged or not: it has arrived, or will."""
        return name in self._named

    def holds(self, name: str) -> bool:
        """Whether that was written, and is not acknowledged yet."""
        return self._named.get(name, 0) > self._acked

    def acked(self, h: int) -> int:
        """The server has handled so many (modulo `MODULO`); gives how many that were not known. Raises `AckError`."""
        new = (h - self._acked) % MODULO
        if new > len(self._held):
            raise AckError(f"{new} stanzas acknowledged, of {len(self._held)} that wait for it")
        for _ in range(new):
            self.bytes -= len(self._held.popleft().data)
        self._acked += new
        return new

    def unacked(self) -> list[bytes]:
        """What has to be written again when the stream is resumed, in order."""
        return [held.data for held in self._held]


class Incoming:
    """What the server wrote in this session, and how much of it is durable.

    Stanzas become items for the core, which it takes later, in order: a stanza is `handled` when all that it and
    those before it became has been taken. Items are counted over all sessions.
    """

    def __init__(self) -> None:
        self.received = 0
        self._made = 0
        self._taken = 0
        self._open: deque[tuple[int, int]] = deque()

    def begin(self) -> None:
        """A new session: its stanzas are counted anew. What is on its way to the core, stays so."""
        self.received = 0
        self._open.clear()

    def made(self, items: int) -> None:
        """So many items are on their way to the core."""
        self._made += items

    def taken(self, items: int) -> None:
        """So many of them are durable."""
        self._taken += items
        while self._open and self._open[0][1] <= self._taken:
            self._open.popleft()

    def stanza(self) -> None:
        """A stanza has been dealt with; its items are on their way."""
        self.received += 1
        before = self._open[-1][1] if self._open else self._taken
        if self._made > before:
            self._open.append((self.received, self._made))

    @property
    def handled(self) -> int:
        """How many stanzas, from the first on, are durable: what may be acknowledged, modulo `MODULO`."""
        return self._open[0][0] - 1 if self._open else self.received
