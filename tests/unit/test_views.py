"""What somebody may see of a presence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.address import Address
from bridge.model.presence import Activity, Basic, Presence, Tuple
from bridge.model.rule import Decision
from bridge.views import closed, everybodys, view

KESTREL = Address("libera", "kestrel")
TUPLES = st.builds(
    Tuple,
    st.text(min_size=1, max_size=5),
    st.sampled_from(Basic),
    st.frozensets(st.sampled_from(Activity)),
    st.lists(st.tuples(st.sampled_from(["", "en"]), st.text(max_size=5)), max_size=2).map(tuple),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 2e9),
    st.none() | st.floats(0, 2e9),
)
NOTES = st.lists(st.tuples(st.sampled_from(["", "en"]), st.text(max_size=5)), max_size=2).map(tuple)
PRESENCES = st.builds(Presence, st.just(KESTREL), st.lists(TUPLES, max_size=3).map(tuple), NOTES)


def is_open(presence: Presence) -> bool:
    return any(each.basic is Basic.OPEN for each in presence.tuples)


@pytest.mark.conforms("RFC2779:5.1.15")
@given(PRESENCES, PRESENCES)
def test_who_may_not_see_them_sees_the_same_whatever_they_do(one: Presence, other: Presence) -> None:
    for decision in (Decision.POLITE_BLOCK, Decision.CONFIRM, Decision.BLOCK):
        seen = [view(each, decision) for each in (one, other) if each.tuples]
        offline = [view(each, Decision.ALLOW) for each in (one, other) if each.tuples and not is_open(each)]
        assert all(each == closed(KESTREL) for each in seen + offline)


@given(PRESENCES, st.sampled_from(Decision))
def test_where_nothing_is_known_everybody_is_told_so_and_an_open_one_is_as_it_is(
    presence: Presence, decision: Decision
) -> None:
    assert view(Presence(KESTREL), decision) == Presence(KESTREL)
    assert view(Presence(KESTREL, (), presence.notes), decision) == Presence(KESTREL)
    if is_open(presence):
        assert view(presence, Decision.ALLOW) == presence


@given(PRESENCES, st.lists(st.sampled_from(Decision), max_size=4))
def test_a_room_sees_no_more_than_the_one_who_may_see_least(presence: Presence, decisions: list[Decision]) -> None:
    shown = everybodys(presence, decisions)
    if all(each is Decision.ALLOW for each in decisions):
        assert shown == view(presence, Decision.ALLOW)
    elif Decision.POLITE_BLOCK in decisions:
        assert shown == view(presence, Decision.POLITE_BLOCK)
    else:
        assert shown == Presence(KESTREL)
