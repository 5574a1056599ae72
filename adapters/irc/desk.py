"""Where all that our connections hear comes together: one observer per place reports."""

import asyncio
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import structlog

from adapters.irc.bot import Bot
from adapters.irc.catchup import OVERLAP, CatchUp
from adapters.irc.direct import Direct
from adapters.irc.ids import Places
from adapters.irc.inbound import Heard, Ignored, Scene, translate
from adapters.irc.link.connection import Connection, Ending
from adapters.irc.nicks import OwnNicks
from adapters.irc.observer import PATIENCE, Observation
from adapters.irc.playback import Playback
from adapters.irc.protocol import events
from adapters.irc.protocol.events import Manner
from adapters.irc.protocol.message import Source
from adapters.irc.protocol.servertime import timestamp
from adapters.irc.puppet import Puppet
from adapters.irc.puppets import Puppets
from adapters.irc.reception import Reception
from bridge.gaps import Gaps
from bridge.model.address import Address, Place
from bridge.model.event import Cause, Event, PuppetGone, State

log = structlog.get_logger(__name__)

QUIET: Final = 30.0
"""Seconds of silence after which it is not known that a connection that has ended was alive till then."""

REPEATED_WITHIN: Final = 5.0
"""Seconds that a server may take to begin to repeat what was said."""

RESOLUTION: Final = 1.0
"""Seconds. Servers cut the times of what they repeat to whole ones. So of the very second in which we came first nobody
can tell what was said before that; what is repeated of it is not taken in."""

PARTNERS: Final = 20
"""Partners in private whom one puppet keeps an eye on. Each is looked for in every line that the puppet throws away."""

_BOT: Final = "bot"


