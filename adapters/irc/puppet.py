"""One puppet: a foreign person's own connection to the network."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice

from adapters.irc.away import AwayPacer
from adapters.irc.link.connection import Connection, Ending
from adapters.irc.link.transport import Dialler
from adapters.irc.presence import away_text
from adapters.irc.protocol import events
from adapters.irc.protocol.sender import Profile
from adapters.irc.protocol.states import State
from bridge.contract import NoPuppetError, SendError
from bridge.model.address import Person
from bridge.model.presence import Presence
from bridge.model.result import Reason

JOIN_WITHIN = 30.0
PART_WITHIN = 5.0
RENAME_WITHIN = 15.0
RENAME_TRIES = 5

STAY = 1800.0
"""Seconds for which a puppet that is in no channel stays after somebody spoke with it in private."""


class Puppet:
    """A connection that appears as one person. `opened` ends when it can be used, or raises why it cannot."""

    def __init__(
        self,
        person: Person,
        profile: Profile,
        dialler: Dialler,
        told: Callable[["Puppet", events.Event], None],
        owner: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._told = told
        self._entering: dict[str, asyncio.Future[None]] = {}
        self._leaving: dict[str, asyncio.Future[None]] = {}
        self._renaming: asyncio.Future[bool] | None = None
        self.person = person
        self.wanted_nick = ""
        self.unasked: set[str] = set()
        """Folded names of the channels it was in when it was taken up again, and that nobody wanted it in since."""
        self.connection = Connection(
            profile,
            dialler,
            self._on_event,
            lambda: {**owner(), "name": self.person.name, "wanted": self.wanted_nick},
        )
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.opened.add_done_callback(_seen)
        self.idle_since = self._loop.time()
        self._stays_until = self._spoke_at = self.idle_since
        self._away = AwayPacer(self._say_away)

    def __repr__(self) -> str:
        return f"<Puppet {self.person.address}>"

    @property
    def nick(self) -> str:
        """The nick it bears now."""
        return self.connection.session.me.nick

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels it is in."""
        return tuple(self.connection.session.channels)

    @property
    def stays(self) -> bool:
        """Whether it is wanted also when it is in no channel: it has a conversation."""
        return self._loop.time() < self._stays_until

    @property
    def quiet_for(self) -> float:
        """Seconds since somebody spoke with it in private, or since it came."""
        return self._loop.time() - self._spoke_at

    def stay(self) -> None:
        """Somebody spoke with it in private, or is about to."""
        self._spoke_at = self._loop.time()
        self._stays_until = self._spoke_at + STAY

    def show(self, presence: Presence) -> None:
        """Be away, or here again, as its owner is."""
        self._away.want(away_text(presence, self.connection.session.away_bytes))

    def is_in(self, channel: str) -> bool:
        """Whether it is in the channel and can be used."""
        return self.connection.ready and channel in self.connection.session.channels

    async def run(self) -> Ending:
        """From dialling to the end."""
        try:
            ending = await self.connection.run()
            if not self.opened.done():
                self.opened.set_exception(NoPuppetError(str(ending.failure)))
            return ending
        finally:
            if not self.opened.done():
                self.opened.set_exception(NoPuppetError("the puppet was taken back"))
            self._give_up()
            if not self.closed.done():
                self.closed.set_result(None)

    async def enter(self, channel: str, key: str | None) -> None:
        """Come into a channel. Raises `NoPuppetError` where it is refused, `SendError` where no answer comes."""
        folded = self.connection.session.fold(channel)
        self.unasked.discard(folded)
        if self.is_in(channel):
            return
        future = self._entering.get(folded)
        if future is None:
            self._require_ready()
            self._entering[folded] = future = self._loop.create_future()
            future.add_done_callback(_seen)
            self.connection.session.join([(channel, key)])
            self.connection.flush()
        try:
            async with asyncio.timeout(JOIN_WITHIN):
                await asyncio.shield(future)
        except TimeoutError:
            self._entering.pop(folded, None)
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, f"no answer to JOIN {channel}") from None

    async def exit(self, channel: str, reason: str) -> None:
        """Leave a channel; without an answer within seconds it counts as done."""
        if not self.is_in(channel):
            return
        folded = self.connection.session.fold(channel)
        future = self._leaving.setdefault(folded, self._loop.create_future())
        self.connection.session.part(channel, reason)
        self.connection.flush()
        await asyncio.wait([future], timeout=PART_WITHIN)
        self._leaving.pop(folded, None)

    async def rename(self, nicks: Iterable[str]) -> str | None:
        """Try nicks in turn; the one the server granted, or None."""
        for nick in islice(nicks, RENAME_TRIES):
            if nick == self.nick:
                return nick
            self._require_ready()
            self._renaming = self._loop.create_future()
            self.connection.session.rename(nick)
            self.connection.flush()
            try:
                async with asyncio.timeout(RENAME_WITHIN):
                    granted = await self._renaming
            except TimeoutError:
                return None
            finally:
                self._renaming = None
            if granted:
                return nick
        return None

    async def quit(self, reason: str, within: float) -> None:
        """Leave the network; drop the connection if the server has not closed it after `within` seconds."""
        self.connection.quit(reason)
        if self.connection.session.state is State.NEW:
            self.connection.abort()
        await asyncio.wait([self.closed], timeout=within)
        self.connection.abort()

    def _say_away(self, text: str) -> bool:
        if not self.connection.ready:
            return False
        self.connection.request("AWAY", *([text] if text else []))
        return True

    def _require_ready(self) -> None:
        if not self.connection.ready:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, "the puppet's connection is not ready")

    def _on_event(self, event: events.Event) -> None:
        session = self.connection.session
        match event:
            case events.Ready():
                if not self.opened.done():
                    self.opened.set_result(None)
            case events.Joined(channel, _, own=True):
                _resolve(self._entering.pop(session.fold(channel), None))
            case events.JoinRefused(channel, numeric, text):
                future = self._entering.pop(session.fold(channel), None)
                if future is not None and not future.done():
                    future.set_exception(NoPuppetError(f"{channel}: {text} ({numeric})"))
            case events.Parted(channel, own=True) | events.Kicked(channel, own=True):
                _resolve(self._leaving.pop(session.fold(channel), None))
                self.idle_since = self._loop.time()
            case events.NickChanged(own=True) if self._renaming is not None and not self._renaming.done():
                self._renaming.set_result(True)
            case events.NickRefused() if self._renaming is not None and not self._renaming.done():
                self._renaming.set_result(False)
        self._told(self, event)

    def _give_up(self) -> None:
        self._away.stop()
        for future in self._entering.values():
            if not future.done():
                future.set_exception(SendError.passing(Reason.RECIPIENT_UNAVAILABLE, "the connection was lost"))
        for future in self._leaving.values():
            _resolve(future)
        if self._renaming is not None and not self._renaming.done():
            self._renaming.set_result(False)


def _resolve(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _seen(future: asyncio.Future[None]) -> None:
    """An outcome that nobody waits for any more is no error of asyncio's to report."""
    if not future.cancelled():
        future.exception()
