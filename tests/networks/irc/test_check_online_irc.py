"""`rialto check --online` and an IRC network: every fault has its line, and is produced here by a real server."""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.irc import IrcSettings
from adapters.irc.probe import probe
from adapters.irc.standing import is_gateway
from bridge.contract import Context
from bridge.demo.servers import SERVICES_NAME, InspIRCd, NgIRCd, Server, Services, free_ports, make_certificate
from bridge.demo.servers.process import conversation
from tests.networks.check_lab import failures, findings, told, write_config
from tests.networks.irc.irc_lab import Crowd, until

FLOOD = {"burst": 1000, "per_second": 1000}


def libera(port: int, nick: str = "rialto", **changes: Any) -> dict[str, Any]:
    return {"kind": "irc", "server": f"irc://127.0.0.1:{port}", "nick": nick, "flood": FLOOD} | changes


def pair(*places: Any) -> dict[str, Any]:
    """A room of several places of the network, because one of a single place would bridge nothing."""
    return {"lobby": {"libera": list(places)}}


@pytest.fixture(params=["ngircd", "inspircd"])
def server(request: pytest.FixtureRequest, ngircd: NgIRCd, inspircd: InspIRCd) -> NgIRCd | InspIRCd:
    return ngircd if request.param == "ngircd" else inspircd


async def test_all_is_well(server: NgIRCd | InspIRCd, crowd: Crowd, unique: str, tmp_path: Path) -> None:
    full, empty = f"#{unique}", f"#{unique}-empty"
    kim = await crowd.connect(server.port, f"kim{unique}", full)
    path = write_config(tmp_path, {"libera": libera(server.port, f"r{unique}")}, pair(full, empty))
    for _ in range(2):
        # The second time shows that the first one has left everything as it was.
        said = told(await findings(path), "libera").splitlines()
        assert said[:2] == [
            f"ok: 127.0.0.1:{server.port} lets us in, without TLS",
            f"ok: the nick r{unique} is free",
        ]
        # Only InspIRCd tells the time with its lines.
        assert said[2:-2] == (["ok: the clock of the server agrees with ours"] if server.name == "inspircd" else [])
        assert set(said[-2:]) == {
            f"ok: {full}: the bot can join",
            f"ok: {empty}: the bot can join, but nobody is there: if that is a typing mistake, correct rooms:",
        }

    def moves() -> list[str]:
        of_the_bot = (line.command for line in kim.lines if line.source and line.source.nick == f"r{unique}")
        return [command for command in of_the_bot if command in ("JOIN", "QUIT")]

    await until(lambda: moves()[3:], "the second leaving", kim.tail)
    assert moves() == ["JOIN", "QUIT"] * 2


FAULTY_CONNECTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing listens": (
        {"server": "irc://127.0.0.1:{free}"},
        r"nothing listens on 127\.0\.0\.1:\d+: is the IRC server running, and is networks\.libera\.server right\?",
    ),
    "no such host": (
        {"server": "irc://irc.invalid:6667"},
        r"the name irc\.invalid is not found: check networks\.libera\.server",
    ),
    "TLS spoken to a plain port": (
        {"server": "ircs://127.0.0.1:{plain}"},
        r"127\.0\.0\.1:\d+ has not agreed on TLS within 15 s: check networks\.libera\.server, or write irc:// if .*",
    ),
    "a certificate that nobody vouches for": (
        {"server": "ircs://localhost:{tls}"},
        r"the server's certificate is not trusted \(self.signed certificate\); set `tls: \{ca: FILE\}` to its .*",
    ),
    "a certificate for another name": (
        {"server": "ircs://127.0.0.1:{tls}", "tls": {"ca": "{ca}"}},
        r"the server's certificate is not trusted \(.*127\.0\.0\.1.*\); write the name that the certificate is for .*",
    ),
    "another certificate than the pinned one": (
        {"server": "ircs://localhost:{tls}", "tls": {"pin": "sha-256:" + "0" * 64}},
        r"the server's certificate is not the pinned one: if it is right, set `tls: \{pin: sha-256:[0-9a-f]{64}\}`",
    ),
    "an authority's file that is not there": (
        {"server": "ircs://localhost:{tls}", "tls": {"ca": "nowhere.pem"}},
        r"networks\.libera\.tls\.ca: the certificates in .*nowhere\.pem cannot be read: No such file or directory",
    ),
    "no TLS spoken to a port for TLS": (
        {"server": "irc://127.0.0.1:{tls}"},
        r".*; write ircs:// in networks\.libera\.server if the port is for TLS",
    ),
    "a nick that the server does not allow": (
        {"nick": "muchlongerthanninebytes"},
        r".* \(432\): the server does not allow this nick; choose another `nick`, not longer than the network's limit",
    ),
    "no password": (
        {},
        r".*password.* \(464\): the server asks for a password, or for another one; set `password`.*",
    ),
    "another password": (
        {"password": "not that one"},
        r".*password.* \(464\): the server asks for a password, or for another one; set `password`.*",
    ),
}


