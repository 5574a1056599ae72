"""`rialto check --online` and an ordinary account on a real Prosody (`mode: client`)."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.xmpp.standing import read
from bridge.demo.clients import Sight
from bridge.demo.servers import Prosody, free_ports
from bridge.demo.servers.certificates import make_certificate
from tests.networks.check_lab import failures, findings, told, write_config
from tests.networks.xmpp.client_lab import PASSWORD, Server
from tests.networks.xmpp.xmpp_lab import NewClient


def office(prosody: Prosody, jid: str, **changes: Any) -> dict[str, Any]:
    server = f"127.0.0.1:{prosody.c2s_port}"
    return {"kind": "xmpp", "mode": "client", "jid": jid, "password": "right", "server": server} | changes


async def test_all_is_well(prosody: Prosody, room: str, unique: str, new_client: NewClient, tmp_path: Path) -> None:
    jid = await prosody.register(f"bot{unique}", "right")
    ana = await new_client(prosody, "ana")
    await ana.join(room, "ana")
    marked: dict[str, bool] = {}
    ana.xmpp.add_event_handler(
        "groupchat_presence", lambda told: marked.setdefault(told["from"].resource, read(told.xml).gateway)
    )
    rooms = {"lobby": {"office": [room, f"not-there-{room}"]}}
    path = write_config(tmp_path, {"office": office(prosody, jid)}, rooms)
    for _ in range(2):
        # The second time shows that the first one has left everything as it was.
        position = len(ana.seen)
        said = told(await findings(path), "office").splitlines()
        assert said[:2] == [f"ok: localhost lets us in, as {jid}", "ok: the clock of localhost agrees with ours"]
        assert f"ok: {room}: the bot can enter, as rialto" in said[2:]
        assert [line for line in said[2:] if line.startswith(f"ok: not-there-{room}: there was no such room")]
        assert len(said) == 4
        await ana.wait_for(kind=Sight.LEAVE, who="rialto", since=position)
    assert len(ana.matching(kind=Sight.JOIN, who="rialto")) == 2
    assert len(ana.matching(kind=Sight.LEAVE, who="rialto")) == 2
    assert marked == {"rialto": True}, "other gateways know it for a bot"


async def test_a_session_of_the_account_stays(
    prosody: Prosody, unique: str, new_client: NewClient, tmp_path: Path
) -> None:
    """A running Rialto is in, by the same account; it is not put out."""
    bot = await new_client(prosody, "bot")
    ended: list[object] = []
    bot.xmpp.add_event_handler("disconnected", ended.append)
    lines = await findings(
        write_config(tmp_path, {"office": office(prosody, f"bot{unique}@localhost/rialto", password="password")})
    )
    assert failures(lines, "office") == []
    assert not ended
    assert bot.xmpp.is_connected()


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "wrong password": (
        {"password": "wrong"},
        r"127\.0\.0\.1:\d+ refused the login: set networks\.office\.jid and networks\.office\.password to an .*",
    ),
    "no such account": (
        {"jid": "nobody-of-that-name@localhost"},
        r"127\.0\.0\.1:\d+ refused the login: set networks\.office\.jid and networks\.office\.password to an .*",
    ),
    "another domain": (
        {"jid": "bot@elsewhere.example"},
        r"127\.0\.0\.1:\d+ does not serve elsewhere\.example: check networks\.office\.jid and networks\.office\..*",
    ),
    "nothing listens": (
        {"server": "127.0.0.1:{free}"},
        r"the XMPP server 127\.0\.0\.1:\d+ cannot be reached: is it running, and does it listen for clients there "
        r"\(networks\.office\.server\)\?.*",
    ),
    "no such host": (
        {"server": "xmpp.invalid:5222", "tls": {"plain": True}},
        r"the XMPP server xmpp\.invalid:5222 cannot be reached: .*",
    ),
    "no TLS where it has to be": (
        {"tls": {"verify": True}},
        r"127\.0\.0\.1:\d+ offers no TLS, so the password is not sent: have its operator enable it, or set .*",
    ),
    "the components' port": (
        {"server": "127.0.0.1:{component}"},
        r"127\.0\.0\.1:\d+ .*",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_login_that_fails(prosody: Prosody, unique: str, tmp_path: Path, fault: str) -> None:
    changes, words = FAULTS[fault]
    jid = await prosody.register(f"bot{unique}", "right")
    (free,) = free_ports(1)
    keys = office(prosody, jid)
    for name, value in changes.items():
        text = isinstance(value, str)
        keys[name] = value.format(free=free, component=prosody.component_port) if text else value
    lines = await findings(write_config(tmp_path, {"office": keys}))
    assert told(lines, "office").count("\n") == 0, "nothing is tried after that"
    (said,) = failures(lines, "office")
    assert re.fullmatch(words, said), said


async def test_certificates_that_cannot_be_read(prosody: Prosody, tmp_path: Path) -> None:
    keys = office(prosody, "bot@localhost", tls={"ca": "nowhere.pem"})
    (said,) = failures(await findings(write_config(tmp_path, {"office": keys})), "office")
    assert said.startswith("networks.office.tls.ca: ")
    assert said.endswith("write the path of a PEM file")


@pytest_asyncio.fixture(scope="module")
async def encrypted(new_folder: Callable[[str], Path]) -> AsyncIterator[tuple[Server, Path]]:
    """A Prosody that wants TLS, with a certificate for ``localhost``, and the file of its authority."""
    folder = new_folder("certificates")
    ca = make_certificate(folder, "ca", ["authority.example"])
    leaf = make_certificate(folder, "leaf", ["localhost"], issuer=ca)
    files = f'ssl = {{ certificate = "{leaf.cert}"; key = "{leaf.key}" }}\n'
    async with Server(new_folder("prosody-tls"), tls=files) as server:
        yield server, ca.cert


async def test_tls_that_is_right(encrypted: tuple[Server, Path], unique: str, tmp_path: Path) -> None:
    server, ca = encrypted
    keys = office(server, await server.account(f"bot{unique}"), password=PASSWORD, tls={"ca": str(ca)})
    assert failures(await findings(write_config(tmp_path, {"office": keys})), "office") == []


@pytest.mark.parametrize(
    ("tls", "jid", "words"),
    [
        (
            {"verify": True},
            "bot@localhost",
            r"the certificate of 127\.0\.0\.1:\d+ is not valid for localhost: .* set networks\.office\.tls\.ca to .*",
        ),
        (
            {"ca": "{ca}"},
            "bot@conference.localhost",
            r"the certificate of 127\.0\.0\.1:\d+ is not valid for conference\.localhost: check networks\.office\..*|"
            r"127\.0\.0\.1:\d+ does not serve conference\.localhost: check networks\.office\.jid .*",
        ),
        (
            {"plain": True},
            "bot@localhost",
            r"127\.0\.0\.1:\d+ offers no way to log in .*: if it wants TLS, leave networks\.office\.tls\..*",
        ),
    ],
)
async def test_tls_that_is_wrong(
    encrypted: tuple[Server, Path], tmp_path: Path, tls: dict[str, Any], jid: str, words: str
) -> None:
    server, ca = encrypted
    filled = {key: value.format(ca=ca) if isinstance(value, str) else value for key, value in tls.items()}
    lines = await findings(write_config(tmp_path, {"office": office(server, jid, tls=filled)}))
    (said,) = failures(lines, "office")
    assert re.fullmatch(words, said), said
