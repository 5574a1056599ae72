"""The keys of a Matrix network, and the registration made of them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from adapters.matrix import ADAPTER
from adapters.matrix.settings import MatrixSettings
from bridge.contract import Adapter, Context, Factory, Keeping, Puppeteer, Rechecking, Routed, Telling, Topical

GIVEN = {"homeserver": "http://127.0.0.1:8008/", "domain": "example.org", "as_token": "aaa", "hs_token": "bbb"}
CONTEXT = Context("home", "http://127.0.0.1:29330/home", Path("."))


def settings(**changes: Any) -> MatrixSettings:
    return MatrixSettings(**GIVEN | changes)


def test_defaults() -> None:
    made = settings()
    assert made.homeserver == "http://127.0.0.1:8008"
    assert (made.bot, made.prefix, made.mode) == ("rialto", "_rialto_", "appservice")
    assert made.registration_id(CONTEXT) == "rialto-home"
    assert made.reached_at(CONTEXT) == "http://127.0.0.1:29330/home"
    assert "aaa" not in repr(made)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mode": "bot"}, "appservice"),
        ({"homeserver": "127.0.0.1:8008"}, "write http://"),
        ({"homeserver": "http://user@host"}, "write http://"),
        ({"url": "http://us/?x"}, "write http://"),
        ({"domain": "https://example.org"}, "not a server name"),
        ({"bot": "Rialto"}, "cannot be in a user id"),
        ({"prefix": "rialto"}, "must not begin with"),
        ({"id": "a b"}, "registration's id"),
        ({"as_token": "a b"}, "one word"),
        ({"as_token": ""}, "one word"),
        ({"as_token": "x\r\ny"}, "one word"),
        ({"hs_token": "aaa"}, "must differ"),
        ({"homserver": "x"}, "Extra inputs"),
    ],
)
def test_mistakes_are_told(changes: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)) as error:
        settings(**changes)
    assert "bbb" not in str(error.value) or "must differ" not in says


def test_registration() -> None:
    made = settings(domain="chat.example.org", url="https://us.example.org/home/")
    text = ADAPTER.registration(made, CONTEXT)
    file = yaml.safe_load(text)
    assert file == {
        "id": "rialto-home",
        "url": "https://us.example.org/home",
        "as_token": "aaa",
        "hs_token": "bbb",
        "sender_localpart": "rialto",
        "rate_limited": False,
        "receive_ephemeral": True,
        "de.sorunome.msc2409.push_ephemeral": True,
        "namespaces": {
            "users": [
                {"exclusive": True, "regex": r"^@_rialto_.*:chat\.example\.org$"},
                {"exclusive": True, "regex": r"^@rialto:chat\.example\.org$"},
            ],
            "aliases": [{"exclusive": True, "regex": r"^#_rialto_.*:chat\.example\.org$"}],
            "rooms": [],
        },
    }
    puppets, bot = (re.compile(entry["regex"]) for entry in file["namespaces"]["users"])
    assert puppets.match("@_rialto_office_bo=40example.org:chat.example.org")
    assert not puppets.match("@_rialto_office_bo:chatxexample.org")
    assert bot.match("@rialto:chat.example.org")
    assert not bot.match("@rialto:chat.example.org.evil")
    assert "app_service_config_files" in text


def test_hostile_tokens_stay_strings() -> None:
    made = settings(as_token='"],#{a', hs_token="yes")
    file = yaml.safe_load(ADAPTER.registration(made, CONTEXT))
    assert (file["as_token"], file["hs_token"]) == ('"],#{a', "yes")


def test_the_factory_and_what_it_builds() -> None:
    factory: Factory = ADAPTER
    assert factory.kind == "matrix"
    assert factory.place(" #lobby:example.org", settings()) == "#lobby:example.org"
    with pytest.raises(ValueError, match="#NAME:DOMAIN"):
        factory.place("lobby", settings())
    adapter: Adapter = factory.create(settings(), CONTEXT)
    for ability in (Puppeteer, Keeping, Topical, Telling, Rechecking, Routed):
        assert isinstance(adapter, ability)
