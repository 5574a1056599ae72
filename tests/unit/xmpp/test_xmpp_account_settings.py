"""The keys of an account, and the words of its failures."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.xmpp import ADAPTER
from adapters.xmpp.account.failures import _WORDS, failure
from adapters.xmpp.account.settings import AccountSettings
from bridge.contract import Context, Factory, Moded
from bridge.model.result import Reason

GOOD: dict[str, Any] = {"mode": "client", "jid": "bot@example.org", "password": "secret"}


def made(**changes: Any) -> AccountSettings:
    return AccountSettings(**{key: value for key, value in (GOOD | changes).items() if value is not None})


def test_the_least_that_is_to_be_written() -> None:
    settings = made()
    assert (settings.bare, settings.host, settings.resource) == ("bot@example.org", "example.org", "rialto")
    assert settings.address is None
    assert settings.protected
    assert settings.verified
    assert "secret" not in repr(settings)


def test_a_jid_may_name_its_resource() -> None:
    settings = made(jid="Bot@Example.org/gate")
    assert (settings.bare, settings.resource) == ("bot@example.org", "gate")


@pytest.mark.parametrize(
    ("server", "tls", "address", "nearby", "protected", "verified"),
    [
        ("xmpp.example.org", {}, ("xmpp.example.org", 5222), False, True, True),
        ("xmpp.example.org:5223", {"direct": True}, ("xmpp.example.org", 5223), False, True, True),
        ("xmpp.example.org", {"direct": True}, ("xmpp.example.org", 5223), False, True, True),
        ("[2001:db8::1]:5", {}, ("2001:db8::1", 5), False, True, True),
        ("xmpp.example.org", {"verify": False}, ("xmpp.example.org", 5222), False, True, False),
        ("xmpp.example.org", {"plain": True}, ("xmpp.example.org", 5222), False, False, True),
        ("127.0.0.1:5222", {}, ("127.0.0.1", 5222), True, False, False),
        ("[::1]:5222", {}, ("::1", 5222), True, False, False),
        ("localhost", {}, ("localhost", 5222), True, False, False),
        ("localhost", {"verify": True}, ("localhost", 5222), True, True, True),
        ("localhost", {"verify": False}, ("localhost", 5222), True, True, False),
        ("localhost", {"ca": "ca.pem"}, ("localhost", 5222), True, True, True),
        ("127.0.0.1.example.org", {}, ("127.0.0.1.example.org", 5222), False, True, True),
    ],
)
def test_how_well_it_is_protected(
    server: str, tls: dict[str, Any], address: tuple[str, int], nearby: bool, protected: bool, verified: bool
) -> None:
    settings = made(server=server, tls=tls)
    assert settings.address == address
    assert (settings.nearby, settings.protected, settings.verified) == (nearby, protected, verified)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"jid": "example.org"}, "write for example bot@example.org"),
        ({"jid": "a@b@c"}, "is not a JID"),
        ({"jid": None}, "required"),
        ({"password": ""}, "the password is empty"),
        ({"password": None}, "required"),
        ({"server": "xmpp://example.org"}, "write for example xmpp.example.org:5222"),
        ({"server": "example.org:0"}, "is not HOST:PORT"),
        ({"server": "example.org:99999"}, "is not HOST:PORT"),
        ({"nick": "\u200b"}, "cannot be a nick"),
        ({"mode": "component"}, "client"),
        ({"domain": "bridge.example.org"}, "not permitted"),
        ({"tls": {"direct": True}}, "needs `server: HOST:PORT`"),
        ({"tls": {"plain": True, "verify": True}}, "leave out plain"),
        ({"tls": {"ca": "x", "verify": False}}, "leave out one of them"),
        ({"tls": {"pin": "x"}}, "not permitted"),
    ],
)
def test_what_cannot_be_is_refused_in_words(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says.replace("{", r"\{")):
        made(**changes)


def test_both_ways_are_offered_the_component_first() -> None:
    assert isinstance(ADAPTER, Moded)
    modes: dict[str, Factory] = dict(ADAPTER.modes)
    assert list(modes) == ["component", "client"]
    assert modes["component"] is ADAPTER
    client = modes["client"]
    assert client.settings is AccountSettings
    assert client.place("xmpp:Lobby@conference.example.org?join", made()) == "lobby@conference.example.org"
    assert client.person("Bo@example.org", made()) == "bo@example.org"
    with pytest.raises(ValueError):
        client.place("lobby", made())
    words = client.registration(made(), Context("office", "", Path()))
    assert "prosodyctl adduser bot@example.org" in words
    assert "secret" not in words


@pytest.mark.parametrize("condition", [*_WORDS, "something-new"])
@pytest.mark.parametrize("server", [None, "xmpp.example.org:5222"])
def test_every_failure_names_the_network_or_its_server(condition: str, server: str | None) -> None:
    found = failure(condition, "words of theirs", "office", made(server=server))
    assert isinstance(found.reason, Reason)
    assert "{" not in found.text.replace("{plain: true}", "")
    assert "networks.office" in found.text or "example.org" in found.text
    assert found.text.endswith("(it says: words of theirs)")
    assert "secret" not in found.text
