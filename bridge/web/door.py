"""The door: one listening socket for an application, which strangers can neither hold open nor fill up.

Everything that reaches an application through it was asked for with a whole head, in time. Bodies are handed on as they
came: nobody inflates one before whoever asks has been told apart from strangers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

log = structlog.get_logger(__name__)

HEAD_WITHIN = 20.0
"""Seconds a new connection has for the head of its first request (RFC 9110 section 15.5.9)."""

SILENT = 500
"""Connections that may wait side by side without having asked for anything; beyond it the oldest ones are closed."""

IDLE = 180.0
"""Seconds a connection may rest between two requests: longer than a homeserver keeps one that it does not use (120 in
Synapse), so that no push meets a connection that we are closing."""

LINGER = 5.0
"""Seconds in which a body that nobody wants is still read, so that its sender can hear why (RFC 9112 section 9.6)."""


def _faults(record: logging.LogRecord) -> bool:
    """Whether an entry of aiohttp's tells of a fault of ours.

    What is no HTTP at all is the fault of whoever sent it. aiohttp would log it whole, tokens included, with a trace.
    """
    malformed = record.exc_info is not None and isinstance(record.exc_info[1], HttpProcessingError)
    if malformed:
        log.debug("malformed request", remote=str(record.args[0]) if isinstance(record.args, tuple) else "")
    return not malformed


_requests = logging.getLogger("bridge.web.requests")
_requests.addFilter(_faults)


class Door:
    """Opened once, and closed once."""

    def __init__(self, app: web.Application, *, shutdown_timeout: float) -> None:
        """`app` is not set up yet. Requests under way get `shutdown_timeout` seconds at the end."""

        @web.middleware
        async def began(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            self._began(request.protocol)
            return await handler(request)

        app.middlewares.insert(0, began)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_requests,
            handle_signals=False,
            shutdown_timeout=shutdown_timeout,
            keepalive_timeout=IDLE,
            lingering_time=LINGER,
            auto_decompress=False,
        )
        self._silent: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        self._server: asyncio.AbstractServer | None = None

    async def open(self, host: str, port: int) -> None:
        """Listen. Raises `OSError`; `close` is to be called all the same."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._came, host, port)

    async def close(self) -> None:
        """Take no more, and let what is under way end."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()

    def _came(self) -> web.RequestHandler:
        """Somebody connects."""
        assert self._runner.server is not None  # noqa: S101 - it listens, so it was set up
        handler = self._runner.server()
        while len(self._silent) >= SILENT:
            self._dismiss(next(iter(self._silent)))
        self._silent[handler] = asyncio.get_running_loop().call_later(HEAD_WITHIN, self._dismiss, handler)
        return handler

    def _dismiss(self, handler: web.RequestHandler) -> None:
        self._silent.pop(handler).cancel()
        handler.force_close()

    def _began(self, handler: web.RequestHandler) -> None:
        """The head of a request is there."""
        timer = self._silent.pop(handler, None)
        if timer is not None:
            timer.cancel()
