"""What puppets show: to those who have them on their roster, and in the rooms they are in. Paced; the last value
wins."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

import structlog

from adapters.xmpp import outbound
from adapters.xmpp.presence import GONE, PLAIN, Appearance, in_room
from adapters.xmpp.rooms import Room
from adapters.xmpp.subscriptions import Subscriptions
from bridge.contract import NoPuppetError, SendError
from bridge.model.address import Address
from bridge.model.presence import Presence
from bridge.model.result import Reason

log = structlog.get_logger(__name__)

BURST, PAUSE = 50, 0.1
"""How many presences are sent at once, and the seconds between."""
LOOKS = 50
"""How many are looked at before others have their turn: of thousands who changed at once, few may be in any room."""
AGAIN = 2.0
"""Seconds to wait when the server reads too slowly."""
FAREWELLS = 5000
"""How many contacts are told, when the gateway stops, that their puppets are gone."""

Contact: TypeAlias = tuple[str, Address | None]
"""A person, by bare JID, and whose puppet they have on their roster; None is the bot."""


class Way(Protocol):
    """What showing needs of the rest of the adapter. Nothing of it blocks."""

    def write(self, stanza: str) -> None:
        """Give a stanza to the stream. Raises `SendError`."""

    def puppet_jid(self, address: Address) -> str:
        """The full JID of that person's puppet. Raises `NoPuppetError`."""


class Showing:
    """Owned by its task, `run`. `presence_of` is `bridge.contract.Core.presence_of`, for rooms, whose readers all see
    the same; what contacts see is wanted of it, one by one. `bot` is the bot's full JID."""

    def __init__(
        self,
        way: Way,
        presence_of: Callable[[Address], Presence],
        rooms: Mapping[str, Room],
        subscriptions: Subscriptions,
        bot: str,
    ) -> None:
        self._way = way
        self._presence_of = presence_of
        self._rooms = rooms
        self._subscriptions = subscriptions
        self._bot = bot
        self._changed: dict[Address | Contact, None] = {}
        self._some = asyncio.Event()
        self._open = asyncio.Event()
        self._wanted: dict[Contact, Appearance] = {}
        self._shown: dict[Contact, Appearance] = {}

    def changed(self, address: Address) -> None:
        """What the puppet of that person shows in rooms may have changed."""
        self._mark(address)

    def want(self, person: str, address: Address, wanted: Appearance) -> None:
        """What the puppet is to show to the person, from when `show` says so."""
        self._wanted[person, address] = wanted

    def of(self, person: str, address: Address) -> Appearance | None:
        """What is wanted; None for nothing at all."""
        return self._wanted.get((person, address))

    def show(self, person: str, address: Address) -> None:
        """Show the person what is wanted, in its turn."""
        self._mark((person, address))

    def forget(self, person: str, address: Address) -> None:
        """There is nothing between the two any more."""
        self._wanted.pop((person, address), None)
        self._shown.pop((person, address), None)

    def opened(self) -> None:
        """Whoever has the bot on their roster is told anew; of the puppets the core tells anew. In rooms they show it
        as they enter."""
        for person in self._subscriptions.watchers(None):
            self._mark((person, None))
        if self._changed:
            self._some.set()
        self._open.set()

    def closed(self) -> None:
        """The stream is gone."""
        self._open.clear()
        self._shown.clear()

    def to(self, person: str, address: Address | None) -> None:
        """Tell one person, who asks, what the puppet is to show them now, if that is known. Raises `SendError`."""
        wanted = self._appearance((person, address))
        if wanted is not None:
            self._write(person, address, wanted)

    def end(self, person: str, address: Address | None) -> None:
        """The person is to see nothing of the puppet any more. Raises `SendError`."""
        self._write(person, address, GONE)
        self._shown.pop((person, address), None)
        if address is not None:
            self.forget(person, address)

    def farewell(self) -> None:
        """We go: nobody shall see those online who are not."""
        there = [key for key, shown in self._shown.items() if shown.available]
        for person, address in there[:FAREWELLS]:
            try:
                self.end(person, address)
            except SendError as error:
                log.info("could not say good-bye to all contacts", error=str(error))
                return

    async def run(self) -> None:
        """Show what has changed, until cancelled."""
        sent = looked = 0
        while True:
            await self._open.wait()
            await self._some.wait()
            if not self._changed:
                self._some.clear()
                continue
            what = next(iter(self._changed))
            del self._changed[what]
            try:
                sent += self._in_rooms(what) if isinstance(what, Address) else self._to_contact(what)
            except SendError as error:
                log.debug("presence not sent", of=str(what), error=str(error))
                if error.failure.reason is Reason.RESOURCE_CONSTRAINT:
                    self._mark(what)
                await asyncio.sleep(AGAIN)
            looked += 1
            if sent >= BURST:
                sent = looked = 0
                await asyncio.sleep(PAUSE)
            elif looked >= LOOKS:
                looked = 0
                await asyncio.sleep(0)

    def _mark(self, what: Address | Contact) -> None:
        self._changed[what] = None
        self._some.set()

    def _appearance(self, contact: Contact) -> Appearance | None:
        return PLAIN if contact[1] is None else self._wanted.get(contact)

    def _in_rooms(self, address: Address) -> int:
        """How many stanzas it took."""
        worn = in_room(self._presence_of(address))
        owns = ((room, room.owns.of(address)) for room in self._rooms.values())
        return sum(room.appear(own, worn) for room, own in owns if own is not None)

    def _to_contact(self, contact: Contact) -> int:
        """How many stanzas it took."""
        wanted = self._appearance(contact)
        if wanted is None or self._shown.get(contact) == wanted:
            return 0
        self._write(*contact, wanted)
        return 1

    def _write(self, person: str, address: Address | None, shown: Appearance) -> None:
        try:
            sender = self._bot if address is None else self._way.puppet_jid(address)
        except NoPuppetError as error:
            log.debug("a contact has no name now", error=str(error))
            return
        self._way.write(outbound.appear(sender, person, shown))
        self._shown[person, address] = shown
