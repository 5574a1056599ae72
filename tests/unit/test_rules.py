"""Who may use the bridge."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.address import Address
from bridge.rules import MAX_PATTERN, Pattern, Rules

BO = Address("office", "bo@example.org")
ANA = Address("home", "@ana:example.org")
KESTREL = Address("libera", "kestrel")
BRACKETS = Address("libera", "kes{m}")  # kes[m], as the adapter folds it
OCCUPANT = Address("office", "lobby@conference.example.org/a1b2")
NATIVE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("pattern", "address", "fits"),
    [
        ("*@example.org", BO, True),
        ("*@Example.ORG", BO, True),
        ("*@example.org", ANA, False),
        ("*@example.org", OCCUPANT, False),
        ("*@example.or", BO, False),
        ("@*:example.org", ANA, True),
        ("@*:example.org", BO, False),
        ("@*:matrix.org", ANA, False),
        ("libera:*", KESTREL, True),
        ("libera:*", Address("libera2", "kestrel"), False),
        ("libera:kes*", KESTREL, True),
        ("kestrel", KESTREL, True),
        ("Kestrel", KESTREL, True),
        ("kes", KESTREL, False),
        ("libera:kes[m]", BRACKETS, True),
        ("kes[*", BRACKETS, True),
        ("kes[m", Address("libera", "kesm"), False),  # no sign but the star is special
        ("b?@example.org", BO, False),
        ("a[b@example.org", Address("office", "a{b@example.org"), False),
        ("a[*", Address("office", "a[b@example.org"), True),
        ("*@conference.example.org/*", OCCUPANT, True),
        ("*", BO, True),
        ("**", KESTREL, True),
        ("office:*", OCCUPANT, True),
        ("k*e*l", KESTREL, True),
        ("k*l*l", KESTREL, False),
        ("*k*k*", KESTREL, False),
    ],
)
def test_patterns(pattern: str, address: Address, fits: bool) -> None:
    assert Pattern.parse(pattern).matches(address) is fits


@given(NATIVE)
def test_everybody_fits_their_own_id_and_a_star(native: str) -> None:
    address = Address("net", native)
    assert Pattern("*").matches(address)
    assert Pattern("net:*").matches(address)
    assert Pattern(str(address)).matches(address)
    assert not Pattern("other:*").matches(Address("net", native.replace(":", "")))


@given(NATIVE, st.integers(0), st.integers(0))
def test_a_star_stands_for_any_part(native: str, first: int, second: int) -> None:
    start, end = sorted((first % (len(native) + 1), second % (len(native) + 1)))
    assert Pattern(native[:start] + "*" + native[end:]).matches(Address("net", native))


def test_hostile_ids_cost_no_time() -> None:
    started = process_time()
    assert not Pattern.parse("*a" * 200 + "*b").matches(Address("net", "a" * 3_000))
    assert process_time() - started < 5.0


@pytest.mark.parametrize("text", ["", "a b", "a\n", "a\0", "\u202ea", "x" * (MAX_PATTERN + 1)])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match="write a pattern"):
        Pattern.parse(text)


@pytest.mark.parametrize(
    ("text", "network"),
    [("libera:*", "libera"), ("*@example.org", None), ("@*:example.org", None), ("nick", None), ("*:x", None)],
)
def test_the_network_of_a_pattern(text: str, network: str | None) -> None:
    assert Pattern.parse(text).network == network


@pytest.mark.parametrize(
    ("use", "deny", "address", "in_room", "elsewhere"),
    [
        (None, [], BO, True, False),  # the default: everybody in configured rooms
        (None, ["*@example.org"], BO, False, False),
        (None, ["*@example.org"], KESTREL, True, False),
        (["*@example.org"], [], BO, True, True),
        (["*@example.org"], [], KESTREL, False, False),
        (["*"], ["libera:*"], KESTREL, False, False),
        (["*"], ["libera:*"], ANA, True, True),
        ([], [], BO, False, False),  # nobody was named: nobody may
    ],
)
def test_rules(use: list[str] | None, deny: list[str], address: Address, in_room: bool, elsewhere: bool) -> None:
    rules = Rules(None if use is None else patterns(*use), patterns(*deny))
    assert rules.may_use(address, known=True) is in_room
    assert rules.may_use(address, known=False) is elsewhere


def test_who_may_start_conversations() -> None:
    assert Rules().may_start(BO)
    assert not Rules(dm=()).may_start(BO)
    only_libera = Rules(dm=patterns("libera:*"))
    assert only_libera.may_start(KESTREL)
    assert not only_libera.may_start(BO)


def test_declared_bots_are_denied() -> None:
    rules = Rules(use=patterns("*"), bots=patterns("libera:kes*"))
    assert rules.is_bot(KESTREL)
    assert rules.denies(KESTREL)
    assert not rules.may_use(KESTREL, known=True)
    assert not rules.is_bot(BO)


def patterns(*texts: str) -> tuple[Pattern, ...]:
    return tuple(map(Pattern.parse, texts))


SIGNS = st.text(st.sampled_from("ab[{*@:"), min_size=1, max_size=6)


@given(SIGNS, SIGNS, st.text(st.sampled_from("ab[{@:"), min_size=1, max_size=6))
def test_a_pattern_that_covers_another_matches_all_that_it_matches(broad: str, narrow: str, native: str) -> None:
    address = Address("a", native)
    if Pattern(broad).covers(Pattern(narrow)) and Pattern(narrow).matches(address):
        assert Pattern(broad).matches(address)


def test_a_star_covers_every_pattern_and_no_pattern_without_one_covers_a_star() -> None:
    assert Pattern("*").covers(Pattern("*@example.org"))
    assert Pattern("*@Example.org").covers(Pattern("b*@example.org"))
    assert not Pattern("b*@example.org").covers(Pattern("*@example.org"))
