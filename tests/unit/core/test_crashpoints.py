"""Crash points: named, counted, and nothing at all where nobody asks for one."""

import os
import signal
import subprocess
import sys

import pytest

from bridge.crashpoints import VARIABLE, Point, armed, parse

_PASSES = (
    "from bridge.crashpoints import Point, reach\n"
    "for network in ('home', 'libera', 'libera'):\n"
    "    reach(Point.NOTED, network)\n"
    "    print(network, flush=True)\n"
)


def passing(value: str | None) -> tuple[int, str]:
    """A process that passes a point thrice: its status, and what it came to say."""
    environment = {name: text for name, text in os.environ.items() if name != VARIABLE}
    environment |= {} if value is None else {VARIABLE: value}
    done = subprocess.run([sys.executable, "-c", _PASSES], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_without_the_variable_nothing_happens() -> None:
    assert passing(None) == (0, "home\nlibera\nlibera\n")


def test_the_process_ends_at_the_pass_that_was_named() -> None:
    assert passing("noted@libera:2") == (-signal.SIGKILL, "home\nlibera\n")
    assert passing("noted") == (-signal.SIGKILL, "")
    assert passing("handed") == (0, "home\nlibera\nlibera\n")


def test_a_point_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(ValueError):
        parse("nowhere:3")
    assert passing("nowhere")[0] == 1


@pytest.mark.parametrize("point", Point)
def test_it_ends_once(point: Point) -> None:
    ends: list[None] = []
    reach = armed(f"{point}:2", lambda: ends.append(None))
    for _ in range(5):
        reach(point, "home")
    assert len(ends) == 1
