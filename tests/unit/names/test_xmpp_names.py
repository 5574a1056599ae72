"""Names on XMPP: the table of design section 5, and properties over hostile input."""

import re
import sys
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from precis_i18n import get_profile
from slixmpp import JID, stringprep

from bridge.model.address import Address, Place, PlaceKind
from bridge.names import Kind, Named, Names
from bridge.names.escape import _one, _survives

NETWORKS = (
    Named("office", Kind.XMPP, default=True),
    Named("annex", Kind.XMPP),
    Named("home", Kind.MATRIX, default=True),
    Named("home2", Kind.MATRIX),
    Named("libera", Kind.IRC),
    Named("oftc", Kind.IRC),
)
NAMES = Names(NETWORKS)
nodeprep: Callable[[str], str] = stringprep.nodeprep
PRECIS = get_profile("UsernameCaseMapped")

TABLE = [
    (Address("libera", "kestrel"), "kestrel%libera"),
    (Address("libera", "{foo}\\bar"), "{foo}\\bar%libera"),
    (Address("libera", "away^"), "away^^%libera"),
    (Place("libera", "#tea"), "#tea%libera"),
    (Place("libera", "&tea"), "\\26tea%libera"),
    (Place("libera", "tea"), "^#tea%libera"),
    (Address("libera", "#tea"), "^(23)tea%libera"),
    (Place("libera", "#100%"), "#100^%%libera"),
    (Address("home", "@ana:matrix.org"), "ana%matrix.org"),
    (Address("home2", "@ana:matrix.org"), "ana%matrix.org%home2"),
    (Address("home", "@Ana:matrix.org:8448"), "^ana%matrix.org\\3a8448"),
    (Address("home", "@ana:[2001:db8::1]"), "ana%[2001\\3adb8\\3a\\3a1]"),
    (Address("home", "@ana:localhost"), "ana%localhost%home"),
    (Address("home", "@ana:libera"), "ana%libera%home"),
    (Address("home", "@:matrix.org"), "%matrix.org"),
    (Address("home", "@#tea:matrix.org"), "^(23)tea%matrix.org"),
    (Address("home", "@a%b:matrix.org"), "a^%b%matrix.org"),
    (Address("home", "ana"), "ana%home"),
    (Address("home", "@ana"), "\\40ana%home"),
    (Place("home", "#Tea:matrix.org"), "#^tea%matrix.org"),
    (Place("home2", "#Tea:matrix.org"), "#^tea%matrix.org%home2"),
    (Place("home", "!iD:example.org"), "!i^d%example.org"),
    (Place("home", "!iD"), "!i^d%home"),
    (Place("home2", "!iD"), "!i^d%home2"),
    (Place("home", "@ana:matrix.org"), "^#\\40ana\\3amatrix.org%home"),
    (Address("office", "bo@example.org"), "bo%example.org%office"),
    (Address("annex", "bo@example.org"), "bo%example.org%annex"),
    (Address("office", "o\\27malley@example.org"), "o\\5c27malley%example.org%office"),
    (Address("office", "example.org"), "example.org%office"),
    (Address("office", "room@conf.example.org/4kI="), "room\\40conf.example.org\\2f4k^i=%office"),
    (Place("office", "tea@conf.example.org"), "#tea%conf.example.org%office"),
    (Address("office", "tea@conf.example.org"), "tea%conf.example.org%office"),
    (Address("libera", "É"), "^é%libera"),
    (Address("libera", "E\u0301"), "^e^(301)%libera"),
    (Address("libera", ":\u0323"), "\\3a^(323)%libera"),
    (Address("libera", "ß"), "^(df)%libera"),
    (Address("libera", "ﬁ"), "^(fb01)%libera"),
    (Address("libera", "İ"), "^(130)%libera"),
    (Address("libera", "\U0001f600"), "^(1f600)%libera"),
    (Address("libera", "日本"), "日本%libera"),
    (Address("libera", "عمر"), "^(639)^(645)^(631)%libera"),
    (Address("libera", " a "), "^(20)a\\20%libera"),
    (Address("libera", "\x01\t"), "^(1)^(9)%libera"),
    (Address("home", "@a:b. "), "a%b.^(20)"),
]

