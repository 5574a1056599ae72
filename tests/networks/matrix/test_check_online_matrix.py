"""`rialto check --online` and a homeserver: every fault has its line, and is produced here by a real Synapse.

One Synapse serves all tests. It knows an application service for each of them, and each of these is registered with
the fault that its test is about.
"""

import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from adapters.matrix import ADAPTER
from adapters.matrix.probe import answering, probe
from adapters.matrix.settings import MatrixSettings
from bridge.contract import Context
from bridge.demo.servers import Synapse, free_ports
from bridge.demo.servers.certificates import Certificate, make_certificate
from bridge.model.address import Place
from bridge.model.message import Message, Text
from bridge.model.room import Member
from tests.networks.check_lab import failures, findings, told, write_config
from tests.networks.matrix.conftest import Home
from tests.networks.matrix.support import RecordingCore, User, running

NewUser = Callable[[Home, str], Awaitable[User]]


@dataclass(frozen=True)
class Case:
    """What the registration differs in from a sound one, what the configuration does, and what has to be said."""

    registered: dict[str, Any] = field(default_factory=dict)
    configured: dict[str, Any] = field(default_factory=dict)
    words: str = ""
    text: tuple[str, str] = ("", "")
    """Something to be replaced in the registration's text."""
    last: bool = False
    """Nothing is tried after that."""


RENEW = "write the file afresh with `rialto registration home`, and restart the homeserver"
CASES: dict[str, Case] = {
    "sound": Case(),
    "named": Case(configured={"bot_name": "The Bridge"}),
    "unknown as_token": Case(
        configured={"as_token": "nobody-knows-this"},
        words=r"the homeserver does not know our as_token \(M_UNKNOWN_TOKEN\): the registration is missing there, or "
        f"holds other tokens; {RENEW}",
        last=True,
    ),
    "another hs_token": Case(
        configured={"hs_token": "another-than-registered"},
        words=f"the homeserver's hs_token is not ours: the registration and the configuration are out of step; {RENEW}",
    ),
    "another bot": Case(
        registered={"bot": "robot"},
        words=r"the registration makes us @robot:localhost, the configuration @.*:localhost: correct `domain` and "
        r"`bot`, or write the file afresh .* \(networks\.home\.bot is robot there\)",
        last=True,
    ),
    "another domain": Case(
        configured={"domain": "example.org"},
        words=r"the registration makes us @.*:localhost, the configuration @.*:example\.org: correct `domain` and "
        r"`bot`, or .* \(networks\.home\.domain is localhost there\)",
        last=True,
    ),
    "another prefix": Case(
        registered={"prefix": "_puppets_"},
        words=r"the registration does not cover puppets, which begin with @_p\d+_ \(.*\): set networks\.home\.prefix "
        r"to what it says, or write the file afresh .*",
    ),
    "another id": Case(
        configured={"id": "nothing-of-that-name"},
        words=f"the as_token belongs to another application service than 'nothing-of-that-name': tokens out of step; "
        f"{RENEW}",
    ),
    "we cannot be reached": Case(
        registered={"url": "http://127.0.0.1:{free}/home"},
        words=r"the homeserver cannot reach us at http://127\.0\.0\.1:\d+/home \(.*\): check `url`, the firewall .*",
    ),
    "we cannot be reached in time": Case(
        registered={"url": "http://127.0.0.1:{silent}/home"},
        words=r"the homeserver gets no answer in time from http://127\.0\.0\.1:\d+/home: check `url` and what .*",
    ),
    "somebody else answers": Case(
        registered={"url": "http://127.0.0.1:{stranger}/home"},
        words=r"at http://127\.0\.0\.1:\d+/home somebody else answers the homeserver \(status 404\): check `url`",
    ),
    "no url": Case(
        text=("url: ", "url: null #"),
        words=f"the registration on the homeserver has no url, so that nothing is pushed to us; {RENEW}",
    ),
}


