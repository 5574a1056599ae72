"""The client's patience, against a small server that answers as told."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from adapters.matrix.client import Client
from adapters.matrix.errors import MatrixError
from bridge.backoff import HALF, Backoff

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    async def respond(_: web.Request) -> web.StreamResponse:
        return web.json_response({} if body is None else body, status=status, headers=headers)

    return respond


def raw(text: str) -> Answer:
    async def respond(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text)

    return respond


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def never(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


LIMITED = {"errcode": "M_LIMIT_EXCEEDED", "error": "slow down", "retry_after_ms": 60_000}


class Homeserver:
    """Gives its answers in turn, the last one for ever; notes what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[web.Request] = []
        self.times: list[float] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.times.append(time.monotonic())
        await request.read()
        return await (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(request)


@pytest_asyncio.fixture
async def homeserver() -> AsyncIterator[Homeserver]:
    server = Homeserver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest_asyncio.fixture
async def client(homeserver: Homeserver) -> AsyncIterator[Client]:
    made = Client(homeserver.url, "as-token", first_wait=0.05, longest_wait=0.2, timeout=2.0)
    made.open()
    yield made
    await made.close()


async def test_a_request(homeserver: Homeserver, client: Client) -> None:
    homeserver.answers = [answer(200, {"event_id": "$1"})]
    told = await client.request(
        "PUT", "/_matrix/client/v3/rooms", "!a/b:c?#%", "send", "x", user_id="@p=40:hs", ts=5, body={"body": "ü"}
    )
    assert told == {"event_id": "$1"}
    (request,) = homeserver.asked
    assert request.rel_url.raw_path == "/_matrix/client/v3/rooms/%21a%2Fb%3Ac%3F%23%25/send/x"
    assert dict(request.query) == {"user_id": "@p=40:hs", "ts": "5"}
    assert request.headers["Authorization"] == "Bearer as-token"
    assert request.headers["Content-Type"] == "application/json"
    assert "as-token" not in str(request.rel_url)
    assert json.loads(await request.read()) == {"body": "ü"}


async def test_several_values_of_one_key(homeserver: Homeserver, client: Client) -> None:
    homeserver.answers = [answer(200)]
    await client.request("POST", "/join", "!x", query={"via": ["a.org", "b.org"]}, body={})
    assert homeserver.asked[0].query.getall("via") == ["a.org", "b.org"]


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "1"}, 1.0, 3.0),  # the header counts, not the minute in the body
        ({"Retry-After": "0.2"}, 0.2, 1.5),
        ({"Retry-After": formatdate(time.time() - 60, usegmt=True)}, 0.0, 1.5),
    ],
)
async def test_retry_after_is_obeyed(
    homeserver: Homeserver, client: Client, headers: dict[str, str], least: float, most: float
) -> None:
    homeserver.answers = [answer(429, LIMITED, headers), answer(200, {"ok": 1})]
    assert await client.request("PUT", "/x", body={}, patience=10) == {"ok": 1}
    first, second = homeserver.times
    assert least <= second - first < most


async def test_the_body_counts_where_there_is_no_header(homeserver: Homeserver, client: Client) -> None:
    homeserver.answers = [answer(429, LIMITED | {"retry_after_ms": 400}), answer(200, {"ok": 1})]
    assert await client.request("PUT", "/x", body={}, patience=10) == {"ok": 1}
    first, second = homeserver.times
    assert 0.4 <= second - first < 2


async def test_a_wait_beyond_our_patience_is_told(homeserver: Homeserver, client: Client) -> None:
    homeserver.answers = [answer(429, LIMITED)]
    with pytest.raises(MatrixError) as error:
        await client.request("PUT", "/x", body={}, patience=5)
    assert error.value.limited
    assert not error.value.ambiguous
    assert error.value.retry_after == 60
    assert len(homeserver.asked) == 1