hostile = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n"), min_size=1, max_size=24),
    st.text(st.sampled_from("aAzZ0%^()#&+!@:/\\ -.2f5c4\"'<>\t\x01"), min_size=1, max_size=24),
    st.text(st.sampled_from("eE\u0301\u0323\u0345\u1100\u1161\u11a8\u09c7\u09be가אب١ςß\u200d\u034fﬁⅣ^%"), min_size=1),
    st.lists(st.sampled_from(["^#", "^-", "^(", ")", "%", "home", "libera", "\\5c", "\\", "20", "\\40", "a"])).map(
        "".join
    ),
)
domains = st.one_of(
    st.sampled_from(["matrix.org", "example.org:8448", "libera", "home2", "nowhere", "Ex.ORG"]), hostile
)
natives = st.one_of(
    hostile,
    st.tuples(st.sampled_from(["@", "#", "!", "", "!x@"]), hostile, st.sampled_from(":@/%"), domains).map("".join),
)
people = st.builds(Address, st.sampled_from([each.network for each in NETWORKS]), natives.filter(bool))
rooms = st.builds(Place, st.sampled_from([each.network for each in NETWORKS]), natives.filter(bool))
anything = st.one_of(people, rooms)


@pytest.mark.parametrize(("who", "local"), TABLE)
def test_table(who: Address | Place, local: str) -> None:
    assert NAMES.xmpp_local(who) == local
    assert NAMES.from_xmpp_local(local) == who
    assert nodeprep(local) == local


def test_table_has_no_two_of_one_name() -> None:
    assert len({local for _, local in TABLE}) == len({who for who, _ in TABLE}) == len(TABLE)


@settings(max_examples=600, deadline=None)
@given(anything)
@example(Address("libera", "E\u0301"))
@example(Address("home", "@Ⅳ:m.org"))
def test_round_trip_through_nodeprep_and_precis(who: Address | Place) -> None:
    local = NAMES.xmpp_local(who)
    prepared = nodeprep(local)
    assert prepared == local
    assert PRECIS.enforce(local) == local
    assert NAMES.from_xmpp_local(prepared) == who
    assert JID(f"{local}@bridge.example.org").node == local
    assert not local.startswith("\\20")
    assert not local.endswith("\\20")


@settings(max_examples=300, deadline=None)
@given(anything, anything)
def test_two_never_share_a_name(one: Address | Place, other: Address | Place) -> None:
    assume(one != other)
    assert NAMES.xmpp_local(one) != NAMES.xmpp_local(other)


@settings(max_examples=600, deadline=None)
@given(
    st.one_of(hostile, st.builds(lambda one, two: f"{one}%{two}", hostile, st.sampled_from(["libera", "home", "x.y"])))
)
def test_what_is_read_is_the_one_name(local: str) -> None:
    try:
        who = NAMES.from_xmpp_local(local)
    except ValueError:
        return
    assert NAMES.xmpp_local(who) == local


@settings(deadline=None)
@given(people)
def test_adding_a_network_changes_no_name(who: Address) -> None:
    more = Names([*NETWORKS, Named("nowhere", Kind.IRC), Named("localhost", Kind.MATRIX)])
    assert more.xmpp_local(who) == NAMES.xmpp_local(who)
    assert more.from_xmpp_local(NAMES.xmpp_local(who)) == who


@pytest.mark.parametrize(
    "local",
    ["", "kestrel", "kestrel%", "%", "%libera", "a%b%c%d", "Kestrel%libera", "^(6b)estrel%libera", "^", "^(",
     "a^(zz)%libera", "^(110000)%libera", "^(d800)%libera", "ana%home2%home2%home", "ana%localhost",
     "a%b%libera", "#%office", "^-" + "a" * 32 + "%libera", "^-abc%libera", "^1%libera",
     "a" * 1024, "é" * 600 + "%libera", "a\\5cb%libera"],
)  # fmt: skip
def test_refuses_what_is_no_name(local: str) -> None:
    with pytest.raises(ValueError):
        NAMES.from_xmpp_local(local)


