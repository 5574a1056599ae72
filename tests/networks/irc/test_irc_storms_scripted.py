"""Presence is state: thousands who go and come at once cause no storm on the other networks, which is counted here.

The IRC server is scripted, because no packaged one loses two thousand people when it is told to; the other networks are
in memory and count what they are asked for.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from adapters.irc import ADAPTER, IrcSettings
from adapters.irc.adapter import IrcAdapter
from adapters.irc.netsplit import HOLD, SPREAD
from bridge.config import Attachment
from bridge.contract import Context
from bridge.looks import Fetched
from bridge.model.address import Address
from bridge.model.presence import Basic, Presence
from bridge.model.subscription import Subscribe
from bridge.service import Service
from tests.networks.irc.irc_lab import Crowd, Human, until
from tests.networks.irc.scripted import ScriptedIrcServer
from tests.unit.core.bench import Empty, LoopbackFactory, config
from tests.unit.core.loopback import Loopback

pytestmark = pytest.mark.scripted

TEA = "#tea"
PEOPLE = [f"p{number}" for number in range(2000)]
LOST = PEOPLE[::200]
"""Those who do not come back."""
WATCHED = PEOPLE[::40]
"""Whom somebody watches; some of them are lost."""
WITHIN = 120.0
ANA = Address("home", "@ana:example.org")
BO = Address("office", "bo@example.org")


def state(presence: Presence) -> str:
    return "unknown" if not presence.tuples else presence.tuples[0].basic.value


def address(nick: str) -> Address:
    return Address("libera", nick)


class Counting(Loopback):
    """A network in memory, big enough for all; it counts the puppets that come and go, and what it is told."""

    def __init__(self) -> None:
        super().__init__(puppets=5000)

    def moves(self) -> Counter[str]:
        """How often a puppet came, or left."""
        return Counter(line.split()[0] for line in self.log if line.startswith(("join ", "leave ", "rename ")))

    def news(self) -> dict[str, list[str]]:
        """What watchers were told, of whom."""
        found: dict[str, list[str]] = {}
        for each in self.notified:
            found.setdefault(each.target.native, []).append(state(each.presence))
        return found

    def forget(self) -> None:
        self.log.clear()
        self.shown.clear()
        self.notified.clear()


@dataclass
class World:
    """The gateway, two thousand people on IRC, and one who talks."""

    server: ScriptedIrcServer
    adapter: IrcAdapter
    service: Service
    kim: Human
    others: tuple[Counting, Counting]
    said: int = 0
    now: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def settled(self) -> None:
        """All that happened on IRC so far has come to the other networks, and they have nothing left to do."""
        await self.kim.round_trip()
        self.said += 1
        text = f"line {self.said}"
        self.kim.say(TEA, text)
        for other in self.others:
            await other.until(lambda other=other: any(part.text.text == text for part in other.sent), WITHIN)  # type: ignore[misc]  # bound now
        # What the state of things asks for is worked off behind what was said: until nothing more is done.
        seen: list[int] = []
        while (now := [len(other.log) for other in self.others]) != seen:
            seen = now
            await asyncio.sleep(0.2)

    async def fetched(self, nick: str) -> Fetched:
        found = await self.service._presence.fetch(ANA, address(nick))
        assert isinstance(found, Fetched)
        return found

    def later(self, seconds: float) -> None:
        """Let time pass for whoever is held back. It passes in no other way."""
        self.now += seconds
        for part_of in (self.adapter._splits, self.adapter._whereabouts):
            part_of._clock = lambda: self.now
            part_of.tick()

    def forget(self) -> None:
        for other in self.others:
            other.forget()


@asynccontextmanager
async def world(folder: Path, crowd: Crowd) -> AsyncIterator[World]:
    """Everybody is there, known to be, and half of a hundred are watched from both networks."""
    async with ScriptedIrcServer() as server:
        kim = await crowd.connect(server.port, "kim", TEA)
        server.silent[TEA] = list(PEOPLE)
        settings: dict[str, Any] = {"server": f"irc://127.0.0.1:{server.port}", "nick": "rialto"}
        flood = {"burst": 1000, "per_second": 1000}
        adapter = ADAPTER.create(
            IrcSettings.model_validate(settings | {"flood": flood}), Context("libera", "http://127.0.0.1", folder)
        )
        assert isinstance(adapter, IrcAdapter)
        home, office = Counting(), Counting()
        home.at_home_here.add(ANA.native)
        office.at_home_here.add(BO.native)
        made = config(folder, {"home": home, "office": office, "libera": Loopback()})
        irc = Attachment("libera", "irc", LoopbackFactory(adapter), Empty(), default=False)
        service = Service(replace(made, networks=MappingProxyType({**made.networks, "libera": irc})))
        stop = asyncio.Event()
        task = asyncio.create_task(service.run(stop))
        try:
            here = World(server, adapter, service, kim, (home, office))
            await until(lambda: task.done() or all(each.started.is_set() for each in here.others), "start")
            for each, watcher in ((home, ANA), (office, BO)):
                for nick in WATCHED:
                    await each.core.subscribe(Subscribe(watcher, address(nick), None, f"{watcher} {nick}", "t"))
            for each in here.others:
                await each.until(lambda each=each: len(each.puppets) == len(PEOPLE) + 1, WITHIN)  # type: ignore[misc]  # bound now
                await each.until(lambda each=each: len(each.shown) > len(PEOPLE), WITHIN)  # type: ignore[misc]  # bound now
            await here.settled()
            here.later(0)
            here.forget()
            yield here
        finally:
            stop.set()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_two_thousand_split_and_come_back(tmp_path: Path, crowd: Crowd) -> None:
    async with world(tmp_path, crowd) as here:
        bot = here.server.clients["rialto"]
        asked = len(bot.lines)
        here.server.split(TEA, PEOPLE)
        await here.settled()
        # At once for whoever watches or looks, and for nobody else.
        assert len(here.adapter._splits) == len(PEOPLE)
        for nick in (PEOPLE[1], WATCHED[1]):
            assert state((await here.fetched(nick)).presence) == Basic.CLOSED
        for other in here.others:
            assert other.news() == {nick: ["closed"] for nick in WATCHED}
            assert not other.moves()
            assert not other.shown

        back = [nick for nick in PEOPLE if nick not in LOST]
        here.server.join(TEA, back)
        await here.settled()
        watched_back = [nick for nick in WATCHED if nick not in LOST]
        for other in here.others:
            assert other.news() == {nick: ["closed"] for nick in WATCHED} | {
                nick: ["closed", "open"] for nick in watched_back
            }
            assert len(other.notified) == len(WATCHED) + len(watched_back)
            assert not other.moves()
            assert not other.shown
        # The IRC network is asked nothing for their sake, but once after those who are watched and out of sight.
        commands = Counter(line.command for line in bot.lines[asked:])
        assert commands.keys() <= {"PING", "PONG", "ISON"}
        assert commands["ISON"] <= 1

        here.later(HOLD)
        await here.settled()
        assert not any(other.moves() or other.shown for other in here.others)
        here.later(SPREAD)
        await here.settled()
        for other in here.others:
            assert other.moves() == {"leave": len(LOST)}
            assert {shown.presentity.native: state(shown) for shown in other.shown} == dict.fromkeys(LOST, "closed")
            assert len(other.shown) == len(LOST)
            assert len(other.notified) == len(WATCHED) + len(watched_back)


async def test_two_thousand_who_do_not_come_back_leave_little_by_little(tmp_path: Path, crowd: Crowd) -> None:
    async with world(tmp_path, crowd) as here:
        here.server.split(TEA, PEOPLE)
        await here.settled()
        here.later(HOLD)
        await here.settled()
        assert not any(other.moves() for other in here.others)
        here.later(SPREAD / 2)
        await here.settled()
        for other in here.others:
            assert 0.4 * len(PEOPLE) < other.moves()["leave"] < 0.6 * len(PEOPLE)
        here.later(SPREAD)
        await here.settled()
        for other in here.others:
            assert other.moves() == {"leave": len(PEOPLE)}
            # Their rooms saw them go; those who watch had known it since.
            assert len(other.notified) == len(WATCHED)


async def test_a_lost_link_makes_its_people_unknown_once_and_moves_nobody(tmp_path: Path, crowd: Crowd) -> None:
    async with world(tmp_path, crowd) as here:
        here.server.cut("rialto")
        home, _ = here.others
        await home.until(lambda: len(home.shown) == len(PEOPLE) + 1, WITHIN)
        for other in here.others:
            assert other.news() == {nick: ["unknown"] for nick in WATCHED}
            assert Counter(map(state, other.shown)) == {"unknown": len(PEOPLE) + 1}
        found = await here.fetched(WATCHED[1])
        assert found.stale
        assert not found.presence.tuples
        assert not any(other.moves() for other in here.others)

        await until(lambda: "rialto" in here.server.clients, "new connection", within=WITHIN)
        await home.until(lambda: len(home.shown) == 2 * (len(PEOPLE) + 1), WITHIN)
        await here.settled()
        for other in here.others:
            assert other.news() == {nick: ["unknown", "open"] for nick in WATCHED}
            assert Counter(map(state, other.shown)) == {"unknown": len(PEOPLE) + 1, "open": len(PEOPLE) + 1}
            assert not other.moves()
