"""Which person a URI means, over configured networks. No network is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory import Directory, Entry
from bridge.inboxes import Inboxes, UnresolvedError
from bridge.model.address import Address
from bridge.model.uri import Uri
from bridge.names import Kind


def jid(text: str) -> str:
    if text.count("@") != 1 or "/" in text:
        raise ValueError("write a JID")
    return text.lower()


DIRECTORY = Directory(
    [
        Entry("office", Kind.XMPP, jid, default=True),
        Entry("branch", Kind.XMPP, jid, default=False),
        Entry("home", Kind.MATRIX, str, default=True),
        Entry("libera", Kind.IRC, str.lower, default=False),
    ]
)
HOMES = {"office": {"example.org", "shared.example"}, "home": {"matrix.example", "shared.example"}, "libera": {""}}
OCCUPANT = Address("office", "tea@rooms.example/7")


def at_home(address: Address) -> bool:
    return address.native.removeprefix("@").replace("@", ":").partition(":")[2] in HOMES.get(address.network, ())


INBOXES = Inboxes(
    DIRECTORY, ["office", "branch", "home", "libera"], exists=lambda address: address == OCCUPANT, at_home=at_home
)


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("pres:bo%40example.org@office", Address("office", "bo@example.org")),
        ("im:bo%40elsewhere.example@office", Address("office", "bo@elsewhere.example")),
        ("im:bo%40example.org@BRANCH", Address("branch", "bo@example.org")),
        ("im:Bo@Example.org", Address("office", "bo@example.org")),
        ("im:bo%20k@example.org", Address("office", r"bo\20k@example.org")),
        ("im:%40ana%3Amatrix.example@home", Address("home", "@ana:matrix.example")),
        ("im:ana@matrix.example", Address("home", "@ana:matrix.example")),
        ("im:Kestrel@libera", Address("libera", "kestrel")),
        ("im:tea%40rooms.example%2F7@office", OCCUPANT),
    ],
)
def test_whom_it_means(uri: str, address: Address) -> None:
    assert INBOXES.find(Uri.parse(uri)) == address


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("im:bo@elsewhere.example", "of no network here"),
        ("im:kestrel@oftc", "of no network here"),
        ("im:bo@shared.example", "people of several networks"),
        ("im:tea%40rooms.example%2F8@office", "write a JID"),
        ("im:bo@office", "write a JID"),
    ],
)
@pytest.mark.conforms("RFC3860:3.4.1:2")
def test_whom_it_does_not_mean(uri: str, why: str) -> None:
    with pytest.raises(UnresolvedError, match=why):
        INBOXES.find(Uri.parse(uri))


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1, max_size=20))
def test_what_an_address_writes_is_read_back(native: str) -> None:
    address = Address("home", native)
    assert INBOXES.find(Uri.parse(address.uri("pres"))) == address
