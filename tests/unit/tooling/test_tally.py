"""The proof's own counting: what is lost is called lost, and nothing else is."""

from tests.faults.tally import Gap, Line, Sighting, count


def said(*numbers: int, when: float = 100.0) -> list[Sighting]:
    return [Line("fast", "irc", number, when) for number in numbers]


def gone(when: float = 100.0) -> list[Sighting]:
    return [Gap("fast", gone=True, when=when)]


def back() -> list[Sighting]:
    return [Gap("fast", gone=False, when=100.0)]


def counted(witness: list[Sighting], receiver: list[Sighting], known: tuple[int, ...] = ()) -> str:
    result = count("fast", "irc", "xmpp", witness, receiver, known)
    return " ".join(
        f"{name}={','.join(map(str, numbers))}"
        for name in ("lost", "doubled", "overtaken", "unheard", "unread")
        if (numbers := getattr(result, name))
    )


def test_all_of_it_once_and_in_order_is_nothing_to_tell() -> None:
    assert counted(said(1, 2, 3), said(1, 2, 3)) == ""


def test_each_kind_of_trouble_is_named() -> None:
    assert counted(said(1, 2, 3), said(1, 3)) == "lost=2"
    assert counted(said(1, 2, 3), said(1, 2, 2, 3, 1)) == "doubled=2,1"
    assert counted(said(1, 2, 3), said(1, 3, 2)) == "overtaken=2"


def test_another_room_and_another_source_are_others() -> None:
    other: list[Sighting] = [Line("slow", "irc", 9), Line("fast", "matrix", 8)]
    assert counted([*said(1), *other], said(1)) == ""
    assert counted(said(1), other) == "lost=1"


def test_what_was_said_while_the_bridge_was_not_there_is_unheard() -> None:
    assert counted([*said(1), *gone(), *said(2, 3), *back(), *said(4)], said(1, 4)) == "unheard=2,3"
    assert counted([*said(1), *gone(), *said(2, 3), *back(), *said(4)], said(1, 4), known=(2,)) == "lost=2 unheard=3"


def test_unread_is_only_the_end_of_what_was_written_to_it() -> None:
    assert counted([*said(1, 2, 3), *gone(), *back(), *said(4)], said(1, 2, 4)) == "unread=3"
    assert counted([*said(1, 2, 3), *gone(), *back(), *said(4)], said(1, 3, 4)) == "lost=2"
    assert counted([*said(1, 2, 3), *gone(), *back()], said(1), known=(3,)) == "lost=2,3"
    assert counted([*said(1, 2, 3), *gone(when=110.0), *back()], said(1)) == "lost=2,3"


def test_what_was_given_up_is_not_lost_and_must_not_arrive() -> None:
    result = count("fast", "irc", "xmpp", said(1, 2, 3, 4), said(1, 3), known=(2, 3, 4), given_up=(2, 3))
    assert (result.lost, result.refused, result.belied) == ([4], [2], [3])


def test_what_may_have_arrived_and_is_told_of_is_not_lost_either_way() -> None:
    result = count("fast", "irc", "xmpp", said(1, 2, 3), said(1, 2), known=(2, 3), perhaps=(2, 3))
    assert (result.lost, result.refused, result.belied) == ([], [3], [])
