"""Strict transport security, and what NickServ's answers mean, and who a puppet says it is."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.protocol.message import serialise
from adapters.irc.protocol.nickserv import NickServLogin, verdict
from adapters.irc.protocol.sts import LONGEST, StsBook, Told, parse
from adapters.irc.protocol.webirc import ADDRESSES, Gateway, legal_domain
from bridge.model.address import Address


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("port=6697", Told(6697)),
        ("port=6697,duration=2592000", Told(6697, 2592000)),
        ("duration=0,preload", Told(None, 0)),
        ("duration=31536000,preload,unknown=1", Told(None, 31536000)),
        ("port=1,port=2", Told(1)),
        ("duration=99999999999999", Told(None, LONGEST)),
        *((text, Told()) for text in ("", "port", "port=", "port=0", "port=65536", "port=-1", "port=+1", "port=٦")),
        ("port=x,duration=5", Told(None, 5)),
        ("duration=" + "9" * 5000, Told()),
    ],
)
def test_the_value(value: str, told: Told) -> None:
    assert parse(value) == told


@given(st.text())
def test_no_value_makes_it_raise(value: str) -> None:
    told = parse(value)
    assert told.port is None or 0 < told.port < 65536
    assert told.duration is None or 0 <= told.duration <= LONGEST


def test_a_plain_connection_is_sent_to_tls_and_nothing_is_kept() -> None:
    book = StsBook("irc.example.org", {}, Clock())
    assert book.port is None
    assert book.heard(Told(6697, 1000), 6667, secure=False) == {}
    assert book.port == 6697


def test_a_policy_lasts_its_time_from_the_end_of_each_connection() -> None:
    clock = Clock()
    book = StsBook("IRC.example.org", {}, clock)
    kept = book.heard(Told(9999, 1000), 6697, secure=True)
    assert kept == {"sts/irc.example.org": f"6697 1000 {clock.now + 1000:.0f}"}
    clock.now += 900
    assert book.parted() == {"sts/irc.example.org": f"6697 1000 {clock.now + 1000:.0f}"}
    clock.now += 900
    again = StsBook("irc.example.org", {"sts/irc.example.org": f"6697 1000 {clock.now + 100:.0f}"}, clock)
    assert [book.port, again.port] == [6697, 6697]
    clock.now += 101
    assert [book.port, again.port] == [None, None]
    assert book.parted() == {}


def test_a_server_may_take_it_back() -> None:
    book = StsBook("h", {"sts/h": "6697 1000 2000000"}, Clock())
    assert book.port == 6697
    assert book.heard(Told(None, 0), 6697, secure=True) == {"sts/h": None}
    assert book.port is None


def test_tls_without_a_duration_says_nothing() -> None:
    book = StsBook("h", {}, Clock())
    assert book.heard(Told(6697), 6697, secure=True) == {}
    assert (book.port, book.parted()) == (None, {})


@pytest.mark.parametrize("text", ["", "x", "1 2", "0 5 9999999999", "6697 -5 9999999999", "6697 5 1", "6697 5 6 7"])
def test_what_is_remembered_wrong_is_forgotten(text: str) -> None:
    assert StsBook("h", {"sts/h": text}, Clock()).port is None


# NickServ: what Atheme 7.2, Anope 2.0 and others answer.


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("You are now identified for \x02rialto\x02.", True),
        ("You are now logged in as \x02rialto\x02.", True),
        ("You are already logged in as \x02rialto\x02.", True),
        ("Password accepted - you are now recognized.", True),
        ("Password accepted -- you are now recognised.", True),
        ("Invalid password for \x02rialto\x02.", False),
        ("Password incorrect.", False),
        ("Your nick isn't registered.", False),
        ("\x02rialto\x02 is not a registered nickname.", False),
        ("Nick \x0304rialto\x03 isn't registered.", False),
        ('Unknown command \x02IDENTIFY\x02.  "/msg NickServ HELP" for help.', False),
        ("You cannot identify to \x02rialto\x02 because the account has been \x02frozen\x02.", False),
        (
            "This nickname is registered. Please choose a different nickname, or identify via /msg NickServ IDENTIFY",
            None,
        ),
        ("You have 60 seconds to identify to your nickname before it is changed.", None),
        ("1 failed login since 22 Nov.", None),
        ("You are not logged in.", None),
        ("", None),
    ],
)
def test_what_nickserv_means(text: str, means: bool | None) -> None:
    assert verdict(text) is means


def test_what_is_said_to_nickserv() -> None:
    login = NickServLogin("s3cret", "ana", "NickServ@services.example.org")
    assert (login.nick, login.identify(), login.ghost("rialto")) == (
        "NickServ",
        "IDENTIFY ana s3cret",
        "GHOST rialto s3cret",
    )
    assert NickServLogin("s3cret").identify() == "IDENTIFY s3cret"
    assert "s3cret" not in repr(login)


# WEBIRC


@given(
    st.text(min_size=1, max_size=50),
    st.sampled_from(
        [ADDRESSES, *map(ip_network, ("10.0.0.0/8", "192.0.2.1/32", "192.0.2.0/31", "192.0.2.0/30", "::/0", "::/120"))]
    ),
)
def test_an_identity_is_legal_and_stays(native: str, addresses: IPv4Network | IPv6Network) -> None:
    gateway = Gateway("pw", "rialto", "gw.example.org", addresses)
    identity = gateway.identity(Address("home", native))
    assert identity == gateway.identity(Address("home", native))
    assert identity.host != gateway.identity(Address("office", native)).host
    assert ip_address(identity.ip) in addresses
    assert len(identity.host) <= 63
    wire = serialise("WEBIRC", identity.password, identity.gateway, identity.host, identity.ip)
    assert wire.split() == [b"WEBIRC", b"pw", b"rialto", identity.host.encode(), identity.ip.encode()]
    if addresses.num_addresses > 2:
        assert ip_address(identity.ip) not in (addresses[0], addresses[-1])


def test_people_are_told_apart() -> None:
    identities = [Gateway("pw").identity(Address("home", f"@u{number}:example.org")) for number in range(1000)]
    assert len({identity.host for identity in identities}) == len({identity.ip for identity in identities}) == 1000
    assert identities[0].host.endswith(".rialto")
    assert "pw" not in repr(identities[0]) + repr(Gateway("pw"))


@pytest.mark.parametrize(
    ("domain", "legal"),
    [
        ("rialto", True),
        ("gw.example.org", True),
        ("", False),
        ("a..b", False),
        ("-a", False),
        ("a_b", False),
        ("a b", False),
        ("ä", False),
        ("a" * 47, False),
        ("a" * 46, True),
    ],
)
def test_domains(domain: str, legal: bool) -> None:
    assert legal_domain(domain) is legal
