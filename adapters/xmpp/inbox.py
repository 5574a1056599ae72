"""Private messages from people: to puppets, to the bot, and through rooms; and what their writers are told of them."""

import asyncio
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol
from xml.etree.ElementTree import Element

import structlog

from adapters.xmpp import ids, markup, outbound
from adapters.xmpp.acquaintances import Acquaintances
from adapters.xmpp.capabilities import kind_of
from adapters.xmpp.correspondence import Correspondence, Pair
from adapters.xmpp.errors import through_room
from adapters.xmpp.inbound import Line
from adapters.xmpp.known import Recent
from adapters.xmpp.private import Envelope, message_id, nick_of, read_private
from adapters.xmpp.rooms import Room
from bridge.addressed import addressed, command_name, usage
from bridge.contract import Core, Notice, SendError
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.event import HOPS, Event, Origin, Protection, State
from bridge.model.message import Content, Message, Text
from bridge.model.result import Reason
from bridge.names import Kind

log = structlog.get_logger(__name__)

LATE = 600.0
"""Seconds after which an error alone may not find its way: the client that sent the message may be gone by then."""
USAGES, USAGE_WINDOW = 5, 3600.0
"""How often somebody is told in words how to write through the bot, within that many seconds. After that it is an
error, which no other bot answers."""

WAITING = 1000
"""Commands that may wait to be obeyed."""

_EXAMPLES = {Kind.MATRIX: "@ana:example.org", Kind.XMPP: "bo@example.org", Kind.IRC: "{network}:kestrel"}


