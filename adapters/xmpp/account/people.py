"""Single people, as an account deals with them: all of it is written by the bot and to the bot."""

from collections.abc import Coroutine, Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from adapters.xmpp import ids
from adapters.xmpp.acquaintances import Acquaintances
from adapters.xmpp.direct import Direct
from adapters.xmpp.inbox import Inbox
from adapters.xmpp.people import Way
from adapters.xmpp.pings import Pings
from adapters.xmpp.queries import Queries
from adapters.xmpp.rooms import Room
from bridge.contract import Core, Handover, NoPuppetError, Part
from bridge.model.address import Address
from bridge.model.result import Reason

_DELAY = "{urn:xmpp:delay}delay"
_PRESENCES = {
    "subscribe": "subscription request",
    "subscribed": "subscription answer",
    "unsubscribe": "subscription request",
    "unsubscribed": "subscription answer",
    "probe": "presence probe",
    "error": "error",
}


class People:
    """`rooms` by bare JID, `bot` the account's bare JID. It is the `people` of `adapters.xmpp.dispatch.Dispatch`."""

    def __init__(self, core: Core, way: Way, rooms: Mapping[str, Room], queries: Queries, *, bot: str) -> None:
        acquaintances = Acquaintances()
        self._way = way
        self._keepers = frozenset({bot, ids.domain(bot)})
        self._pings = Pings(queries, bot)
        self.direct = Direct(way, rooms, self._pings, acquaintances, bot=bot, ours=bot.__eq__)
        self.inbox = Inbox(core, way, rooms, acquaintances, bot=bot, ours=bot.__eq__)

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What has to run for as long as the adapter does, by name."""
        yield "commands", self.inbox.run()

    def ask_again(self, part: Part) -> Handover:
        """The message is on its way already: only have its arrival confirmed. Raises `bridge.contract.SendError`."""
        return Handover(self._pings.sent(part.id, self.direct.route(part.place).to))

    def lost(self, reason: Reason, text: str) -> None:
        """The stream is gone: what waits to be confirmed is in doubt."""
        self._pings.lost(reason, text)

    # The dispatcher's

    def message(self, stanza: Element) -> None:
        """See `adapters.xmpp.dispatch.People`. What our own server kept for us has its word on when it was said."""
        for delay in stanza.iter(_DELAY):
            if delay.get("from") in self._keepers:
                del delay.attrib["from"]
        self.inbox.message(stanza)

    def refused(self, stanza: Element) -> bool:
        """See `adapters.xmpp.dispatch.People`."""
        return self.direct.refused(stanza)

    def presence(self, stanza: Element) -> None:
        """See `adapters.xmpp.dispatch.People`. The bot has no roster: it follows nobody, and is followed by nobody."""
        self._way.ignored(_PRESENCES.get(stanza.get("type", ""), "presence"))


def no_puppet(address: Address) -> str:
    """Where there is an account alone, nobody else has a JID."""
    raise NoPuppetError(f"{address} has no JID here: the bot speaks for them")
