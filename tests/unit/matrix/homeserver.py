"""A very small homeserver in memory, for what no real one can be made to do: lose one answer, or count requests."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from adapters.matrix.client import Client


class Homeserver:
    """Makes rooms, and takes everything else. `lose` says of the next requests to make a room whether the answer gets
    lost ``before`` or ``after`` the room was made; `refuse` holds answers by the end of the path, `refuse_once` such as
    are given once each. What is written to a path with an end in `hold` is taken in when that event is set; `held`
    tells that something waits. `timeline` is what each room tells of its past."""

    def __init__(self) -> None:
        self.rooms: dict[str, dict[str, Any]] = {}
        self.creators: dict[str, str] = {}
        self.left: list[str] = []
        self.lose: list[str] = []
        self.refuse: dict[str, tuple[int, dict[str, Any]]] = {}
        self.refuse_once: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.hold: dict[str, asyncio.Event] = {}
        self.held = asyncio.Event()
        self.timeline: list[dict[str, Any]] = []
        self.came = asyncio.Event()
        self.asked: list[tuple[str, str, Any]] = []

    def count(self, end: str, who: str | None = None) -> int:
        """How often a path with this end was asked for, in somebody's name."""
        return sum(path.endswith(end) and who in (None, user) for user, path, _ in self.asked)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        path, user = request.path.removeprefix("/_matrix/client/v3/"), request.query.get("user_id", "")
        body = await request.json() if request.can_read_body else None
        self.came.set()
        for end, event in self.hold.items():
            if body is not None and path.endswith(end):
                self.held.set()
                await event.wait()
        self.asked.append((user, path, body))
        for end, refusals in self.refuse_once.items():
            if path.endswith(end) and refusals:
                status, refusal = refusals.pop(0)
                return web.json_response(refusal, status=status)
        for end, (status, refusal) in self.refuse.items():
            if path.endswith(end):
                return web.json_response(refusal, status=status)
        told: Mapping[str, Any] = {}
        if path == "createRoom":
            how = self.lose.pop(0) if self.lose else ""
            room_id = f"!room{len(self.rooms)}"
            if how != "before":
                self.rooms[room_id], self.creators[room_id] = body or {}, user
            if how:
                assert request.transport is not None
                request.transport.close()
            told = {"room_id": room_id}
        elif path == "joined_rooms":
            told = {
                "joined_rooms": [room for room, by in self.creators.items() if by == user and room not in self.left]
            }
        elif path.endswith("/leave"):
            self.left.append(path.split("/")[1])
        elif path.endswith("/messages"):
            last = int(request.query.get("from", len(self.timeline)))
            begin = max(0, last - int(request.query["limit"]))
            told = {"chunk": self.timeline[begin:last][::-1], **({"end": str(begin)} if begin else {})}
        elif "/state/m.room.create" in path:
            told = self.rooms[path.split("/")[1]].get("creation_content", {})
        elif "/state/m.room.member/" in path:
            told = {"membership": "invite"}
        elif path.startswith("presence/") and request.method == "GET":
            told = {"presence": "online"}
        return web.json_response(told)


@asynccontextmanager
async def homeserver() -> AsyncIterator[tuple[Homeserver, Client]]:
    """A running one, and a client of it."""
    server = Homeserver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = Client(f"http://127.0.0.1:{runner.addresses[0][1]}", "as-token", first_wait=0.02, timeout=5)
    client.open()
    try:
        yield server, client
    finally:
        await client.close()
        await runner.cleanup()
