"""The keys by which a network lets us in: what is taken, and what is said of mistakes."""

import pytest
from pydantic import ValidationError

from adapters.irc import IrcSettings
from adapters.irc.link.tls import Pin
from adapters.irc.protocol.nickserv import NickServLogin
from adapters.irc.protocol.sasl import Credentials, Mechanism
from bridge.model.address import Address

BASE = {"server": "ircs://irc.example.org", "nick": "rialto"}
ANA = {"user": "ana", "password": "secret"}
PIN = "sha-256:" + "ab" * 32


def settings(**values: object) -> IrcSettings:
    return IrcSettings.model_validate(BASE | values)


def mistake(**values: object) -> str:
    with pytest.raises(ValidationError) as error:
        settings(**values)
    text = "\n".join(each["msg"] for each in error.value.errors(include_input=False))
    assert "secret" not in text
    return text


def test_sasl() -> None:
    sasl = settings(sasl=ANA).sasl
    assert sasl is not None
    assert sasl.credentials() == Credentials(Mechanism.PLAIN, "ana", "secret", required=True)
    sasl = settings(sasl=ANA | {"use": "preferred", "mechanism": "scram-sha-256"}).sasl
    assert sasl is not None
    assert sasl.credentials() == Credentials(Mechanism.SCRAM_SHA_256, "ana", "secret", required=False)
    sasl = settings(sasl={"mechanism": "EXTERNAL"}, tls={"cert": "bot.pem"}).sasl
    assert sasl is not None
    assert sasl.credentials() == Credentials(Mechanism.EXTERNAL)


@pytest.mark.parametrize("off", ["off", False])
def test_sasl_can_be_off(off: object) -> None:
    # YAML reads a bare `off` as false.
    sasl = settings(sasl={"use": off}).sasl
    assert sasl is not None
    assert sasl.credentials() is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sasl": {"user": "ana"}}, "PLAIN needs a `user` and a `password`"),
        ({"sasl": {"password": "x", "mechanism": "SCRAM-SHA-256"}}, "SCRAM-SHA-256 needs a `user` and a `password`"),
        ({"sasl": {"mechanism": "CRAM-MD5"}}, "'CRAM-MD5' is no SASL mechanism known here; write EXTERNAL, PLAIN"),
        ({"sasl": {"mechanism": "EXTERNAL"}}, "it needs ircs:// and `tls: {cert}`"),
        ({"sasl": {"mechanism": "EXTERNAL"}, "tls": {"cert": "x"}, "server": "irc://h"}, "it needs ircs://"),
        ({"sasl": ANA | {"use": "maybe"}}, "'required', 'preferred' or 'off'"),
        ({"sasl": ANA | {"user": "a b"}}, "'a b' cannot be an account; write its name, without spaces"),
        ({"sasl": ANA | {"password": "secret\n"}}, "control character"),
        ({"sasl": ANA | {"password": "secret" * 100}}, "longer than 200 bytes"),
        ({"sasl": ANA | {"mechanism": "SCRAM-SHA-256", "user": "\u0627x"}}, "both directions"),
        ({"tls": {"pin": "abc"}}, "'abc' is no fingerprint; write sha-256: and 64 hexadecimal digits"),
        ({"tls": {"pin": PIN, "verify": False}}, "`verify: false` accepts any certificate; remove it, or `pin`"),
        ({"tls": {"key": "x"}}, "there is a `key` without a `cert`; name the certificate's file, too"),
        ({"nickserv": {}}, "Field required"),
        ({"nickserv": {"password": "a secret"}}, "holds a space"),
        ({"nickserv": {"password": ""}}, "the password is empty"),
        ({"nickserv": {"password": "x", "service": "#tea"}}, "cannot be a service; write NickServ, or NickServ@"),
        ({"webirc": {"password": ":x"}}, "begins with a colon"),
        ({"webirc": {"password": "x", "domain": "a_b"}}, "'a_b' cannot end a host name; write letters, digits"),
        ({"webirc": {"password": "x", "name": "a b"}}, "'a b' cannot be a gateway's name"),
        (
            {"webirc": {"password": "x", "addresses": "10.0.0.1/8"}},
            "has host bits set; write a range such as 10.20.0.0/16",
        ),
    ],
)
def test_mistakes(values: dict[str, object], said: str) -> None:
    assert said in mistake(**values)


def test_pins() -> None:
    one, other = settings(tls={"pin": PIN.upper()}).tls, settings(tls={"pin": [PIN, "sha-512:" + "cd" * 64]}).tls
    assert one.pins == (Pin("sha-256", b"\xab" * 32),)
    assert len(other.pins) == 2
    assert settings().tls.pins == ()


@pytest.mark.parametrize(
    ("tls", "asked"),
    [
        ({}, True),
        ({"verify": False}, False),
        ({"pin": PIN}, False),
        ({"pin": PIN, "ca": "x"}, True),
        ({"ca": "x"}, True),
    ],
)
def test_who_vouches_for_the_certificate(tls: dict[str, object], asked: bool) -> None:
    assert settings(tls=tls).tls.by_authority is asked


def test_nickserv_and_webirc() -> None:
    made = settings(nickserv={"password": "pw"}, webirc={"password": "gate", "addresses": "2001:db8::/64"})
    assert made.nickserv is not None
    assert made.nickserv.login() == NickServLogin("pw")
    assert made.webirc is not None
    identity = made.webirc.gateway().identity(Address("home", "@a:b"))
    assert identity.ip.startswith("2001:db8::")
    assert "'gate'" not in repr(made.webirc)
    assert "'pw'" not in repr(made.nickserv)
