"""Parts whose fate is unknown: looked for before they are sent again. Against a small room in memory, since no real
homeserver can be made to lose exactly one answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from adapters.matrix.client import Client
from adapters.matrix.puppets import Puppets
from adapters.matrix.rooms import Room, Rooms
from adapters.matrix.sending import Sender
from adapters.matrix.tasks import Tasks
from bridge.contract import SendError
from bridge.model.result import Receipt
from tests.networks.matrix.support import RecordingCore
from tests.unit.matrix.scenes import KESTREL, LOBBY, NOW, OURS, part


class Lobby:
    """A room that keeps what it is sent, and a homeserver that may forget to say so."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.puts = 0
        self.looks = 0
        self.lose: list[str] = []
        self.refuse: list[int] = []
        self.asked: list[str] = []
        self.arrived = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def put(self, request: web.Request) -> web.StreamResponse:
        self.puts += 1
        self.asked.append("send")
        how = self.lose.pop(0) if self.lose else ""
        if how == "before":
            return self._hang_up(request)
        if self.refuse:
            return web.json_response({"errcode": "M_FORBIDDEN", "error": "not in room"}, status=self.refuse.pop(0))
        event_id = f"${len(self.events)}"
        self.events.append({"event_id": event_id, "sender": request.query["user_id"], "content": await request.json()})
        self.arrived.set()
        await self.may_answer.wait()
        return self._hang_up(request) if how == "after" else web.json_response({"event_id": event_id})

    async def messages(self, request: web.Request) -> web.StreamResponse:
        self.looks += 1
        start = int(request.query.get("from", len(self.events)))
        page = self.events[max(0, start - 2) : start]
        told: dict[str, Any] = {"chunk": list(reversed(page))}
        if start > 2:
            told["end"] = str(start - 2)
        return web.json_response(told)

    async def other(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path.rsplit("/", 1)[-1])
        return web.json_response({})

    @staticmethod
    def _hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()


@pytest_asyncio.fixture
async def made() -> AsyncIterator[tuple[Lobby, Sender, Room, Puppets]]:
    lobby, tasks = Lobby(), Tasks()
    app = web.Application()
    app.router.add_put("/_matrix/client/v3/rooms/{room}/send/{kind}/{txn}", lobby.put)
    app.router.add_get("/_matrix/client/v3/rooms/{room}/messages", lobby.messages)
    app.router.add_route("*", "/{tail:.*}", lobby.other)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = Client(f"http://127.0.0.1:{runner.addresses[0][1]}", "as-token", first_wait=0.02, timeout=5)
    client.open()
    rooms = Rooms([LOBBY])
    room = rooms.bind(LOBBY, "!lobby")
    room.entered = True
    core = RecordingCore(LOBBY.native)
    puppets = Puppets(core, client, OURS, rooms)
    yield lobby, Sender(client, OURS, puppets, tasks, core.identity, lambda: NOW), room, puppets
    await tasks.stop()
    await client.close()
    await runner.cleanup()


Made = tuple[Lobby, Sender, Room, Puppets]
Wait = Callable[[Awaitable[Receipt]], Awaitable[Receipt]]


async def soon(confirmation: Awaitable[Receipt]) -> Receipt:
    return await asyncio.wait_for(confirmation, 10)


async def test_an_answer_that_got_lost(made: Made) -> None:
    lobby, sender, room, _ = made
    lobby.lose = ["after"]
    receipt = await soon(sender.send(part(), room).confirmation)
    assert receipt == Receipt("$0")
    assert len(lobby.events) == 1, "the part was sent a second time"
    assert lobby.looks == 1


async def test_a_request_that_got_lost(made: Made) -> None:
    lobby, sender, room, _ = made
    lobby.lose = ["before"]
    assert await soon(sender.send(part(), room).confirmation) == Receipt("$0")
    assert len(lobby.events) == 1


async def test_a_message_needs_no_look_back(made: Made) -> None:
    lobby, sender, room, _ = made
    await soon(sender.send(part(), room).confirmation)
    assert (lobby.puts, lobby.looks) == (1, 0)


async def test_an_echo_confirms_before_the_answer(made: Made) -> None:
    _, sender, room, _ = made
    handover = sender.send(part(), room)
    assert sender.echo(part().id, "$echo")
    assert await soon(handover.confirmation) == Receipt("$echo")


async def test_an_echo_nobody_waits_for(made: Made) -> None:
    _, sender, room, _ = made
    assert not sender.echo(part().id, "$echo")
    await soon(sender.send(part(), room).confirmation)
    await asyncio.sleep(0)
    assert not sender.echo(part().id, "$0")


async def test_a_part_given_up_is_looked_for_when_it_comes_again(made: Made) -> None:
    lobby, sender, room, _ = made
    lobby.may_answer.clear()
    handover = sender.send(part(), room)
    await asyncio.wait_for(lobby.arrived.wait(), 5)
    handover.confirmation.cancel()
    lobby.may_answer.set()
    assert await soon(sender.send(part(), room).confirmation) == Receipt("$0")
    assert len(lobby.events) == 1


async def test_pages_are_turned(made: Made) -> None:
    lobby, sender, room, _ = made
    parts = [part(id=f"p-{number}") for number in range(5)]
    for one in parts:
        await soon(sender.send(one, room).confirmation)
    lobby.events.append(
        {"event_id": "$forged", "sender": "@eve:x.org", "content": {"org.rialto.bridge": {"part": "p-9"}}}
    )
    found = await sender.look_back(room, [parts[0], parts[4], part(id="p-9")])
    assert found == {"p-0": Receipt("$0"), "p-4": Receipt("$4")}
    assert await sender.look_back(room, [parts[0]], pages=1) == {}


async def test_a_puppet_that_may_not_speak_is_brought_back_once(made: Made) -> None:
    lobby, sender, room, puppets = made
    await puppets.enter(room, part().speaker)
    lobby.asked.clear()
    lobby.refuse = [403]
    assert await soon(sender.send(part(), room).confirmation) == Receipt("$0")
    assert lobby.asked == ["send", "register", "displayname", KESTREL, "send"]
    lobby.refuse = [403, 403]
    with pytest.raises(SendError) as error:
        await soon(sender.send(part(id="p-2"), room).confirmation)
    assert not error.value.temporary
    room.removed.add(KESTREL)
    lobby.refuse = [403]
    lobby.asked.clear()
    with pytest.raises(SendError, match="removed from the room"):
        await soon(sender.send(part(id="p-3"), room).confirmation)
    assert lobby.asked == ["send"]
