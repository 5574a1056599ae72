"""`rialto check --online` and an XMPP server: every fault has its line, and is produced here by a real Prosody."""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from slixmpp import JID

from adapters.xmpp import ADAPTER
from adapters.xmpp.probe import probe
from adapters.xmpp.settings import XmppSettings
from adapters.xmpp.standing import read
from bridge.contract import Context
from bridge.demo.clients import Sight, XmppClient
from bridge.demo.servers import Prosody, Server, free_ports
from bridge.demo.servers.certificates import make_certificate
from bridge.model.address import Place
from bridge.model.room import Member
from tests.networks.check_lab import failures, findings, told, write_config
from tests.networks.xmpp.xmpp_lab import NewClient

DOMAIN = "bridge7.localhost"
NewOpened = Callable[[dict[str, str]], Awaitable[Prosody]]


def office(prosody: Prosody, **changes: Any) -> dict[str, Any]:
    server = f"127.0.0.1:{prosody.component_port}"
    return {"kind": "xmpp", "server": server, "domain": DOMAIN, "secret": prosody.components[DOMAIN]} | changes


async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, domain: str, secret: str) -> None:
    """Be a component, as XEP-0114 has it, with nothing of ours in between."""
    namespaces = "xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'"
    writer.write(f"<stream:stream {namespaces} to='{domain}'>".encode())
    async with asyncio.timeout(30):
        header = b""
        while (found := re.search(rb" id='([^']+)'", header)) is None:
            header += await reader.readuntil(b">")
        proof = hashlib.sha1(found[1] + secret.encode()).hexdigest()
        writer.write(f"<handshake>{proof}</handshake>".encode())
        assert b"handshake" in await reader.readuntil(b"/>")


def pair(*places: Any) -> dict[str, Any]:
    """A room of several places of the network, because one of a single place would bridge nothing."""
    return {"lobby": {"office": list(places)}}


class OpenedProsody(Prosody):
    """A Prosody with some lines of its configuration changed."""

    def __init__(self, folder: Path, changes: dict[str, str]) -> None:
        super().__init__(folder, components={DOMAIN: "secret"})
        self._changes = changes

    def _prepare(self) -> None:
        super()._prepare()
        text = self.config.read_text()
        for before, after in self._changes.items():
            assert before in text
            text = text.replace(before, after)
        self.config.write_text(text)


@pytest.fixture
def new_opened(new_folder: Callable[[str], Path], started: Callable[[Server], Awaitable[None]]) -> NewOpened:
    """Starts a Prosody whose configuration differs from the launcher's."""

    async def make(changes: dict[str, str]) -> OpenedProsody:
        server = OpenedProsody(new_folder("prosody-changed"), changes)
        await started(server)
        return server

    return make


async def test_all_is_well(prosody: Prosody, room: str, new_client: NewClient, tmp_path: Path) -> None:
    missing = f"not-there-{room}"
    ana = await new_client(prosody, "ana")
    await ana.join(room, "ana")
    marked: dict[str, bool] = {}
    ana.xmpp.add_event_handler(
        "groupchat_presence", lambda told: marked.setdefault(told["from"].resource, read(told.xml).gateway)
    )
    path = write_config(tmp_path, {"office": office(prosody)}, pair(room, missing))
    for _ in range(2):
        # The second time shows that the first one has left everything as it was.
        position = len(ana.seen)
        lines = await findings(path)
        said = told(lines, "office").splitlines()
        assert said[0] == f"ok: 127.0.0.1:{prosody.component_port} takes us for the component {DOMAIN}"
        assert said[1] == "ok: the clock of localhost agrees with ours"
        assert set(said[2:]) == {
            f"ok: {room}: the bot can enter, as rialto",
            f"ok: {missing}: there was no such room, and `rialto run` will make it: if that is a typing mistake, "
            "correct rooms:",
        }
        assert [line.good for line in lines if line.network == "http"] == [True]
        await ana.wait_for(kind=Sight.LEAVE, who="rialto", since=position)
    assert len(ana.matching(kind=Sight.JOIN, who="rialto")) == 2
    assert len(ana.matching(kind=Sight.LEAVE, who="rialto")) == 2
    assert marked == {"rialto": True}, "other gateways know it for a bot"
    assert set(ana.occupants[room]) == {"ana"}


