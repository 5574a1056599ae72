"""Who bears which nick: the winners, and what is ours."""

import json
from itertools import islice

import pytest

from adapters.irc.nicks import KEEP, NickBook, OwnNicks, bot_nicks, is_service
from adapters.irc.protocol.casemap import Casemapping
from adapters.irc.protocol.message import Source
from bridge.model.address import Address, Person

ANA = Person(Address("office", "ana@example.org"), "Ana")
OTHER = Person(Address("home", "@ana:example.org"), "Ana")
NAMES = ("ana", "ana[x]", "ana-1", "ana-2")


def first(book: NickBook, person: Person, now: float = 0.0, taken: tuple[str, ...] = ()) -> str:
    candidates = book.candidates(person, NAMES, lambda nick: nick in taken, now)
    try:
        return next(candidates)
    finally:
        candidates.close()


def test_a_winner_is_kept_over_restarts() -> None:
    book = NickBook({})
    assert first(book, ANA, taken=("ana",)) == "ana[x]"
    remembered = book.won("ana[x]", ANA, 5.0)
    assert list(remembered) == ["nick/ana{x}"]
    again = NickBook({key: value for key, value in remembered.items() if value})
    assert first(again, ANA) == "ana[x]"
    assert first(again, OTHER, taken=("ana",)) == "ana-1"


def test_nobody_else_gets_it_for_ninety_days() -> None:
    book = NickBook({})
    book.won("ana", ANA, 0.0)
    assert first(book, OTHER, KEEP - 1) == "ana[x]"
    assert first(book, OTHER, KEEP) == "ana"
    book.used("ana", KEEP - 1)
    assert first(book, OTHER, KEEP * 2 - 2) == "ana[x]"


def test_a_nick_that_is_being_tried_is_not_tried_for_another() -> None:
    book = NickBook({})
    mine = book.candidates(ANA, NAMES, lambda nick: False, 0.0)
    assert next(mine) == "ana"
    theirs = book.candidates(OTHER, NAMES, lambda nick: False, 0.0)
    assert next(theirs) == "ana[x]"
    assert next(mine) == "ana-1"
    assert first(book, Person(Address("a", "b"), "c")) == "ana"
    mine.close()
    assert first(book, Person(Address("a", "b"), "c"), taken=("ana",)) == "ana-1"


def test_a_new_name_has_nicks_of_its_own_and_the_old_one_is_found_again() -> None:
    book = NickBook({})
    book.won("ana", ANA, 0.0)
    renamed = Person(ANA.address, "Anastasia")
    candidates = book.candidates(renamed, ("anastasia",), lambda nick: False, 1.0)
    assert list(candidates) == ["anastasia"]
    book.won("anastasia", renamed, 1.0)
    assert first(book, ANA, 2.0) == "ana"


def test_old_ones_are_forgotten() -> None:
    book = NickBook({})
    book.won("ana", ANA, 0.0)
    values = book.won("bo", OTHER, KEEP)
    assert values["nick/ana"] is None
    assert book.used("ana", KEEP) == {}


@pytest.mark.parametrize(
    "value", ["", "{}", "[]", "null", '{"who": "nonsense"}', json.dumps({"nick": "a", "who": "x", "used": 1})]
)
def test_nonsense_in_the_store_is_passed_over(value: str) -> None:
    assert first(NickBook({"nick/ana": value, "other/key": value}), ANA) == "ana"


def test_case_mapping() -> None:
    book = NickBook({})
    book.won("ana[x]", ANA, 0.0)
    assert list(book.candidates(OTHER, ("ANA{X}", "b"), lambda nick: False, 1.0)) == ["b"]
    book.rekey(Casemapping.ASCII)
    assert list(book.candidates(OTHER, ("ANA{X}", "b"), lambda nick: False, 1.0)) == ["ANA{X}", "b"]


def test_what_is_ours_for_a_while() -> None:
    own = OwnNicks()
    source = Source("Ana", "ana", "host")
    own.claim(source, ANA.address)
    assert own.holds("ana")
    found = own.find(Source("ana"), 0.0)
    assert found is not None
    assert found.address == ANA.address
    own.release("Ana", 10.0)
    assert not own.holds("ana")
    assert own.find(source, 39.0) is not None
    assert own.find(source, 40.0) is None
    assert own.find(source, 12.0) is None


def test_a_nick_that_was_ours_and_is_now_somebody_elses() -> None:
    own = OwnNicks()
    own.claim(Source("ana", "ana", "host"), ANA.address)
    own.release("ana", 0.0)
    assert own.find(Source("ana", "human", "home"), 1.0) is None
    assert own.find(Source("never", "x", "y"), 1.0) is None


def test_the_bots_candidates() -> None:
    nicks = list(islice(bot_nicks("rialto"), 200))
    assert nicks[:3] == ["rialto", "rialto_", "rialto__"]
    assert len(nicks) > 50
    assert all(len(nick) <= 9 for nick in bot_nicks("verylongnick") if nick[-1].isdigit())


def test_services() -> None:
    assert is_service("ChanServ")
    assert not is_service("Servus")


def test_the_nick_that_somebody_bears_may_stay_theirs_under_another_name() -> None:
    book = NickBook({})
    bearing = book.candidates(ANA, NAMES, lambda nick: False, 0.0)
    assert next(bearing) == "ana"  # and it is open for as long as the puppet lives
    renamed = Person(ANA.address, "Anna")
    assert next(book.candidates(renamed, NAMES, lambda nick: False, 0.0, "ana")) == "ana"
    assert next(book.candidates(OTHER, NAMES, lambda nick: False, 0.0)) == "ana[x]"
