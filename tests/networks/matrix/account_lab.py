"""The account adapter alone, over a real Synapse, with the recording core of this folder."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from adapters.matrix.account.adapter import AccountAdapter
from adapters.matrix.account.settings import AccountSettings
from bridge.contract import Part, Voice
from bridge.model.address import Person, Place, PlaceKind
from tests.networks.matrix.conftest import Home
from tests.networks.matrix.support import RecordingCore, User, context, part, person

NewUser = Callable[[Home, str], Awaitable[User]]
PASSWORD = "password of tests"


@asynccontextmanager
async def account(core: RecordingCore, homeserver: str, user_id: str, **keys: Any) -> AsyncIterator[AccountAdapter]:
    """The adapter, started, and stopped at the end."""
    keys = keys or {"password": PASSWORD}
    settings = AccountSettings(mode="user", homeserver=homeserver, user_id=user_id, **keys)
    adapter = AccountAdapter(settings, context(0))
    await adapter.start(core)
    try:
        yield adapter
    finally:
        await adapter.stop()


Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class Proxy:
    """Stands before a homeserver. `fault`, where set, is asked first; what it answers goes out instead.

    `forward` asks the homeserver, for a fault that only spoils the answer. `asked`: method and path of each request.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self.url = ""
        self.fault: Fault | None = None
        self.asked: list[tuple[str, str]] = []

    @asynccontextmanager
    async def standing(self) -> AsyncIterator["Proxy"]:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        async with aiohttp.ClientSession() as self._session:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield self
            finally:
                await runner.cleanup()

    async def forward(self, request: web.Request) -> web.StreamResponse:
        headers = {key: value for key, value in request.headers.items() if key in ("Authorization", "Content-Type")}
        url = URL(self._target + request.raw_path, encoded=True)
        async with self._session.request(request.method, url, data=await request.read(), headers=headers) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        spoilt = await self.fault(request) if self.fault is not None else None
        return spoilt if spoilt is not None else await self.forward(request)


def conversation_with(user_id: str) -> Place:
    return Place("home", user_id, PlaceKind.USER)


def spoken(place: Place, text: str, part_id: str, speaker: Person | None = None) -> Part:
    """A part as the downgrade makes it for the bot's voice."""
    speaker = speaker or person()
    return part(place, f"<{speaker.name}> {text}", part_id, speaker, 0.0, voice=Voice.BOT)
