"""Presence on its way through the core to rooms, and whom the networks are asked to follow."""

from functools import partial
from pathlib import Path

import pytest

import bridge.subscriptions
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.presence import Activity, Basic, Presence, Tuple
from bridge.model.result import Failure, Reason, Receipt
from bridge.model.rule import Decision, RuleKind
from bridge.model.subscription import Response, Subscribe
from bridge.rules import Pattern, Policy, Rules
from bridge.views import closed
from tests.unit.core.bench import running, said
from tests.unit.core.loopback import Loopback, confirm
from tests.unit.core.test_spine import networks

ANA = Address("home", "@ana:example.org")
BO = Address("office", "bo@example.org")
KESTREL = Address("libera", "kestrel")
ANA_SPEAKS = Person(ANA, "Ana")
OPEN = Presence(ANA, (Tuple("1", Basic.OPEN),))
AWAY = Presence(ANA, (Tuple("1", Basic.OPEN, frozenset({Activity.AWAY}), notes=(("", "tea"),)),))


async def watch(network: Loopback, target: Address, watcher: Address, *, wanted: bool = True) -> Response:
    running = network.core.subscription(watcher, target)
    subscription_id = f"{watcher} {target}" if running is None else running.id
    return await network.core.subscribe(Subscribe(watcher, target, None if wanted else 0.0, subscription_id, "t"))


