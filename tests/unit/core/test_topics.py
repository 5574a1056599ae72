"""Topics: a room ends with one, whatever overtakes what, and no two places ever answer each other for long."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

import bridge.topics
from bridge.contract import SendError
from bridge.model.address import Person, Place
from bridge.model.event import TopicSet
from bridge.model.result import Failure, Reason
from bridge.rules import Pattern, Rules
from bridge.store import Store, states
from tests.unit.core.bench import HOME, OFFICE, person, running
from tests.unit.core.loopback import Loopback
from tests.unit.stores import store_url

ANA, BO = person("Ana"), person("Bo", "office")
AWAY = Failure(Reason.REMOTE_SERVER_TIMEOUT, "away")


class Server(Loopback):
    """A network that holds a topic, and reads back what was written: `spelt` says in what form."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.topic = ""
        self.gate = asyncio.Event()
        self.gate.set()
        self.spelt = str

    async def set_topic(self, place: Place, text: str, by: Person | None) -> None:
        self.note(f"asked to set {text}")
        await self.gate.wait()
        await super().set_topic(place, text, by)
        self.topic = self.spelt(text)
        await self.core.accept(TopicSet(place, self.topic, own=True))

    async def say(self, text: str, by: Person | None) -> None:
        self.topic = text
        await self.core.accept(TopicSet(self.place, text, by))

    @property
    def asked(self) -> int:
        return sum(line.startswith("asked") for line in self.log)


def servers() -> tuple[Server, Server, dict[str, Loopback]]:
    home, office = Server(HOME), Server(OFFICE)
    return home, office, {"home": home, "office": office}


async def test_topics_that_cross_end_as_one(tmp_path: Path) -> None:
    home, office, networks = servers()
    async with running(tmp_path, networks):
        office.gate.clear()
        await home.say("x", ANA)
        await office.until(lambda: office.asked == 1)
        await office.say("y", BO)
        await home.until(lambda: home.topic == "y")
        office.gate.set()
        await office.until(lambda: office.topic == "y" and len(office.topics) == 2)
        assert home.topic == "y"


async def test_an_older_topic_that_is_read_back_late_is_overwritten(tmp_path: Path) -> None:
    home, office, networks = servers()
    async with running(tmp_path, networks):
        await home.say("x", ANA)
        await office.until(lambda: office.topic == "x")
        await office.say("y", BO)
        await home.until(lambda: home.topic == "y")
        office.topic = "x"
        await office.core.accept(TopicSet(OFFICE, "x", own=True))
        await office.until(lambda: office.topic == "y")
        assert home.topics == [(HOME, "y")]


@pytest.mark.parametrize("shown", [str.upper, lambda text: text[::-1]])
async def test_a_network_that_shows_another_topic_is_not_argued_with(tmp_path: Path, shown: type[str]) -> None:
    home, office, networks = servers()
    office.spelt = shown
    async with running(tmp_path, networks):
        await home.say("tea, cake", ANA)
        await office.until(lambda: len(office.topics) == 1 + bridge.topics.REPEATS)
        await home.say("milk", ANA)
        await office.until(lambda: len(office.topics) == 2 * (1 + bridge.topics.REPEATS))
        assert home.topics == []


async def test_a_cut_topic_is_the_same_topic(tmp_path: Path) -> None:
    home, office, networks = servers()
    office.spelt = lambda text: " ".join(text.split())[:8]  # type: ignore[assignment]  # as good as a type here
    async with running(tmp_path, networks):
        await home.say("tea\nand cake", ANA)
        await office.until(lambda: office.topic == "tea and ")
        await home.say("milk", ANA)
        await office.until(lambda: office.topic == "milk")
        assert len(office.topics) == 2
        assert home.topics == []


async def test_who_may_not_speak_sets_no_topic_elsewhere(tmp_path: Path) -> None:
    home, office, networks = servers()
    async with running(tmp_path, networks, Rules(deny=(Pattern.parse("home:ana"),))):
        await home.say("spam", ANA)
        await home.say("from nobody", None)
        await office.until(lambda: office.topic == "from nobody")
        assert office.topics == [(OFFICE, "from nobody")]


async def test_a_topic_waits_for_its_network(tmp_path: Path) -> None:
    home, office, networks = servers()
    async with running(tmp_path, networks):
        office.core.offline(AWAY)
        await home.say("x", ANA)
        await home.say("y", ANA)
        assert office.asked == 0
        office.core.online()
        await office.until(lambda: office.topic == "y")
        assert office.topics == [(OFFICE, "y")]


async def test_a_topic_that_comes_as_the_last_one_has_been_set_is_not_lost(tmp_path: Path) -> None:
    home, office, networks = servers()
    async with running(tmp_path, networks):
        for number in range(30):
            await home.say(f"topic {number}", ANA)
            for _ in range(number):
                await asyncio.sleep(0)
        await office.until(lambda: office.topic == "topic 29")


async def test_an_adapter_at_fault_does_not_keep_its_place_from_later_topics(tmp_path: Path) -> None:
    home, office, networks = servers()
    faults: list[Exception] = [KeyError("bug"), SendError.permanent(Reason.FORBIDDEN, "no")]
    right = office.set_topic

    async def set_topic(place: Place, text: str, by: Person | None) -> None:
        if faults:
            office.note("fault")
            raise faults.pop(0)
        await right(place, text, by)

    office.set_topic = set_topic  # type: ignore[method-assign]  # the fault is the test's
    async with running(tmp_path, networks):
        await home.say("x", ANA)
        await office.until(lambda: len(faults) == 1)
        await home.say("y", ANA)
        await home.until(lambda: home.told == [(ANA, f"Topic not set in {OFFICE.native} on office: no.")])
        await home.say("z", ANA)
        await office.until(lambda: office.topic == "z")


async def test_a_topic_made_durable_just_before_the_end_travels_after_it(tmp_path: Path) -> None:
    store = Store(store_url(tmp_path))
    await store.open()
    await store.write(partial(states.keep, state=TopicSet(HOME, "x", ANA), rosters=False))
    await store.close()
    for expected in [[(OFFICE, "x")], []]:
        home, office, networks = servers()
        async with running(tmp_path, networks):
            await home.core.accept(TopicSet(HOME, "x", initial=True))
            await office.until(lambda office=office, expected=expected: office.topics == expected)  # type: ignore[misc]  # bound at once


async def test_a_place_that_lost_its_topic_gets_it_back_and_wipes_no_other(tmp_path: Path) -> None:
    home, office, networks = servers()
    async with running(tmp_path, networks):
        await home.say("tea", ANA)
        await office.until(lambda: office.topic == "tea")
        # Its server was restarted, and knows no topic.
        office.core.offline(Failure(Reason.SERVICE_UNAVAILABLE, "restarted"))
        office.topic = ""
        office.core.online()
        await office.core.accept(TopicSet(OFFICE, "", initial=True))
        await office.until(lambda: office.topic == "tea")
        assert home.topics == []


async def test_somebody_who_clears_a_topic_means_it(tmp_path: Path) -> None:
    home, office, networks = servers()
    async with running(tmp_path, networks):
        await home.say("tea", ANA)
        await office.until(lambda: office.topic == "tea")
        await home.say("", ANA)
        await office.until(lambda: len(office.topics) == 2)
        assert office.topic == ""