class Way(Protocol):
    """What the inbox needs of the rest of the adapter. Nothing of it blocks."""

    def write(self, stanza: str) -> None:
        """Give a stanza to the stream. Raises `SendError`."""

    def emit(self, *items: Event | State) -> None:
        """Report to the core, in this order."""

    def ignored(self, what: str, native_id: str = "") -> None:
        """As `bridge.contract.Core.ignored`."""


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """The message is answered with an error."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


class Inbox:
    """Takes stanzas that are for one of ours alone. `rooms` by bare JID; `bot` is its full JID."""

    def __init__(
        self,
        core: Core,
        way: Way,
        rooms: Mapping[str, Room],
        acquaintances: Acquaintances,
        *,
        bot: str,
        ours: Callable[[str], bool] | None = None,
        clock: Callable[[], float] = time.time,
        arrival: Callable[[], tuple[str, float] | None] = lambda: None,
    ) -> None:
        """`ours` tells whether a bare JID is one of ours; unless given, all of the bot's domain are. `arrival` gives a
        name of the stanza at hand that it has whoever reads it, and when it came; None where there is none."""
        self._arrival = arrival
        self._core = core
        self._way = way
        self._rooms = rooms
        self._acquaintances = acquaintances
        self._bot = bot
        self._ours = ours or partial(ids.within, ids.domain(bot))
        self._clock = clock
        self._correspondence = Correspondence()
        self._asked: deque[tuple[Element, Person, str]] = deque()
        self._some = asyncio.Event()
        self._usages: Recent[str, tuple[float, int]] = Recent()

    def message(self, stanza: Element) -> None:
        """A message of no other type than ``chat`` or ``normal``. Raises `SendError` if it cannot be answered."""
        sender, to = stanza.get("from", ""), stanza.get("to", "")
        line = read_private(stanza)
        if line.content is None and line.reactions is None:
            self._way.ignored(line.label, stanza.get("id", ""))
            return
        ours = self._ours(ids.bare(to))
        person = self._person(sender, line, nick_of(stanza)) if ours else None
        if person is None:
            self._way.ignored("private notice", stanza.get("id", ""))
            return
        try:
            target, line = self._target(to, line)
        except Refusal as refusal:
            self._refuse(stanza, refusal.reason, refusal.text)
        except _Unaddressed as unaddressed:
            said = line.content.body.text if isinstance(line.content, Message) else ""
            if command_name(said) not in self._core.commands:
                self._use(stanza, person, str(unaddressed))
            elif len(self._asked) >= WAITING:
                self._refuse(stanza, Reason.RESOURCE_CONSTRAINT, "too much to do; say it again later")
            else:
                self._asked.append((stanza, person, said))
                self._some.set()
        else:
            self._take(stanza, line, person, target)

    async def run(self) -> None:
        """Obey what is said to the bot itself, one after another. Runs as long as the adapter."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._asked:
                stanza, person, said = self._asked.popleft()
                answer = await self._core.command(person, said)
                try:
                    if answer is None:
                        self._use(stanza, person, "")
                    else:
                        self._say(stanza, answer)
                except SendError as error:
                    log.warning("answer not sent", person=str(person.address), error=str(error))

    def tell(self, notice: Notice) -> bool:
        """Tell the writer of a private message what became of it; false if the notice is about none.

        Raises `SendError`.
        """
        envelope = Envelope.parse(notice.about or "")
        if envelope is None:
            return False
        room = self._rooms.get(ids.bare(envelope.sender))
        if room is not None:
            self._tell_in_room(room, envelope, notice)
            return True
        failed = notice.failure is not None and envelope.id
        if notice.failure is not None and failed:
            reason = notice.failure.reason
            self._way.write(outbound.refusal(envelope.to, envelope.sender, envelope.id, reason, notice.text))
        if not failed or self._clock() - envelope.written > LATE:
            to = ids.bare(envelope.sender) if failed else envelope.sender
            self._way.write(outbound.chat(envelope.to, to, _token("tell"), Text(notice.text)))
        return True

    def _tell_in_room(self, room: Room, envelope: Envelope, notice: Notice) -> None:
        """By whom they wrote to if that is there still, else by the bot; wherever they are in the room by now."""
        occupant = room.occupants.find(Address(self._core.network, notice.place.native))
        own = room.owns.get(envelope.to)
        if own is None or not own.present:
            own = room.owns.bot
        if occupant is None or not own.present:
            raise SendError.permanent(Reason.RECIPIENT_UNAVAILABLE, f"they cannot be told in {room.jid} any more")
        to = f"{room.jid}/{occupant.nick}"
        if notice.failure is not None and envelope.id and own.jid == envelope.to:
            reason = through_room(notice.failure.reason)
            self._way.write(outbound.refusal(own.jid, to, envelope.id, reason, notice.text))
        else:
            self._way.write(outbound.chat(own.jid, to, _token("tell"), Text(notice.text), in_room=True))

    # Who, and to whom

    def _person(self, sender: str, line: Line, nick: str) -> Person | None:
        """Who wrote it; None if nobody did who could be answered."""
        bare = ids.bare(sender)
        room = self._rooms.get(bare)
        if room is not None:
            if not line.nick or room.owns.called(line.nick) is not None:
                return None
            return room.occupants.speaker(line, shown=False)
        if not bare.rpartition("@")[0] or self._ours(bare):
            return None
        return Person(Address(self._core.network, bare), self._acquaintances.heard(bare, nick))

    def _target(self, to: str, line: Line) -> tuple[Address, Line]:
        """Whom it is for, and what is said to them. Raises `Refusal`, `_Unaddressed`."""
        local = ids.bare(to).rpartition("@")[0]
        if not local or ids.bare(to) == ids.bare(self._bot):
            return self._addressed(line)
        try:
            found = self._core.names.from_xmpp_local(local)
        except ValueError:
            raise Refusal(Reason.ITEM_NOT_FOUND, "nobody here is called so") from None
        if isinstance(found, Place):
            raise Refusal(Reason.ITEM_NOT_FOUND, "that is a room, not a person")
        return self._foreign(found), line

    def _foreign(self, address: Address) -> Address:
        if address.network == self._core.network:
            raise Refusal(
                Reason.ITEM_NOT_FOUND, f"{address.native} is on this network: write to that address, not through here"
            )
        return address

    def _addressed(self, line: Line) -> tuple[Address, Line]:
        content = line.content
        if not isinstance(content, Message):
            raise Refusal(Reason.NOT_ACCEPTABLE, "this can be said to somebody only, not to the bridge itself")
        who, said = addressed(content.body.text)
        if not who or not said:
            raise _Unaddressed
        try:
            address = self._foreign(self._core.find(who))
        except ValueError as error:
            raise _Unaddressed(str(error)) from None
        start = content.body.text.index(who) + len(who)
        body = markup.cut(content.body, content.body.text.index(said, start))
        kind, marked = kind_of(body.text)
        said_so = replace(content, body=markup.cut(body, marked) if marked else body, kind=kind)
        return address, replace(line, content=said_so)

    # What becomes of it

    def _take(self, stanza: Element, line: Line, person: Person, target: Address) -> None:
        sender, to = stanza.get("from", ""), stanza.get("to", "")
        pair: Pair = person.address, target
        if ids.bare(sender) not in self._rooms:
            self._acquaintances.talk(sender, to)
        now = self._clock()
        came = arrived[1] if (arrived := self._arrival()) is not None else now
        when = min(line.stamp, now) if line.stamp is not None else came
        if line.reactions is not None:
            about, keys = line.reactions
            for change in tuple(self._correspondence.react(about, keys, pair)):
                self._event(stanza, person, target, when, change, hops=line.hops)
            return
        content = self._correspondence.resolve(line.content, pair) if line.content is not None else None
        if content is None:
            self._way.ignored("change of what is not theirs", stanza.get("id", ""))
            return
        protection = Protection.END_TO_END if line.encrypted else Protection.NONE
        native_id = self._event(stanza, person, target, when, content, protection, line.hops)
        for name in {line.origin_id, line.message_id}:
            self._correspondence.learn(pair, name, native_id)

    def _event(
        self,
        stanza: Element,
        person: Person,
        target: Address,
        when: float,
        content: Content,
        protection: Protection = Protection.NONE,
        hops: int = HOPS,
    ) -> str:
        name, now = self._arrival() or (secrets.token_hex(16), self._clock())
        mint = Envelope.mint_at(now, hashlib.sha256(name.encode()).hexdigest()[:12])
        envelope = Envelope(mint, message_id(stanza), stanza.get("from", ""), stanza.get("to", ""))
        place = Place(self._core.network, person.address.native, PlaceKind.USER)
        origin = Origin(self._core.network, str(envelope))
        self._way.emit(Event(origin, place, person, when, content, protection=protection, hops=hops, to=target))
        return str(envelope)

    def _refuse(self, stanza: Element, reason: Reason, text: str) -> None:
        self._way.ignored("message to nobody", stanza.get("id", ""))
        if ids.bare(stanza.get("from", "")) in self._rooms:
            reason = through_room(reason)
        self._way.write(outbound.error(stanza, reason, text))

    def _use(self, stanza: Element, person: Person, wrong: str) -> None:
        """Tell somebody how to write through the bot."""
        text = f"{wrong[:1].upper()}{wrong[1:]}. {self._usage()}" if wrong else self._usage()
        now, sender = self._clock(), str(person.address)
        since, count = self._usages.get(sender) or (now, 0)
        if now - since > USAGE_WINDOW:
            since, count = now, 0
        self._usages[sender] = since, count + 1
        if count >= USAGES:
            self._refuse(stanza, Reason.BAD_REQUEST, text)
            return
        self._say(stanza, text)

    def _say(self, stanza: Element, text: str) -> None:
        """Answer in the bot's own voice."""
        self._way.ignored("message to the bot", stanza.get("id", ""))
        to, in_room = stanza.get("from", ""), ids.bare(stanza.get("from", "")) in self._rooms
        self._way.write(outbound.chat(stanza.get("to", ""), to, _token("usage"), Text(text), in_room=in_room))

    def _usage(self) -> str:
        named = next((each for each in self._core.names.networks if each.network != self._core.network), None)
        example = _EXAMPLES[named.kind].format(network=named.network) if named is not None else "libera:kestrel"
        return usage(example)


class _Unaddressed(Exception):  # noqa: N818 - an answer, not a fault
    """A line to the bot that is for nobody. The text says what is wrong with the address, if there is one."""


def _token(word: str) -> str:
    return f"{word}-{secrets.token_hex(8)}"
