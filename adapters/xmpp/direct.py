"""Private messages to people: to their bare JID, or to an occupant of a room that hides who they are."""

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from xml.etree.ElementTree import Element

from adapters.xmpp import capabilities, errors, ids, outbound
from adapters.xmpp.acquaintances import Acquaintances
from adapters.xmpp.pings import Pings
from adapters.xmpp.rooms import Room
from adapters.xmpp.standing import Mark
from bridge.addressed import how_to_answer
from bridge.contract import Handover, NoPuppetError, Notice, Part, SendError, Voice
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.message import Text
from bridge.model.result import Reason

HELD = 60.0
"""Seconds after which a message says when it was written (XEP-0203)."""


class Way(Protocol):
    """What private messages need of the rest of the adapter. Nothing of it blocks."""

    def write(self, stanza: str) -> None:
        """Give a stanza to the stream. Raises `SendError`."""

    def puppet_jid(self, address: Address) -> str:
        """The full JID of that person's puppet. Raises `NoPuppetError`."""

    def written(self, address: Address) -> str:
        """As `bridge.contract.Core.written`."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a private message goes: the JID, and the room it goes through, if it does."""

    to: str
    room: Room | None = None


class Direct:
    """What the core asks for places of `PlaceKind.USER`. `rooms` by bare JID; `bot` is its full JID."""

    def __init__(
        self,
        way: Way,
        rooms: Mapping[str, Room],
        pings: Pings,
        acquaintances: Acquaintances,
        *,
        bot: str,
        ours: Callable[[str], bool] | None = None,
        clock: Callable[[], float] = time.time,
        once: Callable[[str, str], None] | None = None,
    ) -> None:
        """`ours` tells whether a bare JID is one of ours; unless given, all of the bot's domain are. `once` is as the
        way's `write`, but gives with each stanza a key, under which a keeper writes it once only."""
        self._once = once or (lambda stanza, key: way.write(stanza))
        self._way = way
        self._rooms = rooms
        self._pings = pings
        self._acquaintances = acquaintances
        self._bot = bot
        self._domain = ids.domain(bot)
        self._ours = ours or partial(ids.within, self._domain)
        self._clock = clock

    def voice(self, place: Place, person: Person) -> Voice:
        """As `bridge.contract.Direct.meet`; nothing has to be waited for. Raises `SendError`."""
        room = self.route(place).room
        if room is None:
            try:
                self._way.puppet_jid(person.address)
            except NoPuppetError:
                return Voice.BOT
            return Voice.PUPPET
        own = room.owns.of(person.address)
        if own is not None and own.present and not own.leaving:
            return Voice.PUPPET
        if room.owns.bot.present:
            return Voice.BOT
        raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"not in the room {room.jid} at the moment")

    def send(self, part: Part) -> Handover:
        """As `bridge.contract.Adapter.send`, for a person."""
        route = self.route(part.place)
        sender = self._sender(part, route)
        bot = part.voice is Voice.BOT
        named = (
            not bot
            and route.room is None
            and self._acquaintances.introduces(ids.bare(sender), route.to, part.speaker.name)
        )
        body = Text(capabilities.body(part.kind, part.text.text), language=part.text.language)
        held = self._clock() - part.when > HELD
        self._once(
            outbound.chat(
                sender,
                route.to,
                ids.wire_id(part.id),
                body,
                nick=part.speaker.name if named else "",
                in_room=route.room is not None,
                said=(self._domain, part.when) if held else None,
                mark=Mark(hops=part.hops),
            ),
            part.id,
        )
        confirmation = self._pings.sent(part.id, route.to)
        self._acquaintances.talk(part.place.native, sender)
        if bot:
            self._explain(part, route)
        return Handover(confirmation)

    def tell(self, notice: Notice) -> None:
        """Tell a person something that answers none of their private messages. Raises `SendError`."""
        if notice.place.kind is PlaceKind.ROOM:
            self._tell_in_room(notice)
            return
        route = self.route(notice.place)
        sender = self._bot
        if notice.to is not None and route.room is None:
            with contextlib.suppress(NoPuppetError):
                sender = self._way.puppet_jid(notice.to)
        elif notice.to is not None and route.room is not None and (own := route.room.owns.of(notice.to)) is not None:
            sender = own.jid if own.present else sender
        token = f"tell-{secrets.token_hex(8)}"
        in_room = route.room is not None
        self._way.write(outbound.chat(sender, route.to, token, Text(notice.text), in_room=in_room))

    def refused(self, stanza: Element) -> bool:
        """An error stanza came for a message; tells whether it was one of these, and waited for."""
        part_id = ids.part_id(stanza.get("id", ""))
        if part_id is None:
            return False
        sender, error = stanza.get("from", ""), errors.read_error(stanza)
        if ids.bare(sender) in self._rooms:
            found = errors.occupant_refused(error)
        else:
            found = errors.direct_refused(error, known=self._acquaintances.exists(ids.bare(sender)))
        return self._pings.refused(part_id, sender, found)

    def route(self, place: Place) -> Route:
        """Where to write to the user of the place. Raises `SendError`."""
        native = place.native
        bare, hidden = ids.bare(native), "/" in native
        room = self._rooms.get(bare)
        if not hidden:
            if self._ours(native):
                raise SendError.permanent(Reason.ITEM_NOT_FOUND, f"{native} is nobody but a puppet of this bridge")
            if room is not None:
                raise SendError.permanent(Reason.ITEM_NOT_FOUND, f"{native} is a room, not a person")
            return Route(native)
        if room is None:
            raise SendError.permanent(Reason.ITEM_NOT_FOUND, f"the room {bare} is not bridged any more")
        if room.observer is None:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"not in the room {bare} at the moment")
        occupant = room.occupants.find(Address(place.network, native))
        if occupant is None:
            raise SendError.permanent(Reason.RECIPIENT_UNAVAILABLE, f"they are not in the room {bare} any more")
        return Route(f"{bare}/{occupant.nick}", room)

    def _tell_in_room(self, notice: Notice) -> None:
        """Through the room where the person is in it, else to their own JID."""
        person, text = notice.person, notice.text
        room = self._rooms.get(notice.place.native)
        token = f"tell-{notice.about or ''}"
        occupant = room.occupants.find(person.address) if room is not None and room.owns.bot.present else None
        if occupant is not None:
            self._way.write(outbound.private(self._bot, f"{notice.place.native}/{occupant.nick}", token, text))
        elif "/" not in person.address.native:
            self._way.write(outbound.direct(self._bot, person.address.native, token, text))
        else:
            raise SendError.permanent(
                Reason.RECIPIENT_UNAVAILABLE, f"{person} is not in {notice.place.native} any more"
            )

    def _sender(self, part: Part, route: Route) -> str:
        room = route.room
        if room is None:
            if part.voice is Voice.BOT:
                return self._bot
            try:
                return self._way.puppet_jid(part.speaker.address)
            except NoPuppetError as error:
                raise SendError.permanent(Reason.JID_MALFORMED, str(error)) from None
        own = room.owns.bot if part.voice is Voice.BOT else room.owns.of(part.speaker.address)
        if own is None or not own.present or own.leaving:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"not in the room {room.jid} at the moment")
        return own.jid

    def _explain(self, part: Part, route: Route) -> None:
        """Whom the bot brings a message of somebody learns how to answer, once for each."""
        speaker = part.speaker
        if not self._acquaintances.introduces(f"{self._bot} {speaker.address}", part.place.native, "bot"):
            return
        hint = Text(how_to_answer(speaker.name, self._way.written(speaker.address)))
        # The message itself is on its way, whatever becomes of the hint.
        with contextlib.suppress(SendError):
            self._way.write(outbound.chat(self._bot, route.to, f"hint-{part.id}", hint, in_room=route.room is not None))