class Desk:
    """Takes what the bot and the puppets hear; gives reports to `put` and counts the rest with `ignored`."""

    def __init__(
        self,
        scene: Scene,
        own: OwnNicks,
        bot: Bot,
        puppets: Puppets,
        *,
        put: Callable[[Event | State], None],
        ignored: Callable[[str, str], None],
        reception: Reception,
        direct: Direct,
        partners: Callable[[Address], Iterable[str]],
        gaps: Gaps,
        catchup: Callable[[Callable[[Connection, events.Said], None]], CatchUp],
        playback: Playback,
    ) -> None:
        """`catchup` makes what reads histories, given who is told what they hold."""
        self._scene = scene
        self._own = own
        self._bot = bot
        self._puppets = puppets
        self._put = put
        self._ignored = ignored
        self._reception = reception
        self._direct = direct
        self._partners = partners
        self._gaps = gaps
        self._loop = asyncio.get_running_loop()
        self._observations: dict[Place, Observation[Event | State]] = {}
        for member in self._places:
            self._observations[member.place] = Observation(partial(self._hear, member.place))
        self._catchup = catchup(self._again)
        self._playback = playback
        self._settling: dict[Place, asyncio.TimerHandle] = {}
        self._awaited: dict[Place, Address | None] = {}
        self._timers: dict[Place, asyncio.TimerHandle] = {}

    @property
    def _places(self) -> Places:
        return self._scene.places

    def observer(self, place: Place) -> object:
        """Who reports from the place: ``"bot"``, a `Puppet`, or None."""
        observation = self._observations.get(place)
        return observation.holder if observation else None

    def stop(self) -> None:
        """No more timers, and nothing more of what was said before."""
        self._catchup.stop()
        for timer in (*self._timers.values(), *self._settling.values()):
            timer.cancel()

    # The bot

    def bot_told(self, connection: Connection, event: events.Event) -> None:
        """The bot heard something."""
        match event:
            case events.Registered():
                self._own.claim(connection.session.me, None)
                self._playback.begin()
            case events.Joined(channel, own=True, when=when, stayed=stayed):
                self._own.claim(connection.session.me, None)
                if place := self._places.find(channel):
                    if connection.session.caps.bouncer and self.observer(place) == _BOT:
                        # It does not tell that it has left.
                        self._gaps.unheard(place, self._playback.lost_for(self._loop.time()))
                    self._attend(place, connection, when, stayed=stayed)
                    self._observations[place].begin(_BOT)
                    self._arm(place)
            case events.NickChanged(source, own=True):
                self._own.release(source.nick, self._loop.time())
                self._own.claim(connection.session.me, None)
                self._heed()
            case events.Ready():
                self._heed()
            case events.Said(own=False, manner=Manner.CTCP, only_some=False, history=False):
                self._reception.asked(connection, event)
            case events.Said(own=False, to_channel=False, only_some=False):
                self._alone(connection, event)
                return
            case events.Said(to_channel=True, history=False):
                self._playback.heard()
        self._report(_BOT, connection, event)
        match event:
            case events.Kicked(channel, own=True) | events.Parted(channel, own=True):
                if place := self._places.find(channel):
                    self._vacate(place, _BOT)

    def bot_lost(self, nick: str) -> None:
        """The bot's connection is gone."""
        self._own.release(nick, self._loop.time())
        for place in self._observations:
            self._vacate(place, _BOT)

    # The puppets

    def puppet_told(self, puppet: Puppet, event: events.Event) -> None:
        """A puppet heard something."""
        session = puppet.connection.session
        match event:
            case events.Joined(channel, own=True):
                place = self._places.find(channel)
                if place and self._observations[place].vacant:
                    self._begin(place, puppet)
            case events.Joined(channel, source) if self._is_bot(source):
                if (place := self._places.find(channel)) and self._observations[place].reads(puppet):
                    self._end(place, puppet)
            case events.Said(own=False, to_channel=False):
                self._reception.spoken(puppet.connection, event, puppet)
                return
        self._report(puppet, puppet.connection, event)
        match event:
            case events.Kicked(channel, nick, by, reason, own):
                self._sighted(puppet, [channel], Source(nick))
                if own and (place := self._places.find(channel)):
                    gone = PuppetGone(place, puppet.person.address, Cause.KICKED, reason or None, by.nick or None)
                    self._put(gone)
                    self._vacate(place, puppet)
            case events.Parted(channel, source, _, own):
                self._sighted(puppet, [channel], source)
                if own and (place := self._places.find(channel)):
                    self._vacate(place, puppet)
            case events.Quit(source):
                self._sighted(puppet, session.channels, source)
                self._direct.let_go(source.nick)
            case events.NickChanged(own=True):
                self._heed()
            case events.NickChanged(source, nick):
                self._direct.let_go(source.nick, nick)

    def puppet_lost(self, puppet: Puppet, ending: Ending) -> None:
        """A puppet's connection is gone."""
        for channel in puppet.channels:
            if place := self._places.find(channel):
                if not ending.asked:
                    self._put(PuppetGone(place, puppet.person.address, Cause.QUIT, ending.failure.text))
                self._vacate(place, puppet)

    # Observing

    def _report(self, reader: Puppet | str, connection: Connection, event: events.Event) -> None:
        if isinstance(event, events.Said) and event.history and not self._was_missed(connection, event):
            return
        if reader == _BOT or any(observation.reads(reader) for observation in self._observations.values()):
            for item in translate(event, self._scene.over(secure=connection.session.secure, origin=connection.origin)):
                if isinstance(item, Heard):
                    self._observations[item.place].say(reader, item.item)
                elif reader == _BOT:
                    self._count([item])

    def _hear(self, place: Place, item: Event | State) -> None:
        """Something was heard by who reports from the place."""
        if not self._catchup.holds(place, item):
            self._put(item)

    def _again(self, connection: Connection, said: events.Said) -> None:
        """We asked what was said before, and it was this."""
        for item in translate(said, self._scene.over(secure=connection.session.secure, origin="")):
            if isinstance(item, Heard):
                self._put(item.item)
            else:
                self._count([item])

    def _attend(self, place: Place, connection: Connection, when: str = "", *, stayed: bool = False) -> None:
        """Somebody reports from the place from now on, as of `when` by the server's clock. What was missed is asked for
        if it can be. Where channels can keep what was said (mode +H), it may come by itself, after the names. Whoever
        `stayed` there for us has missed nothing, and says it next."""
        entered = timestamp(when, 0.0) or None
        if connection.session.caps.history:
            self._catchup.begin(place, connection, entered, stayed=stayed)
            return
        self._catchup.give_up(place)
        keeps = "H" in connection.session.isupport.get("CHANMODES", "")
        if stayed:
            self._gaps.resume(place, entered=entered)
        else:
            self._gaps.heard(place, wait=keeps, entered=entered)
        if stayed or keeps:
            self._settled(place)
            over = self._gaps.caught_up if stayed else self._gaps.settle
            self._settling[place] = self._loop.call_later(REPEATED_WITHIN, over, place)

    def _settled(self, place: Place) -> None:
        if (timer := self._settling.pop(place, None)) is not None:
            timer.cancel()

    def _alone(self, connection: Connection, said: events.Said) -> None:
        """Something was said to the bot alone, or is repeated to it."""
        when = timestamp(said.when, 0.0)
        if connection.session.caps.bouncer and said.source.nick.startswith("*"):
            self._playback.complained(self._loop.time())
            self._ignored("bouncer message", said.msgid)
            return
        if said.history and not self._playback.is_news(self._scene.correspondent(said.source.nick), when):
            self._ignored("known history", said.msgid)
            return
        self._reception.spoken(connection, said, None)
        if connection.session.caps.bouncer:
            self._playback.heard_alone(when)

    def _was_missed(self, connection: Connection, said: events.Said) -> bool:
        """Whether what is repeated to us unasked may be new. What has an id is known again by that."""
        place = self._places.find(said.target)
        when = timestamp(said.when, 0.0)
        if place is None:
            return False
        if connection.session.caps.bouncer and not said.msgid:
            if self._gaps.missed(place, when, math.inf) and self._playback.is_news(place, when):
                return True
        elif not connection.session.caps.history:
            if not connection.session.caps.bouncer:
                self._gaps.repeated(place, when)
            if self._gaps.missed(place, when, OVERLAP if said.msgid else RESOLUTION):
                return True
        self._ignored("known history", said.msgid)
        return False

    def _count(self, items: Iterable[Ignored]) -> None:
        for item in items:
            self._ignored(item.what, item.native_id)

    def _is_bot(self, source: Source) -> bool:
        own = self._own.find(source, self._loop.time())
        return own is not None and own.address is None

    def _sighted(self, puppet: Puppet, channels: Iterable[str], gone: Source) -> None:
        """The puppet's connection shows that somebody is out of these channels, from this line on. If that is who
        reports or reported there, it is for the next puppet to go on from here."""
        own = self._own.find(gone, self._loop.time())
        if own is None or own.address == puppet.person.address:
            return
        for channel in channels:
            place = self._places.find(channel)
            if place is None:
                continue
            observation = self._observations[place]
            holder = observation.holder
            if observation.successor == puppet and self._awaited.get(place, puppet.person.address) == own.address:
                observation.begin(puppet)
                self._ask_names(place, puppet)
                self._arm(place)
                continue
            holds = observation.successor is None and holder is not None and _whose(holder) == own.address
            if holds and self._puppets.inside(channel, besides=holder) is puppet:
                self._begin(place, puppet)

    def _begin(self, place: Place, puppet: Puppet, *, tentative: bool = False) -> None:
        observation = self._observations[place]
        self._attend(place, puppet.connection)
        observation.begin(puppet, tentative=tentative)
        self._watch(puppet)
        self._ask_names(place, puppet)
        log.info("a puppet observes", network=place.network, place=place.native, puppet=str(puppet.person.address))
        self._arm(place)

    def _ask_names(self, place: Place, puppet: Puppet) -> None:
        if puppet.connection.ready:
            # Who is there is known again when the answer comes: this puppet kept no list.
            puppet.connection.session.names(place.native)
            puppet.connection.flush()

    def _end(self, place: Place, puppet: Puppet) -> None:
        self._observations[place].end(puppet)
        self._catchup.halt(place, puppet.connection)
        self._watch(puppet)
        self._arm(place)

    def _vacate(self, place: Place, reader: Puppet | str) -> None:
        """`reader` is out of the place; the longest-standing puppet goes on."""
        observation = self._observations[place]
        was = observation.reads(reader)
        observation.end(reader)
        source = reader.connection if isinstance(reader, Puppet) else self._bot.connection
        if source is not None:
            self._catchup.halt(place, source)
        if isinstance(reader, Puppet):
            self._watch(reader)
        deputy = self._puppets.inside(place.native, besides=reader)
        if was and observation.vacant and deputy is not None:
            # The deputy's own connection will show where exactly it takes over.
            self._awaited[place] = _whose(reader)
            self._begin(place, deputy, tentative=True)
        if was and observation.vacant:
            self._catchup.drop(place)
            self._settled(place)
            silent = source.silent_for if source is not None else 0.0
            # A connection that is idle may have been dead for as long.
            self._gaps.unheard(place, silent if silent > QUIET else 0.0)
        self._arm(place)

    def _watch(self, puppet: Puppet) -> None:
        mine = [place.native for place, observation in self._observations.items() if observation.reads(puppet)]
        puppet.connection.session.watch(mine)
        self._heed()

    def _heed(self) -> None:
        """Every puppet shall see those come and go whose place as observer it may have to take."""
        nicks = self._observers()
        for puppet in self._puppets:
            self._heeds(puppet, nicks)

    def heed(self, puppet: Puppet) -> None:
        """The puppet has a new partner in private, whom it shall see come and go where it can."""
        self._heeds(puppet, self._observers())

    def _heeds(self, puppet: Puppet, observers: set[str]) -> None:
        partners = list(self._partners(puppet.person.address))[-PARTNERS:]
        spelled = filter(None, (self._scene.spelled(nick) for nick in partners))
        puppet.connection.session.heed(observers | set(spelled))

    def _observers(self) -> set[str]:
        observers = [observation.holder for observation in self._observations.values()]
        return {self._bot.nick, *(observer.nick for observer in observers if isinstance(observer, Puppet))}

    def _arm(self, place: Place) -> None:
        timer = self._timers.pop(place, None)
        if timer is not None:
            timer.cancel()
        if self._observations[place].successor is not None:
            self._timers[place] = self._loop.call_later(PATIENCE, self._settle, place)

    def _settle(self, place: Place) -> None:
        self._timers.pop(place, None)
        observation = self._observations[place]
        former = observation.holder
        observation.settle()
        if isinstance(former, Puppet) and former != observation.holder:
            self._watch(former)
        self._heed()


def _whose(reader: object) -> Address | None:
    """The person behind a puppet; None for the bot."""
    return reader.person.address if isinstance(reader, Puppet) else None
