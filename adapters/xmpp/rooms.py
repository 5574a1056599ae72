"""One MUC room (XEP-0045): who is in it, which of them are ours, and what is said there.

A state machine without I/O of its own, fed by the stream's reader and by those who send, all on the event loop. What
it finds goes out through its `Link`. Where many of ours receive the same thing, one is the observer: the bot, or a
puppet while the bot cannot be there; what the room says to the others is not even looked at.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial
from xml.etree.ElementTree import Element

import structlog

from adapters.xmpp import errors, ids, outbound
from adapters.xmpp.archive import Pages
from adapters.xmpp.awaiting import Awaiting
from adapters.xmpp.errors import Refused, StanzaError
from adapters.xmpp.held import Held
from adapters.xmpp.inbound import Line, RoomPresence, is_self, read_line, read_presence
from adapters.xmpp.known import Known, Recent
from adapters.xmpp.link import Link, Sight
from adapters.xmpp.listening import Listening
from adapters.xmpp.meanwhile import Meanwhile
from adapters.xmpp.memory import Remembered
from adapters.xmpp.naming import ARCHIVE, Naming
from adapters.xmpp.occupants import NICK_CHANGE, Occupants, cause_of
from adapters.xmpp.own import Own, Owns
from adapters.xmpp.presence import Appearance
from adapters.xmpp.reach import Reach
from adapters.xmpp.recognition import Recognition
from adapters.xmpp.standing import GATEWAY, NOBODY, Mark
from adapters.xmpp.subject import Subject
from bridge.contract import SendError
from bridge.gaps import Gaps
from bridge.model.address import Address, Person, Place
from bridge.model.event import HOPS, Cause, Event, Origin, Protection, PuppetGone, Roster, TopicSet
from bridge.model.message import Content, Kick, Message, Reaction, Text
from bridge.model.result import Reason, Receipt

log = structlog.get_logger(__name__)

_OTHER_NICK = "210"
"""Status code of being given (here: left with) another nick than was asked for."""


class Room:
    """See the module. `known` are our puppets there before a restart, each with its full JID.

    `sight`, where there is one, is told what the people in the room show. `heard` and `reach` are how far it was heard
    before a restart.
    """

    def __init__(
        self,
        place: Place,
        link: Link,
        *,
        bot: str,
        domain: str,
        password: str | None = None,
        known: Iterable[tuple[Remembered, str]] = (),
        clock: Callable[[], float] = time.time,
        sight: Sight | None = None,
        heard: str | None = None,
        reach: Reach | None = None,
    ) -> None:
        self.place, self.jid = place, place.native
        self.owns = Owns(Own(bot, None))
        self.owns.mark(self.owns.bot, GATEWAY)
        self.occupants = Occupants(place)
        self.waiting = Awaiting()
        self.observer: Own | None = None
        self.observer_jid = ""
        """The only full JID whose copies of what the room says are looked at."""
        self.here = asyncio.Event()
        """The bot is in the room and has heard all its history."""
        self.bot_gone = asyncio.Event()
        self.bot_gone.set()
        self.why_out = ""
        """Why the bot is out of the room that it was in, and what becomes of that."""
        self.reaches: float | None = None
        """From when on (seconds since the epoch) its history was asked for; None if never."""
        self.oldest: float | None = None
        """When the oldest line of it was said; None if none came."""
        self.archived = False
        """Whether it has an archive (XEP-0313)."""
        self.pages = Pages(self.jid)
        self.naming = Naming(heard, partial(link.reached, self.jid))
        self.held = Held()
        """What is not taken in before the room has told what it offers."""
        self.said: Recent[str, Receipt] = Recent()
        self.listening = Listening(clock)
        self.subject = Subject(self.jid, link, self.waiting)
        self.reach = reach or Reach(place, Gaps([place], {}, link.emit, longest=math.inf, now=clock), {})
        self.meanwhile, self._link, self._clock, self._sight = Meanwhile(), link, clock, sight
        self._password = password
        self._ids = Known()
        self._in_history = self._shows_jids = False
        self._seen = 0.0
        self._recognition = Recognition(self.owns, domain, known)

    # What we do

    def features(self, found: frozenset[str]) -> None:
        """What the room offers, by its own word (XEP-0030). Only then can some of what it says be believed."""
        self.occupants.stable_ids = self._recognition.stable_ids = "urn:xmpp:occupant-id:0" in found
        self.archived = ARCHIVE in found
        self.naming.features(found)
        self._shows_jids = self._recognition.shows_jids = "muc_nonanonymous" in found

    def enter(self, own: Own, nick: str, *, since: float | None = None, seen: float = 0.0) -> asyncio.Future[str]:
        """Ask to be let in, by that nick; the future gets the nick that it became, or `Refused`.

        With `since`, the room's history from then on is reported, too; what was said until `seen` is known already.
        Raises `SendError`.
        """
        gather = own is self.owns.bot or self.observer is None
        if own is self.owns.bot:
            self.here.clear()
            self._seen = seen
            if since is not None:
                self.reaches, self.oldest = since, None
        least = self.reach.latest if own is self.owns.bot and not self.meanwhile.is_kept else 0
        ago, token = None if since is None else self.listening.ago(since), _token("enter")
        self._link.write(outbound.enter(own.jid, self.jid, nick, token, self._password, ago, own.wears, least))
        self.owns.told(own, own.wears)
        return self.owns.ask(own, nick, gather=gather)

    def change_nick(self, own: Own, nick: str) -> asyncio.Future[str]:
        """Ask for another nick; as `enter`."""
        self._link.write(outbound.change_nick(own.jid, self.jid, nick, _token("nick"), own.wears))
        self.owns.told(own, own.wears)
        return self.owns.ask(own, nick, gather=False)

    def appear(self, own: Own, appearance: Appearance) -> bool:
        """Show this from now on; tells whether the room had to be told at once. Raises `SendError`.

        While the room has not answered for a nick, it waits: two presences under way could not be told apart.
        """
        self.owns.wear(own, appearance)
        if not own.present or own.leaving or own.wanted or own.shows == own.wears:
            return False
        self._link.write(outbound.appear(own.jid, f"{self.jid}/{own.nick}", own.wears))
        self.owns.told(own, own.wears)
        return True

    def leave(self, own: Own, reason: str | None) -> asyncio.Future[None]:
        """Go; the future ends when the room has confirmed it. Raises `SendError`.

        An observer stays one until then: only from that moment on the room says nothing to it that others hear.
        """
        self._link.write(outbound.leave(own.jid, self.jid, own.nick or own.wanted, reason))
        return self.owns.dismiss(own)

    def abandon(self, own: Own) -> None:
        """The room has not confirmed that it went; take it for gone."""
        self._gone(own, RoomPresence(own.nick, available=False))

    def taken(self, nick: str, own: Own) -> bool:
        """Whether asking for the nick can be spared: somebody else has it."""
        holder = self.owns.called(nick) or self.owns.wanting(nick)
        return nick in self.occupants or (holder is not None and holder is not own)

    def say(self, own: Own, part_id: str, body: Text, mark: Mark = NOBODY) -> asyncio.Future[Receipt]:
        """Say a line; the future gets its receipt or `SendError`. Raises `SendError`."""
        if not own.present or own.leaving:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"not in the room {self.jid} at the moment")
        self._link.write(outbound.groupchat(own.jid, self.jid, ids.wire_id(part_id), body, mark))
        return self.waiting.add(part_id, self._clock())

    def set_subject(self, own: Own, text: str) -> asyncio.Future[Receipt]:
        """Set the subject; as `say`."""
        return self.subject.set(own, text, self._clock())

    def sweep(self, *, last: bool) -> None:
        """Send away those of ours from before a restart whom nobody needs any more.

        Where it cannot be told whether an occupant is one of them, it is found out: whoever is there at the `last`
        sweep still, is a person.
        """
        for nick, jid in self._recognition.strays():
            self._link.write(outbound.leave(jid, self.jid, nick, None))
        if last:
            for presence in self._recognition.acquit():
                self._person(presence)

    def expire(self) -> None:
        """Give up on lines that the room has not reflected."""
        late = self.waiting.expire(self._clock())
        if late:
            log.warning("lines were not reflected in time", room=self.jid, lines=late)

    def forgotten(self) -> None:
        """The room does not know us (any more): nobody of ours is there, though it never said so."""
        for own in self.owns:
            if own.present:
                self._gone(own, RoomPresence(own.nick, available=False, reason="the room has forgotten us"))

    def lost(self, reason: Reason, text: str) -> None:
        """The stream is gone: none of ours is there any more, and nothing will be answered."""
        error = Refused(StanzaError(reason, "wait", text))
        for own in self.owns:
            self.owns.vanish(own, error)
        self._observe(None)
        self.here.clear()
        self.bot_gone.set()
        self._in_history = False
        self._recognition.begin()
        self.waiting.fail_all(reason, text)

    # What the room tells

    def presence(self, own: Own, stanza: Element) -> None:
        """A presence from the room, to one of ours."""
        nick = ids.resource(stanza.get("from", ""))
        if stanza.get("type") == "error":
            self._refused(own, read_presence(stanza))
        elif (own.nick != "" and nick == own.nick) or (own.wanted != "" and is_self(stanza)):
            self._own_presence(own, read_presence(stanza))
        elif own.gathered is not None:
            presence = read_presence(stanza)
            if presence.available:
                own.gathered[presence.nick] = presence
            else:
                own.gathered.pop(presence.nick, None)
                if NICK_CHANGE in presence.codes and presence.new_nick:
                    own.gathered.pop(presence.new_nick, None)
        elif own is self.observer:
            self.held.do(partial(self._others_presence, read_presence(stanza)))

    def line(self, stanza: Element) -> None:
        """A message of type ``groupchat``, the observer's copy."""
        now = self.listening.heard(whole=self.here.is_set() and not self.held.holds)
        self.held.do(partial(self._line, read_line(stanza, self.jid), now))

    def recall(self, line: Line) -> None:
        """A line of the room's archive, in its order; subjects in it are none that stand."""
        if line.subject is None and line.stamp is not None:
            self.reach.again(line.stamp, partial(self._said, line, line.stamp, history=True))

    def _line(self, line: Line, now: float) -> None:
        history = self._in_history and line.stamp is not None
        if self._in_history and line.subject is None and line.stamp is None:
            # A live line; so this service leaves out the subject that would end its history.
            self._history_ended()
        if line.subject is not None:
            self._subject(line)
        elif history and line.stamp is not None:
            self.reach.again(line.stamp, partial(self._said, line, line.stamp, history=True))
        else:
            self.reach.said(now, kept=isinstance(line.content, Message))
            self._said(line, now, history=False)

    def _said(self, line: Line, when: float, *, history: bool) -> None:
        if history:
            self.oldest = when if self.oldest is None else min(when, self.oldest)
        native_id, weak = self.naming.name(line, when, known_until=self._seen if history else None)
        if history and self.reach.beginning.is_after(native_id, when):
            self._link.ignored("said before we came", native_id)
        elif self._recognition.said_by_us(line) if history else self.owns.called(line.nick) is not None:
            self._own_line(line, native_id)
        elif line.content is None and line.reactions is None:
            self._link.ignored(line.label, native_id)
        elif history and when <= self._seen and weak:
            # Nothing identifies it but when it was said, which is before what was heard already.
            self._link.ignored("known history", native_id)
        else:
            self._persons_line(line, native_id, when, history)
        self.naming.done(line)

    def message_error(self, own: Own | None, stanza: Element) -> None:
        """The room did not take what one of ours said, who may have gone meanwhile."""
        error = errors.read_error(stanza)
        message_id = stanza.get("id", "")
        part_id = ids.part_id(message_id)
        if part_id is not None:
            found = self.waiting.fail(part_id, errors.line_refused(error))
        else:
            found = self.waiting.fail(message_id, errors.topic_refused(error))
        if not found:
            self._link.ignored("error", message_id)
        if error.reason is Reason.NOT_ACCEPTABLE and own is not None and own.present and not own.leaving:
            # XEP-0045 section 7.4: the sender is no occupant. So we missed that it went.
            self._gone(own, RoomPresence(own.nick, available=False, reason=error.text or None))

    # Ours

    def _observe(self, own: Own | None) -> None:
        if own is not self.observer:
            log.debug("observer", room=self.jid, observer=own.jid if own else None)
        self.observer = own
        self.observer_jid = own.jid if own is not None else ""
        if own is None:
            self.reach.lost()
            self.held.drop()
            if self._sight is not None:
                self._sight.cleared(self.jid)

    def _refused(self, own: Own, presence: RoomPresence) -> None:
        assert presence.error is not None  # noqa: S101 - read so from a presence of type error
        if own.wanted:
            wish = own.wanted
            self.owns.fail(own, Refused(presence.error))
            other = self._recognition.not_wanted(wish)
            if other is not None:
                self._others_presence(other)
            self.owns.told(own, None)
            self.appear(own, own.wears)
        else:
            self._link.ignored("error", "")

    def _own_presence(self, own: Own, presence: RoomPresence) -> None:
        if presence.available and own.present and own.wanted and presence.nick == own.nick != own.wanted:
            if _OTHER_NICK in presence.codes:
                self._arrived(own, presence)
            # Else it only reflects what was shown before another nick was asked for.
        elif presence.available:
            self._arrived(own, presence)
        elif NICK_CHANGE in presence.codes and presence.new_nick:
            # The presence under the new nick follows; what waits for the nick, waits for that.
            self.owns.rename(own, presence.new_nick)
        else:
            self._gone(own, presence)

    def _arrived(self, own: Own, presence: RoomPresence) -> None:
        gathered = own.gathered
        nick, other = presence.nick, self._recognition.not_wanted(own.wanted)
        self.owns.settle(own, nick)
        self._recognition.entered(own, presence.occupant_id)
        if "201" in presence.codes:
            log.warning(
                "the room did not exist, and was made with the server's defaults",
                network=self.place.network,
                place=self.jid,
                todo="if that is a typing mistake, correct rooms: in the configuration",
            )
            self._link.write(outbound.accept_defaults(own.jid, self.jid, _token("accept")))
        if gathered is not None and (own is self.owns.bot or self.observer is None):
            if self.observer is None:
                self.reach.begin(asked=own is self.owns.bot, covered=self.meanwhile.is_kept)
            self._observe(own)
            self._in_history = True
            self.held.do(partial(self._adopt, gathered))
            for stanza in self.meanwhile.end(named=self.naming.stanza_ids) if own is self.owns.bot else ():
                self.line(stanza)
        if other is not None and other.nick != nick:
            # The service gave us another nick than we asked for (status 210): the one we wanted is a person's.
            self._others_presence(other)
        if own is self.owns.bot:
            self.bot_gone.clear()
        self.appear(own, own.wears)

    def _gone(self, own: Own, presence: RoomPresence) -> None:
        leaving, nick = own.leaving, own.nick
        cause = cause_of(presence)
        text = presence.reason or presence.status or ("the room was destroyed" if presence.destroyed else "")
        self.owns.vanish(own, Refused(StanzaError(Reason.RECIPIENT_UNAVAILABLE, "wait", text or "put out of the room")))
        if own is self.observer:
            self._observe(self.owns.successor())
            self._in_history = False
        if own is self.owns.bot:
            self.here.clear()
            by = f" by {presence.actor}" if presence.actor else ""
            said = f" ({text})" if text else ""
            todo = "one of its owners has to lift the ban" if cause is Cause.BANNED else "it tries to come back"
            self.why_out = f"the bot was put out of the room{by}{said}: {todo}"
            self.bot_gone.set()
            if not leaving:
                log.warning("the bot is out of the room", room=self.jid, cause=cause, by=presence.actor, reason=text)
        elif own.address is not None and not leaving:
            if cause is not Cause.LEFT:
                self._removed(own.address, own.name or nick, presence, cause)
            self._link.emit(PuppetGone(self.place, own.address, cause, text or None, presence.actor))

    def _own_line(self, line: Line, native_id: str) -> None:
        self._ids.learn(line, None, native_id)
        part_id = ids.part_id(line.message_id) or ids.part_id(line.origin_id)
        if part_id is None:
            self._link.ignored("own echo", native_id)
            return
        receipt = Receipt(native_id)
        self.said[part_id] = receipt
        if not self.waiting.confirm(part_id, receipt):
            self._link.confirmed(part_id, receipt)

    # People

    def _adopt(self, gathered: dict[str, RoomPresence]) -> None:
        self._recognition.begin()
        ours = self._recognition.is_ours
        people = {nick: presence for nick, presence in gathered.items() if not ours(presence, found=True)}
        self.occupants.replace(people)
        self._link.emit(Roster(self.place, self.occupants.people()))
        if self._sight is not None:
            # Not cleared and seen anew: whoever stays, shows all along what they show.
            self._sight.only(self.jid, people)
        for presence in people.values():
            self._look(presence)

    def _others_presence(self, presence: RoomPresence) -> None:
        if not presence.nick:
            self._link.ignored("room presence")
        elif presence.available:
            if not self._recognition.is_ours(presence):
                self._person(presence)
        elif self.owns.called(presence.nick) is None:
            self._recognition.settle(presence.nick)
            cause, gone = cause_of(presence), self.occupants.get(presence.nick)
            if gone is not None and cause in (Cause.KICKED, Cause.BANNED):
                self._removed(gone.address, gone.nick, presence, cause)
            self._link.emit(*self.occupants.depart(presence))
            if self._sight is not None and NICK_CHANGE in presence.codes and presence.new_nick:
                self._sight.renamed(self.jid, presence.nick, presence.new_nick)
            elif self._sight is not None:
                self._sight.gone(self.jid, presence.nick)

    def _person(self, presence: RoomPresence) -> None:
        self._link.emit(*self.occupants.arrive(presence))
        self._look(presence)

    def _look(self, presence: RoomPresence) -> None:
        """See what somebody shows who is there."""
        occupant = self.occupants.get(presence.nick)
        if self._sight is not None and occupant is not None and presence.shown is not None:
            self._sight.seen(self.jid, presence.nick, occupant.address, presence.shown)

    def _removed(self, target: Address, name: str, presence: RoomPresence, cause: Cause) -> None:
        """Somebody was kicked or banned: an event, unless it was one of ours who did it."""
        if presence.actor and self.owns.called(presence.actor) is not None:
            return
        actor = self._moderator(presence.actor)
        kick = Kick(target, name, presence.reason, banned=cause is Cause.BANNED)
        self._event(f"kick:{secrets.token_hex(12)}", actor, self._clock(), kick)

    def _moderator(self, nick: str | None) -> Person:
        found = self.occupants.get(nick) if nick else None
        if found is not None:
            return found.person
        return Person(Address(self.place.network, self.jid), nick or self.jid.partition("@")[0])

    def _persons_line(self, line: Line, native_id: str, when: float, history: bool) -> None:
        other = self._recognition.spoke(line.nick) if not history else None
        if other is not None:
            self._person(other)  # none of ours can have spoken under a nick that is not theirs yet
        if not line.nick and line.moderator is None:
            self._link.ignored("room notice", native_id)
            return
        if line.moderator is not None:
            sender = self._moderator(line.moderator)
        else:
            sender = self.occupants.speaker(line, shown=history and self._shows_jids)
        self._ids.learn(line, sender.address, native_id)
        if line.reactions is not None:
            target, keys = line.reactions
            changes: tuple[Reaction, ...] = tuple(self._ids.react(target, keys, sender.address))
            for change in changes:
                sign = "-" if change.withdrawn else "+"
                self._event(f"{native_id}/{sign}{change.key}", sender, when, change, hops=line.hops)
        elif line.content is not None:
            content = self._ids.resolve(line.content, sender.address)
            protection = Protection.END_TO_END if line.encrypted else Protection.NONE
            self._event(native_id, sender, when, content, protection, line.hops)

    def _event(
        self,
        native_id: str,
        sender: Person,
        when: float,
        content: Content,
        protection: Protection = Protection.NONE,
        hops: int = HOPS,
    ) -> None:
        origin = Origin(self.place.network, native_id)
        self._link.emit(Event(origin, self.place, sender, when, content, protection=protection, hops=hops))

    def _subject(self, line: Line) -> None:
        text, initial = line.subject.text if line.subject is not None else "", self._in_history
        own, by = self.owns.called(line.nick), self.occupants.get(line.nick)
        person = by.person if by is not None else None
        self._link.emit(TopicSet(self.place, text, person, initial=initial, own=own is not None))
        self.subject.told(text, None if initial else own, Receipt(line.stanza_id))
        self._history_ended()

    def _history_ended(self) -> None:
        self.reach.end()
        self._in_history = False
        self.naming.history_ended()
        if self.owns.bot.present:
            self.here.set()
            self.listening.heard(whole=not self.held.holds)


def _token(word: str) -> str:
    return f"{word}-{secrets.token_hex(8)}"
