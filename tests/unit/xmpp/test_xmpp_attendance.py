"""The bot's attendance in a room: puppets come after it, also when it comes again."""

import asyncio
from collections.abc import AsyncIterator
from xml.etree.ElementTree import fromstring

import pytest
import pytest_asyncio

from adapters.xmpp.attendance import OVERLAP, Attendance
from adapters.xmpp.queries import Queries
from tests.unit.xmpp.muc import ROOM, Muc

NICK = "rialto"


class Hall:
    """A room whose service answers when it is told to."""

    def __init__(self) -> None:
        self.muc = Muc()
        self.queries = Queries(self.muc.link.write)
        self.attendance = Attendance(
            self.muc.room, self.queries, NICK, lambda: 900.0, lambda failure: None, self._taken
        )

    async def _taken(self) -> None:
        """All is."""

    async def asked(self, word: str) -> str:
        """What was written that holds the word; it is forgotten."""
        for _ in range(1000):
            found = [stanza for stanza in self.muc.link.written if word in stanza]
            if found:
                self.muc.link.written.clear()
                return found[0]
            await asyncio.sleep(0.01)  # what is written wakes nobody here
        raise AssertionError(f"nothing with {word!r} was written, but {self.muc.link.written}")

    async def describe(self) -> None:
        """Answer what the room offers."""
        asked = fromstring(await self.asked("disco#info"))
        answer = f"<iq xmlns='jabber:component:accept' type='result' from='{ROOM}' id='{asked.get('id')}'>"
        self.queries.answered(fromstring(f"{answer}<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"))

    async def let_in(self) -> str:
        """Let the bot in, with no history; what it asked for."""
        asked = await self.asked("<history")
        self.muc.presence(self.muc.bot, NICK, "110")
        self.muc.line("", "<subject/>", to=self.muc.bot.jid)
        return asked


@pytest_asyncio.fixture
async def hall(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hall]:
    monkeypatch.setattr("adapters.xmpp.attendance.PAUSES", (0.02, 1.0))
    made = Hall()
    task = asyncio.create_task(made.attendance.run())
    yield made
    task.cancel()
    await asyncio.wait([task])


async def test_puppets_wait_while_the_bot_leaves_and_comes_back_for_history(hall: Hall) -> None:
    attendance = hall.attendance
    await hall.describe()
    assert not attendance.attempted.is_set()
    await hall.let_in()
    await asyncio.wait_for(attendance.attempted.wait(), 5)

    again = asyncio.create_task(attendance.reenter(500.0))
    await hall.asked("unavailable")
    assert not attendance.attempted.is_set(), "a puppet that enters now observes, without the history"
    hall.muc.presence(hall.muc.bot, NICK, "110", gone=True)
    await asyncio.wait_for(again, 5)
    await hall.describe()
    assert not attendance.attempted.is_set()
    assert '<history seconds="500"/>' in await hall.let_in()
    await asyncio.wait_for(attendance.attempted.wait(), 5)


async def test_puppets_wait_while_the_bot_comes_back_after_a_kick_and_no_longer(hall: Hall) -> None:
    await hall.describe()
    await hall.let_in()
    await asyncio.wait_for(hall.attendance.attempted.wait(), 5)
    hall.muc.presence(hall.muc.bot, NICK, "110", "307", gone=True)
    await hall.describe()
    assert not hall.attendance.attempted.is_set()
    await hall.asked("<history")
    hall.muc.refuse(hall.muc.bot, NICK, "not-allowed")
    await asyncio.wait_for(hall.attendance.attempted.wait(), 5)


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_clock_that_is_set_does_not_hide_what_was_said_meanwhile(hall: Hall, jump: float) -> None:
    await hall.describe()
    assert '<history seconds="160"/>' in await hall.let_in(), (
        "the newest line is 100 seconds old, and a minute to spare"
    )
    await asyncio.wait_for(hall.attendance.attempted.wait(), 5)
    hall.muc.body("ana", "heard", sid="s1")

    hall.muc.now += jump
    hall.muc.presence(hall.muc.bot, NICK, "110", gone=True)
    await hall.describe()
    asked = fromstring(await hall.let_in()).find(".//{*}history")
    assert asked is not None
    assert OVERLAP <= int(asked.get("seconds", "")) < OVERLAP + 60
