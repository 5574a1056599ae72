"""The account's session over a small server that answers as told: what nio would overlook, and what it may not do."""

import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from adapters.matrix.account.session import Session
from adapters.matrix.errors import MatrixError

Answer = Callable[[web.Request], web.StreamResponse]


class Server:
    """Gives its answers in turn, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        self.asked.append((request.method, request.raw_path, dict(request.headers), json.loads(body) if body else None))
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(request)


def told(status: int, body: Any, **headers: str) -> Answer:
    return lambda _: web.json_response(
        body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/matrix"
    yield made
    await runner.cleanup()


@pytest_asyncio.fixture
async def session(server: Server) -> AsyncIterator[Session]:
    made = Session(server.url, "@bot:example.org", first_wait=0.05, longest_wait=0.2)
    made.open()
    yield made
    await made.close()


async def test_login_and_what_follows(server: Server, session: Session) -> None:
    server.answers = [told(200, {"access_token": "syt_1", "device_id": "DEV", "user_id": "@bot:example.org"})]
    assert await session.login("sesame", "", "The bridge") == ("syt_1", "DEV")
    method, path, headers, body = server.asked[-1]
    assert (method, path) == ("POST", "/matrix/_matrix/client/v3/login")
    assert body["identifier"] == {"type": "m.id.user", "user": "@bot:example.org"}
    assert (body["password"], body["initial_device_display_name"]) == ("sesame", "The bridge")
    assert "device_id" not in body

    await session.request("PUT", "/_matrix/client/v3/rooms", "!a/b:x", "send", "m.room.message", "t#1", body={"ü": "x"})
    method, path, headers, body = server.asked[-1]
    assert (method, path) == ("PUT", "/matrix/_matrix/client/v3/rooms/!a%2Fb:x/send/m.room.message/t%231")
    assert headers["Authorization"] == "Bearer syt_1"
    assert headers["Content-Type"] == "application/json"
    assert body == {"ü": "x"}
    assert not any("syt_1" in path or "sesame" in path for _, path, _, _ in server.asked)

    await session.login("sesame", "DEV", "The bridge")
    assert server.asked[-1][3]["device_id"] == "DEV"


async def test_an_account_speaks_as_itself_and_now(server: Server, session: Session) -> None:
    server.answers = [told(200, {})]
    await session.request("PUT", "/x", user_id="@ana:example.org", ts=1, query={"limit": "3"}, body={})
    assert server.asked[-1][1] == "/matrix/x?limit=3"


async def test_retry_after_is_obeyed_and_not_what_nio_would_wait(server: Server, session: Session) -> None:
    limited = {"errcode": "M_LIMIT_EXCEEDED", "error": "slow down", "retry_after_ms": 60_000}
    server.answers = [told(429, limited, Retry_After="1"), told(200, {"event_id": "$1"})]
    started = time.monotonic()
    assert await session.request("PUT", "/x", body={}, patience=10) == {"event_id": "$1"}
    assert 1.0 <= time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("answer", "status", "temporary"),
    [
        (told(403, {"errcode": "M_FORBIDDEN", "error": "no"}), 403, False),
        (told(500, {"errcode": "M_UNKNOWN", "error": "broken"}), 500, True),
        (told(429, {"errcode": "M_LIMIT_EXCEEDED", "error": "later"}), 429, True),
        (told(200, ["no object"]), 502, True),
        (told(200, {"access_token": "a\r\nb", "device_id": "DEV"}), 502, True),
        (told(200, {"access_token": "ok"}), 502, True),
    ],
)
async def test_failures_are_raised(
    server: Server, session: Session, answer: Answer, status: int, temporary: bool
) -> None:
    server.answers = [answer]
    with pytest.raises(MatrixError) as failed:
        await session.login("sesame", "", "The bridge")
    assert (failed.value.status, failed.value.temporary) == (status, temporary)
    assert len(server.asked) == 1
    assert "sesame" not in str(failed.value)


async def test_a_broken_connection_is_ambiguous_and_not_repeated(server: Server, session: Session) -> None:
    def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    server.answers = [hang_up]
    with pytest.raises(MatrixError) as failed:
        await session.request("PUT", "/x", body={})
    assert failed.value.ambiguous
    assert len(server.asked) == 1


async def test_no_redirection_is_followed(server: Server, session: Session) -> None:
    server.answers = [told(307, {}, Location="/elsewhere"), told(200, {"access_token": "x", "device_id": "y"})]
    with pytest.raises(MatrixError, match="redirected to '/elsewhere'") as failed:
        await session.login("sesame", "", "The bridge")
    assert not failed.value.temporary
    assert len(server.asked) == 1


async def test_closed(server: Server) -> None:
    session = Session(server.url, "@bot:example.org")
    with pytest.raises(MatrixError, match="closed"):
        await session.request("GET", "/x")
    session.open()
    await session.close()
    await session.close()
    with pytest.raises(MatrixError, match="closed"):
        await session.request("GET", "/x")


def test_nio_says_nothing() -> None:
    assert not logging.getLogger("nio.responses").isEnabledFor(logging.CRITICAL)
