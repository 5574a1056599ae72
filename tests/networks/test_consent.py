"""Subscriptions on real servers whose owner has a say: asked, let in, shut out, and all of it over restarts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.demo.clients import IrcClient, Sight, XmppClient
from bridge.demo.servers import InspIRCd, Prosody
from bridge.model.address import Address
from tests.networks.pair import Pair, puppet


class Scene:
    """Ana on XMPP, and Kestrel on IRC, whose rule is to confirm."""

    def __init__(self, pair: Pair, ana: XmppClient, kestrel: IrcClient) -> None:
        self.pair, self.ana, self.kestrel = pair, ana, kestrel
        self.puppet = puppet(kestrel.nick)

    async def asked(self, since: int = 0) -> str:
        """Wait for what the bot asks Kestrel."""
        seen = await self.kestrel.wait_for(
            lambda seen: seen.kind in (Sight.TEXT, Sight.NOTICE) and "would like to see" in seen.text, since=since
        )
        return seen.text

    async def is_away(self, since: int = 0) -> None:
        """Wait until Ana sees Kestrel away; whoever was so before Rialto came is so without a text."""
        await self.ana.wait_for(
            lambda seen: seen.who == self.puppet and seen.text.startswith("available away"), since=since
        )

    async def say(self, words: str, answer: str) -> None:
        """Kestrel tells the bot something, and waits for an answer that holds these words."""
        since = len(self.kestrel.seen)
        self.kestrel.say("rialto", words)
        await self.kestrel.wait_for(lambda seen: answer in seen.text, since=since)

    async def decide(self, word: str) -> None:
        """Kestrel answers the bot."""
        await self.say(f"{word} {self.ana.name}", "Noted: ")

    def heard(self, since: int = 0) -> list[str]:
        """What Ana heard of the puppet."""
        return [seen.text for seen in self.ana.matching(who=self.puppet, since=since)]


@asynccontextmanager
async def scene(pair: Pair, word: str) -> AsyncIterator[Scene]:
    async with pair.on_irc(f"kestrel{word}") as kestrel, pair.on_xmpp(f"ana{word}") as ana:
        yield Scene(pair, ana, kestrel)


@pytest.fixture
def pair(prosody: Prosody, inspircd: InspIRCd, new_folder: Callable[[str], Path]) -> Pair:
    confirm = {"of": "libera:kestrel*", "who": "*", "access": "confirm"}
    return Pair(new_folder("rialto"), prosody, inspircd, [confirm])


@pytest.mark.conforms("RFC2779:3.2.2", "RFC2779:5.1.11", "RFC3859:3.4:subscriptions", "RFC3922:6.1:granted")
async def test_asked_then_let_in_over_a_restart_then_shut_out(pair: Pair, unique: str) -> None:
    async with scene(pair, unique) as now:
        ana, kestrel, decide = now.ana, now.kestrel, now.decide
        async with pair.rialto():
            ana.subscribe(now.puppet)
            name = ana.name
            question = f"{name} would like to see when you are there; answer allow {name} or block {name}"
            assert await now.asked() == question
        kestrel.raw("AWAY :tea")
        since = len(kestrel.seen)
        async with pair.rialto():
            assert await now.asked(since) == question
            assert now.heard() == [], "until it is answered"
            await now.say("pending", f"{name}, since ")
            await decide("allow")
            await ana.wait_for_presence("subscribed", now.puppet)
            await now.is_away()
            assert now.heard()[0] == "subscribed"
        position = len(ana.seen)
        async with pair.rialto():
            await now.is_away(position)
            await now.say("watchers", f"{name} watches you since ")
            await now.say("pending", "Nobody waits for your permission.")
            position = len(ana.seen)
            await decide("polite-block")
            await ana.wait_for_presence("unavailable", now.puppet, since=position)
            await decide("allow")
            await now.is_away(position)
            position = len(ana.seen)
            await decide("block")
            await ana.wait_for_presence("unsubscribed", now.puppet, since=position)
            assert now.heard(position)[0] == "unavailable"
            position = len(ana.seen)
            ana.subscribe(now.puppet)
            await ana.wait_for_presence("unsubscribed", now.puppet, since=position)
            assert not any(text.startswith(("available", "subscribed")) for text in now.heard(position))


@pytest.mark.conforms("RFC2779:5.1.5", "RFC2779:5.1.7", "RFC3922:6.1:denied")
async def test_asked_then_taken_back_and_asked_then_refused(pair: Pair, unique: str) -> None:
    async with scene(pair, unique) as now, pair.rialto() as service:
        ana = now.ana
        ana.subscribe(now.puppet)
        await now.asked()
        ana.present("unsubscribe", to=now.puppet)
        position = len(now.kestrel.seen)
        ana.subscribe(now.puppet)
        await now.asked(position)
        await now.decide("block")
        await ana.wait_for_presence("unsubscribed", now.puppet)
        assert {text.partition(" ")[0] for text in now.heard()} <= {"unsubscribed", "unavailable"}
        assert service._presence.subscription(Address("office", ana.name), Address("libera", now.kestrel.nick)) is None
        info = await service._presence.watcher_info(*[Address("libera", now.kestrel.nick)] * 2)
        ended = [(each.who, each.state.value, each.event.value) for each in getattr(info, "watchers", ())]
        assert ended == [(Address("office", ana.name), "terminated", "rejected")]


async def test_a_room_sees_what_all_may_see(
    prosody: Prosody, inspircd: InspIRCd, new_folder: Callable[[str], Path], unique: str
) -> None:
    pair = Pair(new_folder("rialto"), prosody, inspircd, room=unique)
    async with scene(pair, unique) as now:
        shown: asyncio.Queue[tuple[str | None, str | None]] = asyncio.Queue()
        nick = now.kestrel.nick

        def listen(presence: Any) -> None:
            if presence["from"].resource == nick:
                xml = presence.xml
                shown.put_nowait((xml.findtext("{jabber:client}show"), xml.findtext("{jabber:client}status")))

        async def sees(show: str | None, status: str | None = None) -> None:
            async with asyncio.timeout(60):
                while await shown.get() != (show, status):
                    pass

        now.ana.xmpp.add_event_handler(f"muc::{pair.muc}::presence", listen)
        await now.ana.join(pair.muc, "Ana")
        await now.kestrel.join(f"#{pair.room}")
        async with pair.rialto():
            await sees(None)
            now.kestrel.raw("AWAY :tea")
            await sees("away", "tea")
            await now.say("polite-block bo@example.org", "Noted: ")
            await sees("xa")
            await now.say("forget bo@example.org", "Forgotten: ")
            await sees("away", "tea")
            await now.say("confirm bo@example.org", "Noted: ")
            await sees(None)
            await now.say("forget bo@example.org", "Forgotten: ")
            await sees("away", "tea")