FAULTY_CONNECTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "wrong secret": (
        {"secret": "not that one"},
        r"127\.0\.0\.1:\d+ refused the component secret: set networks\.office\.secret to the component_secret of "
        r"bridge7\.localhost \(it says: Given token does not match calculated token\)",
    ),
    "a domain that the server does not know": (
        {"domain": "bridge.elsewhere.example"},
        r"127\.0\.0\.1:\d+ has no component bridge\.elsewhere\.example: add what `rialto registration office` prints "
        r"to its configuration \(it says: .*\); if it stands there already, networks\.office\.server is another .*",
    ),
    "nothing listens": (
        {"server": "127.0.0.1:{free}"},
        r"the XMPP server at 127\.0\.0\.1:\d+ cannot be reached \(Connect.*refused.*\): is it running, and does it "
        r"listen for components there \(networks\.office\.server\)\?",
    ),
    "no such host": (
        {"server": "xmpp.invalid:5347"},
        r"the XMPP server at xmpp\.invalid:5347 cannot be reached \(.*(not known|no address|resolution).*\): is it .*",
    ),
    "the clients' port": (
        {"server": "127.0.0.1:{c2s}"},
        r"127\.0\.0\.1:\d+ has no component bridge7\.localhost: .*; if it stands there already, networks\.office\."
        r"server is another port than that for components",
    ),
}


@pytest.mark.parametrize("fault", FAULTY_CONNECTIONS)
async def test_a_connection_that_fails(prosody: Prosody, tmp_path: Path, fault: str) -> None:
    changes, words = FAULTY_CONNECTIONS[fault]
    (free,) = free_ports(1)
    changes = {key: value.format(free=free, c2s=prosody.c2s_port) for key, value in changes.items()}
    lines = await findings(write_config(tmp_path, {"office": office(prosody, **changes)}))
    (said,) = failures(lines, "office")
    assert re.fullmatch(words, said), said
    assert told(lines, "office").count("\n") == 0, "nothing is tried after that"


async def test_a_port_for_tls(new_opened: NewOpened, new_folder: Callable[[str], Path], tmp_path: Path) -> None:
    made = make_certificate(new_folder("certificate"), "own")
    (port,) = free_ports(1)
    files = f'certificate = "{made.cert}", key = "{made.key}"'
    ports = f"c2s_direct_tls_ports = {{ {port} }}; c2s_direct_tls_ssl = {{ {files} }}"
    server = await new_opened({"c2s_direct_tls_ports = { }": ports})
    lines = await findings(write_config(tmp_path, {"office": office(server, server=f"127.0.0.1:{port}")}))
    (said,) = failures(lines, "office")
    assert said.endswith(
        "; check that networks.office.server is the port for components, which is neither clients' nor for TLS"
    )


async def test_another_one_is_connected(prosody: Prosody, tmp_path: Path) -> None:
    path = write_config(tmp_path, {"office": office(prosody)})
    reader, writer = await asyncio.open_connection("127.0.0.1", prosody.component_port)
    try:
        await handshake(reader, writer, DOMAIN, prosody.components[DOMAIN])
        lines = await findings(path)
    finally:
        writer.close()
        await writer.wait_closed()
    (said,) = failures(lines, "office")
    assert said == (
        f"another connection has the component {DOMAIN}: probably a running Rialto, which tells its own state by "
        "`rialto status`, and has to be stopped for the rest to be tried here"
    )


Arrange = Callable[[XmppClient, str], Awaitable[None]]


async def banned(owner: XmppClient, room: str) -> None:
    await owner.join(room, "owner")
    muc = owner.xmpp.plugin["xep_0045"]
    await muc.set_affiliation(JID(room), "outcast", jid=JID(f"rialto@{DOMAIN}"))


def configured(**fields: str) -> Arrange:
    async def arrange(owner: XmppClient, room: str) -> None:
        await owner.join(room, "owner", config={f"muc#roomconfig_{key}": value for key, value in fields.items()})

    return arrange


FAULTY_ROOMS: dict[str, tuple[Arrange, dict[str, Any], str]] = {
    "a password is needed": (
        configured(passwordprotectedroom="1", roomsecret="sesame"),
        {},
        "the room asks for another password: give it in the configuration, {id: ROOM, key: ...}",
    ),
    "another password is needed": (
        configured(passwordprotectedroom="1", roomsecret="sesame"),
        {"key": "simsim"},
        "the room asks for another password: give it in the configuration, {id: ROOM, key: ...}",
    ),
    "members only": (
        configured(membersonly="1"),
        {},
        "the room is for members only: an owner of it has to make us members",
    ),
    "banned": (banned, {}, "banned from the room: one of its owners has to lift the ban"),
}


