"""Puppets that somebody removed from a place: they stay out until their person leaves and comes back."""

from pathlib import Path

import pytest

import bridge.host
import bridge.reconcile
from bridge.contract import NoPuppetError, SendError, Voice
from bridge.model.address import Person
from bridge.model.event import Cause, Joined, Left, PuppetGone, Renamed, Roster
from bridge.model.result import Reason
from tests.unit.core.bench import HOME, LIBERA, running, said
from tests.unit.core.troubled import ANA, BUSY, Nets, failing, heard, no_trouble, quiet, texts


async def barred(nets: Nets, cause: Cause) -> None:
    """Ana comes to all places, and is put out of libera by op."""
    await nets.home.core.accept(Roster(HOME, (ANA,)))
    await nets.libera.until(lambda: "join Ana" in nets.libera.log)
    nets.libera.puppets.clear()
    await nets.libera.core.accept(PuppetGone(LIBERA, ANA.address, cause, None, "op"))
    await nets.home.until(lambda: nets.home.told != [])


@pytest.mark.parametrize("cause", [Cause.KICKED, Cause.BANNED])
async def test_becoming_known_does_not_undo_a_removal(tmp_path: Path, cause: Cause) -> None:
    nets = Nets()
    async with running(tmp_path, nets):
        await barred(nets, cause)
        await nets.home.core.accept(Joined(HOME, ANA), Renamed(HOME, Person(ANA.address, "Anna")), Joined(HOME, ANA))
        await quiet(nets.libera)
        assert nets.libera.tries == ["join ana"]
    nets = Nets()
    async with running(tmp_path, nets):
        await nets.home.core.accept(Joined(HOME, ANA), said("hello?", ANA))
        await nets.home.until(lambda: any("Not delivered to #tea" in text for _, text in nets.home.told))
        assert nets.libera.tries == []
        assert nets.libera.sent == []
        await nets.home.core.accept(Left(HOME, ANA.address), Joined(HOME, ANA))
        await nets.libera.until(lambda: "join Ana" in nets.libera.log)
    nets = Nets()
    async with running(tmp_path, nets):
        await nets.home.core.accept(Joined(HOME, ANA))
        await nets.libera.until(lambda: "join Ana" in nets.libera.log)


@pytest.mark.parametrize(
    "refusal", [NoPuppetError("banned (474)"), SendError.permanent(Reason.FORBIDDEN, "you are banned")]
)
async def test_who_comes_back_and_is_not_let_in_stays_barred_over_a_restart(tmp_path: Path, refusal: Exception) -> None:
    nets = Nets()
    async with running(tmp_path, nets):
        await barred(nets, Cause.BANNED)
        nets.libera.trouble = failing("join", refusal)
        told = len(nets.home.told)
        await nets.home.core.accept(Left(HOME, ANA.address), Joined(HOME, ANA), said("hi", ANA))
        await nets.libera.until(lambda: nets.libera.tries.count("join ana") == 2)
        await nets.home.until(lambda: len(nets.home.told) == told + 2)
        assert nets.libera.sent == []
    nets = Nets()
    async with running(tmp_path, nets):
        await nets.home.core.accept(Roster(HOME, (ANA,)), said("still?", ANA))
        await nets.home.until(lambda: nets.home.told != [])
        assert nets.libera.tries == []
        assert nets.libera.sent == []
        await nets.home.core.accept(Left(HOME, ANA.address), Joined(HOME, ANA), said("lifted", ANA))
        await nets.libera.until(heard(nets.libera, 1))
        assert (texts(nets.libera), nets.libera.sent[0].voice) == (["lifted"], Voice.PUPPET)


async def test_nobody_speaks_for_who_came_back_before_they_were_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.reconcile, "RETRY", (0.05,))
    nets = Nets()
    async with running(tmp_path, nets):
        await barred(nets, Cause.KICKED)
        nets.libera.trouble = failing("join", BUSY)
        await nets.home.core.accept(Left(HOME, ANA.address), Joined(HOME, ANA), said("hi", ANA))
        await nets.home.until(lambda: any("Not delivered to #tea" in text for _, text in nets.home.told))
        assert nets.libera.sent == []
        nets.libera.trouble = no_trouble
        await nets.libera.until(lambda: nets.libera.log.count("join Ana") == 2)
        await nets.home.core.accept(said("here", ANA))
        await nets.libera.until(lambda: texts(nets.libera) == ["here"])


async def test_a_removal_told_twice_is_told_to_its_person_once(tmp_path: Path) -> None:
    nets = Nets()
    async with running(tmp_path, nets):
        await barred(nets, Cause.BANNED)
        await nets.libera.core.accept(PuppetGone(LIBERA, ANA.address, Cause.BANNED, None, "op"))
        await nets.home.core.accept(said("hi", ANA))
        await nets.home.until(lambda: len(nets.home.told) >= 2)
        assert ["In #tea" in text for _, text in nets.home.told] == [True, False]
