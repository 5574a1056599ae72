"""The model's other values: frozen, and true to the documents they name."""

import dataclasses
import inspect
from enum import StrEnum

import pytest

from bridge.model import (
    address,
    archive,
    elements,
    event,
    imdn,
    message,
    presence,
    result,
    room,
    rule,
    subscription,
    uri,
    watcherinfo,
)
from bridge.model.address import Place
from bridge.model.cpim import values as cpim
from bridge.model.pidf import document
from bridge.model.result import Failure, Reason, Receipt, Status
from bridge.model.room import Direction, Member, Room

MODULES = (
    address,
    archive,
    cpim,
    document,
    elements,
    event,
    imdn,
    message,
    presence,
    result,
    room,
    rule,
    subscription,
    uri,
    watcherinfo,
)
VALUES = sorted(
    {
        value
        for module in MODULES
        for _, value in inspect.getmembers(module, inspect.isclass)
        if dataclasses.is_dataclass(value)
    },
    key=lambda value: str(value),
)

# RFC 6120 section 8.3.3, in the order of its subsections.
CONDITIONS = [
    "bad-request",
    "conflict",
    "feature-not-implemented",
    "forbidden",
    "gone",
    "internal-server-error",
    "item-not-found",
    "jid-malformed",
    "not-acceptable",
    "not-allowed",
    "not-authorized",
    "policy-violation",
    "recipient-unavailable",
    "redirect",
    "registration-required",
    "remote-server-not-found",
    "remote-server-timeout",
    "resource-constraint",
    "service-unavailable",
    "subscription-required",
    "undefined-condition",
    "unexpected-request",
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_values_are_frozen_and_have_no_loose_attributes(value: type) -> None:
    assert value.__dataclass_params__.frozen  # type: ignore[attr-defined]  # dataclasses tells it nowhere else
    assert "__slots__" in value.__dict__


def test_reasons_are_the_conditions_of_xmpp() -> None:
    assert [reason.value for reason in Reason] == CONDITIONS
    assert str(Failure(Reason.GONE, "they left")) == "they left (gone)"


def test_results_are_spelled_as_in_cpim() -> None:
    assert [status.value for status in Status] == ["success", "failure", "indeterminant"]
    assert Receipt() == Receipt(None, Status.SUCCESS)


def test_no_two_values_of_an_enum_are_spelled_alike() -> None:
    for module in MODULES:
        for _, kind in inspect.getmembers(module, lambda value: inspect.isclass(value) and issubclass(value, StrEnum)):
            values = [member.value.lower() for member in kind.__members__.values()]
            assert len(set(values)) == len(values), kind


TEA, HOME, OFFICE = Place("libera", "#tea"), Place("home", "!tea"), Place("office", "tea@conf")


@pytest.mark.parametrize(
    ("spoken", "heard"), [(TEA, {HOME}), (HOME, set()), (OFFICE, {TEA, HOME}), (Place("oftc", "#tea"), set())]
)
def test_who_hears_what_is_said_in_a_room(spoken: Place, heard: set[Place]) -> None:
    lobby = Room("lobby", (Member(TEA), Member(HOME, Direction.IN), Member(OFFICE, Direction.OUT)))
    assert {member.place for member in lobby.others(spoken)} == heard


@pytest.mark.parametrize(
    ("direction", "hears", "speaks"),
    [(Direction.BOTH, True, True), (Direction.IN, True, False), (Direction.OUT, False, True)],
)
def test_directions(direction: Direction, hears: bool, speaks: bool) -> None:
    member = Member(TEA, direction)
    assert (member.hears, member.speaks) == (hears, speaks)