@dataclass
class Lab:
    """The Synapse, and for each case the keys of the network and the port to listen on."""

    home: Home
    keys: dict[str, dict[str, Any]]
    ports: dict[str, int]

    def config(self, folder: Path, case: str, rooms: dict[str, Any] | None = None, **changes: Any) -> Path:
        return write_config(folder, {"home": self.keys[case] | changes}, rooms, self.ports[case])


@asynccontextmanager
async def others(tls: Certificate | None = None) -> AsyncIterator[dict[str, int]]:
    """Ports where nobody listens, where somebody never answers, and where a stranger does: plainly, or with TLS."""
    (free,) = free_ports(1)
    # The kernel takes the connections, and nobody reads them.
    silent = socket.create_server(("127.0.0.1", 0))
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls.cert, tls.key)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    addresses = [address[1] for address in runner.addresses]
    try:
        yield {"free": free, "silent": silent.getsockname()[1], "stranger": addresses[0], "tls": addresses[-1]}
    finally:
        silent.close()
        await runner.cleanup()


@pytest_asyncio.fixture(scope="module")
async def lab(new_folder: Callable[[str], Path]) -> AsyncIterator[Lab]:
    folder, files = new_folder("registrations"), []
    keys: dict[str, dict[str, Any]] = {}
    ports = dict(zip(CASES, free_ports(len(CASES)), strict=True))
    async with others() as elsewhere:
        for number, (name, case) in enumerate(CASES.items()):
            sound = {
                "homeserver": "http://127.0.0.1:1",
                "domain": "localhost",
                "as_token": f"as-token-{number}-of-these-tests",
                "hs_token": f"hs-token-{number}-of-these-tests",
                "bot": f"bot{number}",
                "prefix": f"_p{number}_",
                "id": f"rialto-{number}",
            }
            changes = {key: value.format(**elsewhere) for key, value in case.registered.items()}
            settings = MatrixSettings.model_validate(sound | changes)
            text = ADAPTER.registration(settings, Context("home", f"http://127.0.0.1:{ports[name]}/home", Path()))
            path = folder / f"{number}.yaml"
            path.write_text(text.replace(*case.text) if case.text[0] else text)
            files.append(path)
            keys[name] = sound | case.configured | ({"kind": "matrix"})
        async with Synapse(new_folder("synapse-check"), registrations=files) as synapse:
            for each in keys.values():
                each["homeserver"] = synapse.url
            yield Lab(Home(synapse, 0), keys, ports)


async def test_all_is_well(lab: Lab, new_user: NewUser, unique: str, tmp_path: Path) -> None:
    ana = await new_user(lab.home, f"ana-{unique}")
    room_ids = [await ana.room(f"{unique}-{letter}") for letter in "ab"]
    aliases = [f"#{unique}-{letter}:localhost" for letter in "ab"]
    path = lab.config(tmp_path, "sound", {"lobby": {"home": aliases}})
    for _ in range(2):
        # The second time shows that the first one has left everything as it was.
        lines = await findings(path)
        said = told(lines, "home").splitlines()
        assert said[:-2] == [
            f"ok: a homeserver answers at {lab.home.url}",
            "ok: the clock of the homeserver agrees with ours",
            "ok: the homeserver knows our as_token, and us as @bot0:localhost",
            "ok: the bot @bot0:localhost stands",
            "ok: the registration covers puppets, @_p0_...",
            f"ok: the homeserver reaches us at http://127.0.0.1:{lab.ports['sound']}/home",
        ], told(lines, "home")
        assert set(said[-2:]) == {f"ok: {alias}: the bot can be in it" for alias in aliases}
        assert [line.good for line in lines if line.network == "http"] == [True]
    for room_id in room_ids:
        assert set(await ana.members(room_id)) == {ana.user_id}


@pytest.mark.parametrize("fault", [name for name, case in CASES.items() if case.words])
async def test_a_registration_out_of_step(lab: Lab, tmp_path: Path, fault: str) -> None:
    case = CASES[fault]
    lines = await findings(lab.config(tmp_path, fault))
    assert len(failures(lines, "home")) == 1, told(lines, "home")
    (said,) = failures(lines, "home")
    assert re.fullmatch(case.words, said), said
    assert told(lines, "home").endswith(said) or not case.last