def test_no_bare_domain_without_an_owner() -> None:
    names = Names([Named("home", Kind.MATRIX), Named("libera", Kind.IRC)])
    assert names.xmpp_local(Address("home", "@ana:matrix.org")) == "ana%matrix.org%home"
    with pytest.raises(ValueError):
        names.from_xmpp_local("ana%matrix.org")


def test_a_conversation_is_named_as_its_user() -> None:
    place = Place("libera", "kestrel", PlaceKind.USER)
    assert NAMES.xmpp_local(place) == "kestrel%libera"
    assert NAMES.from_xmpp_local("kestrel%libera") == Address("libera", "kestrel")


@pytest.mark.parametrize("who", [Address("libera", "x" * 1023), Place("libera", "#" + "日" * 400)])
def test_too_long_is_a_hash_that_the_store_knows(who: Address | Place) -> None:
    local = NAMES.xmpp_local(who)
    assert re.fullmatch(r"#?\^-[a-z2-7]{32}%libera", local)
    assert local.startswith("#") == isinstance(who, Place)
    assert nodeprep(local) == PRECIS.enforce(local) == local
    assert NAMES.from_xmpp_local(local) == who

    after_restart = Names(NETWORKS)
    with pytest.raises(ValueError, match="not known"):
        after_restart.from_xmpp_local(local)
    after_restart.learn(who)
    assert after_restart.from_xmpp_local(local) == who
    assert after_restart.xmpp_local(who) == local


def test_the_longest_name_that_fits() -> None:
    who = Address("libera", "x" * (1023 - len("%libera")))
    assert NAMES.xmpp_local(who) == f"{who.native}%libera"


def test_a_hash_is_no_second_name_for_whoever_has_one() -> None:
    names = Names(NETWORKS)
    who = Address("libera", "x" * 500)  # too long for Matrix, not for XMPP
    matrix = names.matrix_local(who, "_rialto_", 200)
    code = matrix.removeprefix("_rialto_libera_=-")
    with pytest.raises(ValueError):
        names.from_xmpp_local(f"^-{code}%libera")


@pytest.mark.parametrize("who", [Address("nowhere", "x"), Address("libera", ""), Address("libera", "\ud800")])
def test_what_cannot_be_named(who: Address) -> None:
    with pytest.raises(ValueError):
        NAMES.xmpp_local(who)
    with pytest.raises(ValueError):
        NAMES.learn(who)


@pytest.mark.parametrize(
    "networks",
    [
        [Named("a", Kind.IRC), Named("a", Kind.XMPP)],
        [Named("a", Kind.MATRIX, default=True), Named("b", Kind.MATRIX, default=True)],
        [Named("A", Kind.IRC)],
        [Named("x.y", Kind.IRC)],
    ],
)
def test_networks_that_cannot_be_named_apart(networks: list[Named]) -> None:
    with pytest.raises(ValueError):
        Names(networks)


def test_every_character_alone_survives() -> None:
    """All of Unicode, one by one: no two are alike, and nodeprep and PRECIS leave each as it is. Of the great blocks
    of ideographs and syllables, which are all of one kind, a sample is prepared."""
    seen: dict[str, int] = {}
    for code in range(1, sys.maxunicode + 1):
        char = chr(code)
        if 0xD800 <= code < 0xE000:
            continue
        written = _one(char)
        assert seen.setdefault(written, code) == code
        if code % 64 and unicodedata.name(char, "").startswith(("CJK UNIFIED", "HANGUL SYLLABLE")):
            continue
        if written[0] != "^" or (len(written) == 2 and not written.isascii()):
            local = NAMES.xmpp_local(Address("libera", f"a{char}b"))
            assert nodeprep(local) == local, hex(code)
            assert PRECIS.enforce(local) == local, hex(code)


def test_nothing_but_marks_composes() -> None:
    """What the second pass rests on: no character that survives alone is ever the later half of a composition."""
    for code in range(sys.maxunicode + 1):
        decomposed = unicodedata.normalize("NFD", chr(code))
        for later in decomposed[1:]:
            assert unicodedata.category(later).startswith("M") or not _survives(later), hex(code)
