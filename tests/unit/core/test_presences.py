"""Presence on its way through the core, and whom the networks are asked to follow."""

from pathlib import Path

import bridge.presences
from bridge.model.address import Address
from bridge.model.presence import Activity, Basic, Presence, Tuple
from bridge.model.result import Failure, Reason
from bridge.rules import Pattern, Rules
from tests.unit.core.bench import running
from tests.unit.core.test_spine import networks

ANA = Address("home", "@ana:example.org")
BO = Address("office", "bo@example.org")
KESTREL = Address("libera", "kestrel")
OPEN = Presence(ANA, (Tuple("1", Basic.OPEN),))
AWAY = Presence(ANA, (Tuple("1", Basic.OPEN, frozenset({Activity.AWAY}), notes=(("", "tea"),)),))


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


async def test_of_a_network_that_is_lost_nothing_is_known(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        nets["home"].core.presence(OPEN)
        nets["home"].core.offline(Failure(Reason.SERVICE_UNAVAILABLE, "gone"))
        assert nets["libera"].shown[-1] == Presence(ANA)


async def test_a_network_is_asked_to_follow_whom_somebody_watches(tmp_path: Path) -> None:
    nets = networks()
    nets["home"].at_home_here.add(ANA.native)
    nets["office"].at_home_here.add(BO.native)
    async with running(tmp_path, nets):
        home, office, libera = (nets[name] for name in ("home", "office", "libera"))
        home.core.watch(KESTREL, ANA, wanted=True)
        office.core.watch(KESTREL, BO, wanted=True)
        home.core.watch(KESTREL, ANA, wanted=False)
        assert libera.watched == [(KESTREL, True)]
        libera.core.offline(Failure(Reason.SERVICE_UNAVAILABLE, "gone"))
        libera.core.online()
        await libera.until(lambda: len(libera.watched) == 2)
        office.core.watch(KESTREL, BO, wanted=False)
        assert libera.watched == [(KESTREL, True)] * 2 + [(KESTREL, False)]
        office.core.watch(Address("nowhere", "x"), BO, wanted=True)


async def test_who_may_not_write_may_not_follow_and_nothing_is_told_of_the_denied(tmp_path: Path) -> None:
    nets = networks()
    nets["home"].at_home_here.add(ANA.native)
    rules = Rules(deny=(Pattern.parse("office:*"),))
    async with running(tmp_path, nets, rules):
        home, office, libera = (nets[name] for name in ("home", "office", "libera"))
        office.core.watch(KESTREL, BO, wanted=True)
        home.core.watch(BO, ANA, wanted=True)
        home.core.watch(KESTREL, Address("home", "@stranger:elsewhere"), wanted=True)
        home.core.watch(Address("home", "@bo:example.org"), ANA, wanted=True)
        assert not libera.watched
        assert not office.watched
        office.core.presence(Presence(BO, OPEN.tuples))
        assert not home.shown
        for number in range(bridge.presences.WATCHED + 10):
            home.core.watch(Address("libera", f"nick{number}"), ANA, wanted=True)
        assert len(libera.watched) == bridge.presences.WATCHED
