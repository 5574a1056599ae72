"""The bridge's side: what the keeper holds, taken up again or opened anew."""

import asyncio
import base64
import contextlib
import itertools
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, cast

import structlog

from bridge.keeper.dialling import restored
from bridge.keeper.frames import VERSION, Frame, FrameError, Unpacker, pack
from bridge.keeper.held import Framing

log = structlog.get_logger(__name__)

ANSWER_WITHIN: Final = 10.0
"""Seconds a keeper has to say what it holds."""

END_WITHIN: Final = 8.0
WRITE_BYTES: Final = 1024 * 1024

UNREAD_BYTES: Final = 8 * 1024 * 1024
"""Bytes that the keeper may leave unread before all connections count as choked."""


class KeeperError(Exception):
    """The keeper cannot be used. The text says why, and what to do."""


class BusyError(KeeperError):
    """Another bridge is attached to it."""


class KeeperGoneError(KeeperError):
    """It ended, or just does."""


class StrangeError(KeeperError):
    """It speaks another version of the protocol."""


class Sink(Protocol):
    """Who gets what comes on a connection. No method may wait or raise."""

    def got(self, start: int, data: bytes, when: float) -> None:
        """Bytes came, at `when` (seconds since the epoch); they begin at `start` of the whole connection."""

    def known(self, key: str) -> None:
        """What was written with this key had been written before, and was not again."""

    def choked(self, on: bool) -> None:
        """The server takes no more for now, or does again."""

    def lost(self, error: Exception | None) -> None:
        """The connection is closed, or the keeper is gone; nothing follows."""


class Kept:
    """A connection that the keeper holds. Nothing waits, and nothing happens any more once it is lost."""

    def __init__(
        self,
        say: Callable[..., None],
        id: str,  # noqa: A002
        name: str,
        *,
        secure: bool,
        snapshot: bytes,
        is_open: bool,
    ) -> None:
        self.id = id
        self.name = name
        self.secure = secure
        self.snapshot = snapshot
        self.is_open = is_open
        self.certificate = b""
        self._say = say
        self._sink: Sink | None = None
        self._early: list[Callable[[Sink], None]] = []
        self._choked_by: set[str] = set()

    def begin(self, sink: Sink, *, resume: bool) -> None:
        """From now on `sink` gets what comes. With `resume`, that begins with what was not acknowledged before."""
        self._sink = sink
        early, self._early = self._early, []
        for tell in early:
            tell(sink)
        if resume:
            self._say("resume", conn=self.id)

    def write(self, data: bytes, key: str = "") -> None:
        """Send bytes; those with a key once, however often they are written with it."""
        for start in range(0, len(data), WRITE_BYTES):
            values = {"key": key} if key else {}
            self._say("write", data[start : start + WRITE_BYTES], conn=self.id, **values)

    def unkey(self, key: str) -> None:
        """What was written with the key was refused, or did not arrive: the next time it is written again."""
        self._say("unkey", conn=self.id, key=key)

    def acknowledge(self, upto: int, snapshot: bytes | None) -> None:
        """What came before `upto` is not needed again; the snapshot, if it changed, is how things stand there."""
        if snapshot is None:
            self._say("ack", conn=self.id, upto=upto)
        else:
            self._say("ack", snapshot, conn=self.id, upto=upto, snapshot=True)

    def close(self, words: bytes = b"") -> None:
        """Close when all is written, and some last words. `Sink.lost` follows."""
        self._say("close", words, conn=self.id)

    def abort(self) -> None:
        """Close at once. `Sink.lost` follows."""
        self._say("abort", conn=self.id)

    def forget(self) -> None:
        """Close it at once and never speak of it again."""
        self._say("forget", conn=self.id)

    def choke(self, by: str, *, on: bool) -> None:
        """The server, or the keeper itself, takes no more for now, or does again. The sink is told what comes of all
        of them together."""
        before = bool(self._choked_by)
        (self._choked_by.add if on else self._choked_by.discard)(by)
        if (now := bool(self._choked_by)) is not before:
            self.tell(lambda sink: sink.choked(now))

    def tell(self, tell: Callable[[Sink], None]) -> None:
        """Tell the sink, or keep it for the sink to come."""
        if self._sink is not None:
            tell(self._sink)
        else:
            self._early.append(tell)


