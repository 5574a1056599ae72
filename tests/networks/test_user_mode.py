"""Matrix through an ordinary account: a channel and people of a real IRC server beside a room of a real Synapse."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest_asyncio

from bridge.demo.clients import IrcClient, MatrixClient, Seen, Sight
from bridge.demo.servers import NgIRCd, Synapse, free_ports
from bridge.service import Service
from tests.networks.world import FLOOD, port_of, running

LINES = 500
AT_ONCE = 25


@dataclass
class Pair:
    """Ana on Matrix and Kestrel on IRC, a room between them, and the configuration of a Rialto."""

    folder: Path
    word: str
    synapse: Synapse
    ircd: NgIRCd
    ana: MatrixClient
    kestrel: IrcClient
    room: str

    @property
    def bot(self) -> str:
        return f"@bot{self.word}:{self.synapse.server_name}"

    @property
    def channel(self) -> str:
        return f"#{self.word}"

    @asynccontextmanager
    async def rialto(self) -> AsyncIterator[Service]:
        (port,) = free_ports(1)
        config = {
            "store": "sqlite:///rialto.db",
            "http": {"listen": f"127.0.0.1:{port}", "admin_token": "token-of-these-tests"},
            "networks": {
                "home": {
                    "kind": "matrix",
                    "mode": "user",
                    "homeserver": self.synapse.url,
                    "user_id": self.bot,
                    "password": "password",
                },
                "libera": {
                    "kind": "irc",
                    "server": f"irc://127.0.0.1:{port_of(self.ircd)}",
                    "nick": f"rialto{self.word}",
                    "flood": FLOOD,
                },
            },
            "rooms": {"lobby": {"home": f"#{self.word}:{self.synapse.server_name}", "libera": self.channel}},
        }
        async with running(self.folder, config) as service:
            yield service


@pytest_asyncio.fixture
async def pair(synapse: Synapse, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        await synapse.register(f"bot{unique}", "password")
        token = await synapse.register(f"ana{unique}", "password")
        ana = MatrixClient(synapse.url, f"@ana{unique}:{synapse.server_name}", token)
        await stack.enter_async_context(ana)
        kestrel = await stack.enter_async_context(IrcClient(f"kestrel{unique}", port_of(ngircd)))
        powers = {"users": {f"@bot{unique}:{synapse.server_name}": 50}}
        room = await ana.create_room(unique, power_level_override=powers)
        await kestrel.join(f"#{unique}")
        yield Pair(new_folder("rialto"), unique, synapse, ngircd, ana, kestrel, room)


def begins(text: str, seen: Seen) -> bool:
    return seen.text.startswith(text)


def reads(text: str, seen: Seen) -> bool:
    """As a person reads it: what keeps the name from calling somebody is not seen."""
    return seen.text.replace("\N{ZERO WIDTH SPACE}", "") == text


async def test_a_room_both_ways_and_its_topic(pair: Pair) -> None:
    async with pair.rialto():
        await pair.ana.say(pair.room, "hello from Matrix")
        seen = await pair.kestrel.wait_for(text="hello from Matrix")
        assert seen.who.startswith("ana"), seen
        pair.kestrel.say(pair.channel, "hello from IRC")
        seen = await pair.ana.wait_for(partial(reads, f"<kestrel{pair.word}> hello from IRC"))
        assert seen.sender == pair.bot
        pair.kestrel.emote(pair.channel, "waves")
        await pair.ana.wait_for(partial(reads, f"* kestrel{pair.word} waves"))
        pair.kestrel.set_topic(pair.channel, "tea")
        await pair.ana.wait_for(kind=Sight.TOPIC, text="tea")
        await pair.ana.set_topic(pair.room, "coffee")
        await pair.kestrel.wait_for(kind=Sight.TOPIC, text="coffee")


async def test_what_was_said_while_rialto_was_stopped_comes_once_and_in_order(pair: Pair) -> None:
    async with pair.rialto():
        await pair.ana.say(pair.room, "first")
        await pair.kestrel.wait_for(text="first")
    # Many at once, for speed; what their order is, the homeserver decides, and Ana's own client tells.
    for first in range(0, LINES, AT_ONCE):
        lines = [f"{pair.word} {number:03}" for number in range(first, first + AT_ONCE)]
        await asyncio.gather(*(pair.ana.say(pair.room, line) for line in lines))
    last = f"{pair.word} the last of them"
    await pair.ana.say(pair.room, last)
    await pair.ana.wait_for(text=last)
    said = [seen.text for seen in pair.ana.matching(partial(begins, f"{pair.word} "))]
    assert len(set(said)) == len(said) == LINES + 1
    async with pair.rialto():
        await pair.kestrel.wait_for(text=last, timeout=120)
        await pair.ana.say(pair.room, "last")
        await pair.kestrel.wait_for(text="last")
        heard = [seen.text for seen in pair.kestrel.matching(partial(begins, f"{pair.word} "))]
        assert heard == said
    async with pair.rialto():
        await pair.ana.say(pair.room, "after another restart")
        await pair.kestrel.wait_for(text="after another restart")
    assert len(pair.kestrel.matching(partial(begins, f"{pair.word} "))) == len(said)
    assert len(pair.kestrel.matching(text="first")) == len(pair.kestrel.matching(text="last")) == 1


async def test_private_messages_both_ways_and_their_errors(pair: Pair) -> None:
    async with pair.rialto():
        room = await pair.ana.create_room(is_direct=True, invite=[pair.bot])
        await pair.ana.wait_for(kind=Sight.JOIN, place=room, sender=pair.bot)
        await pair.ana.say(room, f"libera:kestrel{pair.word} psst")
        seen = await pair.kestrel.wait_for(text="psst")
        assert (seen.who, seen.place) == (f"ana{pair.word}", ""), seen
        pair.kestrel.say(seen.who, "yes?")
        answer = await pair.ana.wait_for(partial(reads, f"<kestrel{pair.word}> yes?"))
        assert (answer.sender, answer.place) == (pair.bot, room)
        how = await pair.ana.wait_for(lambda seen: seen.kind is Sight.NOTICE and seen.text.startswith("To answer"))
        # What it says works.
        whom = how.text.partition('"')[2].partition(" ")[0]
        await pair.ana.say(room, f"{whom} so it does")
        await pair.kestrel.wait_for(text="so it does")

        await pair.ana.say(room, f"libera:nobody{pair.word} hello?")
        refusal = await pair.ana.wait_for(lambda seen: "not delivered" in seen.text.lower())
        assert (refusal.kind, refusal.place) == (Sight.NOTICE, room)
        pair.kestrel.say(f"rialto{pair.word}", f"@nobody{pair.word}:{pair.synapse.server_name} hello?")
        refusal = await pair.kestrel.wait_for(lambda seen: f"no @nobody{pair.word}" in seen.text)
        assert refusal.kind is Sight.NOTICE


async def test_a_word_to_the_account_is_a_command(pair: Pair) -> None:
    async with pair.rialto():
        room = await pair.ana.create_room(is_direct=True, invite=[pair.bot])
        await pair.ana.wait_for(kind=Sight.JOIN, place=room, sender=pair.bot)
        await pair.ana.say(room, f"reject libera:kestrel{pair.word}")
        noted = await pair.ana.wait_for(lambda seen: seen.text.startswith(f"Noted: libera:kestrel{pair.word} may not"))
        assert (noted.kind, noted.place, noted.sender) == (Sight.NOTICE, room, pair.bot)
        pair.kestrel.say(f"rialto{pair.word}", f"@ana{pair.word}:{pair.synapse.server_name} psst")
        refusal = await pair.kestrel.wait_for(lambda seen: "they do not take messages from you" in seen.text)
        assert refusal.kind is Sight.NOTICE


async def test_somebody_on_irc_begins(pair: Pair) -> None:
    async with pair.rialto():
        pair.kestrel.say(f"rialto{pair.word}", f"@ana{pair.word}:{pair.synapse.server_name} psst")
        invitation = await pair.ana.wait_for(kind=Sight.INVITE)
        await pair.ana.join(invitation.place)
        seen = await pair.ana.wait_for(partial(reads, f"<kestrel{pair.word}> psst"))
        assert (seen.sender, seen.place) == (pair.bot, invitation.place)
        await pair.ana.say(invitation.place, f"libera:kestrel{pair.word} yes?")
        seen = await pair.kestrel.wait_for(text="yes?")
        assert seen.place == ""
