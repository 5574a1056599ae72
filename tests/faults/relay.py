"""An HTTP proxy on loopback that can refuse, fail, hang, lose answers, and say things twice."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import aiohttp
from aiohttp import web

_NOT_PASSED_ON = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-encoding"})
_MOST_BYTES = 64 * 1024 * 1024

_Told = tuple[int, Mapping[str, str], bytes]
"""Status, headers and body of an answer."""


class Trouble(StrEnum):
    """What becomes of a request."""

    LIMIT = "429 with Retry-After"
    FAIL = "500"
    HANG = "hang"
    LOSE = "the answer lost"
    REPEAT = "repeated"
    OVERLAP = "repeated, and both at the same time"


@dataclass(slots=True)
class _Order:
    """Trouble for the next `left` requests that match."""

    trouble: Trouble
    path: re.Pattern[str]
    left: int
    seconds: float


class Relay:
    """Passes requests on to `target`, the URL of a server; `port` is its own. `troubled` counts what it was told to
    do."""

    def __init__(self, target: str, *, listen: int, gateway: bool = False) -> None:
        """While the server is away, a `gateway` answers 502, as a reverse proxy does; else the connection is reset."""
        self._target = target
        self._gateway = gateway
        self.port = listen
        self.troubled: dict[Trouble, int] = dict.fromkeys(Trouble, 0)
        self._order: _Order | None = None
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._repeats: set[asyncio.Task[Any]] = set()

    def order(self, trouble: Trouble, path: str, times: int, seconds: float = 1.0) -> None:
        """The next requests whose method and path match get this trouble; `seconds` is how long it hangs, or what
        Retry-After says."""
        self._order = _Order(trouble, re.compile(path), times, seconds)

    @property
    def done(self) -> bool:
        """Whether all the trouble was made."""
        return self._order is None

    def good(self) -> None:
        """No more trouble."""
        self._order = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(limit=0))
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        assert self._session is not None
        for task in self._repeats:
            task.cancel()
        await asyncio.gather(*self._repeats, return_exceptions=True)
        await self._runner.cleanup()
        await self._session.close()

    def _next(self, request: web.Request) -> _Order | None:
        order = self._order
        if order is None or not order.path.search(f"{request.method} {request.raw_path}"):
            return None
        order.left -= 1
        if order.left <= 0:
            self._order = None
        self.troubled[order.trouble] += 1
        return order

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        order = self._next(request)
        match order.trouble if order else None:
            case Trouble.LIMIT:
                assert order is not None
                told = {"errcode": "M_LIMIT_EXCEEDED", "error": "too fast", "retry_after_ms": int(order.seconds * 1000)}
                return web.json_response(told, status=429, headers={"Retry-After": f"{order.seconds:.0f}"})
            case Trouble.FAIL:
                return web.json_response({"errcode": "M_UNKNOWN", "error": "Internal server error"}, status=500)
            case Trouble.HANG:
                assert order is not None
                await asyncio.sleep(order.seconds)  # hanging is what was asked for
                return self._break(request)
            case Trouble.LOSE:
                await self._pass(request, body)
                return self._break(request)
            case Trouble.REPEAT:
                again = asyncio.create_task(self._pass(request, body))
                self._repeats.add(again)
                again.add_done_callback(self._repeats.discard)
                await self._pass(request, body)
            case Trouble.OVERLAP:
                assert order is not None
                return self._answer(request, await self._overlap(request, body, renamed=order.left % 2 == 1))
        return self._answer(request, await self._pass(request, body))

    @staticmethod
    def _break(request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=502)  # nobody is there to read it

    async def _overlap(self, request: web.Request, body: bytes, *, renamed: bool) -> _Told | None:
        """Pass it on twice. Each waits with its last byte until the other is there but for that, too: so neither can be
        answered before both are under way. `renamed`: the second has another transaction's id. Returns the worse of
        the two answers."""
        both, under_way = asyncio.Event(), 0

        async def held() -> AsyncIterator[bytes]:
            nonlocal under_way
            yield body[:-1]
            under_way += 1
            if under_way == 2:
                both.set()
            await both.wait()
            yield body[-1:]

        path, query = request.raw_path.partition("?")[::2]
        again = f"{path}again" if renamed else path
        told = await asyncio.gather(
            *(self._pass(request, held(), f"{each}?{query}", len(body)) for each in (path, again))
        )
        return None if None in told else max(filter(None, told), key=lambda each: each[0])

    async def _pass(
        self, request: web.Request, body: bytes | AsyncIterator[bytes], path: str = "", length: int | None = None
    ) -> _Told | None:
        """What the server answers; None if it cannot be reached. `path` is another one than the request's, `length`
        that of a body that comes piece by piece."""
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_PASSED_ON}
        if length is not None:
            headers["Content-Length"] = str(length)
        url = self._target + (path or request.raw_path)
        try:
            async with self._session.request(
                request.method, url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED_ON}
                return answer.status, kept, await answer.read()
        except (aiohttp.ClientError, OSError):
            return None

    def _answer(self, request: web.Request, told: _Told | None) -> web.Response:
        if told is None:
            return web.Response(status=502) if self._gateway else self._break(request)
        status, headers, body = told
        return web.Response(status=status, headers=headers, body=body)