class KeeperClient(asyncio.Protocol):
    """One attachment to a keeper. All calls on the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._unpacker = Unpacker()
        self._transport: asyncio.Transport | None = None
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._numbers = itertools.count(1)
        self._opening: dict[int, tuple[str, asyncio.Future[Kept]]] = {}
        self._kept: dict[str, Kept] = {}
        self._unclaimed: dict[str, Kept] = {}
        self._unread = False
        self.pid = 0
        self.process: subprocess.Popen[bytes] | None = None
        """The keeper, where it was us who started it."""

    @classmethod
    async def attach(cls, path: Path) -> "KeeperClient":
        """Attach to the keeper whose socket that is. Raises `KeeperError`, and `OSError` where there is none."""
        _, client = await asyncio.get_running_loop().create_unix_connection(cls, str(path))
        await client.introduced(path)
        return client

    async def introduced(self, path: Path) -> None:
        """Wait until it has said what it holds. Raises `KeeperError`."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await self._ready
        except TimeoutError:
            self.drop()
            raise KeeperError(f"the keeper at {path} says nothing; end it (pid {self.pid or 'unknown'})") from None
        except KeeperError:
            self.drop()
            raise

    @property
    def alive(self) -> bool:
        """Whether the keeper is there."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def unclaimed(self) -> tuple[Kept, ...]:
        """What it held when we attached, and nobody has claimed yet."""
        return tuple(self._unclaimed.values())

    def claim(self, name: str) -> Kept | None:
        """Take up the connection of that name again, if it was held; once. It waits for `Kept.begin`."""
        return self._unclaimed.pop(name, None)

    def refuse(self, kept: Kept) -> None:
        """Nobody needs it: it says good-bye."""
        self._unclaimed.pop(kept.name, None)
        self._kept.pop(kept.id, None)
        self._say("refuse", conn=kept.id)

    async def open(
        self,
        name: str,
        host: str,
        port: int,
        *,
        tls: Mapping[str, Any] | None,
        framing: Framing,
        farewell: bytes,
        within: float,
    ) -> Kept:
        """Have it connect to a server. `tls` is as ``docs/keeper.md`` says. Raises `OSError`."""
        number, future = next(self._numbers), self._loop.create_future()
        self._opening[number] = (name, future)
        values = {"host": host, "port": port, "tls": None if tls is None else dict(tls), "within": within}
        self._say("open", farewell, id=number, name=name, framing=framing.value, **values)
        if not self.alive:
            self._opening.pop(number, None)
            raise ConnectionResetError("the keeper is gone")
        try:
            kept: Kept = await future
        except asyncio.CancelledError:
            if number not in self._opening and future.done() and not future.cancelled() and not future.exception():
                future.result().forget()
            raise
        return kept

    async def end(self) -> None:
        """Have it close what it still holds, with words, and end."""
        self._say("end")
        await asyncio.wait([self._gone], timeout=END_WITHIN)
        self.drop()
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self.process.wait, END_WITHIN)

    def drop(self) -> None:
        """Let go of it. It keeps what it holds, for whoever comes next."""
        if self._transport is not None:
            self._transport.abort()

    def _say(self, kind: str, body: bytes = b"", **values: Any) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(pack(kind, body, **values))

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The keeper is there: it speaks first."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=UNREAD_BYTES)

    def pause_writing(self) -> None:
        """It does not read what we write."""
        self._choke(True)

    def resume_writing(self) -> None:
        """It reads again."""
        self._choke(False)

    def _choke(self, on: bool) -> None:
        self._unread = on
        log.warning("the keeper does not read" if on else "the keeper reads again", connections=len(self._kept))
        for kept in list(self._kept.values()):
            kept.choke("keeper", on=on)

    def data_received(self, data: bytes) -> None:
        """It said something."""
        try:
            for frame in self._unpacker.feed(data):
                self._take(frame)
        except FrameError as error:
            self._fail(KeeperError(f"what listens there is no keeper ({error})"))
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, and with it everything it held."""
        self._transport = None
        self._fail(KeeperGoneError("the keeper went away at once; its log says why"))
        opening, self._opening = self._opening, {}
        for _, future in opening.values():
            if not future.done():
                future.set_exception(ConnectionResetError("the keeper is gone"))
        kept, self._kept, self._unclaimed = self._kept, {}, {}
        for each in kept.values():
            each.is_open = False
            each.tell(lambda sink: sink.lost(ConnectionResetError("the keeper is gone")))
        if not self._gone.done():
            self._gone.set_result(None)
        if kept:
            log.error("the keeper is gone, and with it its connections", connections=len(kept))

    def _fail(self, error: KeeperError) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case "hello":
                self.pid = frame.number("pid")
                if (version := frame.number("version")) != VERSION:
                    text = f"the running keeper speaks version {version} of the protocol, and this Rialto {VERSION}"
                    self._fail(StrangeError(text))
                else:
                    self._say("hello", version=VERSION)
            case "refused":
                why = frame.text("why")
                self._fail(
                    BusyError("another Rialto is attached to the keeper")
                    if why == "busy"
                    else KeeperError(f"the keeper refuses us: {why}")
                )
            case "ready":
                if not self._ready.done():
                    self._ready.set_result(None)
            case "held":
                kept = self._made(frame, frame.text("name"), frame.body, is_open=frame.values.get("open") is True)
                self._unclaimed[kept.name] = kept
            case "opened":
                self._opened(frame)
            case "failed":
                _, failed = self._opening.pop(frame.number("id"), ("", None))
                if failed is not None and not failed.done():
                    failed.set_exception(restored(frame.values))
            case _:
                kept_one = self._kept.get(frame.text("conn"))
                if kept_one is not None:
                    self._told(frame, kept_one)

    def _made(self, frame: Frame, name: str, snapshot: bytes, *, is_open: bool) -> Kept:
        secure = frame.values.get("secure") is True
        kept = Kept(self._say, frame.text("conn"), name, secure=secure, snapshot=snapshot, is_open=is_open)
        self._kept[kept.id] = kept
        kept.choke("keeper", on=self._unread)
        return kept

    def _opened(self, frame: Frame) -> None:
        name, future = self._opening.pop(frame.number("id"), ("", None))
        kept = self._made(frame, name, b"", is_open=True)
        kept.certificate = base64.b64decode(frame.text("certificate"))
        if future is None or future.done():
            kept.forget()
        else:
            future.set_result(kept)

    def _told(self, frame: Frame, kept: Kept) -> None:
        match frame.kind:
            case "got":
                start, when = frame.number("start"), frame.values.get("when")
                stamp = float(when) if isinstance(when, int | float) else 0.0
                kept.tell(lambda sink: sink.got(start, frame.body, stamp))
            case "known":
                key = frame.text("key")
                kept.tell(lambda sink: sink.known(key))
            case "choked":
                on = frame.values.get("on") is True
                kept.choke("server", on=on)
            case "lost":
                kept.is_open = False
                self._kept.pop(kept.id, None)
                error = frame.values.get("error")
                kept.tell(lambda sink: sink.lost(ConnectionResetError(error) if isinstance(error, str) else None))
            case _:
                raise FrameError(f"{frame.kind} is nothing that a keeper says")
