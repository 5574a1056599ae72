"""Reconciliation over networks in memory: puppets that hang, fail, are lost, or left behind."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

import bridge.host
import bridge.reconcile
from bridge.capabilities import Ordering
from bridge.contract import NoPuppetError, Voice
from bridge.crew import Crew
from bridge.model.address import Address, Person, Place
from bridge.model.event import Cause, Joined, Left, PuppetGone, Renamed, Roster, State
from bridge.model.room import Member, Room
from bridge.reconcile import Reconciler
from bridge.rosters import Rosters
from bridge.router import Router
from tests.unit.core.bench import HOME, OFFICE, everybody, person, running, said
from tests.unit.core.loopback import Loopback
from tests.unit.core.troubled import (
    ANA,
    AWAY,
    BO,
    BUSY,
    CY,
    DEE,
    Nets,
    Troubled,
    failing,
    heard,
    joined,
    no_trouble,
    quiet,
    texts,
)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge.reconcile, "RETRY", (0.05,))
    monkeypatch.setattr(bridge.host, "ASK_AGAIN", (0.05,))
    monkeypatch.setattr(bridge.host, "PRESENT_WITHIN", 0.1)


# Who cannot come holds up nobody


async def test_a_hanging_join_holds_up_one_line_only_and_goes_on_in_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soon: None
) -> None:
    monkeypatch.setattr(bridge.reconcile, "PATIENCE", 0.2)
    monkeypatch.setattr(bridge.reconcile, "JOIN_TIMEOUT", 0.6)
    nets = Nets()
    let_in = asyncio.Event()

    async def hang(act: str, address: Address) -> None:
        if address == ANA.address and not let_in.is_set():
            await asyncio.Event().wait()

    nets.office.trouble = hang
    async with running(tmp_path, nets):
        await nets.home.core.accept(Roster(HOME, (ANA, CY)))
        began = time.monotonic()
        await nets.home.core.accept(*(said(f"{number}", ANA) for number in range(20)), said("cy", CY))
        await nets.office.until(heard(nets.office, 21))
        assert time.monotonic() - began < 20 * 0.2, "not every line waited"
        assert {part.voice for part in nets.office.sent[:20]} == {Voice.BOT}
        assert nets.office.sent[20].voice is Voice.PUPPET
        await nets.office.until(lambda: nets.office.tries.count("join ana") >= 2)
        let_in.set()
        await nets.office.until(lambda: "join Ana" in nets.office.log)
        await nets.home.core.accept(said("me", ANA))
        await nets.office.until(heard(nets.office, 22))
        assert nets.office.sent[21].voice is Voice.PUPPET


async def test_a_hanging_rename_holds_up_one_line_only_and_the_puppet_speaks_under_its_old_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.reconcile, "PATIENCE", 0.2)
    nets = Nets()

    async def hang(act: str, address: Address) -> None:
        if act == "rename":
            await asyncio.Event().wait()

    nets.office.trouble = hang
    anna = Person(ANA.address, "Anna")
    async with running(tmp_path, nets):
        await nets.home.core.accept(Roster(HOME, (ANA,)))
        await nets.office.until(lambda: "join Ana" in nets.office.log)
        began = time.monotonic()
        await nets.home.core.accept(Renamed(HOME, anna), *(said(f"{number}", anna) for number in range(10)))
        await nets.office.until(heard(nets.office, 10))
        assert time.monotonic() - began < 10 * 0.2, "not every line waited"
        assert {part.voice for part in nets.office.sent} == {Voice.PUPPET}
        assert nets.office.tries == ["join ana", "rename ana"]


@pytest.mark.parametrize("act", ["join", "leave", "rename"])
@pytest.mark.parametrize("error", [RuntimeError("a fault"), BUSY, NoPuppetError("no"), TimeoutError()])
async def test_whatever_an_adapter_raises_is_tried_again_later_and_not_at_once(
    tmp_path: Path, act: str, error: Exception
) -> None:
    nets = Nets()
    async with running(tmp_path, nets):
        if act != "join":
            await nets.home.core.accept(Roster(HOME, (ANA,)))
            await nets.office.until(lambda: "join Ana" in nets.office.log)
        nets.office.trouble = failing(act, error)
        state: State = Joined(HOME, ANA)
        if act == "leave":
            state = Left(HOME, ANA.address)
        elif act == "rename":
            state = Renamed(HOME, Person(ANA.address, "Anna"))
        await nets.home.core.accept(state)
        await nets.office.until(lambda: f"{act} ana" in nets.office.tries)
        await nets.home.core.accept(Joined(HOME, CY), Joined(HOME, person("Eve")))
        await nets.office.until(lambda: "join eve" in nets.office.tries)
        await quiet(nets.office)
        assert nets.office.tries.count(f"{act} ana") == 1


@pytest.mark.parametrize("act", ["join", "leave", "rename"])
async def test_what_failed_is_mended_by_a_later_attempt(tmp_path: Path, act: str, soon: None) -> None:
    nets = Nets()
    async with running(tmp_path, nets):
        if act != "join":
            await nets.home.core.accept(Roster(HOME, (ANA,)))
            await nets.office.until(lambda: "join Ana" in nets.office.log)
        nets.office.trouble = failing(act, RuntimeError("a fault"))
        states: dict[str, tuple[State, str]] = {
            "join": (Joined(HOME, ANA), "join Ana"),
            "leave": (Left(HOME, ANA.address), "leave Ana"),
            "rename": (Renamed(HOME, Person(ANA.address, "Anna")), "rename Ana to Anna"),
        }
        state, mended = states[act]
        await nets.home.core.accept(state)
        await nets.office.until(lambda: nets.office.tries.count(f"{act} ana") >= 3)
        nets.office.trouble = no_trouble
        await nets.office.until(lambda: mended in nets.office.log)


async def test_a_puppet_lost_after_each_join_is_not_joined_for_ever_at_once(tmp_path: Path) -> None:
    nets = Nets()
    async with running(tmp_path, nets):
        await nets.home.core.accept(Roster(HOME, (ANA,)))
        for joins in (1, 2):
            await nets.office.until(partial(joined, nets.office, joins))
            await nets.office.core.accept(PuppetGone(OFFICE, ANA.address, Cause.QUIT, "no"))
        await quiet(nets.office)
        assert nets.office.log.count("join Ana") == 2
        await nets.home.core.accept(said("still me", ANA))
        await nets.office.until(heard(nets.office, 1), 1)
        assert nets.office.sent[0].voice is Voice.BOT


async def test_a_puppet_lost_after_a_while_comes_back_at_once_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.reconcile, "LASTING", 0.0)
    nets = Nets()
    async with running(tmp_path, nets):
        await nets.home.core.accept(Roster(HOME, (ANA,)))
        for joins in range(1, 6):
            await nets.office.until(partial(joined, nets.office, joins), 1)
            await nets.office.core.accept(PuppetGone(OFFICE, ANA.address, Cause.QUIT, "split"))


# What was begun before a connection broke


async def test_a_join_that_ends_after_the_connection_broke_makes_nobody_present(tmp_path: Path) -> None:
    nets = Nets()
    office = nets.office
    async with running(tmp_path, nets):
        office.join_gate.clear()
        await nets.home.core.accept(Roster(HOME, (ANA,)))
        await office.until(lambda: "join ana" in office.tries)
        office.join_gate.set()
        office.core.offline(AWAY)  # before the waiting join can go on: the connection broke as its answer was read
        await office.until(lambda: "join Ana" in office.log)
        office.puppets.clear()
        office.core.online()
        await office.until(lambda: office.log.count("join Ana") == 2)
        await nets.home.core.accept(said("hi", ANA))
        await office.until(heard(office, 1))
        assert office.sent[0].voice is Voice.PUPPET


@pytest.mark.parametrize("online_first", [False, True])
async def test_a_leave_that_fails_as_the_connection_breaks_leaves_nobody_present(
    tmp_path: Path, online_first: bool
) -> None:
    nets = Nets()
    office = nets.office
    broken = asyncio.Event()

    async def trouble(act: str, address: Address) -> None:
        if act == "leave":
            await broken.wait()
            raise BUSY

    async with running(tmp_path, nets):
        await nets.home.core.accept(Roster(HOME, (ANA,)))
        await office.until(lambda: "join Ana" in office.log)
        office.trouble = trouble
        await nets.home.core.accept(Left(HOME, ANA.address))
        await office.until(lambda: "leave ana" in office.tries)
        office.core.offline(AWAY)
        office.puppets.clear()
        if not online_first:
            broken.set()
            await quiet(office)
        await nets.home.core.accept(Joined(HOME, ANA))
        office.core.online()
        await quiet(office)
        broken.set()
        await office.until(lambda: office.log.count("join Ana") == 2, 1)


async def test_who_left_while_the_network_was_away_is_forgotten(tmp_path: Path) -> None:
    office = Troubled()
    adapters = {"home": Loopback(), "office": office}
    rosters = Rosters()
    router = Router([Room("tea", (Member(HOME), Member(OFFICE)))], everybody())
    reconciler = Reconciler(router, rosters, adapters, lambda place, address: False)
    reconciler.start()
    people = tuple(person(f"p{number}") for number in range(50))
    try:
        reconciler.online("office")
        rosters.apply(Roster(HOME, people))
        reconciler.roster_changed(HOME)
        await office.until(lambda: len(office.puppets) == 50)
        reconciler.offline("office", keeping=False)
        for each in people[1:]:
            rosters.apply(Left(HOME, each.address))
            reconciler.person_changed(HOME, each.address)
        reconciler.online("office")
        await office.until(lambda: reconciler.tracked(OFFICE) == 1)
        reconciler.gone(PuppetGone(OFFICE, people[0].address, Cause.KICKED))
        await office.until(lambda: reconciler.tracked(OFFICE) == 0)
    finally:
        await reconciler.stop()


async def test_what_was_put_off_while_deliveries_waited_is_done_when_looked_at_anew() -> None:
    office = Troubled()
    adapters = {"home": Loopback(), "office": office}
    rosters = Rosters()
    router = Router([Room("tea", (Member(HOME), Member(OFFICE)))], everybody())
    busy = [False]
    reconciler = Reconciler(router, rosters, adapters, lambda place, address: busy[0])
    reconciler.start()
    try:
        reconciler.online("office")
        rosters.apply(Roster(HOME, (ANA, CY)))
        reconciler.roster_changed(HOME)
        await office.until(lambda: len(office.puppets) == 2)
        busy[0] = True
        rosters.apply(Left(HOME, ANA.address))
        rosters.apply(Renamed(HOME, Person(CY.address, "Cyd")))
        reconciler.roster_changed(HOME)
        await quiet(office)
        assert office.tries == ["join ana", "join cy"]
        busy[0] = False
        reconciler.refresh(OFFICE)
        await office.until(lambda: "leave Ana" in office.log and "rename Cy to Cyd" in office.log)
    finally:
        await reconciler.stop()


async def test_who_is_in_two_places_of_a_room_goes_by_one_name_however_it_is_looked_at() -> None:
    office = Troubled()
    annex = Place("home", "#annex:example.org")
    adapters = {"home": Loopback(), "office": office}
    rosters = Rosters()
    router = Router([Room("tea", (Member(HOME), Member(annex), Member(OFFICE)))], everybody())
    reconciler = Reconciler(router, rosters, adapters, lambda place, address: False)
    reconciler.start()
    try:
        reconciler.online("office")
        rosters.apply(Roster(annex, (Person(ANA.address, "Annexed"),)))
        rosters.apply(Roster(HOME, (ANA,)))
        reconciler.person_changed(annex, ANA.address)
        await office.until(lambda: office.log == ["join Ana"])
        reconciler.refresh(OFFICE)
        reconciler.roster_changed(annex)
        await quiet(office)
        assert office.log == ["join Ana"]
    finally:
        await reconciler.stop()


# What networks that keep puppets tell


async def test_whom_a_keeping_network_does_not_name_is_absent(tmp_path: Path) -> None:
    nets = Nets()
    async with running(tmp_path, nets):
        await nets.office.core.accept(Roster(OFFICE, (BO,)))
        await nets.home.until(lambda: "join Bo" in nets.home.log)
        nets.home.core.offline(AWAY)
        nets.home.puppets.clear()
        nets.home.core.online()
        await nets.home.until(lambda: nets.home.log.count("join Bo") == 2)


@pytest.mark.parametrize("error", [KeyError("a fault"), BUSY, None])
async def test_a_network_that_cannot_say_who_is_present_is_spoken_to_and_asked_again(
    tmp_path: Path, soon: None, error: Exception | None
) -> None:
    nets = Nets()
    home = nets.home
    home.puppets[HOME, DEE.address] = "Dee"
    home.refusals = [error, error] if error else []
    home.hangs = error is None
    async with running(tmp_path, nets):
        await nets.office.core.accept(Roster(OFFICE, (BO,)), said("hello", BO, OFFICE))
        await home.until(heard(home, 1), 2)
        assert home.sent[0].voice is Voice.PUPPET
        home.hangs = False
        await home.until(lambda: "leave Dee" in home.log)
        assert home.asked >= 2
        assert list(home.puppets.values()) == ["Bo"]


async def test_one_who_joins_tells_nothing_of_the_others(tmp_path: Path) -> None:
    nets = Nets()
    home, office = nets.home, nets.office
    home.puppets = {(HOME, BO.address): "Bo", (HOME, DEE.address): "Dee"}
    async with running(tmp_path, nets):
        await home.until(lambda: home.asked == 1)
        await office.core.accept(Joined(OFFICE, BO))
        home.core.online()
        await home.until(lambda: home.asked == 2)
        await quiet(home)
        await office.core.accept(Roster(OFFICE, (BO, DEE)))
        await quiet(home)
        assert home.tries == []
        await office.core.accept(Roster(OFFICE, (BO,)))
        await home.until(lambda: "leave Dee" in home.log)


def test_the_first_roster_is_news_even_if_it_names_only_who_was_seen() -> None:
    rosters = Rosters()
    assert rosters.apply(Joined(OFFICE, BO))
    assert not rosters.known(OFFICE)
    assert rosters.apply(Roster(OFFICE, (BO,)))
    assert rosters.known(OFFICE)
    assert not rosters.apply(Roster(OFFICE, (BO,)))
    assert Rosters({OFFICE: [BO]}).known(OFFICE)


# The end


class Gossip(Troubled):
    """Says that it is online while it is being stopped; meanwhile others go on, as `meanwhile` does."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(Ordering.SPEAKER)
        self._meanwhile = meanwhile

    async def stop(self) -> None:
        self.core.online()
        await self._meanwhile()
        self.core.offline(AWAY)
        self.core.online()
        await super().stop()


