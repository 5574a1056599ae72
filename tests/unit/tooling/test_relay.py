"""The proof's own proxy: what it is told to do twice at once, it does at once."""

import asyncio

import aiohttp
from aiohttp import web

from bridge.demo.servers import free_ports
from tests.faults.relay import Relay, Trouble


class Server:
    """Answers a request only when two are there, and remembers what it was sent."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self._both = asyncio.Event()
        self.port, self._runner = free_ports(1)[0], web.AppRunner(self._app())

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_put("/{tail:.*}", self._put)
        return app

    async def _put(self, request: web.Request) -> web.Response:
        self.asked.append((request.path_qs, await request.read()))
        if len(self.asked) == 2:
            self._both.set()
        await self._both.wait()
        return web.json_response({}, status=200 if len(self.asked) == 2 else 500)

    async def __aenter__(self) -> "Server":
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


async def put_once(times: int) -> list[tuple[str, bytes]]:
    """What a server was sent of one request, the first of so many to be doubled."""
    (port,) = free_ports(1)
    async with Server() as server, Relay(f"http://127.0.0.1:{server.port}", listen=port) as relay:
        relay.order(Trouble.OVERLAP, "^PUT /t/", times)
        async with (
            asyncio.timeout(10),
            aiohttp.ClientSession() as session,
            session.put(f"http://127.0.0.1:{port}/t/7?a=b", data=b'{"x":1}') as answer,
        ):
            assert answer.status == 200
        return sorted(server.asked)


async def test_a_request_that_is_to_overlap_with_itself_does() -> None:
    """A server that waits for both before it answers one would wait for ever otherwise."""
    assert await put_once(1) == [("/t/7?a=b", b'{"x":1}')] * 2


async def test_every_other_one_has_another_id_the_second_time() -> None:
    assert await put_once(2) == [("/t/7?a=b", b'{"x":1}'), ("/t/7again?a=b", b'{"x":1}')]
