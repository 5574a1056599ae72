"""The core while its store does not work: nothing is acknowledged, nothing sent, nothing lost."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bridge.model.result import Failure, Reason
from bridge.service import Service
from bridge.store.tables import quarantine
from tests.unit.core.bench import person, running, said
from tests.unit.core.loopback import Loopback
from tests.unit.store.trouble import fill, full, impatient, in_trouble, large

ANA = person("Ana")


async def break_down(service: Service, patch: pytest.MonkeyPatch) -> asyncio.Future[str]:
    """The store is full from now on. Returns what fills it, when there is room again."""
    full(patch)
    await fill(service._store)
    filler = service._store.write(lambda connection: large(connection, key="filler"))
    await in_trouble(service._store)
    return filler


async def test_what_is_said_while_the_store_is_full_comes_when_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    home, libera = Loopback(), Loopback()
    async with running(tmp_path, {"home": home, "libera": libera}) as service:
        await home.core.accept(said("before", ANA))
        await libera.until(lambda: len(libera.sent) == 1)
        with monkeypatch.context() as patch:
            filler = await break_down(service, patch)
            accepting = [asyncio.create_task(home.core.accept(said(str(number), ANA))) for number in range(20)]
            await asyncio.wait(accepting, timeout=0.5)
            assert not any(each.done() for each in accepting)
            assert [part.text.text for part in libera.sent] == ["before"]
            failure = service.status()["store"]["failure"]
            assert "database or disk is full; make room on its disk" in failure
        await asyncio.gather(filler, *accepting)
        await libera.until(lambda: len(libera.sent) == 21)
        assert [part.text.text for part in libera.sent] == ["before", *map(str, range(20))]
        assert service.status()["store"] == {"failure": None, "since": None}
        count = select(func.count()).select_from(quarantine)
        assert await service._store.read(lambda connection: connection.execute(count).scalar_one()) == 0
        assert home.told == []


async def test_nothing_is_sent_that_could_not_be_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was accepted before waits in its lane, too."""
    impatient(monkeypatch)
    home, libera = Loopback(), Loopback()
    async with running(tmp_path, {"home": home, "libera": libera}) as service:
        libera.core.offline(Failure(Reason.SERVICE_UNAVAILABLE, "away"))
        await home.core.accept(*(said(str(number), ANA) for number in range(5)))
        with monkeypatch.context() as patch:
            filler = await break_down(service, patch)
            libera.core.online()
            # The puppet is made present; then the lane would send.
            await libera.until(lambda: "join Ana" in libera.log)
            await asyncio.sleep(0.2)  # a mistake would show by now
            assert libera.sent == []
        await filler
        await libera.until(lambda: len(libera.sent) == 5)
        assert [part.text.text for part in libera.sent] == list("01234")


async def test_it_stops_while_the_store_is_full_and_the_source_was_not_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    monkeypatch.setattr("bridge.journal.STOP_WITHIN", 0.1)
    home, libera = Loopback(), Loopback()
    with monkeypatch.context() as patch:
        async with running(tmp_path, {"home": home, "libera": libera}) as service:
            filler = await break_down(service, patch)
            accepting = asyncio.create_task(home.core.accept(said("1", ANA)))
            await asyncio.sleep(0)
        assert not accepting.done()
        accepting.cancel()
        assert filler.exception() is not None