async def test_no_adapter_is_called_once_its_stop_began(tmp_path: Path) -> None:
    nets = Nets()
    stopping: list[int] = []

    async def meanwhile() -> None:
        stopping.append(1)
        await nets.home.core.accept(said("late", ANA), Joined(HOME, CY))
        await quiet(nets.libera)
        await quiet(nets.office)

    nets["office"] = nets.office = Gossip(meanwhile)
    nets["libera"] = nets.libera = Gossip(meanwhile)
    async with running(tmp_path, nets):
        await nets.home.core.accept(Roster(HOME, (ANA,)), said("hi", ANA))
        for adapter in (nets.office, nets.libera):
            await adapter.until(heard(adapter, 1))
    assert len(stopping) == 2
    for each in nets.values():
        assert each.log[-1] == "stop", each.log
    # libera was stopped first: what came then and later was not for it any more.
    assert texts(nets.libera) == ["hi"]
    assert "join cy" not in nets.libera.tries


# The crew


async def test_what_is_urgent_stays_urgent_while_it_is_worked_at() -> None:
    order: list[str] = []
    begun, gate, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def settle(place: Place, address: Address) -> None:
        order.append(address.native)
        begun.set()
        if len(order) == 1:
            await gate.wait()
        if len(order) == 52:
            done.set()

    crew = Crew("x", 1, settle)
    crew.start()
    crew.resume()
    try:
        crew.add(HOME, ANA.address)
        async with asyncio.timeout(2):
            await begun.wait()
        for number in range(50):
            crew.add(HOME, Address("home", f"p{number}"))
        crew.add(HOME, ANA.address, urgent=True)
        crew.add(HOME, ANA.address)
        gate.set()
        async with asyncio.timeout(2):
            await done.wait()
        assert order[:3] == ["ana", "ana", "p0"]
    finally:
        await crew.stop()


