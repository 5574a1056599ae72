"""`rialto check --online` and an ordinary account on a real Synapse: every fault has its line, and nothing is left."""

from pathlib import Path
from typing import Any

import pytest

from adapters.matrix import ADAPTER
from bridge.contract import Probing
from bridge.demo.servers import free_ports
from tests.networks.check_lab import failures, findings, told, write_config
from tests.networks.matrix.account_lab import PASSWORD, NewUser
from tests.networks.matrix.conftest import Home


def networks(home: Home, user_id: str, **keys: str) -> dict[str, dict[str, Any]]:
    return {"home": {"kind": "matrix", "mode": "user", "homeserver": home.url, "user_id": user_id} | keys}


async def test_all_is_well_and_nothing_is_left_behind(
    home: Home, new_user: NewUser, unique: str, tmp_path: Path
) -> None:
    assert isinstance(ADAPTER.modes["user"], Probing)
    ana, bot = await new_user(home, f"ana-{unique}"), await new_user(home, f"bot-{unique}")
    room_id = await ana.room(unique)
    devices = await bot.ask("GET", "devices")
    config = networks(home, bot.user_id, password=PASSWORD) | {
        "libera": {"kind": "irc", "server": f"irc://127.0.0.1:{free_ports(1)[0]}", "nick": "rialto"}
    }
    lines = await findings(write_config(tmp_path, config, {"tea": {"home": f"#{unique}:localhost", "libera": "#tea"}}))
    assert not failures(lines, "home"), told(lines, "home")
    assert f"knows us as {bot.user_id}" in told(lines, "home")
    assert f"#{unique}:localhost" in told(lines, "home")
    assert [device["device_id"] for device in (await bot.ask("GET", "devices"))["devices"]] == [
        device["device_id"] for device in devices["devices"]
    ]
    assert list(await ana.members(room_id)) == [ana.user_id]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"access_token": "syt_nobody"}, "set networks.home.access_token"),
        ({"password": "wrong"}, "correct networks.home.password"),
    ],
)
async def test_token_and_password_that_are_wrong(
    home: Home, new_user: NewUser, unique: str, tmp_path: Path, keys: dict[str, str], words: str
) -> None:
    bot = await new_user(home, f"bot-{unique}")
    lines = await findings(write_config(tmp_path, networks(home, bot.user_id, **keys)))
    (failure,) = failures(lines, "home")
    assert words in failure


async def test_another_accounts_token(home: Home, new_user: NewUser, unique: str, tmp_path: Path) -> None:
    bot = await new_user(home, f"bot-{unique}")
    token = await home.synapse.register(f"ana-{unique}", PASSWORD)
    (failure,) = failures(
        await findings(write_config(tmp_path, networks(home, bot.user_id, access_token=token))), "home"
    )
    assert f"belongs to @ana-{unique}:localhost" in failure


async def test_no_homeserver_there(home: Home, unique: str, tmp_path: Path) -> None:
    config = networks(home, f"@bot-{unique}:localhost", password=PASSWORD)
    config["home"]["homeserver"] = f"http://127.0.0.1:{free_ports(1)[0]}"
    (failure,) = failures(await findings(write_config(tmp_path, config)), "home")
    assert "networks.home.homeserver" in failure
