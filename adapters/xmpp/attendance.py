"""Keeping the bot in one room: it enters, notices when it is out, and comes back, ever more slowly."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from adapters.xmpp import outbound
from adapters.xmpp.archive import Archive
from adapters.xmpp.errors import Refused, join_refused
from adapters.xmpp.nicks import candidates
from adapters.xmpp.queries import Queries, features
from adapters.xmpp.reach import Before
from adapters.xmpp.rooms import Room
from bridge.backoff import HALF, Backoff
from bridge.contract import SendError
from bridge.model.address import Address, Person
from bridge.model.result import Failure, Reason

log = structlog.get_logger(__name__)

ENTER_WITHIN = 30.0
"""Seconds a room may take to let somebody in."""
PAUSES = (2.0, 600.0)
"""The first and the longest pause before coming back, in seconds."""
CALM = 900.0
"""Seconds in the room after which the pauses start over."""
OVERLAP = 60.0
"""Seconds of history asked for beyond what is known, for clocks that differ. What is known is dropped by its id."""
SWEEPS = (20.0, 10.0)
"""Seconds after entering at which puppets from before a restart that have not come back are sent away; and from then
until whoever else might have been one is taken to be a person."""
SELF_PING = 300.0
"""Seconds of silence after which the bot asks whether it still is in the room (XEP-0410)."""

# XEP-0410 section 3.2: these come from clients or services that know no ping. All others: we are not in the room.
_STILL_IN = frozenset(
    {
        Reason.SERVICE_UNAVAILABLE,
        Reason.FEATURE_NOT_IMPLEMENTED,
        Reason.ITEM_NOT_FOUND,
        Reason.REMOTE_SERVER_TIMEOUT,
        Reason.REMOTE_SERVER_NOT_FOUND,
    }
)


class Attendance:
    """One room's. `run` is its task, for as long as the stream lasts.

    `attempted` is set when the bot is in, or has tried to be: puppets come after it. One that came while the bot is on
    its way would be the observer, without the history: what it hears would overtake what was said just before. `nick`
    is the bot's, `last_seen` tells when the newest known line of the room was said (seconds since the epoch). `inside`
    is told whether the bot is in the room, as `bridge.contract.Core.inside`. `taken` returns when what the
    room reported is taken in.
    """

    def __init__(
        self,
        room: Room,
        queries: Queries,
        nick: str,
        last_seen: Callable[[], float | None],
        inside: Callable[[Failure | None], None],
        taken: Callable[[], Awaitable[None]],
    ) -> None:
        self.room = room
        self.attempted = asyncio.Event()
        self._queries = queries
        self._nick = nick
        self._last_seen = last_seen
        self._inside = inside
        self._backoff = Backoff(*PAUSES, least=HALF)
        self._from: float | None = None
        self._archive = Archive(room, queries, taken)
        self._refused = False

    @property
    def archived(self) -> bool:
        """Whether the room has an archive that answers: then its history is not needed."""
        return self.room.archived and not self._refused

    async def run(self) -> None:
        """Enter, stay, come back; until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self.attempted.clear()
            try:
                described = await self._describe()
                since, self._from = self._since(), None
                behind = since is not None and self.archived
                self.room.reach.ask(self._before(since))
                if behind or not described:
                    self.room.held.hold()
                await self._enter(since, history=not behind)
                if not described:
                    await self._describe()
                if since is not None and self.archived and not await self._catch_up(since):
                    continue
                self.room.held.release()
                self._inside(None)
                self.attempted.set()
                entered = loop.time()
                await self._stay()
                if self._coming_back():
                    continue
                self._inside(Failure(Reason.RECIPIENT_UNAVAILABLE, self.room.why_out))
                if loop.time() - entered > CALM:
                    self._backoff.reset()
            except SendError as error:
                self.room.held.release()
                self.room.meanwhile.end()
                self.attempted.set()
                self._inside(error.failure)
                log.warning("the bot is not in the room", room=self.room.jid, error=str(error))
            await asyncio.sleep(self._backoff.next())

    async def look_back(self, start: float) -> None:
        """Read the archive from then on, once more: what is known stops at the core. Raises `SendError`."""
        self.room.oldest = None
        try:
            await self._archive.look_back(self.room.owns.bot.jid, start=start)
        except Refused as refused:
            raise SendError.passing(refused.error.reason, f"the archive of {self.room.jid} does not answer") from None

    async def _catch_up(self, since: float) -> bool:
        """Read what was said while we were away; what is said meanwhile waits. False: history has to do instead, for
        which the bot has left."""
        self.room.held.advance()  # who is there, by which it is known whose lines they are
        try:
            await self._archive.read(self.room.owns.bot.jid, start=since)
        except Refused as refused:
            log.warning("the archive does not answer", room=self.room.jid, error=str(refused))
            self._refused = True
            if not self.room.bot_gone.is_set():
                await self.reenter(since)
                return False
        else:
            self.room.reach.end()
        return True

    async def reenter(self, since: float) -> None:
        """Leave, and come back for history from an earlier time on; returns when the bot has left.

        Entering again without leaving would do with some services; others take it for a change of status, and tell
        of nobody. Raises `SendError`.
        """
        self._from = since
        self.attempted.clear()
        try:
            async with asyncio.timeout(ENTER_WITHIN):
                await self.room.leave(self.room.owns.bot, None)
        except TimeoutError:
            self.room.abandon(self.room.owns.bot)

    def _coming_back(self) -> bool:
        """Whether the bot left of its own accord, for history."""
        return self._from is not None

    def _since(self) -> float | None:
        since = self.room.listening.last(self.room.reach.since(self._last_seen()))
        if self._from is not None:
            return self._from if since is None else min(self._from, since - OVERLAP)
        # A first join asks for nothing; and where a puppet observes, nothing was missed.
        if since is None or self.room.observer is not None:
            return None
        return since - OVERLAP

    def _before(self, since: float | None) -> Before:
        if since is not None:
            return Before.ARCHIVE if self.archived else Before.HISTORY
        return Before.NOTHING if self.room.observer is not None else Before.FIRST

    async def _describe(self) -> bool:
        """Have the room say what it offers; false if it does not, which leaves what is known of it as it is.

        A room that does not exist yet, or hides from those outside, has to be asked again by an occupant.
        """
        room = self.room
        bot = room.owns.bot.jid
        try:
            info = await self._queries.ask(room.jid, lambda token: outbound.ask_info(bot, room.jid, token))
        except Refused as refused:
            log.debug("the room does not describe itself", room=room.jid, error=str(refused))
            return False
        room.features(features(info))
        return True

    async def _enter(self, since: float | None, *, history: bool) -> None:
        room, bot = self.room, self.room.owns.bot
        person = Person(Address(room.place.network, self._nick), self._nick)
        seen = room.listening.last(self._last_seen()) or 0.0
        for nick in candidates(person):
            if room.taken(nick, bot):
                continue
            try:
                async with asyncio.timeout(ENTER_WITHIN):
                    await room.enter(bot, nick, since=since if history else None, seen=seen)
            except Refused as refused:
                if refused.error.reason is Reason.CONFLICT:
                    continue
                raise join_refused(refused.error) from None
            except TimeoutError:
                raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "the room does not answer") from None
            log.info("the bot is in the room", room=room.jid, nick=bot.nick)
            return
        raise SendError.passing(Reason.CONFLICT, "every nick the bot could have is taken")

    async def _stay(self) -> None:
        for pause, last in zip(SWEEPS, (False, True), strict=True):
            if await self._out(pause):
                return
            self.room.sweep(last=last)
        while not await self._out(SELF_PING):
            if self.room.listening.silent_for() >= SELF_PING:
                await self._ask_whether_in()

    async def _out(self, within: float) -> bool:
        try:
            async with asyncio.timeout(within):
                await self.room.bot_gone.wait()
        except TimeoutError:
            return False
        return True

    async def _ask_whether_in(self) -> None:
        room, bot = self.room, self.room.owns.bot
        here = f"{room.jid}/{bot.nick}"
        try:
            await self._queries.ask(here, lambda token: outbound.ping(bot.jid, here, token))
        except Refused as refused:
            if refused.error.reason not in _STILL_IN:
                log.warning("the room does not know us any more", room=room.jid, error=str(refused))
                room.forgotten()
