"""How the bot comes in: what it introduces itself with, and which secrets anybody on the way can read."""

from pathlib import Path

import pytest

from adapters.irc import IrcSettings
from adapters.irc.entry import bot_profile, is_loopback, make_route, readable_secrets, sts_policy
from adapters.irc.standing import is_gateway
from bridge.contract import Context, StartError

SASL = {"user": "ana", "password": "secret"}
EVERYTHING = {
    "password": "sesame",
    "sasl": SASL,
    "nickserv": {"password": "mellon"},
    "webirc": {"password": "simsim"},
}


def settings(**values: object) -> IrcSettings:
    return IrcSettings.model_validate({"server": "irc://irc.example.org", "nick": "rialto"} | values)


def test_the_introduction() -> None:
    profile = bot_profile(settings(**EVERYTHING, realname="Ours"))
    assert next(profile.nicks) == "rialto"
    assert (profile.password, profile.strict, profile.quiet) == ("sesame", True, False)
    assert profile.sasl is not None
    assert profile.nickserv is not None
    assert profile.webirc is None, "that is for puppets"
    assert is_gateway(profile.realname)


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({}, ()),
        (EVERYTHING, ("password", "sasl", "nickserv", "webirc")),
        ({"sasl": SASL | {"mechanism": "SCRAM-SHA-256"}}, ()),
        ({"sasl": SASL | {"use": "off"}}, ()),
        ({"sasl": SASL | {"use": "preferred"}}, ("sasl",)),
        ({"webirc": {"password": "simsim"}, "puppets": 0}, ()),
    ],
)
def test_what_can_be_read_on_the_way(values: dict[str, object], keys: tuple[str, ...]) -> None:
    assert readable_secrets(settings(**values), secure=False) == keys
    assert readable_secrets(settings(**values), secure=True) == ()
    assert readable_secrets(settings(**values | {"server": "irc://127.0.0.1"}), secure=False) == ()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "irc.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_hosts_that_are_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["irc.example.org", "localhost.example.org", "notlocalhost", "10.0.0.1", "fe80::1", "::", "0.0.0.0", ""]
)
def test_hosts_that_may_be_elsewhere(host: str) -> None:
    assert not is_loopback(host)


async def _nowhere(values: object) -> None:
    raise AssertionError(f"nothing is to be remembered, not {values}")


def test_the_way_is_by_tls_where_the_server_demanded_it() -> None:
    assert sts_policy(settings(server="ircs://h"), {}, _nowhere).secure
    assert not sts_policy(settings(server="irc://h"), {}, _nowhere).secure
    policy = sts_policy(settings(server="irc://h"), {"sts/h": "6697 1000 99999999999"}, _nowhere)
    assert (policy.secure, policy.upgraded, policy.port) == (True, True, 6697)


@pytest.mark.parametrize("key", ["ca", "cert"])
def test_a_certificate_that_is_not_there_is_named(key: str, tmp_path: Path) -> None:
    mine = settings(server="ircs://h", tls={key: "nowhere.pem"})
    policy = sts_policy(mine, {}, _nowhere)
    context = Context("libera", "http://127.0.0.1:1/libera", tmp_path)
    with pytest.raises(StartError, match=rf"networks\.libera\.tls\.{key}: .*nowhere\.pem"):
        make_route(mine, context, policy, shown=True)
