"""Connections that a keeper holds: opened by it, taken up again after a crash or an upgrade of the bridge.

What comes in is acknowledged to the keeper only when what it tells is durable, together with a snapshot of the session
as it stood there. So whoever comes after us finds the session, and every line that was not yet safe.
"""

import io
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, Protocol, runtime_checkable

import structlog
from pydantic import ValidationError

from adapters.irc.link.route import Route
from adapters.irc.link.transport import Carrier, DialError, Dialler, Receiver
from adapters.irc.protocol.message import serialise
from adapters.irc.protocol.snapshot import Snapshot
from bridge.keeper.client import KeeperClient, Kept
from bridge.keeper.held import WINDOW
from bridge.model.result import Failure, Reason

log = structlog.get_logger(__name__)

FAREWELL: Final = serialise("QUIT", "the gateway is gone")
"""What the keeper says when no bridge comes back."""

LATE: Final = 2.0
"""Seconds after which a line that was kept for us is marked with the time at which it came."""


@runtime_checkable
class Resumable(Receiver, Protocol):
    """A receiver that can go on with what another process began."""

    def resumed(self, carrier: Carrier, snapshot: Snapshot) -> None:
        """The connection stands, and the session on it is this. What was not acknowledged of it comes next."""

    def memory(self) -> tuple[object, Callable[[], Snapshot]] | None:
        """Something that is equal as long as the snapshot would be, and what makes one. None where nobody could go on
        with the session as it is."""

    def known(self, key: str) -> None:
        """What was sent under this key had been sent before, by another process, and was not sent again."""