async def test_the_bot_comes_by_its_name(lab: Lab, new_user: NewUser, unique: str, tmp_path: Path) -> None:
    """Synapse names those who are registered after their localparts."""
    ana = await new_user(lab.home, f"ana-{unique}")
    room_id = await ana.room(unique)
    path = lab.config(tmp_path, "named", {"lobby": {"home": [f"#{unique}:localhost", "#none:localhost"]}})
    assert f"ok: #{unique}:localhost: the bot can be in it" in told(await findings(path), "home")
    bot = f"@{lab.keys['named']['bot']}:localhost"
    moves = [each["content"] for each in await ana.messages(room_id, "m.room.member") if each["state_key"] == bot]
    assert [(each["membership"], each.get("displayname")) for each in moves][:1] == [("join", "The Bridge")]


@pytest.mark.parametrize(
    ("running_with", "configured", "words"),
    [
        ("registered", "registered", ""),
        (
            "registered",
            "another",
            r"the running Rialto has another hs_token than networks\.home\.hs_token, but the same as the homeserver: "
            r"write that one back, or write the registration afresh with `rialto registration home`, and restart .*",
        ),
        (
            "another",
            "registered",
            r"the running Rialto has another hs_token than networks\.home\.hs_token, and than the homeserver: restart "
            r"Rialto, and try again",
        ),
        ("another", "another", r"the homeserver's hs_token is not ours: .*"),
    ],
)
async def test_who_runs_answers_instead(
    lab: Lab, tmp_path: Path, running_with: str, configured: str, words: str
) -> None:
    """Where ``http.listen`` is taken by a Rialto, the homeserver's ping reaches that one."""
    tokens = {"registered": lab.keys["sound"]["hs_token"], "another": "neither-of-these"}
    keys = {key: value for key, value in lab.keys["sound"].items() if key != "kind"}
    settings = MatrixSettings.model_validate(keys | {"hs_token": tokens[running_with]})
    port = lab.ports["sound"]
    app = web.Application()
    app.router.add_route("*", "/home/{tail:.*}", answering(settings, Context("home", "http://127.0.0.1:1", Path())))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        lines = await findings(lab.config(tmp_path, "sound", hs_token=tokens[configured]))
    finally:
        await runner.cleanup()
    said = failures(lines, "home")
    assert len(said) == (1 if words else 0), said
    assert not words or re.fullmatch(words, said[0]), said
    assert tokens[configured] not in str(lines)


async def test_rooms(lab: Lab, new_user: NewUser, unique: str, tmp_path: Path) -> None:
    ana = await new_user(lab.home, f"ana-{unique}")
    bot = "@bot0:localhost"
    names = ("open", "private", "invited", "banned")
    rooms = {
        name: await ana.room(f"{name}-{unique}", preset="public_chat" if name in ("open", "banned") else "private_chat")
        for name in names
    }
    await ana.act(rooms["banned"], "ban", user_id=bot)
    await ana.act(rooms["invited"], "invite", user_id=bot)
    alias = {name: f"#{name}-{unique}:localhost" for name in (*names, "missing")}
    path = lab.config(tmp_path, "sound", {"lobby": {"home": [*alias.values()]}})
    for _ in range(2):
        lines = await findings(path)
        said = told(lines, "home")
        assert f"ok: {alias['open']}: the bot can be in it" in said
        assert f"ok: {alias['invited']}: the bot is invited, and will go in when Rialto starts" in said
        failed = failures(lines, "home")
        assert len(failed) == 3, said
        for name, words in {
            "missing": r"names no room \(.*\): make the room, or give it this alias, or correct the place in .*",
            "private": rf"the room does not let the bot in \(.*\): invite {bot} to .*",
            "banned": rf"the room does not let the bot in \(.*\): invite {bot} to .*",
        }.items():
            assert any(re.search(f"^{alias[name]}.*{words}", text) for text in failed), f"{name}: {said}"
    assert set(await ana.members(rooms["open"])) == {ana.user_id}