@pytest.mark.parametrize("fault", FAULTY_ROOMS)
async def test_a_room_that_cannot_be_entered(
    prosody: Prosody, room: str, new_client: NewClient, tmp_path: Path, fault: str
) -> None:
    arrange, keys, words = FAULTY_ROOMS[fault]
    owner = await new_client(prosody, "owner")
    await arrange(owner, room)
    open_room = f"open-{room}"
    await owner.join(open_room, "owner")
    path = write_config(tmp_path, {"office": office(prosody)}, pair({"id": room} | keys, open_room))
    lines = await findings(path)
    (said,) = failures(lines, "office")
    assert said.startswith(f"{room}: {words}")
    assert f"ok: {open_room}: the bot can enter, as rialto" in told(lines, "office"), (
        "the others are tried all the same"
    )


async def test_a_key_that_fits(prosody: Prosody, room: str, new_client: NewClient, tmp_path: Path) -> None:
    owner = await new_client(prosody, "owner")
    await configured(passwordprotectedroom="1", roomsecret="sesame")(owner, room)
    await owner.join(f"open-{room}", "owner")
    path = write_config(tmp_path, {"office": office(prosody)}, pair({"id": room, "key": "sesame"}, f"open-{room}"))
    assert failures(await findings(path), "office") == []


async def test_rooms_that_cannot_be_made(new_opened: NewOpened, tmp_path: Path) -> None:
    server = await new_opened({"restrict_room_creation = false": "restrict_room_creation = true"})
    room, nowhere = f"new@{server.muc}", "room@conference.nowhere.localhost"
    lines = await findings(write_config(tmp_path, {"office": office(server)}, pair(room, nowhere)))
    words = "the room does not exist, and may not be made: make it, or correct rooms: in the configuration"
    said = sorted(failures(lines, "office"))
    assert said[0].startswith(f"{room}: {words}")
    assert said[1].startswith(f"{nowhere}: ")
    assert len(said) == 2


@pytest.mark.parametrize(("shift", "words"), [(300.0, "5 minutes ahead of"), (-7200.0, "2 hours behind")])
async def test_a_clock_that_is_off(prosody: Prosody, shift: float, words: str) -> None:
    values = office(prosody)
    settings = XmppSettings.model_validate({key: value for key, value in values.items() if key != "kind"})
    context = Context("office", "http://127.0.0.1:1/office", Path())
    found = [each async for each in probe(settings, context, (), lambda: time.time() + shift)]
    assert [each.good for each in found] == [True, False]
    assert found[1].text.startswith(f"our clock is {words} that of localhost: one of them is wrong; let both be set")


async def test_who_writes_meanwhile_is_told(prosody: Prosody, new_client: NewClient) -> None:
    """A message that comes during a check is not taken for received."""
    ana = await new_client(prosody, "ana")
    values = office(prosody)
    settings = XmppSettings.model_validate({key: value for key, value in values.items() if key != "kind"})
    context = Context("office", "http://127.0.0.1:1/office", Path())
    trying = ADAPTER.probe(settings, context, [Member(Place("office", f"silent@{prosody.muc}"))])
    assert (await anext(trying)).good
    ana.tell(f"kestrel%libera@{DOMAIN}", "hello?")
    error = await ana.wait_for(kind=Sight.ERROR)
    assert "recipient-unavailable" in error.text
    assert all([found.good async for found in trying])


async def test_nothing_is_left_when_time_is_up(
    prosody: Prosody, room: str, new_client: NewClient, tmp_path: Path
) -> None:
    """The server stands still in the midst of it."""
    path = write_config(tmp_path, {"office": office(prosody)}, pair(room, f"also-{room}"))
    ana = await new_client(prosody, "ana")
    await ana.join(room, "ana")
    lines = await findings(path, within=0.001)
    assert failures(lines, "office") == ["not all could be tried within 0 s; what is missing above gave no answer"]
    assert failures(await findings(path), "office") == [], "the component is free again"
    await ana.wait_for(kind=Sight.LEAVE, who="rialto")
    assert set(ana.occupants[room]) == {"ana"}
