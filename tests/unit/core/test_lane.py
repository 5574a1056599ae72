"""Lanes in trouble: parts refused, connections lost, voices changed, faults of adapters, more than memory holds."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

import bridge.lane
import bridge.reconcile
from bridge.capabilities import Ordering
from bridge.contract import Handover, Part, SendError, Voice
from bridge.model.event import Cause, Joined, PuppetGone, Roster
from bridge.model.message import Message, Text
from bridge.model.result import Failure, Reason, Receipt, Status
from bridge.service import Service
from tests.unit.core.bench import HOME, LIBERA, person, running, said
from tests.unit.core.loopback import Asking, Loopback, confirm
from tests.unit.core.test_spine import ANA, ended, heard, networks, texts

CY = person("Cy")
AWAY = Failure(Reason.REMOTE_SERVER_TIMEOUT, "away")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge.lane, "PAUSES", (0.05,))


class Picky(Loopback):
    """A network that refuses to take what the test says, before a byte is written."""

    def __init__(self, ordering: Ordering = Ordering.STREAM) -> None:
        super().__init__(ordering)
        self.refuse: Callable[[Part], Exception | None] = lambda part: None

    def send(self, part: Part) -> Handover:
        error = self.refuse(part)
        if error is not None:
            raise error
        return super().send(part)


class PickyAsking(Asking, Picky):
    """The same, which can also tell what arrived before."""


def once(wanted: str, error: Exception) -> Callable[[Part], Exception | None]:
    """Refuse the part with that text, one time."""
    left = [error]
    return lambda part: left.pop() if left and part.text.text == wanted else None


def passing(retry_after: float = 0.05) -> SendError:
    return SendError.passing(Reason.RESOURCE_CONSTRAINT, "full", retry_after)


def rows(statement: str, connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(text(statement))]


async def stored(service: Service, statement: str) -> list[tuple[object, ...]]:
    return await service._store.read(partial(rows, statement))


async def test_a_part_that_is_refused_for_the_moment_is_not_overtaken(tmp_path: Path) -> None:
    nets = networks()
    office = nets["office"] = Picky()
    office.refuse = once("two", passing())
    office.answer = lambda part: None if part.text.text == "one" else confirm(part)
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("one\ntwo", ANA), said("three", ANA))
        await office.until(lambda: texts(office) == ["one"])
        await nets["libera"].until(lambda: len(nets["libera"].sent) == 3)
        assert texts(office) == ["one"]
        for future in office.open.values():
            future.set_result(Receipt("x"))
        await office.until(partial(heard, office, 3))
        assert texts(office) == ["one", "two", "three"]


async def test_what_is_sent_again_keeps_its_order_when_it_is_refused_again(tmp_path: Path) -> None:
    nets = networks()
    office = nets["office"] = PickyAsking()
    office.answer = lambda part: None
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("one", ANA), said("two", ANA))
        await office.until(partial(heard, office, 2))
        office.refuse = once("one", passing())
        office.answer = confirm
        office.lose()
        await office.until(partial(heard, office, 4))
        assert texts(office)[2:] == ["one", "two"]


async def test_what_a_puppet_says_does_not_overtake_what_the_bot_said_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are two connections to the server, and the bot's line may still be on its way."""
    monkeypatch.setattr(bridge.reconcile, "PATIENCE", 0.05)
    monkeypatch.setattr("bridge.turn.HAND_OVER", 0.05)
    nets = networks()
    libera = nets["libera"] = Loopback(Ordering.SPEAKER)
    libera.join_gate.clear()
    libera.answer = lambda part: None if "one" in part.text.text else confirm(part)
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("one", ANA))
        await libera.until(partial(heard, libera, 1))
        assert libera.sent[0].voice is Voice.BOT
        libera.join_gate.set()
        await libera.until(lambda: "join Ana" in libera.log)
        await nets["home"].core.accept(said("two", ANA))
        await nets["office"].until(partial(heard, nets["office"], 2))
        with pytest.raises(AssertionError):
            await libera.until(partial(heard, libera, 2), timeout=0.3)
        for future in libera.open.values():
            future.set_result(Receipt("x"))
        await libera.until(partial(heard, libera, 2))
        assert libera.sent[1].voice is Voice.PUPPET


async def test_a_change_of_voice_in_the_middle_of_a_message_loses_none_of_it(tmp_path: Path) -> None:
    nets = networks()
    libera = nets["libera"]
    libera.limit = 0
    libera.answer = lambda part: None if part.id.endswith("-1") else confirm(part)
    async with running(tmp_path, nets) as service:
        await nets["home"].core.accept(Joined(HOME, ANA), said("x" * 390 + "END", ANA))
        await libera.until(partial(heard, libera, 2))
        libera.limit = 10
        libera.answer = confirm
        libera.core.offline(AWAY)
        libera.lose()
        libera.core.online()
        await libera.until(partial(heard, libera, 3))
        assert texts(libera)[2] == texts(libera)[1]
        await libera.until(lambda: ended(service, "libera", "uncertain") == 1)
        found = await stored(service, "SELECT state, payload FROM part WHERE network = 'libera' ORDER BY part")
        assert found == [("confirmed", None), ("uncertain", None)]