async def test_a_room_that_the_bot_was_in_before(lab: Lab, new_user: NewUser, unique: str, tmp_path: Path) -> None:
    """It stays there; and what the homeserver brings meanwhile, it keeps for the next start."""
    ana = await new_user(lab.home, f"ana-{unique}")
    room_id = await ana.room(unique)
    keys = {key: value for key, value in lab.keys["sound"].items() if key not in ("kind", "homeserver")}
    port, core = lab.ports["sound"], RecordingCore(f"#{unique}:localhost")
    async with running(core, lab.home.url, port, **keys):
        await core.until_online()
    await ana.say(room_id, "before the check")
    path = lab.config(tmp_path, "sound", {"lobby": {"home": [f"#{unique}:localhost", "#none:localhost"]}})
    said = told(await findings(path), "home")
    assert f"ok: #{unique}:localhost: the bot can be in it" in said
    assert "@bot0:localhost" in await ana.members(room_id)
    async with running(core, lab.home.url, port, **keys):
        await core.said(Message(Text("before the check")))


UNREACHED: dict[str, tuple[str, str]] = {
    "nothing listens": (
        "http://127.0.0.1:{free}",
        r"no connection to http://127\.0\.0\.1:\d+ \(.*refused.*\): is the homeserver running, and is "
        r"networks\.home\.homeserver right\?",
    ),
    "no such host": (
        "https://matrix.invalid",
        r"the host of https://matrix\.invalid is not found \(.*\): check networks\.home\.homeserver",
    ),
    "nobody answers": (
        "http://127.0.0.1:{silent}",
        r"http://127\.0\.0\.1:\d+ did not answer within 10 s: is the homeserver running, .*",
    ),
    "no homeserver": (
        "http://127.0.0.1:{stranger}",
        r"what answers at http://127\.0\.0\.1:\d+ is no Matrix homeserver \(status 404 for .*\): correct networks\..*",
    ),
    "TLS spoken to a plain port": (
        "https://127.0.0.1:{stranger}",
        r"https://127\.0\.0\.1:\d+ speaks no TLS that we know: write http:// in networks\.home\.homeserver if the .*",
    ),
    "a certificate that nobody vouches for": (
        "https://localhost:{tls}",
        r"the certificate of https://localhost:\d+ is not trusted \(self.signed certificate\): write the name that .*",
    ),
    "no TLS spoken to a port for TLS": (
        "http://localhost:{tls}",
        r"http://localhost:\d+ broke the connection off .*: write https:// in networks\.home\.homeserver if .*",
    ),
}


@pytest.mark.parametrize("fault", UNREACHED)
async def test_a_homeserver_that_is_not_reached(new_folder: Callable[[str], Path], tmp_path: Path, fault: str) -> None:
    url, words = UNREACHED[fault]
    keys = {"kind": "matrix", "domain": "localhost", "as_token": "as-token", "hs_token": "hs-token"}
    made = make_certificate(new_folder("certificate"), "own")
    async with others(made) as elsewhere:
        lines = await findings(write_config(tmp_path, {"home": keys | {"homeserver": url.format(**elsewhere)}}))
    (said,) = failures(lines, "home")
    assert re.fullmatch(words, said), said
    assert told(lines, "home").count("\n") == 0, "nothing is tried after that"


@pytest.mark.parametrize(("shift", "words"), [(300.0, "5 minutes ahead of"), (-600.0, "10 minutes behind")])
async def test_a_clock_that_is_off(lab: Lab, shift: float, words: str) -> None:
    keys = {"homeserver": lab.home.url, "domain": "localhost", "as_token": "none", "hs_token": "nothing"}
    settings = MatrixSettings.model_validate(keys)
    context = Context("home", "http://127.0.0.1:1/home", Path())
    members = [Member(Place("home", "#none:localhost"))]
    found = [each async for each in probe(settings, context, members, lambda: time.time() + shift)]
    assert [each.good for each in found] == [True, False, False]
    assert found[1].text.startswith(f"our clock is {words} that of the homeserver: one of them is wrong; let both be")
