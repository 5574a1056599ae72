"""What servers say of themselves, and which names are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.protocol.casemap import CaseMap, Casemapping
from adapters.irc.protocol.isupport import ISupport

INSPIRCD = (
    "ACCEPT=30 AWAYLEN=200 BOT=B CALLERID=g CASEMAPPING=rfc1459 CHANLIMIT=#:20 CHANMODES=Ibe,k,HLl,CDKMRSimnprstuz "
    "CHANNELLEN=64 CHANTYPES=# ELIST=CMNTU EXCEPTS=e EXTBAN=,CRSUmwz HOSTLEN=64 INVEX=I KEYLEN=32 KICKLEN=255 "
    "LINELEN=512 NICKLEN=30 PREFIX=(ov)@+ SAFELIST STATUSMSG=@+ TOPICLEN=307 UHNAMES USERLEN=11 WHOX"
)
NGIRCD = (
    "RFC2812 IRCD=ngIRCd CHARSET=UTF-8 CASEMAPPING=ascii PREFIX=(qaohv)~&@%+ CHANTYPES=#&+ CHANLIMIT=#&+:50 "
    "CHANNELLEN=50 NICKLEN=9 TOPICLEN=490 KICKLEN=400 MODES=5 PENALTY FNC"
)


def of(tokens: str) -> ISupport:
    support = ISupport()
    support.update(tokens.split())
    return support


def test_inspircd() -> None:
    support = of(INSPIRCD)
    assert support.casemapping is Casemapping.RFC1459
    assert (support.nick_bytes, support.topic_bytes, support.line_bytes) == (30, 307, 512)
    assert (support.user_bytes, support.host_bytes) == (12, 64)
    assert support.prefixes == {"@": "o", "+": "v"}
    assert "WHOX" in support
    assert support.get("BOT") == "B"
    assert support.status_target("@#ops")
    assert not support.status_target("#ops")
    assert not support.is_channel("&local")


def test_ngircd() -> None:
    support = of(NGIRCD)
    assert support.casemapping is Casemapping.ASCII
    assert support.nick_bytes == 9
    assert list(support.prefixes) == list("~&@%+")
    assert support.is_channel("+modeless")
    assert not support.status_target("@#ops")


def test_nothing_told() -> None:
    support = ISupport()
    assert (support.nick_bytes, support.line_bytes, support.chantypes) == (9, 512, "#&")
    assert support.casemapping is Casemapping.RFC1459


def test_tokens_change_and_go() -> None:
    support = of("NICKLEN=30 NETWORK=A\\x20B\\x3D TOPICLEN=9")
    assert support.get("NETWORK") == "A B="
    support.update(["-NICKLEN", "TOPICLEN=10", "-NEVER"])
    assert (support.nick_bytes, support.topic_bytes) == (9, 10)


@pytest.mark.parametrize("value", ["", "=", "=0", "=-3", "=many", "=99999999999999", "=²"])
def test_nonsense_is_as_absence(value: str) -> None:
    assert of(f"NICKLEN{value}").nick_bytes == 9


def test_line_length_is_bounded() -> None:
    assert of("LINELEN=10").line_bytes == 512
    assert of("LINELEN=2048").line_bytes == 2048
    assert of("LINELEN=999999").line_bytes == 8192


@pytest.mark.parametrize("value", ["", "ov)@+", "(ov)@", "(", "()", "(ov)"])
def test_prefixes_that_make_no_sense(value: str) -> None:
    assert of(f"PREFIX={value}").prefixes == {} or value == "ov)@+"


@given(st.lists(st.text(max_size=30), max_size=10))
def test_any_tokens_are_survived(tokens: list[str]) -> None:
    support = ISupport()
    support.update(tokens)
    assert 512 <= support.line_bytes <= 8192
    assert support.nick_bytes > 0
    assert isinstance(support.prefixes, dict)
    assert isinstance(support.status_target("@#x"), bool)


@pytest.mark.parametrize(
    ("casemapping", "one", "other", "same"),
    [
        (Casemapping.ASCII, "Nick[a]", "nick[A]", True),
        (Casemapping.ASCII, "a[", "a{", False),
        (Casemapping.RFC1459, "A[]\\~", "a{}|^", True),
        (Casemapping.STRICT, "a~", "a^", False),
        (Casemapping.STRICT, "A[]\\", "a{}|", True),
        (Casemapping.RFC1459, "É", "é", False),
        (Casemapping.UNICODE, "É", "é", True),
    ],
)
def test_folding(casemapping: Casemapping, one: str, other: str, same: bool) -> None:
    assert (casemapping.fold(one) == casemapping.fold(other)) is same


@pytest.mark.parametrize(
    ("token", "casemapping"),
    [
        ("ascii", Casemapping.ASCII),
        ("RFC1459", Casemapping.RFC1459),
        ("rfc1459-strict", Casemapping.STRICT),
        ("?", "ascii"),
    ],
)
def test_mapping_tokens(token: str, casemapping: str) -> None:
    assert Casemapping.of(token) == casemapping


def test_a_map_is_keyed_anew() -> None:
    names: CaseMap[int] = CaseMap(Casemapping.RFC1459)
    names["Nick[1]"] = 1
    assert names["nick{1}"] == 1
    names.rekey(Casemapping.ASCII)
    assert "nick{1}" not in names
    assert names["NICK[1]"] == 1
    names["nick{1}"] = 2
    assert list(names) == ["Nick[1]", "nick{1}"]
    names.rekey(Casemapping.RFC1459)
    assert len(names) == 1
    assert names["Nick[1]"] == 2


@given(st.text(), st.sampled_from(Casemapping))
def test_folding_twice_is_folding_once(name: str, casemapping: Casemapping) -> None:
    once = casemapping.fold(name)
    assert casemapping.fold(once) == once