async def test_a_puppet_that_got_lost_in_the_middle_of_a_message_leaves_the_rest_to_the_bot(tmp_path: Path) -> None:
    nets = networks()
    libera = nets["libera"]
    libera.answer = lambda part: None if "END" in part.text.text else confirm(part)
    async with running(tmp_path, nets) as service:
        await nets["home"].core.accept(Joined(HOME, ANA), said("one\nEND", ANA))
        await libera.until(partial(heard, libera, 2))
        libera.limit = 0
        libera.answer = confirm
        libera.core.offline(AWAY)
        libera.puppets.clear()
        libera.lose()
        libera.core.online()
        await libera.until(partial(heard, libera, 3))
        assert texts(libera)[2].endswith("na> END")
        await libera.until(lambda: ended(service, "libera", "confirmed") + ended(service, "libera", "uncertain") == 1)


async def test_a_body_is_not_kept_after_the_voice_changed(tmp_path: Path) -> None:
    nets = networks()
    libera = nets["libera"]
    libera.limit = 0
    libera.answer = lambda part: None
    async with running(tmp_path, nets) as service:
        await nets["home"].core.accept(Joined(HOME, ANA), said("x" * 390 + "SECRET", ANA))
        await libera.until(partial(heard, libera, 2))
        libera.limit = 10
        libera.answer = confirm
        libera.core.offline(AWAY)
        libera.lose()
        libera.core.online()
        await libera.until(lambda: ended(service, "libera", "confirmed") + ended(service, "libera", "uncertain") == 1)
        found = await stored(service, "SELECT payload FROM part WHERE network = 'libera'")
        assert found
        assert all(payload is None for (payload,) in found)


@pytest.mark.parametrize("ordering", list(Ordering))
async def test_a_fault_of_an_adapter_fails_one_delivery_and_its_sender_is_told(
    tmp_path: Path, ordering: Ordering
) -> None:
    nets = networks()
    office = nets["office"] = Picky()
    office.ordering = ordering
    office.refuse = once("bad", ValueError("a bug"))
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("bad", ANA), said("good", ANA))
        await office.until(lambda: texts(office) == ["good"])
        await nets["home"].until(lambda: any("the bridge made a mistake" in words for _, words in nets["home"].told))


@pytest.mark.parametrize("ordering", list(Ordering))
async def test_a_confirmation_that_is_cancelled_leaves_the_part_in_doubt(tmp_path: Path, ordering: Ordering) -> None:
    nets = networks()
    office = nets["office"]
    office.ordering = ordering
    office.answer = lambda part: None
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("one", ANA))
        await office.until(partial(heard, office, 1))
        office.answer = confirm
        for future in office.open.values():
            future.cancel()
        await nets["home"].core.accept(said("two", ANA))
        await office.until(lambda: texts(office) == ["one", "one", "two"])


