"""All that has to do with single people and not with rooms: private messages, contacts, presence."""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Protocol
from xml.etree.ElementTree import Element

from adapters.xmpp import ids
from adapters.xmpp.acquaintances import Acquaintances
from adapters.xmpp.contacts import Contacts
from adapters.xmpp.direct import Direct
from adapters.xmpp.inbox import Inbox
from adapters.xmpp.pings import Pings
from adapters.xmpp.private import nick_of
from adapters.xmpp.queries import Queries
from adapters.xmpp.rooms import Room
from adapters.xmpp.showing import Showing
from adapters.xmpp.sightings import Sightings
from adapters.xmpp.subscriptions import PREFIX, Subscriptions
from bridge.contract import Core
from bridge.model.address import Address
from bridge.model.event import Event, State
from bridge.model.result import Reason
from bridge.model.subscription import Notify


class Way(Protocol):
    """What this needs of the rest of the adapter. Nothing of it blocks."""

    def write(self, stanza: str) -> None:
        """Give a stanza to the stream. Raises `bridge.contract.SendError`."""

    def emit(self, *items: Event | State) -> None:
        """Report to the core, in this order."""

    def ignored(self, what: str, native_id: str = "") -> None:
        """As `bridge.contract.Core.ignored`."""

    def puppet_jid(self, address: Address) -> str:
        """The full JID of that person's puppet. Raises `bridge.contract.NoPuppetError`."""

    def written(self, address: Address) -> str:
        """As `bridge.contract.Core.written`."""


class People:
    """Built when the adapter starts; `rooms` by bare JID, `bot` its full JID.

    It is the `people` of `adapters.xmpp.dispatch.Dispatch`, and its `sightings` are the `sight` of the rooms.
    """

    def __init__(
        self,
        core: Core,
        way: Way,
        rooms: Mapping[str, Room],
        queries: Queries,
        sightings: Sightings,
        *,
        bot: str,
        arrival: Callable[[], tuple[str, float] | None] = lambda: None,
        once: Callable[[str, str], None] | None = None,
    ) -> None:
        """`arrival` is as of `adapters.xmpp.inbox.Inbox`, `once` as of `adapters.xmpp.direct.Direct`."""
        acquaintances = Acquaintances()
        subscriptions = Subscriptions(core.recall(PREFIX))
        self._acquaintances = acquaintances
        self._pings = Pings(queries, bot)
        self._sightings = sightings
        self.direct = Direct(way, rooms, self._pings, acquaintances, bot=bot, once=once)
        self.inbox = Inbox(core, way, rooms, acquaintances, bot=bot, arrival=arrival)
        self.showing = Showing(way, core.presence_of, rooms, subscriptions, bot)
        self._contacts = Contacts(core, way, subscriptions, self.showing, sightings, bot=bot)

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What has to run for as long as the adapter does, by name."""
        yield "contacts", self._contacts.run()
        yield "presence", self.showing.run()
        yield "commands", self.inbox.run()

    def opened(self) -> None:
        """The stream is there."""
        self.showing.opened()
        self._contacts.opened()

    def closed(self, reason: Reason, text: str) -> None:
        """The stream is gone, for that reason."""
        self._contacts.closed()
        self.showing.closed()
        self._pings.lost(reason, text)
        self._sightings.forget()

    def notify(self, notify: Notify) -> None:
        """See `bridge.contract.Notifying`."""
        self._contacts.notify(notify)

    def contact(self, person: str, puppet: str) -> bool:
        """Whether a person has a puppet on the roster, or they have written to one another. Bare JIDs."""
        return self._contacts.contact(person, puppet) or self._acquaintances.in_touch(person, puppet)

    # The dispatcher's

    def message(self, stanza: Element) -> None:
        """See `adapters.xmpp.dispatch.People`."""
        self.inbox.message(stanza)

    def refused(self, stanza: Element) -> bool:
        """See `adapters.xmpp.dispatch.People`."""
        return self.direct.refused(stanza)

    def presence(self, stanza: Element) -> None:
        """See `adapters.xmpp.dispatch.People`."""
        person = ids.bare(stanza.get("from", ""))
        if stanza.get("type") == "subscribe" and person:
            # XEP-0172 section 4.2: with it somebody may say what they are called.
            self._acquaintances.heard(person, nick_of(stanza))
        self._contacts.presence(stanza)
