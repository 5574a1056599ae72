"""Addresses as text and as URIs: RFC 3860 appendix A, RFC 3859 appendix A."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.address import NETWORK_NAME, Address, AddressError, Person, Place, PlaceKind
from bridge.model.uri import Scheme

natives = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n"), min_size=1)
addresses = st.builds(Address, st.from_regex(NETWORK_NAME, fullmatch=True), natives)
schemes: st.SearchStrategy[Scheme] = st.sampled_from(["im", "pres"])

# Local parts that RFC 3922 and RFC 7247 write each in its own way, two of them so that no URI parser reads them.
LOCAL_PARTS = [
    ("juliet", "juliet"),
    ("first.last", "first.last"),
    ("mary-jane", "mary-jane"),
    ("o'malley", "o%27malley"),
    ("m&m", "m%26m"),
    ("tschüss", "tsch%C3%BCss"),
    ("what?", "what%3F"),
    ("a%b", "a%25b"),
    ("f(x)", "f%28x%29"),
    ("x\\27y", "x%5C27y"),
    ("`away|x", "%60away%7Cx"),
    ("alice:matrix.org", "alice%3Amatrix.org"),
    ("bo@example.org", "bo%40example.org"),
    ("@ana:matrix.org", "%40ana%3Amatrix.org"),
    ("room@conf/4kI+=", "room%40conf%2F4kI+="),
    ("a_b~c!d$e*f", "a_b~c!d$e*f"),
    ("x#y z", "x%23y%20z"),
]


@pytest.mark.conforms(
    "RFC2779:2.1.3", "RFC3860:A.3", "RFC3859:3.2", "RFC3859:A.3", "RFC3922:3.2:percent", "RFC3922:3.2:scheme"
)
@pytest.mark.parametrize(("native", "encoded"), LOCAL_PARTS)
def test_uri_table(native: str, encoded: str) -> None:
    address = Address("office", native)
    assert address.uri("im") == f"im:{encoded}@office"
    assert address.uri("pres") == f"pres:{encoded}@office"
    assert Address.from_uri(f"im:{encoded}@office") == address


@settings(deadline=None)
@given(addresses, schemes)
def test_uri_round_trip(address: Address, scheme: Scheme) -> None:
    uri = address.uri(scheme)
    assert re.fullmatch(scheme + r":(?:[A-Za-z0-9\-._~!$*+=]|%[0-9A-F]{2})+@[a-z0-9]+", uri)
    assert Address.from_uri(uri) == address


@settings(deadline=None)
@given(addresses)
def test_text_round_trip(address: Address) -> None:
    assert Address.parse(str(address)) == address


@settings(deadline=None)
@given(addresses, schemes)
def test_any_percent_encoding_is_read(address: Address, scheme: Scheme) -> None:
    everything = "".join(f"%{byte:02x}" for byte in address.native.encode())
    assert Address.from_uri(f"{scheme.upper()}:{everything}@{address.network.upper()}") == address


@pytest.mark.parametrize(
    ("uri", "native"),
    [
        ("im:kestrel@libera?subject=hi&body=a%0d%0a", "kestrel"),
        ("im:tschüss@libera", "tschüss"),
        ("im:a%2Db@libera", "a-b"),
        ("im:a%2540b@libera", "a%40b"),
    ],
)
def test_uris_of_others(uri: str, native: str) -> None:
    assert Address.from_uri(uri) == Address("libera", native)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "im:",
        "im:?body=hi",
        "im:@libera",
        "im:kestrel",
        "im:kestrel@",
        "im:kestrel@libera.chat",
        "im:kestrel@libera#x",
        "im:a@b@libera",
        "im:what?@libera",
        "im:%@libera",
        "im:%4@libera",
        "im:%zz@libera",
        "im:%ff@libera",
        "im:%ed%a0%80@libera",
        "im:\ud800@libera",
        "im:a%0d%0aQUIT@libera",
        "im:a%00@libera",
        "im:a\nb@libera",
        "im:kestrel@\u212aestrel",
        "mailto:kestrel@libera",
        "kestrel@libera",
        " im:kestrel@libera",
    ],
)
def test_what_is_no_uri_of_ours(uri: str) -> None:
    with pytest.raises(AddressError):
        Address.from_uri(uri)


@pytest.mark.parametrize(
    "text",
    ["", ":", "libera", "libera:", ":kestrel", "Libera:x", "1net:x", "li.bera:x", "a" * 17 + ":x", "libera\n:x",
     "libera:x\r\nQUIT", "libera:\x00", "libera:x\n"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(AddressError):
        Address.parse(text)


def test_an_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="NETWORK:ID"):
        Address.parse("kestrel")


def test_how_they_are_shown() -> None:
    ana = Address("home", "@ana:matrix.org")
    assert str(ana) == "home:@ana:matrix.org"
    assert str(Person(ana, "Ana")) == "Ana (home:@ana:matrix.org)"
    assert str(Place("libera", "#tea")) == "libera:#tea"


def test_a_room_and_a_conversation_of_one_id_are_two_places() -> None:
    assert Place("libera", "tea") != Place("libera", "tea", PlaceKind.USER)
