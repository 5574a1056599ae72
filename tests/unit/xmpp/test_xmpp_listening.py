"""Until when a room was heard, whatever becomes of our clock meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.xmpp.listening import Listening


class Clocks:
    """One that is set, and one that only grows."""

    def __init__(self) -> None:
        self.wall, self.pulse = 1000.0, 7.0
        self.listening = Listening(lambda: self.wall, lambda: self.pulse)

    def pass_by(self, seconds: float, jump: float = 0.0) -> None:
        self.wall += seconds + jump
        self.pulse += seconds


@pytest.mark.parametrize("jump", [0.0, 3600.0, -3600.0])
def test_what_was_missed_is_as_long_as_it_was_whoever_set_the_clock(jump: float) -> None:
    clocks = Clocks()
    assert clocks.listening.heard(whole=True) == 1000.0
    clocks.pass_by(30.0, jump)
    last = clocks.listening.last(1000.0)
    assert last is not None
    assert clocks.listening.ago(last) == 30.0
    assert clocks.listening.silent_for() == 30.0


def test_before_we_heard_anything_the_store_knows() -> None:
    clocks = Clocks()
    assert clocks.listening.last(None) is None
    assert clocks.listening.last(900.0) == 900.0
    # In the middle of what is told again: what is not told yet is still to be asked for.
    clocks.listening.heard(whole=False)
    assert clocks.listening.last(900.0) == 900.0


def test_a_break_in_the_middle_of_what_is_told_again_does_not_make_it_whole() -> None:
    clocks = Clocks()
    clocks.listening.heard(whole=True)
    clocks.pass_by(100.0)
    clocks.listening.heard(whole=False)
    assert clocks.listening.last(1099.0) == 1000.0
    assert clocks.listening.silent_for() == 0.0


@given(st.floats(0, 2e9), st.floats(0, 2e9))
def test_where_our_clock_has_not_come_so_far_everything_is_asked_for(now: float, when: float) -> None:
    ago = Listening(lambda: now, lambda: 0.0).ago(when)
    assert ago == (now - when if when <= now else now)
