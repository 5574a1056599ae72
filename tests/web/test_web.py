"""What the gateway says of itself by HTTP, and to whom."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from pydantic import SecretStr

from bridge.config import Http
from bridge.model.result import Failure, Reason
from bridge.service import Service
from bridge.store import Store
from tests.unit.core.bench import config, person, said
from tests.unit.core.loopback import Loopback


class Running:
    def __init__(self, url: str, networks: dict[str, Loopback]) -> None:
        self.url = url
        self.networks = networks


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    networks = {"home": Loopback(), "libera": Loopback()}
    plain = config(tmp_path, networks)
    guarded = replace(plain, http=Http(listen=plain.http.listen, admin_token=SecretStr("a-token-of-tests")))
    stop = asyncio.Event()
    task = asyncio.create_task(Service(guarded).run(stop))
    await asyncio.gather(*(network.started.wait() for network in networks.values()))
    yield Running(f"http://{plain.http.listen}", networks)
    stop.set()
    await task


async def fetch(url: str, token: str | None = None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_the_status_is_for_those_with_the_token(running: Running) -> None:
    assert (await fetch(f"{running.url}/api/status"))[0] == 403
    assert (await fetch(f"{running.url}/api/status", "another-token"))[0] == 403
    status, text = await fetch(f"{running.url}/api/status", "a-token-of-tests")
    assert status == 200
    assert '"libera": {"kind": "irc", "online": true' in text


async def test_the_story_of_a_message_is_for_those_with_the_token(running: Running) -> None:
    url = f"{running.url}/api/messages"
    assert (await fetch(f"{url}?id=x"))[0] == 403
    assert (await fetch(f"{url}?id=x", "another-token"))[0] == 403
    for query in ("", "?id=", "?id=" + 1001 * "x"):
        status, text = await fetch(url + query, "a-token-of-tests")
        assert (status, "ask with ?id=" in text) == (400, True), text
    assert await fetch(f"{url}?id=%24nobody", "a-token-of-tests") == (200, "[]")
    await running.networks["home"].core.accept(said("hello", person("Ana"), native_id="$a/b%c"))
    status, text = await fetch(f"{url}?id=%24a%2Fb%25c", "a-token-of-tests")
    assert (status, json.loads(text)[0]["native_id"]) == (200, "$a/b%c")


async def test_a_store_that_does_not_answer_is_no_health(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.service.HEALTHY_WITHIN", 0.05)
    gate = threading.Event()

    def hold(self: Store, operation: object) -> "asyncio.Future[object]":
        return asyncio.get_running_loop().run_in_executor(None, gate.wait)

    monkeypatch.setattr(Store, "read", hold)
    try:
        assert await fetch(f"{running.url}/healthz") == (503, '{"status": "the store does not answer"}')
        assert await fetch(f"{running.url}/readyz") == (503, '{"offline": [], "store": false}')
    finally:
        gate.set()
        monkeypatch.undo()
    assert (await fetch(f"{running.url}/healthz"))[0] == 200


async def test_ready_means_that_every_network_is_online(running: Running) -> None:
    assert await fetch(f"{running.url}/readyz") == (200, '{"offline": [], "store": true}')
    running.networks["libera"].core.offline(Failure(Reason.REMOTE_SERVER_TIMEOUT, "away"))
    assert await fetch(f"{running.url}/readyz") == (503, '{"offline": ["libera"], "store": true}')
    assert (await fetch(f"{running.url}/healthz"))[0] == 200


async def test_the_metrics_count_what_came_in_and_how_it_ended(running: Running) -> None:
    await running.networks["home"].core.accept(said("hello", person("Ana")))
    await running.networks["libera"].until(lambda: running.networks["libera"].sent != [])
    running.networks["home"].core.ignored("typing")
    _, text = await fetch(f"{running.url}/metrics")
    assert 'rialto_events_accepted_total{network="home"} 1.0' in text
    assert 'rialto_ignored_total{network="home",what="typing"} 1.0' in text
    assert 'rialto_network_online{network="libera"} 1.0' in text


async def test_a_path_of_no_network_is_not_found(running: Running) -> None:
    assert (await fetch(f"{running.url}/elsewhere/_matrix/app/v1/ping"))[0] == 404
