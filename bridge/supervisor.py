"""One network's adapter, kept alive: what it trips over stops it, a new one is built and started, and nobody else
notices.

The rest of the core knows an adapter by its `face`, which stays the same whichever adapter is behind it. While there is
none, the face says for everything that is asked of it that it cannot be had for the moment, which lanes, reconciliation
and reports know how to wait for.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol, cast

import structlog
from aiohttp import web

from bridge.backoff import HALF, Backoff
from bridge.contract import (
    Adapter,
    Core,
    Direct,
    Handover,
    Identifying,
    Keeping,
    Notifying,
    Part,
    Puppeteer,
    Rechecking,
    Routed,
    SendError,
    Showing,
    StartError,
    Telling,
    Topical,
    Watchable,
)  # fmt: skip
from bridge.counts import Counts
from bridge.model.result import Failure, Reason, Receipt
from bridge.tasks import cancel, spawn

log = structlog.get_logger(__name__)

PAUSES: Final = (1.0, 300.0)
"""Seconds before the first new start, and the longest pause there can be between two."""

STABLE: Final = 600.0
"""Seconds an adapter has to live for its end to be a first one again."""

STOP_WITHIN: Final = 10.0
"""Seconds an adapter has to say good-bye."""

_PARTS = (
    Adapter, Puppeteer, Keeping, Topical, Telling, Direct, Showing, Notifying, Watchable, Rechecking, Identifying,
    Routed,
)  # fmt: skip
_OFFERS: Final = sorted({name for part in _PARTS for name in vars(part) if not name.startswith("_")})
_ALWAYS: Final = frozenset({"joins_in_flight", "rechecks", "at_home", "identity", "native", "ours"})
"""What says something of the configuration rather than of the network: an adapter that has been stopped knows it."""
_NOT_NOW: Final = frozenset({"show", "notify", "watch"})
"""What is asked again when the network comes online."""


class Hosting(Core, Protocol):
    """The core as one adapter sees it, until that adapter is put away."""

    async def close(self) -> None:
        """Ask nothing more of the adapter."""


class Supervisor:
    """Owns the adapter of one network. `face` is what others call."""

    def __init__(self, network: str, build: Callable[[], Adapter], counts: Counts) -> None:
        """`build` makes an adapter, without I/O. Raises what that raises (`StartError`)."""
        self._network = network
        self._build = build
        self._counts = counts
        self._adapter = build()
        self._up = True
        self._open: set[asyncio.Future[Receipt]] = set()
        self._backoff = Backoff(*PAUSES, least=HALF)
        self._watching: asyncio.Task[None] | None = None
        self._host: Callable[[Callable[[BaseException], None]], Hosting]
        self._hosting: Hosting | None = None
        self._fallen: asyncio.Future[BaseException]
        self.face = cast(Adapter, _face(self, self._adapter))

    async def start(self, host: Callable[[Callable[[BaseException], None]], Hosting]) -> None:
        """Start the adapter, and watch it. `host` gives each adapter its core, which is told whom to call when the
        adapter has crashed. Raises `StartError` where it cannot work as configured."""
        self._host = host
        await self._begin()
        self._watching = spawn(self._watch(), name=f"supervisor {self._network}")

    async def close(self) -> None:
        """Ask nothing more of the adapter, and start no other."""
        if self._watching is not None:
            await cancel([self._watching])
        if self._hosting is not None:
            await self._hosting.close()

    async def stop(self) -> None:
        """Have the adapter say good-bye. Raises nothing."""
        if not self._up:
            return
        self._up = False
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await self._adapter.stop()
        except TimeoutError:
            log.warning("did not stop in time", network=self._network)
        except Exception:
            # The others are to say good-bye all the same.
            log.exception("did not stop well", network=self._network)
        for confirmation in self._open:
            # Whoever still waits for one would do so in vain.
            confirmation.cancel()
        self._open.clear()

    def offer(self, name: str) -> Any:
        """What the face has under this name now."""
        if name == "send":
            return self._send
        if self._up or name in _ALWAYS:
            return getattr(self._adapter, name)
        if name in _NOT_NOW:
            return _nothing
        return _unavailable if name == "handle" else _refuse

    def _send(self, part: Part) -> Handover:
        if not self._up:
            _refuse()
        handover = self._adapter.send(part)
        self._open.add(handover.confirmation)
        handover.confirmation.add_done_callback(self._open.discard)
        return handover

    async def _begin(self) -> None:
        fallen = self._fallen = asyncio.get_running_loop().create_future()
        self._hosting = self._host(partial(_fall, fallen))
        self._up = True
        try:
            await self._adapter.start(self._hosting)
        except StartError:
            raise
        except Exception as error:  # noqa: BLE001 - told where all of them are
            _fall(fallen, error)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            error = await self._fallen
            if loop.time() - began > STABLE:
                self._backoff.reset()
            await self._put_away(error)
            await asyncio.sleep(self._backoff.next())
            try:
                self._adapter = self._build()
                await self._begin()
            except Exception as wrong:  # noqa: BLE001 - told where all of them are; what a start lacks may come back
                self._fallen = loop.create_future()
                _fall(self._fallen, wrong)

    async def _put_away(self, error: BaseException) -> None:
        self._counts.crashes.labels(self._network).inc()
        log.error("the adapter crashed; another is started", network=self._network, exc_info=error)
        if self._hosting is not None:
            text = f"the adapter crashed ({type(error).__name__}) and is being started again; the log has the trace"
            if isinstance(error, StartError):
                text = str(error)
            self._hosting.offline(Failure(Reason.INTERNAL_SERVER_ERROR, text))
            await self._hosting.close()
        await self.stop()
        log.info("the adapter was put away", network=self._network)


def _fall(fallen: asyncio.Future[BaseException], error: BaseException) -> None:
    """The first word counts."""
    if not fallen.done():
        fallen.set_result(error)


def _face(supervisor: Supervisor, adapter: Adapter) -> object:
    """An object with exactly what this adapter offers: what it can do is asked of its class (`isinstance`)."""

    def offered(name: str) -> property:
        return property(lambda face: supervisor.offer(name))

    return type("Face", (), {name: offered(name) for name in _OFFERS if hasattr(adapter, name)})()


def _refuse(*_: Any, **__: Any) -> Any:
    raise SendError.passing(Reason.SERVICE_UNAVAILABLE, "the adapter is being started again")


def _nothing(*_: Any, **__: Any) -> None:
    return


async def _unavailable(_: Any) -> web.Response:
    return web.json_response({"errcode": "M_UNKNOWN", "error": "not running; come again"}, status=503)