@pytest_asyncio.fixture(scope="module")
async def with_services(new_folder: Callable[[str], Path]) -> AsyncIterator[InspIRCd]:
    """An InspIRCd with Atheme behind it, which knows the account ``ana`` with the password ``right``."""
    server = InspIRCd(new_folder("inspircd-services"), services=SERVICES_NAME)
    async with server, Services(new_folder("services"), server) as services:
        await services.register("ana", "right")
        yield server


class TlsNgIRCd(NgIRCd):
    """An ngIRCd that wants a password, and also speaks TLS, on `tls_port`, with a certificate signed by itself."""

    def __init__(self, folder: Path, cert: Path, key: Path) -> None:
        super().__init__(folder, password="sesame", max_nick_length=9)
        self._files = f"\n[SSL]\n\tCertFile = {cert}\n\tKeyFile = {key}\n"
        (self.tls_port,) = free_ports(1)

    def _prepare(self) -> None:
        super()._prepare()
        with self.config.open("a") as config:
            config.write(f"{self._files}\tPorts = {self.tls_port}\n")


@pytest.mark.parametrize("fault", FAULTY_CONNECTIONS)
async def test_a_connection_that_fails(
    new_folder: Callable[[str], Path], started: Callable[[Server], Awaitable[None]], tmp_path: Path, fault: str
) -> None:
    changes, words = FAULTY_CONNECTIONS[fault]
    made = make_certificate(new_folder("certificate"), "own")
    locked = TlsNgIRCd(new_folder("ngircd-locked"), made.cert, made.key)
    await started(locked)
    values = {"free": free_ports(1)[0], "plain": locked.port, "tls": locked.tls_port, "ca": str(made.cert)}
    keys = libera(locked.port) | ({"password": "sesame"} if "nick" in changes else {})
    for name, value in changes.items():
        keys[name] = (
            {k: v.format(**values) for k, v in value.items()} if isinstance(value, dict) else value.format(**values)
        )
    lines = await findings(write_config(tmp_path, {"libera": keys}))
    (said,) = failures(lines, "libera")
    assert re.fullmatch(words, said), said
    assert told(lines, "libera").count("\n") == 0, "nothing is tried after that"


async def test_tls_that_is_right(
    new_folder: Callable[[str], Path], started: Callable[[Server], Awaitable[None]], tmp_path: Path
) -> None:
    made = make_certificate(new_folder("certificate"), "own")
    locked = TlsNgIRCd(new_folder("ngircd-locked"), made.cert, made.key)
    await started(locked)
    keys = libera(0, server=f"ircs://localhost:{locked.tls_port}", password="sesame", tls={"ca": str(made.cert)})
    said = told(await findings(write_config(tmp_path, {"libera": keys})), "libera").splitlines()
    assert said == [f"ok: localhost:{locked.tls_port} lets us in, with TLS", "ok: the nick rialto is free"]


