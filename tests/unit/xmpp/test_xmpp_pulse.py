"""Whether a server still answers."""

from adapters.xmpp.pulse import Pulse


def test_a_server_is_asked_once_and_given_up_when_it_does_not_answer() -> None:
    pulse = Pulse(60.0, now=100.0)
    assert not pulse.asks(159.0)
    assert pulse.asks(160.0)
    assert not pulse.asks(200.0)
    assert not pulse.is_gone(219.0)
    assert pulse.is_gone(220.0)


def test_an_answer_counts_from_when_it_came() -> None:
    pulse = Pulse(60.0, now=100.0)
    assert pulse.asks(160.0)
    pulse.answer(170.0)
    assert not pulse.is_gone(1000.0)
    assert not pulse.asks(229.0)
    assert pulse.asks(230.0)


def test_while_nothing_is_read_no_answer_is_missed() -> None:
    pulse = Pulse(60.0, now=100.0)
    assert pulse.asks(160.0)
    pulse.excuse(400.0)
    assert not pulse.is_gone(459.0)
    assert pulse.is_gone(460.0)
