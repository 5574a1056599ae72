"""The demonstration's own judgement: what counts as seen, what as a fault, and how it is shown."""

import io

import pytest
from rich.console import Console

from bridge.demo.clients import Seen, Sight
from bridge.demo.script import STEPS, Outcome, Step
from bridge.demo.table import COLUMNS, faults, sight, table

ALL = frozenset(COLUMNS)
LINE = Step("ana", Sight.TEXT, "hello")
SEEN = Seen(Sight.TEXT, "ana", "hello")


def _outcome(step: Step, due: frozenset[str] = ALL, **saw: list[Seen]) -> Outcome:
    return Outcome(step, due, {name: saw.get(name, [SEEN]) for name in COLUMNS})


def _drawn(*outcomes: Outcome) -> str:
    console = Console(width=150, file=io.StringIO(), record=True)
    console.print(table(outcomes))
    return console.export_text()


@pytest.mark.parametrize(
    ("step", "seen", "matches"),
    [
        (LINE, SEEN, True),
        (LINE, Seen(Sight.TEXT, "bo", "hello"), False),
        (LINE, Seen(Sight.TEXT, "ana", "hello!"), False),
        (LINE, Seen(Sight.EMOTE, "ana", "hello"), False),
        (LINE, Seen(Sight.TEXT, "ana", "hello", history=True), False),
        (Step("bo", Sight.TOPIC, "tea"), Seen(Sight.TOPIC, "rialto", "tea"), True),
        (Step("bo", Sight.TOPIC, "tea"), Seen(Sight.TOPIC, "bo", "coffee"), False),
        (Step("bo", Sight.LEAVE, "bye"), Seen(Sight.LEAVE, "bo"), True),
        (Step("bo", Sight.LEAVE, "bye"), Seen(Sight.LEAVE, "ana", "bye"), False),
    ],
)
def test_what_counts_as_seen(step: Step, seen: Seen, matches: bool) -> None:
    assert step.matches(seen) is matches


def test_once_to_everybody_is_well() -> None:
    outcome = _outcome(LINE)
    assert faults([outcome]) == []
    assert _drawn(outcome).count("<ana> hello") == 3


@pytest.mark.parametrize(("copies", "shown"), [([], "NOTHING"), ([SEEN, SEEN], "2 times: <ana> hello")])
def test_never_or_twice_is_a_fault_and_shows(copies: list[Seen], shown: str) -> None:
    outcome = _outcome(LINE, bo=copies)
    assert faults([outcome]) == [f"ana's text 'hello' was seen {len(copies)} times by bo"]
    assert shown in _drawn(outcome)


def test_what_was_not_meant_for_somebody_may_not_reach_them() -> None:
    away = ALL - {"kestrel"}
    assert faults([_outcome(LINE, away, kestrel=[])]) == []
    assert faults([_outcome(LINE, away)]) == ["ana's text 'hello' was seen 1 times by kestrel"]
    assert "(was away)" in _drawn(_outcome(LINE, away, kestrel=[]))


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        (Seen(Sight.EMOTE, "bo", "waves"), "* bo waves"),
        (Seen(Sight.JOIN, "bo"), "→ bo joined"),
        (Seen(Sight.LEAVE, "bo"), "← bo left"),
        (Seen(Sight.LEAVE, "bo", "tea time"), "← bo left (tea time)"),
        (Seen(Sight.TOPIC, "bo", "tea"), "topic by bo: tea"),
        (Seen(Sight.TEXT, "bo", "[red]no markup[/]"), "<bo> [red]no markup[/]"),
    ],
)
def test_how_it_is_shown(seen: Seen, shown: str) -> None:
    assert sight(seen) == shown
    assert shown in _drawn(_outcome(LINE, ana=[seen]))


def test_the_conversation_has_all_that_crosses() -> None:
    assert {step.kind for step in STEPS} == {Sight.TEXT, Sight.EMOTE, Sight.TOPIC, Sight.LEAVE, Sight.JOIN}
    assert {step.who for step in STEPS} == set(COLUMNS)
    assert len(set(STEPS)) == len(STEPS)
