"""The keeper itself: one bridge at a time attaches to it by a socket of the file system, and finds its connections."""

import asyncio
import base64
import contextlib
import fcntl
import itertools
import os
import time
from pathlib import Path
from typing import Any, Final, cast

import structlog

from bridge.keeper.dialling import described, dial
from bridge.keeper.frames import VERSION, Frame, FrameError, Unpacker, pack
from bridge.keeper.held import Framing, Held, Piece

log = structlog.get_logger(__name__)

LINGER: Final = 60.0
"""Seconds without a bridge after which all connections are closed, with words, and the keeper ends."""

FAREWELL_WITHIN: Final = 3.0
"""Seconds the servers have to close connections that were said good-bye to."""

SNAPSHOT_BYTES: Final = 1024 * 1024
CONNECTIONS: Final = 20_000


class Keeper:
    """Holds connections; `run` is its life. `folder` is for its user alone, and the socket lies in it."""

    def __init__(self, folder: Path, linger: float = LINGER) -> None:
        self._folder = folder
        self._linger = linger
        self._serial = itertools.count(1)
        self._epoch = f"{time.time_ns():x}"
        self._held: dict[str, Held] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._bridge: _Bridge | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._attached_once = False
        self._over = asyncio.Event()

    @property
    def attached(self) -> bool:
        """Whether a bridge is there."""
        return self._bridge is not None

    async def run(self) -> None:
        """Serve until it is over. Raises `OSError` where the socket cannot be made."""
        loop = asyncio.get_running_loop()
        path = socket_path(self._folder)
        lock = await asyncio.to_thread(_clear, path)
        server = await loop.create_unix_server(lambda: _Bridge(self), str(path))
        await asyncio.to_thread(path.chmod, 0o600)
        log.info("keeper holds", folder=str(self._folder), version=VERSION, pid=os.getpid())
        self._wait()
        try:
            await self._over.wait()
        finally:
            server.close()
            with contextlib.suppress(FileNotFoundError):
                await asyncio.to_thread(path.unlink)
            await self._farewell()
            os.close(lock)
        log.info("keeper ends")

    def end(self) -> None:
        """Close everything, with words, and end."""
        self._over.set()

    async def _farewell(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._bridge is not None:
            self._bridge.drop()
        closing = [held for held in self._held.values() if held.is_open]
        for held in closing:
            # The server closes then; whoever closes first may lose what was just written.
            held.write(held.farewell)
        if closing:
            await asyncio.wait([held.closed for held in closing], timeout=FAREWELL_WITHIN)
        for held in closing:
            held.abort()

    # The bridge comes and goes

    def attach(self, bridge: "_Bridge") -> bool:
        """A bridge is there. False while there is another."""
        if self._bridge is not None or self._over.is_set():
            return False
        self._bridge = bridge
        self._attached_once = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        log.info("bridge attached", held=len(self._held))
        for held in self._held.values():
            values = {"conn": held.id, "name": held.name, "secure": held.secure, "open": held.is_open}
            bridge.say("held", held.snapshot, **values)
        bridge.say("ready")
        return True

    def detach(self, bridge: "_Bridge") -> None:
        """The bridge is gone."""
        if self._bridge is not bridge:
            return
        self._bridge = None
        for task in self._tasks:
            task.cancel()
        for held in list(self._held.values()):
            if held.snapshot:
                held.alone()
            else:
                # Nobody could go on with it: it was not through its introduction.
                held.abort()
                del self._held[held.id]
        log.info("bridge gone", held=len(self._held))
        self._wait()

    def _wait(self) -> None:
        if self._bridge is not None or self._over.is_set():
            return
        if self._attached_once and not self._held:
            self._over.set()
        else:
            self._timer = asyncio.get_running_loop().call_later(self._linger, self._waited)

    def _waited(self) -> None:
        log.warning("no bridge came back", waited=self._linger, held=len(self._held))
        self._over.set()

    # What the bridge wants

    def take(self, frame: Frame) -> None:
        """Do what a frame says. Raises `FrameError`."""
        match frame.kind:
            case "open":
                self._open(frame)
            case "end":
                self._over.set()
            case "ack" | "resume" | "write" | "unkey" | "close" | "abort" | "forget" | "refuse":
                held = self._held.get(frame.text("conn"))
                if held is not None:
                    self._do(frame, held)
            case _:
                raise FrameError(f"{frame.kind} is nothing that a bridge says")

    def _do(self, frame: Frame, held: Held) -> None:
        match frame.kind:
            case "ack":
                if frame.values.get("snapshot") is True:
                    if len(frame.body) > SNAPSHOT_BYTES:
                        raise FrameError("a snapshot beyond all limits")
                    held.snapshot = frame.body
                held.acknowledge(frame.number("upto"))
            case "resume":
                held.flowing = True
                for piece in held.pieces():
                    self.came(held, piece)
                if not held.is_open:
                    self.lost(held)
            case "write":
                key = frame.values.get("key", "")
                if not held.write(frame.body, key if isinstance(key, str) else "") and self._bridge is not None:
                    self._bridge.say("known", conn=held.id, key=key)
            case "unkey":
                held.unkey(frame.text("key"))
            case "close":
                held.close(frame.body)
            case "abort":
                held.abort()
            case "refuse":
                held.flowing = False
                held.write(held.farewell)
                del self._held[held.id]
                asyncio.get_running_loop().call_later(FAREWELL_WITHIN, held.abort)
            case "forget":
                held.abort()
                del self._held[held.id]

    def _open(self, frame: Frame) -> None:
        tls, within = frame.values.get("tls"), frame.values.get("within", 30.0)
        if (tls is not None and not isinstance(tls, dict)) or not isinstance(within, int | float):
            raise FrameError("open: strange values")
        try:
            framing = Framing(frame.text("framing"))
        except ValueError as error:
            raise FrameError("open: no such framing") from error
        held = Held(f"{self._epoch}-{next(self._serial)}", frame.text("name"), framing, frame.body, self)
        number, host, port = frame.number("id"), frame.text("host"), frame.number("port")
        task = asyncio.create_task(self._dial(held, number, host, port, tls, float(within)), name=f"dial {held.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _dial(
        self, held: Held, number: int, host: str, port: int, tls: dict[str, Any] | None, within: float
    ) -> None:
        try:
            if len(self._held) >= CONNECTIONS:
                raise OSError(f"the keeper holds {CONNECTIONS} connections already")
            await dial(held, host, port, tls, within)
        except (OSError, FrameError) as error:
            if self._bridge is not None:
                told = described(error) if isinstance(error, OSError) else {"error": "os", "text": str(error)}
                self._bridge.say("failed", id=number, **told)
            return
        except asyncio.CancelledError:
            held.abort()
            raise
        if self._bridge is None:
            held.abort()
            return
        self._held[held.id] = held
        certificate = base64.b64encode(held.certificate).decode()
        self._bridge.say("opened", id=number, conn=held.id, secure=held.secure, certificate=certificate)
        held.flowing = True
        # What the server said at once.
        for piece in held.pieces():
            self.came(held, piece)
        if not held.is_open:
            self.lost(held)

    # What the connections tell

    def came(self, held: Held, piece: Piece) -> None:
        """See `bridge.keeper.held.Owner`."""
        if self._bridge is not None and held.flowing:
            self._bridge.say("got", piece.data, conn=held.id, start=piece.start, when=piece.when)

    def lost(self, held: Held) -> None:
        """See `bridge.keeper.held.Owner`."""
        if self._bridge is not None and held.flowing:
            self._bridge.say("lost", conn=held.id, error=held.error)

    def choked(self, held: Held, on: bool) -> None:
        """See `bridge.keeper.held.Owner`."""
        if self._bridge is not None and held.flowing:
            self._bridge.say("choked", conn=held.id, on=on)


class _Bridge(asyncio.Protocol):
    """The socket to one bridge."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._unpacker = Unpacker()
        self._transport: asyncio.Transport | None = None
        self._attached = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.say("hello", version=VERSION, pid=os.getpid())

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._unpacker.feed(data):
                self._take(frame)
        except FrameError as error:
            log.warning("a bridge that is not understood", error=str(error))
            self.refuse(str(error))

    def _take(self, frame: Frame) -> None:
        if self._attached:
            self._keeper.take(frame)
        elif frame.kind == "stop":
            # What every version understands: so a newer bridge can be rid of an older keeper.
            self._keeper.end()
        elif frame.kind != "hello" or frame.number("version") != VERSION:
            self.refuse("another version")
        elif self._keeper.attach(self):
            self._attached = True
        elif self._keeper.attached:
            self.refuse("busy")
        else:
            self.drop()  # it is ending: whoever comes starts another

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._keeper.detach(self)

    def say(self, kind: str, body: bytes = b"", **values: Any) -> None:
        """Send a frame."""
        if self._transport is not None:
            self._transport.write(pack(kind, body, **values))

    def refuse(self, why: str) -> None:
        """Say why not, and close."""
        self.say("refused", why=why)
        self.drop()

    def drop(self) -> None:
        """Close, when all is written."""
        if self._transport is not None:
            self._transport.close()


def socket_path(folder: Path) -> Path:
    """Where the socket of the keeper in this folder is."""
    return folder / "socket"


def _clear(path: Path) -> int:
    """Make the folder, for its user alone, and take away a dead keeper's socket. The lock that is returned as a file
    descriptor is held as long as we live. Raises `OSError`, `BlockingIOError` where another keeper lives."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.parent.chmod(0o700)
    lock = os.open(path.parent / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    return lock
