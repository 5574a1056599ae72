"""Another gateway in the same room: its puppets of people who are there anyway are not taken in a second time."""

from dataclasses import replace
from pathlib import Path

from bridge.model.address import Address, Person
from bridge.model.event import Joined, Left, Roster
from tests.unit.core.bench import HOME, LIBERA, OFFICE, person, running, said
from tests.unit.core.test_spine import networks

KESTREL = Person(Address("libera", "kestrel"), "kestrel")
DOUBLE = Person(Address("office", "tea@conference.example.org/x"), "kestrel", "test:libera:kestrel")
BO = person("bo", "office")


async def test_a_stand_in_of_somebody_in_the_room_is_not_bridged(tmp_path: Path) -> None:
    nets = networks()
    office, home, libera = nets["office"], nets["home"], nets["libera"]
    libera.identities["test:libera:kestrel"] = KESTREL.address
    async with running(tmp_path, nets):
        await libera.core.accept(Joined(LIBERA, KESTREL))
        await office.core.accept(Joined(OFFICE, DOUBLE), said("twice", DOUBLE, OFFICE))
        await office.core.accept(Roster(OFFICE, (DOUBLE, BO)), said("once", BO, OFFICE))
        await home.until(lambda: len(home.sent) == 1)
        assert home.sent[0].text.text == "once"
        assert {name for (place, _), name in home.puppets.items() if place == HOME} == {"kestrel", "bo"}
        assert [address for place, address in home.puppets].count(DOUBLE.address) == 0


async def test_a_stand_in_of_one_of_our_own_puppets_is_not_bridged(tmp_path: Path) -> None:
    nets = networks()
    libera, home = nets["libera"], nets["home"]
    # The other gateway takes our puppet on IRC for a person: it stands for bo.
    libera.own_identities.add("test:libera:bo")
    twice = replace(DOUBLE, stands_for="test:libera:bo")
    async with running(tmp_path, nets):
        await nets["office"].core.accept(said("in circles", twice, OFFICE), said("straight", BO, OFFICE))
        await home.until(lambda: len(home.sent) == 1)
        assert home.sent[0].text.text == "straight"


async def test_a_stand_in_of_somebody_elsewhere_is_bridged(tmp_path: Path) -> None:
    nets = networks()
    home = nets["home"]
    async with running(tmp_path, nets):
        for claim in ("test:libera:kestrel", "other:somebody", "x" * 10_000, "line\nbreak"):
            stranger = replace(DOUBLE, stands_for=claim)
            before = len(home.sent)
            await nets["office"].core.accept(said("hello", stranger, OFFICE))
            await home.until(lambda before=before: len(home.sent) == before + 1)  # type: ignore[misc]  # bound now


async def test_who_turns_out_to_be_a_stand_in_goes_again(tmp_path: Path) -> None:
    nets = networks()
    office, home, libera = nets["office"], nets["home"], nets["libera"]
    libera.identities["test:libera:kestrel"] = KESTREL.address
    async with running(tmp_path, nets):
        await libera.core.accept(Joined(LIBERA, KESTREL))
        await office.core.accept(Roster(OFFICE, (BO, replace(DOUBLE, stands_for=""))))
        await home.until(lambda: (HOME, DOUBLE.address) in home.puppets)
        await office.core.accept(Joined(OFFICE, DOUBLE))
        await home.until(lambda: (HOME, DOUBLE.address) not in home.puppets)


async def test_a_puppet_of_a_stand_in_stands_for_the_same_person(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        core = nets["home"].core
        assert core.identity(KESTREL) == "test:libera:kestrel"
        assert core.identity(DOUBLE) == "test:libera:kestrel"
        assert core.identity(Person(Address("nowhere", "x"), "x")) == ""


async def test_whom_a_stand_in_stands_for_comes_later_and_goes_first(tmp_path: Path) -> None:
    nets = networks()
    office, home, libera = nets["office"], nets["home"], nets["libera"]
    libera.identities["test:libera:kestrel"] = KESTREL.address
    async with running(tmp_path, nets):
        await libera.core.accept(Roster(LIBERA, ()))
        await office.core.accept(Roster(OFFICE, (BO, DOUBLE)))
        await home.until(lambda: (HOME, DOUBLE.address) in home.puppets)
        await libera.core.accept(Joined(LIBERA, KESTREL))
        await home.until(lambda: (HOME, DOUBLE.address) not in home.puppets)
        await home.until(lambda: (HOME, KESTREL.address) in home.puppets)
        await libera.core.accept(Left(LIBERA, KESTREL.address))
        await home.until(lambda: (HOME, DOUBLE.address) in home.puppets)
        await libera.core.accept(Roster(LIBERA, (KESTREL,)))
        await home.until(lambda: (HOME, DOUBLE.address) not in home.puppets)
        await office.core.accept(Left(OFFICE, DOUBLE.address))
        await libera.core.accept(Roster(LIBERA, ()))
        await home.until(lambda: (HOME, KESTREL.address) not in home.puppets)
        assert (HOME, DOUBLE.address) not in home.puppets


async def test_before_a_network_has_told_who_is_there_its_people_are_not_brought_by_others(tmp_path: Path) -> None:
    nets = networks()
    office, home, libera = nets["office"], nets["home"], nets["libera"]
    libera.identities["test:libera:kestrel"] = KESTREL.address
    async with running(tmp_path, nets):
        await office.core.accept(Roster(OFFICE, (BO, DOUBLE)))
        await home.until(lambda: (HOME, BO.address) in home.puppets)
        assert (HOME, DOUBLE.address) not in home.puppets
        await libera.core.accept(Roster(LIBERA, ()))
        await home.until(lambda: (HOME, DOUBLE.address) in home.puppets)


async def test_no_claim_that_is_too_long_goes_on(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        for claim in ("x" * 10_000, "irc:x/y\r\nQUIT"):
            assert nets["home"].core.identity(replace(DOUBLE, stands_for=claim)) == f"test:{DOUBLE.address}"
