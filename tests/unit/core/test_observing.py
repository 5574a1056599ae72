"""What an operator can see of how the gateway fares: lag, commits, connections, what is on its way in."""

import asyncio
import time
from pathlib import Path

import pytest

from bridge import lag
from bridge.model.result import Failure, Reason
from bridge.service import Service
from bridge.tasks import cancel
from tests.unit.core.bench import person, running, said
from tests.unit.core.loopback import Loopback
from tests.unit.core.test_store_trouble import break_down
from tests.unit.store.trouble import impatient

ANA = person("Ana")


def sample(service: Service, name: str, **labels: str) -> float | None:
    return service._counts.registry.get_sample_value(name, labels)


async def test_a_loop_that_is_held_up_is_seen_to_be_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "EVERY", 0.001)
    seen: asyncio.Queue[float] = asyncio.Queue()
    measuring = asyncio.create_task(lag.measure(seen.put_nowait))
    assert await seen.get() >= 0
    time.sleep(0.3)  # noqa: ASYNC251 - what holds up the loop
    assert max([await seen.get(), await seen.get()]) >= 0.25
    await cancel([measuring])


async def test_commits_and_connections_are_counted(tmp_path: Path) -> None:
    home, libera = Loopback(), Loopback()
    async with running(tmp_path, {"home": home, "libera": libera}) as service:
        before = sample(service, "rialto_store_commit_operations_count") or 0
        await home.core.accept(said("x", ANA))
        assert (sample(service, "rialto_store_commit_operations_count") or 0) > before
        assert sample(service, "rialto_store_commit_seconds_count") is not None
        assert sample(service, "rialto_network_connects_total", network="libera") == 1
        libera.core.online()
        assert sample(service, "rialto_network_connects_total", network="libera") == 1
        libera.core.offline(Failure(Reason.SERVICE_UNAVAILABLE, "away"))
        libera.core.online()
        assert sample(service, "rialto_network_connects_total", network="libera") == 2
        assert sample(service, "rialto_network_connects_total", network="home") == 1


async def test_what_is_on_its_way_in_shows_while_the_store_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    home, libera = Loopback(), Loopback()
    async with running(tmp_path, {"home": home, "libera": libera}) as service:
        assert service.status()["intake"] == {}
        assert sample(service, "rialto_intake_pending", network="home") == 0
        with monkeypatch.context() as patch:
            filler = await break_down(service, patch)
            accepting = asyncio.create_task(home.core.accept(said("1", ANA), said("2", ANA)))
            await asyncio.wait([accepting], timeout=0.2)
            assert sample(service, "rialto_intake_pending", network="home") == 2
            assert (sample(service, "rialto_intake_oldest_seconds", network="home") or 0) > 0
            assert service.status()["intake"]["home"]["pending"] == 2
        await asyncio.gather(filler, accepting)
        assert service.status()["intake"] == {}
