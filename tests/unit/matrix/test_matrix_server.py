"""The routes a homeserver calls: authorisation, paths, methods, bodies."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from adapters.matrix.server import LARGEST_TRANSACTION, Server
from adapters.matrix.tasks import Tasks

TOKEN = "hs-token"
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
PUPPET = "@_rialto_office_room=40conf/bo:example.org"


class Taker:
    """What stands behind the routes in these tests."""

    def __init__(self) -> None:
        self.bodies: list[Mapping[str, Any]] = []
        self.asked: list[str] = []
        self.is_ready = True
        self.held: asyncio.Event | None = None
        self.finished = asyncio.Event()
        self.begun = 0
        self.began = asyncio.Event()
        self.late = 0
        self.broken = False

    def was_late(self) -> None:
        self.late += 1

    async def take(self, body: Mapping[str, Any]) -> None:
        self.begun += 1
        self.began.set()
        if self.broken:
            raise RuntimeError("broken")
        if self.held is not None:
            await self.held.wait()
        self.bodies.append(body)
        self.finished.set()

    async def user(self, user_id: str) -> bool:
        self.asked.append(user_id)
        return user_id == PUPPET

    async def ready(self) -> bool:
        return self.is_ready


Client = TestClient[web.Request, web.Application]


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest_asyncio.fixture
async def client(taker: Taker) -> AsyncIterator[Client]:
    tasks = Tasks()
    server = Server(TOKEN, taker.take, taker.user, taker.ready, tasks, taker.was_late)
    app = web.Application()
    app.router.add_route("*", "/home/{tail:.*}", server.handle)
    async with TestClient(TestServer(app)) as client:
        yield client
    await tasks.stop()


async def told(answer: ClientResponse) -> tuple[int, str]:
    body = await answer.json()
    return answer.status, body.get("errcode", "")


@pytest.mark.parametrize("path", ["/home/_matrix/app/v1/transactions/1", "/home/transactions/1"])
async def test_transactions(client: Client, taker: Taker, path: str) -> None:
    answer = await client.put(path, json={"events": [{"a": 1}]}, headers=AUTHORISED)
    assert await told(answer) == (200, "")
    assert taker.bodies == [{"events": [{"a": 1}]}]


@pytest.mark.parametrize(
    ("headers", "status", "errcode"),
    [
        ({}, 401, "M_UNAUTHORIZED"),
        ({"Authorization": "Basic aHM6dG9rZW4="}, 401, "M_UNAUTHORIZED"),
        ({"Authorization": "Bearer"}, 401, "M_UNAUTHORIZED"),
        ({"Authorization": "Bearer wrong"}, 403, "M_FORBIDDEN"),
        ({"Authorization": f"Bearer {TOKEN}x"}, 403, "M_FORBIDDEN"),
        ({"Authorization": "Bearer h\u00e4-token"}, 403, "M_FORBIDDEN"),
    ],
)
async def test_who_may_not(client: Client, taker: Taker, headers: dict[str, str], status: int, errcode: str) -> None:
    for method, path in [("PUT", "transactions/1"), ("POST", "ping"), ("GET", f"users/{PUPPET}")]:
        answer = await client.request(method, f"/home/_matrix/app/v1/{path}", json={"events": []}, headers=headers)
        assert await told(answer) == (status, errcode)
    assert not taker.bodies
    assert not taker.asked


async def test_a_token_in_the_query_is_no_token(client: Client) -> None:
    answer = await client.post(f"/home/_matrix/app/v1/ping?access_token={TOKEN}", json={})
    assert await told(answer) == (401, "M_UNAUTHORIZED")


@pytest.mark.parametrize(
    ("method", "path", "status", "errcode"),
    [
        ("POST", "_matrix/app/v1/ping", 200, ""),
        ("GET", "_matrix/app/v1/ping", 405, "M_UNRECOGNIZED"),
        ("GET", "_matrix/app/v1/transactions/1", 405, "M_UNRECOGNIZED"),
        ("PUT", "_matrix/app/v1/transactions", 404, "M_UNRECOGNIZED"),
        ("PUT", "_matrix/app/v1/transactions/", 404, "M_UNRECOGNIZED"),
        ("GET", "_matrix/app/v2/ping", 404, "M_UNRECOGNIZED"),
        ("GET", "", 404, "M_UNRECOGNIZED"),
        ("GET", "_matrix/app/v1/users/%40nobody%3Aexample.org", 404, "M_NOT_FOUND"),
        ("GET", "_matrix/app/v1/users/%40_rialto_office_room=40conf%2Fbo%3Aexample.org", 200, ""),
        ("GET", "users/%40_rialto_office_room=40conf%2Fbo%3Aexample.org", 200, ""),
        ("GET", "_matrix/app/v1/rooms/%23tea%3Aexample.org", 404, "M_NOT_FOUND"),
        ("GET", "_matrix/app/v1/thirdparty/protocol/irc", 404, "M_NOT_FOUND"),
        ("GET", "_matrix/app/unstable/thirdparty/user", 404, "M_NOT_FOUND"),
    ],
)
async def test_routes(client: Client, method: str, path: str, status: int, errcode: str) -> None:
    answer = await client.request(method, f"/home/{path}", json={}, headers=AUTHORISED)
    assert await told(answer) == (status, errcode)


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"", "M_NOT_JSON"),
        (b"{", "M_NOT_JSON"),
        (b"\xff\xfe{", "M_NOT_JSON"),
        (b"[" * 100_000, "M_NOT_JSON"),
        (b"[]", "M_BAD_JSON"),
        (b"{}", "M_BAD_JSON"),
        (b'{"events": {}}', "M_BAD_JSON"),
    ],
)
async def test_bodies_that_are_no_transactions(client: Client, taker: Taker, body: bytes, errcode: str) -> None:
    answer = await client.put("/home/_matrix/app/v1/transactions/1", data=body, headers=AUTHORISED)
    assert await told(answer) == (400, errcode)
    assert not taker.bodies


async def test_bodies_are_bounded(client: Client) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_TRANSACTION // (1 << 20) + 1):
            yield b" " * (1 << 20)

    answer = await client.put("/home/_matrix/app/v1/transactions/1", data=endless(), headers=AUTHORISED)
    assert await told(answer) == (413, "M_TOO_LARGE")


async def test_a_transaction_of_several_megabytes(client: Client, taker: Taker) -> None:
    events = [{"content": {"body": "x" * 65_000}} for _ in range(100)]
    body = io.BytesIO(json.dumps({"events": events}).encode())
    answer = await client.put("/home/_matrix/app/v1/transactions/1", data=body, headers=AUTHORISED)
    assert answer.status == 200
    assert len(taker.bodies[0]["events"]) == 100


async def test_not_ready_is_no_success(client: Client, taker: Taker) -> None:
    taker.is_ready = False
    answer = await client.put("/home/_matrix/app/v1/transactions/1", json={"events": []}, headers=AUTHORISED)
    assert await told(answer) == (503, "M_UNKNOWN")
    assert not taker.bodies


async def test_what_was_begun_is_finished_when_the_homeserver_hangs_up(client: Client, taker: Taker) -> None:
    taker.held = asyncio.Event()
    url = "/home/_matrix/app/v1/transactions/1"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await client.put(url, json={"events": []}, headers=AUTHORISED)
    assert not taker.bodies
    taker.held.set()
    await asyncio.wait_for(taker.finished.wait(), 5)
    assert taker.bodies == [{"events": []}]


async def test_one_transaction_is_taken_in_at_a_time_and_no_other_is_read(
    client: Client, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the homeserver repeats because it did not wait must not pile up, each repetition with its body."""
    monkeypatch.setattr("adapters.matrix.server.TURN_WITHIN", 0.1)
    taker.held = asyncio.Event()
    first = asyncio.create_task(client.put("/home/transactions/1", json={"events": [1]}, headers=AUTHORISED))
    await taker.began.wait()
    read = 0

    async def body(request: web.Request) -> bytes:
        nonlocal read
        read += 1
        return await request.read()

    monkeypatch.setattr("adapters.matrix.server._body", body)
    for _ in range(3):
        answer = await client.put("/home/transactions/1", json={"events": [1]}, headers=AUTHORISED)
        assert await told(answer) == (503, "M_UNKNOWN")
    assert (taker.begun, read) == (1, 0)
    monkeypatch.setattr("adapters.matrix.server.TURN_WITHIN", 30.0)
    second = asyncio.create_task(client.put("/home/transactions/2", json={"events": [2]}, headers=AUTHORISED))
    third = asyncio.create_task(client.put("/home/transactions/3", json={"events": [3]}, headers=AUTHORISED))
    taker.held.set()
    for answering in (first, second, third):
        assert await told(await answering) == (200, "")
    assert taker.bodies[0] == {"events": [1]}
    assert sorted(body["events"] for body in taker.bodies) == [[1], [2], [3]]


async def test_a_transaction_that_fails_gives_the_turn_away(client: Client, taker: Taker) -> None:
    taker.broken = True
    answer = await client.put("/home/transactions/1", json={"events": []}, headers=AUTHORISED)
    assert answer.status == 500
    taker.broken = False
    answer = await client.put("/home/transactions/1", json={"events": []}, headers=AUTHORISED)
    assert answer.status == 200


async def test_what_took_long_is_told_of_for_the_homeserver_may_have_gone_to_rest(
    client: Client, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.put("/home/transactions/1", json={"events": []}, headers=AUTHORISED)
    assert taker.late == 0
    monkeypatch.setattr("adapters.matrix.server.LATE", -1.0)
    await client.put("/home/transactions/2", json={"events": []}, headers=AUTHORISED)
    assert taker.late == 1
