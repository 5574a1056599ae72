"""Where the people of the network are: who is seen by the bot, who is followed, what the core is told of them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from adapters.irc import presence, standing
from adapters.irc.ids import canonical_nick
from adapters.irc.monitor import Command, Watchlist, Why
from adapters.irc.netsplit import HOLD, SPREAD, is_split
from adapters.irc.nicks import is_service
from adapters.irc.people import Known, People
from adapters.irc.protocol import events
from adapters.irc.protocol.casemap import CaseMap
from adapters.irc.protocol.message import Source
from adapters.irc.protocol.sender import Sender
from adapters.irc.protocol.tracking import WHO_FIELDS
from bridge.model.address import Address
from bridge.model.presence import Presence

WHO_WITHIN: Final = 60.0
"""Seconds after which an answer to WHO is not waited for any more."""

WHO_EVERY: Final = 300.0
"""Seconds between two WHOs about a channel on a server that does not tell of itself who is away,"""

WHO_MEMBERS: Final = 100
"""and how many people such a channel may hold. More would cost more than it tells."""

CLOSED_FOR: Final = 1800.0
"""Seconds for which somebody who left the network, and whom nobody follows, counts as offline; as unknown later."""

_QUEUE: Final = 200


@dataclass(slots=True)
class _Who:
    """WHO requests: one under way, the others behind it."""

    waiting: deque[str] = field(default_factory=deque)
    asked: str | None = None
    at: float = 0.0


class Tell(Protocol):
    """`bridge.contract.Core.presence`."""

    def __call__(self, presence: Presence, /, *, passing: bool = False) -> None:
        """Somebody shows this."""


class Whereabouts:
    """Takes what the bot's connection tells. `ask` sends a command of low urgency on it; `tell` is the core's.

    `own` says whether a source is one of our connections; `gone` is told who let go of a nick, and by what other they
    go now, if any; `clock` is monotonic.
    """

    def __init__(
        self,
        network: str,
        *,
        ask: Callable[[Command], None],
        tell: Tell,
        own: Callable[[Source], bool],
        gone: Callable[[str, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._network = network
        self._ask = ask
        self._tell = tell
        self._own = own
        self._let_go = gone
        self._clock = clock
        self._session: Sender | None = None
        self._watchlist = Watchlist()
        self._told: CaseMap[Presence] = CaseMap()
        self._aliases: CaseMap[str] = CaseMap()
        self._closed: CaseMap[float] = CaseMap()
        self._split: CaseMap[float] = CaseMap()
        self._who = _Who()
        self._who_at: CaseMap[float] = CaseMap()
        self.people = People()

    # What others want to know.

    def address(self, nick: str) -> Address:
        """The address of whoever bears the nick."""
        return Address(self._network, self._session.fold(nick) if self._session else canonical_nick(nick))

    def spelled(self, nick: str) -> str:
        """The nick as its bearer spells it, as far as is known."""
        known = self.people.get(nick)
        return known.nick if known else nick

    def is_bot(self, nick: str) -> bool:
        """Whether the bearer is marked as a bot of the network's."""
        known = self.people.get(nick)
        return known is not None and known.bot

    def stands_for(self, nick: str) -> str:
        """Whose stand-in the bearer is, made by another gateway; empty for a person."""
        known = self.people.get(nick)
        return standing.stands_for(known.realname) if known else ""

    def is_gateway(self, nick: str) -> bool:
        """Whether the bearer is the bot of another gateway."""
        known = self.people.get(nick)
        return known is not None and standing.is_gateway(known.realname)

    def follow(self, nick: str, why: Why, *, wanted: bool = True) -> None:
        """Begin or stop to follow somebody."""
        if wanted and (self._own(Source(nick)) or is_service(nick)):
            return
        if why is Why.PRESENCE and wanted:
            self._aliases[nick] = nick
        self._send(self._watchlist.follow(nick, why) if wanted else self._watchlist.unfollow(nick, why))
        if wanted and why is Why.PRESENCE and nick in self.people and nick not in self._split:
            self._show(nick)
        elif not wanted:
            self._settle(nick)
            if why is Why.PRESENCE:
                self._aliases.pop(nick, None)

    # What the bot's connection tells.

    def begin(self, session: Sender) -> None:
        """The connection is ready: nothing that was known before counts."""
        self._session = session
        casemapping = session.isupport.casemapping
        for table in (self.people, self._told, self._aliases, self._closed, self._split, self._who_at):
            table.rekey(casemapping)
        self._send(self._watchlist.begin(casemapping, session.isupport.monitor))

    def lost(self) -> None:
        """The connection is gone, and nobody in sight. The core knows by itself."""
        self._session = None
        self.people.clear()
        for table in (self._told, self._closed, self._split, self._who_at):
            table.clear()
        self._who = _Who()

    def heard(self, event: events.Event) -> None:
        """The bot heard something."""
        match event:
            case events.Joined(channel, own=True):
                self._who_at[channel] = self._clock()
                self._inquire(channel)
            case events.Joined(_, source) if self._counts(source):
                known = self.people.meet(source)
                self._back(known.nick)
                if known.realname is None:
                    # Without extended-join nothing tells who they are: another gateway's puppet, perhaps.
                    self._inquire(known.nick)
            case events.Members(_, nicks, sources):
                for nick in nicks:
                    if self._counts(Source(nick)) and nick not in self.people:
                        self.people.learn(Source(nick))
                for source in filter(self._counts, sources):
                    self.people.meet(source)
            case events.Said(own=False):
                self._spoke(event)
            case events.About():
                self.about(event)
            case events.WhoEnded(mask):
                self._who_ended(mask)
            case events.NickChanged(source, nick, own=False):
                self._renamed(source, nick)
            case events.Quit(source, reason):
                self._quit(source.nick, reason)
            case events.Parted(channel, source, own=own):
                self._left(channel, source.nick, own=own)
            case events.Kicked(channel, nick, own=own):
                self._left(channel, nick, own=own)
            case events.Monitored(sources, online):
                for source in sources:
                    self._sighted(source, online=online)
            case events.MonitorFull(nicks):
                self._watchlist.refused(nicks)
            case events.Ison(nicks):
                here, gone = self._watchlist.answered(nicks)
                for nick in here:
                    self._sighted(Source(nick), online=True)
                for nick in gone:
                    self._sighted(Source(nick), online=False)

    def about(self, about: events.About) -> None:
        """One of our connections was told something of somebody."""
        nick = about.source.nick
        # Others may be spoken of, too (352 for a mask): only who is seen or followed is kept.
        if not self._counts(about.source) or (nick not in self.people and not self._in_sight(nick)):
            return
        self.people.learn(
            about.source,
            account=about.account,
            realname=about.realname,
            away=about.away,
            note=about.note,
            bot=about.bot,
        )
        # Of whoever is in a netsplit, this is from before it.
        if nick not in self._split and (about.away is not None or nick in self._told):
            self._show(nick)

    def tick(self) -> None:
        """Time has passed; to be called every few seconds."""
        session, now = self._session, self._clock()
        if session is None:
            return
        if self._who.asked is not None and now > self._who.at + WHO_WITHIN:
            self._who_ended(self._who.asked)
        self._next_who()
        if "away-notify" not in session.caps.enabled:
            for channel, asked in list(self._who_at.items()):
                entry = session.channels.get(channel)
                if entry is not None and now > asked + WHO_EVERY and len(entry.members) <= WHO_MEMBERS:
                    self._who_at[channel] = now
                    self._inquire(channel)
        self._send(self._watchlist.poll(now, session.channels.is_member))
        for nick, until in list(self._split.items()):
            if until <= now and session.channels.is_member(nick):
                self._back(nick)
            elif until <= now:
                self._gone(nick)
        for nick, until in list(self._closed.items()):
            if until <= now:
                del self._closed[nick]
                if not self._watchlist.wanted(nick, Why.PRESENCE):
                    self._say(nick, presence.unknown(self.address(nick)))

    # One by one.

    def _counts(self, source: Source) -> bool:
        return bool(source.nick) and not self._own(source) and not is_service(source.nick)

    def _in_sight(self, nick: str) -> bool:
        return nick in self._watchlist or (self._session is not None and self._session.channels.is_member(nick))

    def _back(self, nick: str) -> None:
        self._split.pop(nick, None)
        self._show(nick)

    def _spoke(self, said: events.Said) -> None:
        source, known = said.source, self.people.get(said.source.nick)
        if source.nick in self._split:
            self._back(source.nick)
        told = (source.user, source.host, said.account if said.account is not None else known and known.account)
        if known is not None and told == (known.user, known.host, known.account) and (known.bot or not said.bot):
            return
        if source.user is None or not self._counts(source) or (known is None and not self._in_sight(source.nick)):
            return
        self.people.meet(source)
        self.people.learn(source, account=said.account, bot=said.bot or None)

    def _renamed(self, source: Source, nick: str) -> None:
        renamed = self.people.rename(source.nick, nick)
        if renamed is None and self._in_sight(nick):
            # MONITOR was faster, and told that the old nick is gone.
            renamed = self.people.meet(Source(nick, source.user, source.host))
        if self.address(source.nick) != self.address(nick):
            self._let_go(source.nick, nick)
            self._say(source.nick, presence.offline(self.address(source.nick)))
            self._decay(source.nick)
        if renamed is not None and self._counts(Source(nick)):
            self._back(nick)

    def _quit(self, nick: str, reason: str) -> None:
        if nick not in self.people:
            return
        if is_split(reason):
            self._let_go(nick, "")
            # They cannot be had now, but may be back in a moment; if not, they go with those who are held back.
            self._split[nick] = self._clock() + HOLD + SPREAD
            self._say(nick, presence.offline(self.address(nick)), passing=True)
        else:
            self._gone(nick)

    def _gone(self, nick: str) -> None:
        self._let_go(nick, "")
        self.people.forget(nick)
        if self._split.pop(nick, None) is not None:
            self._told.pop(nick, None)  # it was told as passing, and lasts now
        self._say(nick, presence.offline(self.address(nick)))
        self._decay(nick)

    def _decay(self, nick: str) -> None:
        self._closed[nick] = self._clock() + CLOSED_FOR

    def _left(self, channel: str, nick: str, *, own: bool) -> None:
        if own:
            self._who_at.pop(channel, None)
            for known in self.people:
                self._settle(known.nick)
        else:
            self._settle(nick)

    def _settle(self, nick: str) -> None:
        """Who is neither seen nor followed any more is out of sight."""
        if nick not in self._split and not self._in_sight(nick):
            self.people.forget(nick)
            self._closed.pop(nick, None)
            self._say(nick, presence.unknown(self.address(nick)))

    def _sighted(self, source: Source, *, online: bool) -> None:
        nick = source.nick
        if nick not in self._watchlist or not self._counts(source):
            return
        if not online:
            # Of whoever is in a channel with us the QUIT is still to come, and tells whether it is a netsplit.
            member = self._session is not None and self._session.channels.is_member(nick)
            if nick not in self._split and not member:
                self._gone(nick)
            return
        news = nick not in self.people
        self.people.learn(source)
        if news:
            # Who they are, and whether they are away, tells only WHO.
            self._inquire(nick)
        self._back(nick)

    # WHO, one after the other.

    def _inquire(self, mask: str) -> None:
        if mask not in self._who.waiting and len(self._who.waiting) < _QUEUE:
            self._who.waiting.append(mask)
        self._next_who()

    def _next_who(self) -> None:
        if self._session is None or self._who.asked is not None or not self._who.waiting:
            return
        self._who.asked, self._who.at = self._who.waiting.popleft(), self._clock()
        fields = (WHO_FIELDS,) if "WHOX" in self._session.isupport else ()
        self._send([("WHO", self._who.asked, *fields)])

    def _who_ended(self, mask: str) -> None:
        if self._session is None or self._who.asked is None:
            return
        if self._session.fold(mask) == self._session.fold(self._who.asked):
            channel = self._session.channels.get(mask)
            self._who.asked = None
            for nick in channel.members if channel else ():
                # Of whom the answer told nothing: they are here all the same.
                if nick in self.people and nick not in self._told:
                    self._show(nick)
            self._next_who()

    # What the core is told.

    def _show(self, nick: str) -> None:
        known: Known | None = self.people.get(nick)
        self._closed.pop(nick, None)
        self._say(nick, presence.online(self.address(nick), known))

    def _say(self, nick: str, shown: Presence, *, passing: bool = False) -> None:
        if self._told.get(nick) == shown or (not shown.tuples and nick not in self._told):
            return
        if shown.tuples:
            self._told[nick] = shown
        else:
            del self._told[nick]
        self._tell(shown, passing=passing)
        # Who was asked for before the network told its case mapping may be known to the core by another spelling.
        alias = self._aliases.get(nick, shown.presentity.native)
        if alias != shown.presentity.native:
            self._tell(replace(shown, presentity=Address(self._network, alias)), passing=passing)

    def _send(self, commands: list[Command]) -> None:
        for command in commands:
            self._ask(command)
