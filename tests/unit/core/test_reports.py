"""Reports: one at fault silences no other, many become a summary, and whoever is told of is marked."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

import bridge.reports
from bridge.contract import Notice, Part, SendError
from bridge.model.address import Address, Place, PlaceKind
from bridge.model.result import Failure, Reason, Receipt
from bridge.rules import Pattern, Rules
from bridge.store import Store
from bridge.store.tables import delivery
from tests.unit.core.bench import person, running, said
from tests.unit.core.loopback import Loopback
from tests.unit.stores import store_url

ANA, CY = person("Ana"), person("Cy")
DENIED = Rules(deny=(Pattern.parse("home:ana"), Pattern.parse("home:cy")))


def networks() -> dict[str, Loopback]:
    return {"home": Loopback(), "office": Loopback()}


def refuse(part: Part) -> Receipt | SendError | None:
    return SendError.permanent(Reason.FORBIDDEN, "no")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge.reports, "SUMMARY_AFTER", 0.3)


async def test_a_report_at_fault_does_not_silence_the_next(tmp_path: Path) -> None:
    nets = networks()
    home = nets["home"]
    right, faults = home.tell, [KeyError("bug")]

    async def tell(notice: Notice) -> None:
        if faults:
            raise faults.pop()
        await right(notice)

    home.tell = tell  # type: ignore[method-assign]  # the fault is the test's
    async with running(tmp_path, nets, DENIED):
        await home.core.accept(said("1", ANA), said("2", ANA))
        await home.until(lambda: len(home.told) == 1)
        assert not faults


async def test_of_many_messages_refused_a_summary_is_told(tmp_path: Path) -> None:
    nets = networks()
    home = nets["home"]
    async with running(tmp_path, nets, DENIED):
        await home.core.accept(*(said(str(number), ANA) for number in range(12)), said("another's", CY))
        await home.until(lambda: len(home.told) == bridge.reports.IN_A_ROW + 2)
        assert [who for who, _ in home.told].count(CY) == 1
        assert home.told[-1] == (ANA, "7 more messages were not delivered.")
        await asyncio.sleep(1.0)  # it is over: nothing more is said, and telling begins anew
        await home.core.accept(said("later", ANA))
        await home.until(lambda: len(home.told) == bridge.reports.IN_A_ROW + 3)
        assert home.told[-1][1].startswith("Not delivered:")


async def test_of_private_messages_there_is_a_summary_only_when_too_many_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.reports, "WAITING", 3)
    nets = networks()
    home = nets["home"]
    nets["office"].answer = refuse
    home.at_home_here.add("ana")
    async with running(tmp_path, nets) as service:
        home.core.offline(Failure(Reason.SERVICE_UNAVAILABLE, "away"))
        bo = Address("office", "bo@example.org")
        mine = Place("home", ANA.address.native, PlaceKind.USER)
        for number in range(10):
            await home.core.accept(replace(said(str(number), ANA, mine), to=bo))
        failed = "rialto_deliveries_ended_total{network=office,state=failed}"
        await home.until(lambda: service.status()["counts"].get(failed) == 10)
        home.core.online()
        await home.until(lambda: home.told[-1:] == [(ANA, "2 more messages were not delivered.")])
        assert len(home.told) == 3 + bridge.reports.IN_A_ROW + 1


async def test_all_that_a_summary_covers_are_marked_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge.reports, "SUMMARY_AFTER", 4.0)  # all eight are refused before it, also on a busy machine
    nets = networks()
    home = nets["home"]
    nets["office"].answer = refuse
    async with running(tmp_path, nets):
        await home.core.accept(*(said(str(number), ANA) for number in range(8)))
        await home.until(lambda: home.told[-1:] == [(ANA, "3 more messages were not delivered.")], timeout=30.0)
    store = Store(store_url(tmp_path))
    await store.open()

    def told(connection: Connection) -> int:
        return connection.execute(
            select(func.count()).where(delivery.c.told, delivery.c.state == "failed")
        ).scalar_one()

    assert await store.read(told) == 8
    await store.close()


async def test_what_a_summary_had_not_told_before_the_end_is_told_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.reports, "SUMMARY_AFTER", 60.0)
    nets = networks()
    home = nets["home"]
    nets["office"].answer = refuse
    async with running(tmp_path, nets) as service:
        await home.core.accept(*(said(str(number), ANA) for number in range(7)))
        failed = "rialto_deliveries_ended_total{network=office,state=failed}"
        await home.until(lambda: service.status()["counts"].get(failed) == 7)
        await home.until(lambda: len(home.told) == bridge.reports.IN_A_ROW)
    nets = networks()
    async with running(tmp_path, nets):
        await nets["home"].until(lambda: len(nets["home"].told) == 2)
        assert all(text.startswith("Not delivered to") for _, text in nets["home"].told)