@pytest.mark.parametrize("trouble", [answer(500), answer(502), answer(503), answer(504), hang_up, raw("<html>")])
async def test_what_may_pass_is_tried_again(homeserver: Homeserver, client: Client, trouble: Answer) -> None:
    homeserver.answers = [trouble, trouble, trouble, answer(200, {"ok": 1})]
    assert await client.request("PUT", "/x", body={}, patience=10) == {"ok": 1}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
async def test_what_will_not_pass_is_not(homeserver: Homeserver, client: Client, status: int) -> None:
    homeserver.answers = [answer(status, {"errcode": "M_X", "error": "words"})]
    with pytest.raises(MatrixError) as error:
        await client.request("PUT", "/x", body={}, patience=10)
    assert (error.value.status, error.value.errcode, error.value.text) == (status, "M_X", "words")
    assert len(homeserver.asked) == 1


async def test_patience_ends(homeserver: Homeserver, client: Client) -> None:
    homeserver.answers = [answer(502)]
    began = time.monotonic()
    with pytest.raises(MatrixError) as error:
        await client.request("PUT", "/x", body={}, patience=0.5)
    assert error.value.ambiguous
    assert time.monotonic() - began < 30
    assert len(homeserver.asked) > 2


async def test_a_server_that_never_answers(homeserver: Homeserver, client: Client) -> None:
    homeserver.answers = [never]
    with pytest.raises(MatrixError, match="in time") as error:
        await client.request("PUT", "/x", body={})
    assert error.value.unreachable
    assert error.value.ambiguous


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = Client(f"http://127.0.0.1:{taken.getsockname()[1]}", "as-token")
        client.open()
        with pytest.raises(MatrixError, match="no connection") as error:
            await client.request("GET", "/x")
        await client.close()
    assert error.value.unreachable
    assert not error.value.ambiguous
    assert "as-token" not in str(error.value)
    with pytest.raises(MatrixError, match="closed"):
        await client.request("GET", "/x")


async def test_a_redirect_is_not_followed(homeserver: Homeserver, client: Client) -> None:
    homeserver.answers = [answer(302, None, {"Location": "http://127.0.0.1:1/elsewhere"})]
    with pytest.raises(MatrixError) as error:
        await client.request("GET", "/x", patience=5)
    assert error.value.status == 302
    assert len(homeserver.asked) == 1


async def test_what_is_found_by_other_means_is_not_asked_again(homeserver: Homeserver, client: Client) -> None:
    homeserver.answers = [hang_up, hang_up, answer(200, {"event_id": "$again"})]

    async def found(error: MatrixError) -> Mapping[str, Any] | None:
        assert error.ambiguous
        return {"event_id": "$first"}

    told = await client.request("PUT", "/x", body={}, patience=10, before_again=found)
    assert told == {"event_id": "$first"}


async def test_trouble_is_told(homeserver: Homeserver, client: Client) -> None:
    seen: list[MatrixError] = []
    client.on_trouble = seen.append
    homeserver.answers = [answer(502), answer(200)]
    await client.request("PUT", "/x", body={}, patience=10)
    assert not seen, "one stumble is no trouble"
    homeserver.answers = [answer(502), answer(502), answer(200)]
    await client.request("PUT", "/x", body={}, patience=10)
    assert [error.status for error in seen] == [502]
    homeserver.answers = [answer(401, {"errcode": "M_UNKNOWN_TOKEN"})]
    with pytest.raises(MatrixError):
        await client.request("PUT", "/x", body={}, patience=10)
    assert seen[-1].unknown_token


def test_backoff_grows_is_capped_and_starts_again() -> None:
    backoff = Backoff(1.0, 8.0, least=HALF)
    waits = [backoff.next() for _ in range(8)]
    for wait, step in zip(waits, [1, 2, 4, 8, 8, 8, 8, 8], strict=True):
        assert step / 2 <= wait <= step
    backoff.reset()
    assert backoff.next() <= 1.0
