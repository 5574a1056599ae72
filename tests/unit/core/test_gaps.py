"""What was not heard is said: when, by whom and how often."""

from pathlib import Path

import pytest

from bridge.capabilities import Ordering
from bridge.contract import Voice
from bridge.gaps import PREFIX, Gaps
from bridge.model.address import Address, Person
from bridge.model.event import Event, Joined, Origin
from bridge.model.message import Gap, MessageKind
from bridge.rules import Pattern, Rules
from bridge.text import duration
from tests.unit.core.bench import HOME, LIBERA, OFFICE, person, running, said
from tests.unit.core.loopback import Loopback

TEA = LIBERA
OWN = Person(Address("libera", TEA.native), TEA.native)


def gap(since: float, until: float) -> Event:
    return Event(Origin("libera", f"gap:{TEA.native}:{since:.3f}"), TEA, OWN, until, Gap(since, until))


class Watch:
    """A place, watched over restarts."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.told: list[Event] = []
        self.memory: dict[str, str] = {}
        self.start()

    def start(self) -> None:
        """As after a crash: only what was remembered is known."""
        self.gaps = Gaps([TEA], dict(self.memory), self.told.append, longest=10.0, now=lambda: self.now)

    def beat(self) -> None:
        for key, value in self.gaps.beat().items():
            if value is None:
                self.memory.pop(key)
            else:
                self.memory[key] = value


def test_the_first_time_nothing_was_missed() -> None:
    watch = Watch()
    watch.gaps.heard(TEA)
    assert watch.told == []


def test_a_broken_link_makes_a_gap_from_when_it_was_last_heard() -> None:
    watch = Watch()
    watch.gaps.heard(TEA)
    watch.now += 300
    watch.gaps.unheard(TEA, silent_for=40.0)
    watch.gaps.unheard(TEA)
    watch.now += 200
    watch.gaps.heard(TEA)
    watch.gaps.heard(TEA)
    assert watch.told == [gap(1260.0, 1500.0)]


def test_a_short_one_is_not_told_and_the_next_begins_anew() -> None:
    watch = Watch()
    for _ in range(3):
        watch.gaps.heard(TEA)
        watch.now += 100
        watch.gaps.unheard(TEA)
        watch.now += 10
    watch.gaps.heard(TEA)
    assert watch.told == []


def test_a_crash_makes_a_gap_from_what_was_remembered_and_a_second_crash_the_same_one() -> None:
    watch = Watch()
    watch.gaps.heard(TEA)
    watch.now += 50
    watch.beat()
    watch.now += 60
    watch.start()
    watch.gaps.heard(TEA)
    watch.now += 1
    watch.start()
    watch.gaps.heard(TEA)
    assert [event.origin for event in watch.told] == [gap(1050.0, 0).origin] * 2, "known again by where it began"
    watch.beat()
    watch.start()
    watch.gaps.heard(TEA)
    assert len(watch.told) == 2


def test_while_out_nothing_new_is_remembered() -> None:
    watch = Watch()
    watch.gaps.heard(TEA)
    watch.beat()
    watch.gaps.unheard(TEA)
    watch.now += 500
    watch.beat()
    assert watch.memory == {f"{PREFIX}{TEA.native}": "1000.000 1000.000"}


def test_what_was_said_before_the_first_time_was_never_missed() -> None:
    watch = Watch()
    watch.gaps.heard(TEA, entered=1003.0)
    watch.now += 10
    watch.beat()
    for _ in range(2):
        watch.start()
        watch.gaps.heard(TEA, wait=True)
        assert not watch.gaps.missed(TEA, 1002.0, overlap=60.0)
        assert watch.gaps.missed(TEA, 1004.0, overlap=60.0)
        assert not watch.gaps.missed(TEA, 1004.0)
        watch.beat()


def test_what_another_version_remembered_has_no_first_time() -> None:
    watch = Watch()
    watch.memory = {f"{PREFIX}{TEA.native}": "1000.000"}
    watch.start()
    watch.gaps.heard(TEA, wait=True)
    assert watch.gaps.missed(TEA, 941.0, overlap=60.0)


def test_until_all_that_was_asked_for_is_there_it_was_not_heard() -> None:
    watch = Watch()
    assert watch.gaps.resume(TEA) is None, "the first time"
    watch.now += 50
    watch.beat()
    watch.now += 500
    for _ in range(2):
        watch.start()
        assert watch.gaps.resume(TEA) == 1050.0
        assert watch.gaps.resume(TEA) is None, "it is being asked for already"
        watch.now += 5
        watch.beat()
    watch.gaps.unheard(TEA)
    assert watch.gaps.resume(TEA) == 1050.0
    watch.gaps.caught_up(TEA)
    watch.beat()
    watch.start()
    assert watch.gaps.resume(TEA) == watch.now
    assert watch.told == []


def test_what_is_not_kept_of_it_is_a_gap_and_a_short_one_is_none() -> None:
    watch = Watch()
    watch.gaps.lost(TEA, 1000.0, 1010.0)
    watch.gaps.lost(TEA, 1000.0, 1011.0)
    assert watch.told == [gap(1000.0, 1011.0)]


@pytest.mark.parametrize("value", ["", "soon", "{}"])
def test_what_cannot_be_read_is_nothing(value: str) -> None:
    watch = Watch()
    watch.memory = {f"{PREFIX}{TEA.native}": value}
    watch.start()
    watch.gaps.heard(TEA)
    assert watch.told == []


def test_a_place_that_is_not_configured_any_more_is_forgotten() -> None:
    watch = Watch()
    watch.memory = {f"{PREFIX}#old": "1.000"}
    watch.start()
    watch.beat()
    assert watch.memory == {}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 second"),
        (12.4, "12 seconds"),
        (90, "2 minutes"),
        (240, "4 minutes"),
        (5340, "89 minutes"),
        (7200, "2 hours"),
        (86400, "24 hours"),
        (3 * 86400, "3 days"),
    ],
)
def test_lengths_of_time_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


async def test_a_gap_is_said_by_the_bot_in_the_other_places_once_whatever_the_rules(tmp_path: Path) -> None:
    nets = {"home": Loopback(), "office": Loopback(), "libera": Loopback(Ordering.SPEAKER)}
    rules = Rules(use=(Pattern("@*:example.org"),))
    ana = person("@ana:example.org")
    async with running(tmp_path, nets, rules):
        core = nets["libera"].core
        await nets["home"].core.accept(Joined(HOME, ana))
        await core.accept(gap(1000.0, 1240.0))
        await core.accept(gap(1000.0, 1300.0))
        await nets["home"].core.accept(said("fence", ana))
        await nets["office"].until(lambda: [str(part.text) for part in nets["office"].sent][-1:] == ["fence"])
        await nets["home"].until(lambda: len(nets["home"].sent) > 0)
        for place in (HOME, OFFICE):
            first = nets[place.network].sent[0]
            assert (first.voice, first.kind) == (Voice.BOT, MessageKind.NOTICE)
            assert str(first.text) == "(nothing was heard from #tea on libera for 4 minutes)"
        assert len(nets["home"].sent) == 1
        assert len(nets["office"].sent) == 2
        await nets["libera"].until(lambda: [str(part.text) for part in nets["libera"].sent] == ["fence"])
        assert nets["libera"].told == []
