"""XMPP through an ordinary account: a channel and people of a real IRC server beside a room of a real Prosody."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest_asyncio

from bridge.demo.clients import IrcClient, Seen, Sight, XmppClient
from bridge.demo.servers import NgIRCd, free_ports
from bridge.service import Service
from tests.networks.cable import Cable
from tests.networks.world import FLOOD, port_of, running
from tests.networks.xmpp.client_lab import PASSWORD, Server

LINES = 100


@dataclass
class Pair:
    """Ana on XMPP and Kestrel on IRC, a room between them, and the cable between Rialto and Prosody."""

    folder: Path
    word: str
    prosody: Server
    ircd: NgIRCd
    ana: XmppClient
    kestrel: IrcClient
    cable: Cable

    @property
    def bot(self) -> str:
        return f"bot{self.word}@{self.prosody.host}"

    @property
    def room(self) -> str:
        return f"{self.word}@{self.prosody.muc}"

    @property
    def channel(self) -> str:
        return f"#{self.word}"

    @asynccontextmanager
    async def rialto(self) -> AsyncIterator[Service]:
        (port,) = free_ports(1)
        office = {
            "kind": "xmpp",
            "mode": "client",
            "jid": self.bot,
            "password": PASSWORD,
            "server": f"127.0.0.1:{self.cable.port}",
        }
        libera = {
            "kind": "irc",
            "server": f"irc://127.0.0.1:{port_of(self.ircd)}",
            "nick": f"rialto{self.word}",
            "flood": FLOOD,
        }
        config = {
            "store": "sqlite:///rialto.db",
            "http": {"listen": f"127.0.0.1:{port}", "admin_token": "token-of-these-tests"},
            "networks": {"office": office, "libera": libera},
            "rooms": {"lobby": {"office": self.room, "libera": self.channel}},
        }
        async with running(self.folder, config) as service:
            yield service


@pytest_asyncio.fixture(scope="module")
async def server(new_folder: Callable[[str], Path]) -> AsyncIterator[Server]:
    async with Server(new_folder("prosody")) as running:
        yield running


@pytest_asyncio.fixture
async def pair(server: Server, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        await server.account(f"bot{unique}")
        jid = await server.register(f"ana{unique}", "password")
        ana = await stack.enter_async_context(XmppClient(jid, "password", server.c2s_port))
        kestrel = await stack.enter_async_context(IrcClient(f"kestrel{unique}", port_of(ngircd)))
        cable = await stack.enter_async_context(Cable(server.c2s_port))
        made = Pair(new_folder("rialto"), unique, server, ngircd, ana, kestrel, cable)
        await ana.join(made.room, f"ana{unique}")
        await kestrel.join(made.channel)
        yield made


def reads(text: str, seen: Seen) -> bool:
    """As a person reads it: what keeps the name from calling somebody is not seen."""
    return seen.text.replace("\N{ZERO WIDTH SPACE}", "") == text


async def arrived(pair: Pair) -> None:
    """Both sides are in: the bot in the room, Ana's puppet in the channel."""
    await pair.ana.wait_for(kind=Sight.JOIN, who="rialto")
    await pair.kestrel.wait_for(kind=Sight.JOIN, who=f"ana{pair.word}")


async def test_a_room_both_ways(pair: Pair) -> None:
    async with pair.rialto():
        await arrived(pair)
        pair.ana.say(pair.room, "hello from XMPP")
        seen = await pair.kestrel.wait_for(text="hello from XMPP")
        assert seen.who.startswith("ana"), seen
        pair.kestrel.say(pair.channel, "hello from IRC")
        seen = await pair.ana.wait_for(partial(reads, f"<kestrel{pair.word}> hello from IRC"))
        assert seen.who == "rialto"
        pair.kestrel.emote(pair.channel, "waves")
        await pair.ana.wait_for(partial(reads, f"* kestrel{pair.word} waves"))
        pair.ana.set_topic(pair.room, "coffee")
        await pair.kestrel.wait_for(kind=Sight.TOPIC, text="coffee")