async def test_passwords_that_others_can_read(
    new_ngircd: Callable[..., Awaitable[NgIRCd]], tmp_path: Path, unique: str
) -> None:
    """127.1 is this machine, too, but looks like a name of another."""
    server = await new_ngircd(password="sesame")
    for host, words in {
        "127.0.0.1": [],
        "127.1": [
            "without TLS anybody on the way can read the passwords of `password` and `nickserv`: "
            "write ircs:// in networks.libera.server"
        ],
    }.items():
        keys = libera(server.port, server=f"irc://{host}:{server.port}", password="sesame")
        lines = await findings(write_config(tmp_path, {"libera": keys | {"nickserv": {"password": "mellon"}}}))
        said = failures(lines, "libera")
        assert [each for each in said if "TLS" in each] == words
        assert f"ok: {host}:{server.port} lets us in, without TLS" in told(lines, "libera")
        assert "sesame" not in str(lines)


async def test_the_bot_comes_as_a_gateways(inspircd: InspIRCd, crowd: Crowd, unique: str, tmp_path: Path) -> None:
    """So a running Rialto, and any other in the channel, takes it for nobody."""
    watcher = await crowd.connect(inspircd.port, f"kim{unique}", f"#{unique}", caps="extended-join")
    keys = libera(inspircd.port, f"r{unique}", realname="Ours")
    path = write_config(tmp_path, {"libera": keys}, pair(f"#{unique}", f"#{unique}-empty"))
    assert failures(await findings(path), "libera") == []
    await watcher.round_trip()
    joins = [line for line in watcher.lines if line.command == "JOIN" and line.source]
    (real_name,) = [line.params[-1] for line in joins if line.source and line.source.nick == f"r{unique}"]
    assert is_gateway(real_name), real_name


async def test_a_nick_that_is_taken(server: NgIRCd | InspIRCd, crowd: Crowd, unique: str, tmp_path: Path) -> None:
    squatter = await crowd.connect(server.port, f"r{unique}", f"#{unique}")
    path = write_config(tmp_path, {"libera": libera(server.port, f"r{unique}")}, pair(f"#{unique}", f"#{unique}-empty"))
    lines = await findings(path)
    (said,) = failures(lines, "libera")
    assert said == (
        f"the nick r{unique} is taken, and the bot would be r{unique}_: choose another `nick`, or wait until it is "
        "free, unless a running Rialto has it"
    )
    assert f"ok: #{unique}: the bot can join" in told(lines, "libera")
    await squatter.round_trip()


FAULTY_CHANNELS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a key is needed": (
        "+k sesame",
        {},
        r'.* \(475\): give the channel\'s key in the configuration: \{id: "#.*", key: .*',
    ),
    "another key is needed": (
        "+k sesame",
        {"key": "simsim"},
        r".* \(475\): give the channel's key in the configuration: .*",
    ),
    "invited people only": (
        "+i",
        {},
        r".* \(473\): the channel is for invited people only; an operator of it has to .*",
    ),
    "banned": (
        "+b *!*@*",
        {},
        r".* \(474\): the bot is banned there; an operator of the channel has to lift the ban, .*",
    ),
    "for those with an account only": (
        "+R",
        {},
        r".* \(477\): the channel is for registered nicks only; an operator of it has to let .* in",
    ),
    "full": ("+l 1", {}, r".* \(471\): the channel is full; its operators can raise the limit \(MODE \+l\)"),
}


@pytest.mark.parametrize("fault", FAULTY_CHANNELS)
async def test_a_channel_that_cannot_be_joined(
    server: NgIRCd | InspIRCd, crowd: Crowd, unique: str, tmp_path: Path, fault: str
) -> None:
    mode, keys, words = FAULTY_CHANNELS[fault]
    channel, open_channel = f"#{unique}", f"#{unique}-open"
    op = await crowd.connect(server.port, f"op{unique}", channel, open_channel)
    op.send(f"MODE {channel} {mode}")
    await op.round_trip()
    path = write_config(
        tmp_path, {"libera": libera(server.port, f"r{unique}")}, pair({"id": channel} | keys, open_channel)
    )
    lines = await findings(path)
    (said,) = failures(lines, "libera")
    assert re.fullmatch(f"{channel}: {words}", said), said
    assert f"ok: {open_channel}: the bot can join" in told(lines, "libera"), "the others are tried all the same"


