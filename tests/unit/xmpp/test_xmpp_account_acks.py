"""Stream management: what is acknowledged, on either side (XEP-0198)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.xmpp.account.acks import MODULO, NAMED, AckError, Incoming, Outgoing


def filled(count: int) -> Outgoing:
    out = Outgoing()
    for number in range(count):
        out.add(f"<{number}/>".encode())
        out.name(str(number))
    return out


def test_what_is_acknowledged_is_let_go() -> None:
    out = filled(3)
    assert out.bytes == 12
    assert out.acked(2) == 2
    assert out.unacked() == [b"<2/>"]
    assert (out.waiting, out.bytes) == (1, 4)
    assert out.acked(2) == 0, "said again, it means nothing new"
    assert out.acked(3) == 1
    assert (out.waiting, out.bytes) == (0, 0)


def test_what_was_never_sent_cannot_be_acknowledged() -> None:
    out = filled(3)
    for h in (4, MODULO - 1):
        with pytest.raises(AckError):
            out.acked(h)
    assert out.waiting == 3
    out.acked(3)
    with pytest.raises(AckError):
        out.acked(2)


def test_the_servers_counter_wraps() -> None:
    out = filled(4)
    out._acked = MODULO - 2  # as if so many had gone before
    out._count += MODULO - 2
    assert out.acked(1) == 3
    assert out.acked(2) == 1


def test_names_tell_what_was_written_and_what_has_arrived() -> None:
    out = filled(3)
    assert out.knows("1")
    assert out.holds("1")
    out.acked(2)
    assert out.knows("1")
    assert not out.holds("1")
    assert out.holds("2")
    assert not out.knows("never")
    assert not out.holds("never")
    for number in range(NAMED):
        out.name(f"more {number}")
    assert not out.knows("2"), "names are forgotten, oldest first"


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), max_size=40))
def test_in_every_order_exactly_what_is_not_acknowledged_waits(steps: list[tuple[int, int]]) -> None:
    out, written, acked = Outgoing(), 0, 0
    for new, ack in steps:
        for _ in range(new):
            out.add(str(written).encode())
            written += 1
        acked = min(acked + ack, written)
        out.acked(acked % MODULO)
        assert out.unacked() == [str(number).encode() for number in range(acked, written)]
        assert out.bytes == sum(len(str(number)) for number in range(acked, written))


def test_a_stanza_counts_as_handled_when_all_that_came_of_it_is_durable() -> None:
    incoming = Incoming()
    incoming.stanza()
    assert incoming.handled == 1, "nothing came of it"
    incoming.made(2)
    incoming.stanza()
    incoming.stanza()
    assert (incoming.received, incoming.handled) == (3, 1)
    incoming.taken(1)
    assert incoming.handled == 1
    incoming.taken(1)
    assert incoming.handled == 3


def test_a_new_session_counts_anew_but_waits_for_what_is_on_its_way() -> None:
    incoming = Incoming()
    incoming.made(1)
    incoming.stanza()
    incoming.begin()
    assert (incoming.received, incoming.handled) == (0, 0)
    incoming.stanza()
    incoming.made(1)
    incoming.stanza()
    assert incoming.handled <= 1
    incoming.taken(1)
    assert incoming.handled == 1
    incoming.taken(1)
    assert incoming.handled == 2


@given(st.lists(st.one_of(st.integers(0, 4), st.just("take"), st.just("new")), max_size=60))
def test_nothing_is_handled_before_it_is_durable(steps: list[int | str]) -> None:
    incoming = Incoming()
    made = taken = 0
    stanzas: list[int] = []
    for step in steps:
        if step == "take":
            if taken < made:
                taken += 1
                incoming.taken(1)
        elif step == "new":
            incoming.begin()
            stanzas = []
        else:
            incoming.made(int(step))
            made += int(step)
            incoming.stanza()
            stanzas.append(made if step else 0)
        durable = next((index for index, end in enumerate(stanzas) if end > taken), len(stanzas))
        assert incoming.handled <= durable
        if taken == made:
            assert incoming.handled == len(stanzas) == incoming.received
