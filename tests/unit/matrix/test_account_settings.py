"""The keys of a Matrix network attached through an ordinary account, and the factory that reads them."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.matrix import ADAPTER
from adapters.matrix.account.adapter import AccountAdapter
from adapters.matrix.account.ids import Own
from adapters.matrix.account.settings import AccountSettings
from bridge.contract import (
    Adapter,
    Context,
    Direct,
    Factory,
    Keeping,
    Moded,
    Puppeteer,
    Rechecking,
    Routed,
    Telling,
    Topical,
)
from bridge.model.address import Address

GIVEN = {"mode": "user", "homeserver": "https://example.org/", "user_id": "@bot:example.org", "password": "sesame"}
CONTEXT = Context("home", "http://127.0.0.1:29330/home", Path("."))


def settings(**changes: Any) -> AccountSettings:
    return AccountSettings(**{key: value for key, value in (GIVEN | changes).items() if value is not None})


def test_defaults() -> None:
    made = settings()
    assert (made.homeserver, made.user_id, made.device_name) == ("https://example.org", "@bot:example.org", "Rialto")
    assert made.access_token is None
    assert "sesame" not in repr(made)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mode": "appservice"}, "user"),
        ({"homeserver": "example.org"}, "write http://"),
        ({"user_id": "bot"}, "write @NAME:DOMAIN"),
        ({"user_id": "#lobby:example.org"}, "write @NAME:DOMAIN"),
        ({"password": None}, "either access_token or password"),
        ({"access_token": "syt_x"}, "either access_token or password"),
        ({"password": None, "access_token": "syt x"}, "one word"),
        ({"password": ""}, "is empty"),
        ({"device_name": "x" * 101}, "100"),
        ({"as_token": "x"}, "Extra inputs"),
    ],
)
def test_mistakes_are_told(changes: dict[str, str | None], says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        settings(**changes)


def test_every_key_is_described() -> None:
    assert all(field.description for field in AccountSettings.model_fields.values())


def test_the_factory_knows_both_ways() -> None:
    factory: Factory = ADAPTER
    assert isinstance(factory, Moded)
    assert list(factory.modes) == ["appservice", "user"]
    assert factory.modes["appservice"] is ADAPTER
    account = factory.modes["user"]
    assert account.settings is AccountSettings
    assert account.kind == "matrix"
    assert account.place(" #lobby:example.org", settings()) == "#lobby:example.org"
    assert account.person("@ana:example.org", settings()) == "@ana:example.org"
    assert "@bot:example.org" in account.registration(settings(), CONTEXT)
    adapter: Adapter = account.create(settings(), CONTEXT)
    assert isinstance(adapter, AccountAdapter)
    assert all(isinstance(adapter, ability) for ability in (Direct, Rechecking, Telling, Topical))
    assert not any(isinstance(adapter, ability) for ability in (Puppeteer, Keeping, Routed))
    assert adapter.at_home(Address("home", "@ana:example.org"))
    assert not adapter.at_home(Address("home", "@ana:example.org:8448"))


def test_only_the_account_is_ours() -> None:
    ours = Own.of("@bot:example.org:8448")
    assert ours.bot_id == "@bot:example.org:8448"
    assert ours.owns("@bot:example.org:8448")
    assert not any(
        ours.owns(user) for user in ("@bot:example.org", "@_rialto_x:example.org:8448", "@:example.org:8448")
    )
