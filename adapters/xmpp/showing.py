"""What puppets show: to those who have them on their roster, and in the rooms they are in. Paced; the last value
wins."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from adapters.xmpp import outbound
from adapters.xmpp.presence import GONE, PLAIN, Appearance, appearance, in_room
from adapters.xmpp.rooms import Room
from adapters.xmpp.subscriptions import Subscriptions
from bridge.contract import NoPuppetError, SendError
from bridge.model.address import Address
from bridge.model.presence import Presence
from bridge.model.result import Reason

log = structlog.get_logger(__name__)

BURST, PAUSE = 50, 0.1
"""How many presences are sent at once, and the seconds between."""
AGAIN = 2.0
"""Seconds to wait when the server reads too slowly."""
FAREWELLS = 5000
"""How many contacts are told, when the gateway stops, that their puppets are gone."""


class Way(Protocol):
    """What showing needs of the rest of the adapter. Nothing of it blocks."""

    def write(self, stanza: str) -> None:
        """Give a stanza to the stream. Raises `SendError`."""

    def puppet_jid(self, address: Address) -> str:
        """The full JID of that person's puppet. Raises `NoPuppetError`."""


class Showing:
    """Owned by its task, `run`. `presence_of` is `bridge.contract.Core.presence_of`; `bot` the bot's full JID."""

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
        self._changed: dict[Address | None, None] = {}
        self._some = asyncio.Event()
        self._open = asyncio.Event()
        self._shown: dict[tuple[str, Address | None], Appearance] = {}

    def changed(self, address: Address | None) -> None:
        """What the puppet of that person shows may have changed; None is the bot."""
        self._changed[address] = None
        self._some.set()

    def opened(self) -> None:
        """Everybody who has puppets on their roster is told anew. In rooms they show it as they enter."""
        for subscription in self._subscriptions:
            if subscription.hears:
                self._changed[subscription.address] = None
        if self._changed:
            self._some.set()
        self._open.set()

    def closed(self) -> None:
        """The stream is gone."""
        self._open.clear()
        self._shown.clear()

    def to(self, person: str, address: Address | None) -> None:
        """Tell one person, who asks, what the puppet shows now. Raises `SendError`."""
        self._write(person, address, self._appearance(address))

    def end(self, person: str, address: Address | None) -> None:
        """The person is to see nothing of the puppet any more. Raises `SendError`."""
        self._write(person, address, GONE)
        self._shown.pop((person, address), None)

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
        sent = 0
        while True:
            await self._open.wait()
            await self._some.wait()
            if not self._changed:
                self._some.clear()
                continue
            address = next(iter(self._changed))
            del self._changed[address]
            try:
                sent += self._show(address)
            except SendError as error:
                log.debug("presence not sent", puppet=str(address), error=str(error))
                if error.failure.reason is Reason.RESOURCE_CONSTRAINT:
                    self.changed(address)
                await asyncio.sleep(AGAIN)
            if sent >= BURST:
                sent = 0
                await asyncio.sleep(PAUSE)

    def _appearance(self, address: Address | None) -> Appearance:
        return PLAIN if address is None else appearance(self._presence_of(address))

    def _show(self, address: Address | None) -> int:
        """How many stanzas it took."""
        sent = 0
        if address is not None:
            worn = in_room(self._presence_of(address))
            for room in self._rooms.values():
                own = room.owns.of(address)
                if own is not None:
                    sent += room.appear(own, worn)
        shown = self._appearance(address)
        for person in self._subscriptions.watchers(address):
            if self._shown.get((person, address)) != shown:
                self._write(person, address, shown)
                sent += 1
        return sent

    def _write(self, person: str, address: Address | None, shown: Appearance) -> None:
        try:
            sender = self._bot if address is None else self._way.puppet_jid(address)
        except NoPuppetError as error:
            log.debug("a contact has no name now", error=str(error))
            return
        self._way.write(outbound.appear(sender, person, shown))
        self._shown[person, address] = shown