class KeptCarrier:
    """A connection in the keeper, as a `Carrier`."""

    def __init__(self, kept: Kept, receiver: Resumable, fed: Callable[[], None]) -> None:
        self._kept = kept
        self._receiver = receiver
        self._fed = fed
        self._read = 0
        self._acknowledged = 0
        self._memory: object = None
        self.origin = ""
        """Which line of the connection is being received: the same name for the same line whoever reads it. Empty in
        between."""
        self.is_over = False

    # The session's side

    def write(self, data: bytes) -> None:
        """See `Carrier`."""
        self._kept.write(data)

    def send(self, data: bytes, key: str) -> None:
        """Send bytes unless those of this key were sent before; `Resumable.known` tells that."""
        self._kept.write(data, key)

    def unkey(self, key: str) -> None:
        """What was sent under the key was refused: when it is sent again, that is no repetition."""
        self._kept.unkey(key)

    def close(self) -> None:
        """See `Carrier`."""
        self._kept.close()

    def abort(self) -> None:
        """See `Carrier`."""
        self._kept.abort()

    @property
    def full(self) -> bool:
        """Whether so much is not acknowledged that the keeper may read no further."""
        return self._read - self._acknowledged >= WINDOW // 2

    def pause_reading(self) -> None:
        """See `Carrier`. The keeper reads no further by itself while too much is not acknowledged."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    # The keeper's side

    def got(self, start: int, data: bytes, when: float) -> None:
        """Bytes came: whole lines, but for what no server sends."""
        stamp = b""
        if time.time() - when > LATE:
            at = datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
            stamp = f"@time={at}Z ".encode()
        position = start
        for line in io.BytesIO(data):
            position += len(line)
            self._read = position
            self.origin = f"kept-{self._kept.id}-{position:x}"
            # Where the server says itself when it was, it knows better.
            self._receiver.received(stamp + line if stamp and line[:1] not in (b"@", b"\r", b"\n") else line)
        self.origin = ""
        self._fed()

    def known(self, key: str) -> None:
        """See `bridge.keeper.client.Sink`."""
        self._receiver.known(key)

    def choked(self, on: bool) -> None:
        """See `bridge.keeper.client.Sink`."""
        if on:
            self._receiver.pause_writing()
        else:
            self._receiver.resume_writing()

    def lost(self, error: Exception | None) -> None:
        """See `bridge.keeper.client.Sink`."""
        self.is_over = True
        self._receiver.lost(error)
        self._fed()

    # What is durable

    def mark(self) -> Callable[[], None] | None:
        """What to do when all that was received so far is durable; None if there is nothing to do."""
        if self.is_over:
            return self._kept.forget
        memory = self._receiver.memory()
        changed = memory is not None and memory[0] != self._memory
        if not changed and self._read == self._acknowledged:
            return None
        read, standing = self._read, memory[0] if memory is not None else self._memory
        snapshot = memory[1]().model_dump_json().encode() if memory is not None and changed else None

        def settle() -> None:
            self._acknowledged, self._memory = read, standing
            self._kept.acknowledge(read, snapshot)

        return settle


class Holdings:
    """All that the keeper holds of one network. `settings` names its configuration: under another nothing is taken up.

    `fed` is called when there is something to acknowledge.
    """

    def __init__(self, keeper: KeeperClient, network: str, settings: str, fed: Callable[[], None]) -> None:
        self._keeper = keeper
        self._prefix = f"{network}/"
        self._settings = settings
        self._fed = fed
        self._carriers: list[KeptCarrier] = []
        self._found: dict[str, tuple[Kept, Snapshot]] = {}
        for kept in self._unclaimed():
            snapshot = self._understood(kept)
            if snapshot is None:
                keeper.refuse(kept)
            elif keeper.claim(kept.name) is not None:
                self._found[kept.name.removeprefix(self._prefix)] = (kept, snapshot)

    def _unclaimed(self) -> Iterator[Kept]:
        return (kept for kept in self._keeper.unclaimed if kept.name.startswith(self._prefix))

    def _understood(self, kept: Kept) -> Snapshot | None:
        try:
            snapshot = Snapshot.model_validate_json(kept.snapshot)
        except ValidationError:
            log.warning("not taken up", connection=kept.name, why="another version wrote how it stands")
            return None
        if snapshot.owner.get("settings") != self._settings:
            log.info("not taken up", connection=kept.name, why="the configuration of its network has changed")
            return None
        return snapshot

    @property
    def found(self) -> dict[str, Snapshot]:
        """The sessions that were found and not dialled yet, by name."""
        return {name: snapshot for name, (_, snapshot) in self._found.items()}

    def refuse(self, name: str) -> None:
        """Nobody will go on with this one."""
        if (found := self._found.pop(name, None)) is not None:
            self._keeper.refuse(found[0])

    def dialler(self, route: Route, name: str) -> Dialler:
        """What opens the connection of that name, or finds it open."""
        return _KeptDialler(self, route, name)

    async def dial(self, route: Route, name: str, receiver: Receiver) -> None:
        """See `dialler`. Raises `DialError`."""
        if not isinstance(receiver, Resumable):
            raise DialError(Failure(Reason.INTERNAL_SERVER_ERROR, "this connection cannot be kept"))
        if (found := self._found.pop(name, None)) is not None:
            kept, snapshot = found
            carrier = self._carrier(kept, receiver)
            receiver.resumed(carrier, snapshot)
            kept.begin(carrier, resume=True)
        elif self._keeper.alive:
            kept = await route.dial_by(self._keeper, f"{self._prefix}{name}", FAREWELL)
            carrier = self._carrier(kept, receiver)
            receiver.connected(carrier, secure=kept.secure)
            kept.begin(carrier, resume=False)
        else:
            await route.dial(receiver)

    def owner(self) -> dict[str, str]:
        """What every snapshot is to say of its owner, for us to take it up again."""
        return {"settings": self._settings}

    def mark(self) -> Callable[[], None]:
        """To be called when what was heard is about to be made durable; what it gives, when that is done."""
        settling = [settle for carrier in self._carriers if (settle := carrier.mark()) is not None]
        over = {carrier for carrier in self._carriers if carrier.is_over}

        def settle_all() -> None:
            for settle in settling:
                settle()
            self._carriers = [carrier for carrier in self._carriers if carrier not in over]

        return settle_all

    def _carrier(self, kept: Kept, receiver: Resumable) -> KeptCarrier:
        carrier = KeptCarrier(kept, receiver, self._fed)
        self._carriers.append(carrier)
        return carrier


class _KeptDialler:
    def __init__(self, holdings: Holdings, route: Route, name: str) -> None:
        self._holdings = holdings
        self._route = route
        self._name = name

    async def dial(self, receiver: Receiver) -> None:
        """See `adapters.irc.link.transport.Dialler`."""
        await self._holdings.dial(self._route, self._name, receiver)
