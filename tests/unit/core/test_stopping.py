"""An orderly stop: nothing new is begun, what is being sent arrives, and what waits is there at the next start."""

import asyncio
from pathlib import Path

import pytest

from bridge.contract import Part
from bridge.model.result import Receipt
from bridge.service import Service
from tests.unit.core.bench import config, person, said
from tests.unit.core.loopback import Loopback, confirm

ANA = person("Ana")


async def test_what_is_being_sent_is_waited_for_and_what_waits_comes_after_the_next_start(tmp_path: Path) -> None:
    nets = {"home": Loopback(), "libera": Loopback()}
    held = nets["libera"]
    held.answer = lambda part: None
    service, stop = Service(config(tmp_path, nets)), asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    await held.started.wait()
    await nets["home"].core.accept(said("being sent", ANA))
    await held.until(lambda: len(held.sent) == 1)
    stop.set()
    await asyncio.sleep(0)
    await nets["home"].core.accept(said("too late for this start", ANA))
    assert "stop" not in held.log, held.log
    held.open[held.sent[0].id].set_result(Receipt("#1"))
    await task
    assert [str(part.text) for part in held.sent] == ["being sent"]

    nets = {"home": Loopback(), "libera": Loopback()}
    service, stop = Service(config(tmp_path, nets)), asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    await nets["libera"].started.wait()
    await nets["libera"].until(lambda: len(nets["libera"].sent) == 1)
    assert str(nets["libera"].sent[0].text) == "too late for this start"
    assert service.status()["counts"].get("rialto_deliveries_ended_total{network=libera,state=uncertain}", 0) == 0
    stop.set()
    await task


async def test_what_is_never_confirmed_does_not_hold_up_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.service.DRAIN_WITHIN", 1.2)
    nets = {"home": Loopback(), "libera": Loopback()}
    sent: list[Part] = []
    nets["libera"].answer = lambda part: sent.append(part)
    service, stop = Service(config(tmp_path, nets)), asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    await nets["libera"].started.wait()
    await nets["home"].core.accept(said("hello", ANA))
    await nets["libera"].until(lambda: len(sent) == 1)
    stop.set()
    await task
    # It may have arrived, so it is sent once more under the same id: nobody can say.
    again = {"home": Loopback(), "libera": Loopback()}
    service, stop = Service(config(tmp_path, again)), asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    await again["libera"].started.wait()
    await again["libera"].until(lambda: len(again["libera"].sent) == 1)
    assert again["libera"].sent[0].id == sent[0].id
    assert again["libera"].answer is confirm
    stop.set()
    await task
