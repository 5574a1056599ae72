"""Finding adapters by entry points."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest
from pydantic import BaseModel

from bridge import registry
from bridge.registry import Installed, RegistryError


class Telepathy:
    kind = "telepathy"
    settings = BaseModel


ADAPTER = Telepathy()
HERE = f"{__name__}:ADAPTER"


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """The entry points that are installed, to be filled by the test."""
    found: list[EntryPoint] = []

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [point for point in found if point.group == group]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    return found


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "rialto.adapters")


def test_our_own_adapters_are_found() -> None:
    known = registry.installed()
    assert list(known) == ["irc", "matrix", "xmpp"]
    for kind in known:
        factory = known[kind]
        assert factory.kind == kind
        assert issubclass(factory.settings, BaseModel)
        for promised in ("create", "place", "registration"):
            assert callable(getattr(factory, promised))


def test_a_foreign_package_adds_a_kind(points: list[EntryPoint]) -> None:
    points += [point("telepathy", HERE), EntryPoint("other", "nowhere:X", "another.group")]
    known = Installed()
    assert list(known) == ["telepathy"]
    assert len(known) == 1
    assert "telepathy" in known
    assert known["telepathy"] is known["telepathy"]
    with pytest.raises(KeyError):
        known["other"]


def test_the_same_entry_point_twice_is_one(points: list[EntryPoint]) -> None:
    points += [point("telepathy", HERE), point("telepathy", HERE)]
    assert list(Installed()) == ["telepathy"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (point("telepathy", "nowhere_at_all:ADAPTER"), "cannot be loaded: No module named 'nowhere_at_all'"),
        (point("telepathy", f"{__name__}:NOTHING"), "cannot be loaded"),
        (point("empathy", HERE), "says that its kind is 'telepathy'"),
    ],
)
def test_a_broken_adapter_is_told_when_it_is_used(points: list[EntryPoint], wrong: EntryPoint, said: str) -> None:
    points.append(wrong)
    known: Any = Installed()
    with pytest.raises(RegistryError, match=said):
        known[wrong.name]


def test_two_packages_with_one_kind(points: list[EntryPoint]) -> None:
    points += [point("telepathy", HERE), point("telepathy", "other:ADAPTER")]
    with pytest.raises(RegistryError, match="two packages offer networks of kind 'telepathy'"):
        Installed()