async def test_a_lane_that_waits_for_a_leaving_puppet_gets_it_before_all_others(tmp_path: Path) -> None:
    office = Troubled()
    adapters = {"home": Loopback(), "office": office}
    rosters = Rosters()
    router = Router([Room("tea", (Member(HOME), Member(OFFICE)))], everybody())
    reconciler = Reconciler(
        router, rosters, adapters, lambda place, address: address == ANA.address and "hi" in waiting
    )
    waiting: list[str] = []
    reconciler.start()
    leaving = partial(office.tries.__contains__, "leave ana")
    try:
        reconciler.online("office")
        rosters.apply(Roster(HOME, (ANA,)))
        reconciler.roster_changed(HOME)
        await office.until(lambda: "join Ana" in office.log)
        office.leave_gate.clear()
        rosters.apply(Left(HOME, ANA.address))
        reconciler.person_changed(HOME, ANA.address)
        await office.until(leaving)
        office.join_gate.clear()
        people = [person(f"p{number}") for number in range(20)]
        rosters.apply(Roster(HOME, tuple(people)))
        reconciler.roster_changed(HOME)
        waiting.append("hi")
        voice = asyncio.create_task(reconciler.ensure(OFFICE, ANA))
        await quiet(office)
        office.leave_gate.set()
        await office.until(lambda: office.tries.count("join ana") == 2)
        assert len(office.tries) < 20, office.tries
        office.join_gate.set()
        assert await voice is Voice.PUPPET
    finally:
        await reconciler.stop()