async def test_a_key_that_fits(server: NgIRCd | InspIRCd, crowd: Crowd, unique: str, tmp_path: Path) -> None:
    channel = f"#{unique}"
    op = await crowd.connect(server.port, f"op{unique}", channel)
    op.send(f"MODE {channel} +k sesame")
    await op.round_trip()
    places = pair({"id": channel, "key": "sesame"}, f"{channel}-other")
    lines = await findings(write_config(tmp_path, {"libera": libera(server.port, f"r{unique}")}, places))
    assert failures(lines, "libera") == []


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (
            "required",
            r".* \(904\): check `sasl\.user` and `sasl\.password`, or set `sasl\.use` to preferred to go on without .*",
        ),
        ("preferred", r"SASL does not log us in \(.*\): check `sasl\.user` and `sasl\.password`, or set .*"),
    ],
)
async def test_a_login_that_is_refused(
    with_services: InspIRCd, unique: str, tmp_path: Path, use: str, words: str
) -> None:
    sasl = {"user": "ana", "password": "wrong", "use": use}
    path = write_config(tmp_path, {"libera": libera(with_services.port, f"r{unique}", sasl=sasl)})
    lines = await findings(path)
    (said,) = failures(lines, "libera")
    assert re.fullmatch(words, said), said
    assert (f"ok: the nick r{unique} is free" in told(lines, "libera")) is (use == "preferred")


async def test_a_login(with_services: InspIRCd, unique: str, tmp_path: Path) -> None:
    sasl = {"user": "ana", "password": "right"}
    path = write_config(tmp_path, {"libera": libera(with_services.port, f"r{unique}", sasl=sasl)})
    lines = await findings(path)
    assert failures(lines, "libera") == []
    assert "ok: logged in to the account ana" in told(lines, "libera")


async def test_a_login_by_nickserv_puts_nobody_out(
    with_services: InspIRCd, crowd: Crowd, unique: str, tmp_path: Path
) -> None:
    """A running Rialto bears the nick, and NickServ would end its connection, if it were asked to."""
    running = await crowd.connect(with_services.port, "ana", f"#{unique}")
    path = write_config(
        tmp_path, {"libera": libera(with_services.port, "ana", nickserv={"password": "right", "user": "ana"})}
    )
    lines = await findings(path)
    (said,) = failures(lines, "libera")
    assert said.startswith("the nick ana is taken, and the bot would be ana_")
    assert "ok: logged in to the account ana" in told(lines, "libera")
    await running.round_trip()
    assert not running.closed


@pytest.mark.parametrize(("shift", "words"), [(300.0, "5 minutes ahead of"), (-86400.0 * 3, "3 days behind")])
async def test_a_clock_that_is_off(inspircd: InspIRCd, unique: str, shift: float, words: str) -> None:
    settings = IrcSettings(server=f"irc://127.0.0.1:{inspircd.port}", nick=f"r{unique}")
    context = Context("libera", "http://127.0.0.1:1/libera", Path())
    found = [each async for each in probe(settings, context, (), lambda: time.time() + shift)]
    assert [each.good for each in found] == [True, True, False]
    assert found[2].text.startswith(f"our clock is {words} that of the server: one of them is wrong; let both be set")


class AccountsOnly(InspIRCd):
    """An InspIRCd that lets nobody in who is not logged in."""

    def _prepare(self) -> None:
        super()._prepare()
        text = self.config.read_text()
        assert '<connect allow="*"' in text
        self.config.write_text(text.replace('<connect allow="*"', '<connect requireaccount="yes" allow="*"'))

    async def _answers(self) -> None:
        # The launcher's own question is refused, too.
        await conversation(self.port, b"NICK rtprobe\r\nUSER rtprobe 0 * :probe\r\n", b"ERROR")


async def test_an_account_is_required(
    new_folder: Callable[[str], Path], started: Callable[[Server], Awaitable[None]], tmp_path: Path
) -> None:
    server = AccountsOnly(new_folder("inspircd-accounts"))
    await started(server)
    lines = await findings(write_config(tmp_path, {"libera": libera(server.port)}))
    (said,) = failures(lines, "libera")
    assert re.fullmatch(
        r"Closing link: \(97KAAAAA[A-Z]@127\.0\.0\.1\) \[Access denied by configuration\]: "
        r"perhaps the network lets in only people with an account; set `sasl: \{user, password\}`",
        said,
    ), said