async def test_presence_is_shown_on_every_other_network_when_it_changes(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        core = nets["home"].core
        for presence in (OPEN, OPEN, AWAY):
            core.presence(presence)
        assert nets["libera"].shown == nets["office"].shown == [OPEN, AWAY]
        assert not nets["home"].shown
        assert nets["libera"].core.presence_of(ANA) == AWAY
        core.presence(Presence(ANA))
        assert nets["libera"].core.presence_of(ANA) == Presence(ANA)
        assert nets["office"].shown[-1] == Presence(ANA)


@pytest.mark.conforms("RFC2779:3.4.1")
async def test_what_somebody_shows_waits_behind_no_message(tmp_path: Path) -> None:
    """It is handed on before the one who tells of it has its turn back, however much is on its way."""
    nets = networks()
    home, office = nets["home"], nets["office"]
    home.at_home_here.add(ANA.native)
    office.at_home_here.add(BO.native)
    office.answer = lambda part: None
    async with running(tmp_path, nets):
        await watch(office, ANA, BO)
        await home.core.accept(*(said(f"line {number}", ANA_SPEAKS) for number in range(100)))
        await office.until(lambda: len(office.open) > 0)
        home.core.presence(AWAY)
        assert office.shown == [AWAY]
        assert [each.presence for each in office.notified if each.watcher == BO][-1] == AWAY
        assert len(office.sent) < 100, "lines wait all the while"
        office.answer = confirm
        for waiting in office.open.values():
            waiting.set_result(Receipt())
        await office.until(lambda: len(office.sent) == 100)


@pytest.mark.conforms("RFC2779:3.2.4")
async def test_of_a_network_that_is_lost_nothing_is_known(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        nets["home"].core.presence(OPEN)
        nets["home"].core.offline(Failure(Reason.SERVICE_UNAVAILABLE, "gone"))
        assert nets["libera"].shown[-1] == Presence(ANA)


async def test_what_passes_is_told_to_watchers_and_rooms_wait_until_it_lasts(tmp_path: Path) -> None:
    nets = networks()
    nets["office"].at_home_here.add(BO.native)
    gone = closed(ANA)
    async with running(tmp_path, nets):
        core, office = nets["home"].core, nets["office"]
        core.presence(OPEN)
        await watch(office, ANA, BO)
        await office.until(lambda: len(office.notified) == 1)
        core.presence(gone, passing=True)
        assert office.core.presence_of(ANA) == OPEN
        core.presence(gone, passing=True)
        core.presence(OPEN)
        assert office.shown == [OPEN]
        core.presence(gone, passing=True)
        core.presence(AWAY)
        assert office.shown == [OPEN, AWAY]
        core.presence(gone, passing=True)
        core.presence(gone)
        core.presence(gone)
        assert office.shown == [OPEN, AWAY, gone]
        assert [each.presence for each in office.notified] == [OPEN, gone, OPEN, gone, AWAY, gone]


async def test_of_a_network_that_is_lost_in_a_split_rooms_are_told_once(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        core = nets["home"].core
        core.presence(OPEN)
        core.presence(closed(ANA), passing=True)
        core.offline(Failure(Reason.SERVICE_UNAVAILABLE, "gone"))
        assert nets["libera"].shown == [OPEN, Presence(ANA)]
        assert nets["libera"].core.presence_of(ANA) == Presence(ANA)


@pytest.mark.parametrize(
    ("decided", "shown"),
    [
        ([("*@example.org", Decision.POLITE_BLOCK)], [closed(ANA)]),
        ([("*@example.org", Decision.POLITE_BLOCK), ("*", Decision.CONFIRM)], [closed(ANA)]),
        ([("*", Decision.CONFIRM)], []),
        ([("kestrel", Decision.BLOCK)], []),
        ([("*", Decision.ALLOW), ("anonymous", Decision.BLOCK)], [OPEN, AWAY]),
    ],
)
async def test_rooms_show_what_all_may_see(
    tmp_path: Path, decided: list[tuple[str, Decision]], shown: list[Presence]
) -> None:
    policies = tuple(Policy(Pattern.parse("@ana:*"), RuleKind.ACCESS, who, what) for who, what in decided)
    nets = networks()
    async with running(tmp_path, nets, Rules(people=policies)):
        nets["home"].core.presence(OPEN)
        nets["home"].core.presence(AWAY)
        assert nets["libera"].shown == shown
        assert nets["libera"].core.presence_of(ANA) == (shown[-1] if shown else Presence(ANA))


@pytest.mark.conforms("RFC2779:5.1.11")
async def test_the_bot_asks_the_owner_in_private_and_the_store_keeps_it(tmp_path: Path) -> None:
    asks = Policy(Pattern.parse("libera:*"), RuleKind.ACCESS, "*", Decision.CONFIRM)
    words = "@ana:example.org would like to see when you are there; answer allow @ana:example.org or block "
    for _ in range(2):
        nets = networks()
        nets["home"].at_home_here.add(ANA.native)
        async with running(tmp_path, nets, Rules(people=(asks,))):
            libera = nets["libera"]
            await watch(nets["home"], KESTREL, ANA)
            await libera.until(partial(bool, libera.notices))
            (notice,) = libera.notices
            assert notice.text == words + "@ana:example.org"
            assert notice.place == Place("libera", "kestrel", PlaceKind.USER)
            found = nets["home"].core.subscription(ANA, KESTREL)
            assert found is not None
            assert found.state.value == "pending"
            kestrel = Person(KESTREL, "Kestrel")
            for word in ("pending", "watchers"):
                told = await libera.core.command(kestrel, word)
                assert told is not None
                assert told.startswith("- @ana:example.org, since ")


@pytest.mark.conforms("RFC2779:2.2.5", "RFC3922:6.1:renewed")
async def test_a_network_is_asked_once_to_follow_whom_somebody_watches(tmp_path: Path) -> None:
    nets = networks()
    nets["home"].at_home_here.add(ANA.native)
    nets["office"].at_home_here.add(BO.native)
    async with running(tmp_path, nets):
        home, office, libera = (nets[name] for name in ("home", "office", "libera"))
        await watch(home, KESTREL, ANA)
        await watch(office, KESTREL, BO)
        await watch(home, KESTREL, ANA, wanted=False)
        assert libera.watched == [(KESTREL, True)]
        libera.core.offline(Failure(Reason.SERVICE_UNAVAILABLE, "gone"))
        libera.core.online()
        await libera.until(lambda: len(libera.watched) == 2)
        await watch(office, KESTREL, BO, wanted=False)
        assert libera.watched == [(KESTREL, True)] * 2 + [(KESTREL, False)]


@pytest.mark.conforms("RFC2779:5.1.6")
async def test_who_may_not_write_may_not_follow_and_nothing_is_told_of_the_denied(tmp_path: Path) -> None:
    nets = networks()
    nets["home"].at_home_here.add(ANA.native)
    rules = Rules(deny=(Pattern.parse("office:*"),))
    async with running(tmp_path, nets, rules):
        home, office, libera = (nets[name] for name in ("home", "office", "libera"))
        refused = [
            await watch(office, KESTREL, BO),
            await watch(home, BO, ANA),
            await watch(home, KESTREL, Address("home", "@stranger:elsewhere")),
            await watch(home, Address("home", "@bo:example.org"), ANA),
            # Nobody asks through another network than their own.
            await watch(office, KESTREL, ANA),
        ]
        assert [each.failure and each.failure.reason for each in refused] == [Reason.FORBIDDEN] * 5
        gone = await watch(home, Address("nowhere", "x"), ANA)
        assert gone.failure is not None
        assert gone.failure.reason is Reason.ITEM_NOT_FOUND
        assert not libera.watched
        assert not office.watched
        office.core.presence(Presence(BO, OPEN.tuples))
        assert not home.shown


async def test_nobody_watches_more_people_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge.subscriptions, "PER_WATCHER", 5)
    nets = networks()
    nets["home"].at_home_here.add(ANA.native)
    async with running(tmp_path, nets):
        home, libera = nets["home"], nets["libera"]
        answers = [await watch(home, Address("libera", f"nick{number}"), ANA) for number in range(7)]
        assert [each.failure and each.failure.reason for each in answers] == [None] * 5 + [
            Reason.RESOURCE_CONSTRAINT
        ] * 2
        assert len(libera.watched) == 5
