"""Nicks on IRC: legal, distinct, stable, and what people would expect to be called."""

import re
from itertools import islice

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bridge.model.address import Address, Person
from bridge.names import Kind, Named, Names

NAMES = Names(
    [
        Named("office", Kind.XMPP, default=True),
        Named("home", Kind.MATRIX, default=True),
        Named("libera", Kind.IRC),
        Named("averylongnetwork", Kind.IRC),
    ]
)
LEGAL = re.compile(r"[A-Za-z\[\]\\`_^{|}][A-Za-z0-9\[\]\\`_^{|}\-]*")
SERVICE = re.compile(r".*serv|guest.*", re.IGNORECASE)

people = st.builds(
    Person,
    st.builds(
        Address,
        st.sampled_from(["office", "home", "libera", "averylongnetwork"]),
        st.one_of(
            st.text(min_size=1, max_size=12),
            st.builds("@{}:{}".format, st.text(max_size=12), st.sampled_from(["matrix.org", "x"])),
            st.builds("{}@{}".format, st.text(max_size=12), st.sampled_from(["example.org", "x/y"])),
        ),
    ),
    st.one_of(st.text(max_size=20), st.sampled_from(["NickServ", "guest", "-1", "123", "Ana", "", "é", "[]", "{}"])),
)
lengths = st.sampled_from([5, 6, 9, 16, 30, 200])


def some(person: Person, length: int = 30, count: int = 2, chantypes: str = "#&+!") -> list[str]:
    return list(islice(NAMES.irc_nicks(person, length, chantypes), count))


@pytest.mark.parametrize(
    ("address", "name", "length", "expected"),
    [
        (Address("home", "@ana:matrix.org"), "Ana Lima", 30, ["ana", "ana[home]"]),
        (Address("home", "@ana:matrix.org"), "Ana Lima", 9, ["ana", "ana[home]"]),
        (Address("home", "@anastasia.k:matrix.org"), "Nastya", 9, ["anastasia", "ana[home]"]),
        (Address("home", "@Zo=c3=ab:matrix.org"), "Zoë", 30, ["Zo_c3_ab", "Zo_c3_ab[home]"]),
        (Address("home", "@12345:matrix.org"), "Zoë Müller", 30, ["Zoe_Muller", "Zoe_Muller[home]"]),
        (Address("office", "bo@example.org"), "Bo the Great", 30, ["bo", "bo[office]"]),
        (Address("office", "bo@example.org"), "Bo the Great", 9, ["bo", "bo[offic]"]),
        (Address("office", "o\\27malley@example.org"), "", 30, ["omalley", "omalley[office]"]),
        (Address("office", "strauß@example.org"), "", 30, ["strauss", "strauss[office]"]),
        (Address("office", "tea@conf.example.org/4kI="), "Łukasz Øre", 30, ["Lukasz_Ore", "Lukasz_Ore[office]"]),
        (Address("libera", "kestrel"), "Kestrel", 30, ["Kestrel", "Kestrel[libera]"]),
        (Address("libera", "kestrel"), "Kestrel", 9, ["Kestrel", "Kes[libe]"]),
        (Address("libera", "_k_"), "_k_", 30, ["_k_", "_k_[libera]"]),
        (Address("libera", "x"), "3po", 30, ["_3po", "_3po[libera]"]),
        (Address("libera", "x"), "-x-", 30, ["_-x-", "_-x-[libera]"]),
        (Address("libera", "x"), "Ｋｅｓ\u200b😀", 30, ["Kes", "Kes[libera]"]),
        (Address("averylongnetwork", "x"), "kestrel", 9, ["kestrel", "kes[aver]"]),
    ],
)
def test_first_candidates(address: Address, name: str, length: int, expected: list[str]) -> None:
    assert some(Person(address, name), length) == expected


@pytest.mark.parametrize("name", ["NickServ", "chanserv", "Guest123", "Global", "анна", "", "123", "😀"])
def test_a_name_that_cannot_be_used_gives_way_to_a_hash(name: str) -> None:
    first, second = some(Person(Address("libera", "someone"), name))
    assert re.fullmatch(r"u[a-z2-7]{7}", first)
    assert second == f"{first}[libera]"


def test_a_cut_never_makes_a_service() -> None:
    assert "conserv" not in some(Person(Address("libera", "x"), "conserves"), 7, 50)


def test_channel_characters_are_left_out() -> None:
    assert some(Person(Address("libera", "x"), "{a}^b"), 30, 1, chantypes="#^{") == ["a}b"]


def test_too_short_to_tell_apart() -> None:
    with pytest.raises(ValueError):
        NAMES.irc_nicks(Person(Address("libera", "x"), "x"), 4)
    with pytest.raises(ValueError):
        NAMES.irc_nicks(Person(Address("nowhere", "x"), "x"), 9)


@settings(max_examples=300, deadline=None)
@given(people, lengths)
def test_legal_distinct_and_the_same_again(person: Person, length: int) -> None:
    nicks = some(person, length, 60)
    assert len(nicks) == 60
    assert len({nick.lower().translate(str.maketrans("[]\\^", "{}|~")) for nick in nicks}) == 60
    for nick in nicks:
        assert LEGAL.fullmatch(nick)
        assert len(nick.encode()) <= length
        assert not SERVICE.fullmatch(nick)
    assert some(person, length, 60) == nicks


@settings(max_examples=300, deadline=None)
@given(people, people, lengths)
def test_two_people_part_within_fifty(one: Person, other: Person, length: int) -> None:
    assume(one.address != other.address)
    assert some(one, length, 50) != some(other, length, 50)


def test_a_crowd_of_one_name_all_find_a_nick_of_nine_bytes() -> None:
    """Allocated in turn, each taking its first free candidate: everyone gets one, within few tries."""
    taken: set[str] = set()
    tries = 0
    for number in range(300):
        for nick in NAMES.irc_nicks(Person(Address("home", f"@alexander:h{number}.org"), "Alexander"), 9):
            tries += 1
            if nick not in taken:
                taken.add(nick)
                break
    assert len(taken) == 300
    assert tries < 300 * 4