async def test_private_messages_both_ways_and_their_errors(pair: Pair) -> None:
    async with pair.rialto():
        await arrived(pair)  # else the Ana who writes may have the nick before the one of the room
        pair.ana.tell(pair.bot, f"libera:kestrel{pair.word} psst")
        seen = await pair.kestrel.wait_for(text="psst")
        # The room hides who is who there, so Ana of the room is somebody else (design, names).
        assert (seen.who, seen.place) == (f"ana{pair.word}[office]", ""), seen
        pair.kestrel.say(seen.who, "yes?")
        answer = await pair.ana.wait_for(partial(reads, f"<kestrel{pair.word}> yes?"))
        assert answer.sender.startswith(pair.bot)
        how = await pair.ana.wait_for(lambda seen: seen.text.startswith("To answer"))
        # What it says works.
        whom = how.text.partition('"')[2].partition(" ")[0]
        pair.ana.tell(pair.bot, f"{whom} so it does")
        await pair.kestrel.wait_for(text="so it does")

        sent = pair.ana.tell(pair.bot, f"libera:nobody{pair.word} hello?")
        refusal = await pair.ana.wait_for(kind=Sight.ERROR)
        assert refusal.id == sent
        pair.kestrel.say(f"rialto{pair.word}", f"nobody{pair.word}@{pair.prosody.host} hello?")
        refusal = await pair.kestrel.wait_for(lambda seen: "nobody of that address" in seen.text)
        assert refusal.kind is Sight.NOTICE


async def test_a_word_to_the_account_is_a_command(pair: Pair) -> None:
    async with pair.rialto():
        await arrived(pair)
        pair.ana.tell(pair.bot, f"reject libera:kestrel{pair.word}")
        noted = await pair.ana.wait_for(lambda seen: seen.text.startswith(f"Noted: libera:kestrel{pair.word} may not"))
        assert noted.sender.startswith(pair.bot)
        pair.kestrel.say(f"rialto{pair.word}", f"ana{pair.word}@{pair.prosody.host} hello?")
        refusal = await pair.kestrel.wait_for(lambda seen: "they do not take messages from you" in seen.text)
        assert refusal.kind is Sight.NOTICE


async def test_a_cut_in_the_middle_of_a_conversation(pair: Pair) -> None:
    async with pair.rialto() as service:
        await arrived(pair)
        for number in range(LINES):
            pair.kestrel.say(pair.channel, f"k {number:02}")
            pair.ana.say(pair.room, f"a {number:02}")
            if number == LINES // 2:
                await pair.ana.wait_for(partial(reads, f"<kestrel{pair.word}> k 00"))
                pair.cable.cut()
        await pair.ana.wait_for(partial(reads, f"<kestrel{pair.word}> k {LINES - 1:02}"))
        await pair.kestrel.wait_for(text=f"a {LINES - 1:02}")
        assert service.status()["networks"]["office"]["online"]
    heard = [seen.text.rpartition("> ")[2] for seen in pair.ana.matching(who="rialto", kind=Sight.TEXT)]
    assert heard == [f"k {number:02}" for number in range(LINES)]
    heard = [seen.text for seen in pair.kestrel.matching(lambda seen: seen.text.startswith("a "))]
    assert heard == [f"a {number:02}" for number in range(LINES)]
    assert pair.cable.connections == 2


async def test_what_was_said_while_rialto_was_stopped(pair: Pair) -> None:
    async with pair.rialto():
        await arrived(pair)
        pair.ana.say(pair.room, "first")
        await pair.kestrel.wait_for(text="first")
    pair.ana.say(pair.room, "meanwhile in the room")
    pair.ana.tell(pair.bot, f"libera:kestrel{pair.word} meanwhile in private")
    async with pair.rialto():
        await pair.kestrel.wait_for(text="meanwhile in the room")
        await pair.kestrel.wait_for(text="meanwhile in private")
        pair.ana.say(pair.room, "last")
        await pair.kestrel.wait_for(text="last")
    for text in ("first", "meanwhile in the room", "meanwhile in private", "last"):
        assert len(pair.kestrel.matching(text=text)) == 1, text
