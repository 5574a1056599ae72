"""Names on Matrix: the specification's mapping, the table of design section 5, and properties."""

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bridge.model.address import Address, Place, PlaceKind
from bridge.names import Kind, Named, Names

NETWORKS = (
    Named("office", Kind.XMPP, default=True),
    Named("home", Kind.MATRIX, default=True),
    Named("home2", Kind.MATRIX),
    Named("libera", Kind.IRC),
)
NAMES = Names(NETWORKS)
PREFIX = "_rialto_"
ROOM_FOR = 240

TABLE = [
    (Address("office", "bo@example.org"), "_rialto_office_bo=40example.org"),
    (Address("office", "Alph@Bet_50up"), "_rialto_office__alph=40_bet__50up"),  # the specification's own example
    (Address("office", "tea@conf.example.org/4kI="), "_rialto_office_tea=40conf.example.org/4k_i=3d"),
    (Place("office", "tea@conf.example.org"), "_rialto_office_=23tea=40conf.example.org"),
    (Address("office", "#x@example.org"), "_rialto_office_=.=23x=40example.org"),
    (Place("office", "#x@example.org"), "_rialto_office_=23=23x=40example.org"),
    (Address("libera", "kestrel"), "_rialto_libera_kestrel"),
    (Address("libera", "{a}|b~"), "_rialto_libera_=7ba=7d=7cb=7e"),
    (Address("libera", "_a-b+c"), "_rialto_libera___a-b+c"),
    (Place("libera", "#tea"), "_rialto_libera_=23tea"),
    (Place("libera", "+tea"), "_rialto_libera_+tea"),
    (Address("libera", "+tea"), "_rialto_libera_=.+tea"),
    (Place("libera", "tea"), "_rialto_libera_=+tea"),
    (Address("home2", "@ana:matrix.org"), "_rialto_home2_=40ana=3amatrix.org"),
    (Place("home2", "!iD"), "_rialto_home2_=21i_d"),
    (Address("libera", "日本"), "_rialto_libera_=e6=97=a5=e6=9c=ac"),
    (Address("libera", "\x01\t"), "_rialto_libera_=01=09"),
]

natives = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n"), min_size=1, max_size=16),
    st.text(st.sampled_from("aAzZ0_=-+./#&!@:é\x01"), min_size=1, max_size=16),
)
networks = st.sampled_from([each.network for each in NETWORKS])
anything = st.one_of(st.builds(Address, networks, natives), st.builds(Place, networks, natives))


@pytest.mark.parametrize(("who", "local"), TABLE)
def test_table(who: Address | Place, local: str) -> None:
    assert NAMES.matrix_local(who, PREFIX, ROOM_FOR) == local
    assert NAMES.from_matrix_local(local, PREFIX) == who


@settings(max_examples=500, deadline=None)
@given(anything)
def test_round_trip(who: Address | Place) -> None:
    local = NAMES.matrix_local(who, PREFIX, ROOM_FOR)
    assert re.fullmatch(r"[a-z0-9._=\-/+]{1,240}", local)
    assert NAMES.from_matrix_local(local, PREFIX) == who


@settings(max_examples=300, deadline=None)
@given(anything, anything)
def test_two_never_share_a_name(one: Address | Place, other: Address | Place) -> None:
    assume(one != other)
    assert NAMES.matrix_local(one, PREFIX, ROOM_FOR) != NAMES.matrix_local(other, PREFIX, ROOM_FOR)


@settings(max_examples=500, deadline=None)
@given(st.builds(lambda network, rest: f"{PREFIX}{network}_{rest}", networks, st.text("aAg4f_=-+./", max_size=12)))
def test_what_is_read_is_the_one_name(local: str) -> None:
    try:
        who = NAMES.from_matrix_local(local, PREFIX)
    except ValueError:
        return
    assert NAMES.matrix_local(who, PREFIX, ROOM_FOR) == local


@pytest.mark.parametrize(
    "local",
    ["", "kestrel", "_rialto_", "_rialto_libera", "_rialto_libera_", "_rialto_nowhere_x", "_rialto_libera_X",
     "_rialto_libera_=4",
     "_rialto_libera_=4G", "_rialto_libera_=61", "_rialto_libera_a_", "_rialto_libera_=ff", "_rialto_libera_=-abc",
     "_rialto_libera_=23tea\n", "_rialto_libera_=.kestrel", "_rialto_libera_=+=23tea", "_rialto_office_=23",
     "_rialto_libera_=-" + "a" * 32, "_rialto_bot", "_other_libera_x", "_rialto_libera_é"],
)  # fmt: skip
def test_refuses_what_is_no_name(local: str) -> None:
    with pytest.raises(ValueError):
        NAMES.from_matrix_local(local, PREFIX)


@pytest.mark.parametrize("who", [Address("libera", "日" * 40), Place("libera", "#" + "日" * 40)])
def test_too_long_is_a_hash_that_the_store_knows(who: Address | Place) -> None:
    local = NAMES.matrix_local(who, PREFIX, ROOM_FOR)
    assert re.fullmatch(r"_rialto_libera_=-[a-z2-7]{32}", local)
    assert NAMES.from_matrix_local(local, PREFIX) == who

    after_restart = Names(NETWORKS)
    with pytest.raises(ValueError, match="not known"):
        after_restart.from_matrix_local(local, PREFIX)
    after_restart.learn(who)
    assert after_restart.from_matrix_local(local, PREFIX) == who
    with pytest.raises(ValueError):
        after_restart.from_matrix_local(local.replace("libera", "office"), PREFIX)


def test_a_person_and_a_room_of_one_id_have_two_hashes() -> None:
    native = "#" + "x" * 300
    one = NAMES.matrix_local(Address("libera", native), PREFIX, ROOM_FOR)
    assert one != NAMES.matrix_local(Place("libera", native), PREFIX, ROOM_FOR)
    assert one == NAMES.matrix_local(Place("libera", native, PlaceKind.USER), PREFIX, ROOM_FOR)


def test_the_limit_is_exact() -> None:
    who = Address("libera", "x" * 100)
    full = NAMES.matrix_local(who, PREFIX, ROOM_FOR)
    assert NAMES.matrix_local(who, PREFIX, len(full)) == full
    short = NAMES.matrix_local(who, PREFIX, len(full) - 1)
    assert NAMES.matrix_local(who, PREFIX, len(short)) == short
    with pytest.raises(ValueError, match="room for"):
        NAMES.matrix_local(who, PREFIX, len(short) - 1)


@pytest.mark.parametrize("native", ["x\ny", "x\ry", "x\0y"])
def test_what_no_native_id_holds_is_no_name(native: str) -> None:
    encoded = "".join(f"={byte:02x}" if byte < 32 else chr(byte) for byte in native.encode())
    with pytest.raises(ValueError, match="line end"):
        NAMES.from_matrix_local(f"{PREFIX}libera_{encoded}", PREFIX)
    with pytest.raises(ValueError, match="line end"):
        NAMES.matrix_local(Address("libera", native), PREFIX, 200)