async def test_calls_keep_their_order_though_one_holds_poison(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        core = nets["home"].core
        await asyncio.gather(
            core.accept(said("a", ANA), said("\ud800", ANA), said("b", ANA)), core.accept(said("c", ANA))
        )
        await nets["office"].until(partial(heard, nets["office"], 3))
        assert texts(nets["office"]) == ["a", "b", "c"]


async def test_poison_in_an_id_is_set_aside_too_and_the_sender_told(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("bad", ANA, native_id="$\ud800"), said("good", ANA))
        await nets["office"].until(lambda: texts(nets["office"]) == ["good"])
        await nets["home"].until(lambda: any("could not record it" in words for _, words in nets["home"].told))


async def test_who_is_kicked_while_waiting_for_a_turn_says_nothing_there(tmp_path: Path) -> None:
    nets = networks()
    libera = nets["libera"]
    libera.answer = lambda part: None if part.text.text == "one" else confirm(part)
    async with running(tmp_path, nets):
        await nets["home"].core.accept(Roster(HOME, (ANA, CY)), said("one", ANA), said("two", CY), said("three", ANA))
        await libera.until(partial(heard, libera, 1))
        await nets["office"].until(partial(heard, nets["office"], 3))
        libera.puppets.pop((LIBERA, CY.address), None)
        await libera.core.accept(PuppetGone(LIBERA, CY.address, Cause.KICKED, "noise", "op"))
        for future in libera.open.values():
            future.set_result(Receipt("x"))
        await libera.until(lambda: "three" in texts(libera))
        assert texts(libera) == ["one", "three"]


async def test_what_was_never_sent_is_not_uncertain(tmp_path: Path) -> None:
    nets = networks()
    libera = nets["libera"] = Picky()
    libera.refuse = once("x", passing())
    async with running(tmp_path, nets) as service:
        await nets["home"].core.accept(said("x", ANA))
        await libera.until(lambda: ended(service, "libera", "confirmed") == 1)
        assert ended(service, "libera", "uncertain") == 0


@pytest.mark.conforms("RFC3860:3.4.1:4:indeterminant")
async def test_what_the_network_cannot_tell_ends_uncertain(tmp_path: Path) -> None:
    class Unsure(Asking):
        async def recheck(self, parts: Sequence[Part]) -> Mapping[str, Receipt]:
            return {part.id: Receipt(None, Status.INDETERMINANT) for part in parts}

    nets = networks()
    office = nets["office"] = Unsure()
    office.answer = lambda part: None
    async with running(tmp_path, nets) as service:
        await nets["home"].core.accept(said("x", ANA))
        await office.until(partial(heard, office, 1))
        office.lose()
        await office.until(lambda: ended(service, "office", "uncertain") == 1)
        assert ended(service, "office", "confirmed") == 0


async def test_a_new_connection_ends_the_pause(tmp_path: Path) -> None:
    nets = networks()
    office = nets["office"] = Picky()
    office.refuse = once("x", passing(retry_after=60.0))
    async with running(tmp_path, nets) as service:
        await nets["home"].core.accept(said("x", ANA))
        await office.until(lambda: any(lane["retrying"] for lane in service.status()["lanes"]))
        office.core.offline(AWAY)
        office.core.online()
        await office.until(lambda: texts(office) == ["x"])


async def test_an_echo_that_comes_late_confirms(tmp_path: Path) -> None:
    nets = networks()
    office = nets["office"]
    office.answer = lambda part: None
    async with running(tmp_path, nets) as service:
        await nets["home"].core.accept(said("x", ANA))
        await office.until(partial(heard, office, 1))
        office.core.confirmed(office.sent[0].id, Receipt("native"))
        office.lose()
        await office.until(lambda: ended(service, "office", "confirmed") == 1)
        found = await stored(service, "SELECT native_id FROM part WHERE network = 'office'")
        assert (found, len(office.sent)) == ([("native",)], 1)


async def test_the_language_of_a_text_is_kept(tmp_path: Path) -> None:
    nets = networks()
    event = replace(said("x", ANA), content=Message(Text("salut", language="fr")))
    async with running(tmp_path, nets):
        await nets["home"].core.accept(event)
        await nets["office"].until(partial(heard, nets["office"], 1))
        assert nets["office"].sent[0].text.language == "fr"


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge.lane, "IN_MEMORY", 3)
    monkeypatch.setattr(bridge.lane, "IN_FLIGHT", 1)


@pytest.mark.usefixtures("small_memory")
async def test_what_is_beyond_memory_waits_in_the_store_and_comes_once_in_order(tmp_path: Path) -> None:
    nets = networks()
    office = nets["office"]
    office.answer = lambda part: None
    lines = [str(number) for number in range(20)]
    async with running(tmp_path, nets):
        await nets["home"].core.accept(Roster(HOME, (ANA, CY)))
        for line in lines:
            await nets["home"].core.accept(said(line, CY))
        await office.until(partial(heard, office, 1))
        await nets["home"].core.accept(Roster(HOME, (CY,)))
        office.answer = confirm
        for future in office.open.values():
            future.set_result(Receipt("x"))
        await office.until(partial(heard, office, 20))
        assert texts(office) == lines
        await office.until(lambda: "leave Ana" in office.log)


async def test_what_is_too_old_is_not_brought_and_its_sender_is_told_though_the_network_stays_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.lane, "LOOK_EVERY", 0.02)
    nets = networks()
    home = nets["home"]
    async with running(tmp_path, nets) as service:
        nets["libera"].core.offline(AWAY)
        await home.core.accept(*(said(f"line {number}", ANA) for number in range(3)))
        await nets["office"].until(partial(heard, nets["office"], 3))
        monkeypatch.setattr(bridge.lane, "EXPIRE_AFTER", -1.0)
        await home.until(lambda: len(home.told) == 3)
        assert all(words.endswith("libera: it could not be delivered for a whole day.") for _, words in home.told)
        assert ended(service, "libera", "expired") == 3
        assert nets["libera"].sent == []


async def test_what_is_beyond_memory_grows_too_old_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge.lane, "LOOK_EVERY", 0.02)
    monkeypatch.setattr("bridge.backlog.IN_MEMORY", 2)
    monkeypatch.setattr(bridge.lane, "IN_MEMORY", 2)
    nets = networks()
    async with running(tmp_path, nets) as service:
        nets["libera"].core.offline(AWAY)
        await nets["home"].core.accept(*(said(f"line {number}", ANA) for number in range(7)))
        await nets["office"].until(partial(heard, nets["office"], 7))
        monkeypatch.setattr(bridge.lane, "EXPIRE_AFTER", -1.0)
        await nets["home"].until(lambda: ended(service, "libera", "expired") == 7)
