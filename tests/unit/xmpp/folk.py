"""Single people as the adapter sees them, without a server: what is written, told and remembered is kept."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast
from xml.etree.ElementTree import Element, fromstring

from adapters.xmpp import ids
from adapters.xmpp.people import People
from adapters.xmpp.queries import Queries
from adapters.xmpp.rooms import Room
from adapters.xmpp.sanitise import checked
from adapters.xmpp.sightings import Sightings
from bridge.contract import Core, SendError
from bridge.model.address import Address, Person
from bridge.model.event import Event, State
from bridge.model.result import Reason
from bridge.names import Kind, Named, Names
from tests.networks.onlooker import Onlooker
from tests.unit.xmpp.muc import BOT, DOMAIN

NAMES = Names([Named("office", Kind.XMPP, default=True), Named("libera", Kind.IRC), Named("home", Kind.MATRIX)])
KESTREL = Person(Address("libera", "kestrel"), "Kestrel")
PUPPET = f"kestrel%libera@{DOMAIN}"
ANA = "ana@example.org"
ME = Address("office", ANA)
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


class FakeCore(Onlooker):
    """The core, as far as single people go."""

    def __init__(self, memory: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.network = "office"
        self.names = NAMES
        self.memory = dict(memory or {})

    def recall(self, prefix: str = "") -> Mapping[str, str]:
        return {key: value for key, value in self.memory.items() if key.startswith(prefix)}

    async def remember(self, values: Mapping[str, str | None]) -> None:
        await asyncio.sleep(0)
        for key, value in values.items():
            if value is None:
                self.memory.pop(key, None)
            else:
                self.memory[key] = value


class Folk:
    """People, and what they do to the outside. Every stanza that is written has to be one of ours, and well-formed."""

    def __init__(self, rooms: Mapping[str, Room] | None = None, memory: Mapping[str, str] | None = None) -> None:
        self.core = FakeCore(memory)
        self.stanzas: list[str] = []
        self.items: list[Event | State] = []
        self.ignores: list[str] = []
        self.down = False
        self.queries = Queries(self.write)
        self.sightings = Sightings(self.core.presence)
        self.people = People(cast(Core, cast(Any, self.core)), self, rooms or {}, self.queries, self.sightings, bot=BOT)
        self.core.notifying = self.people.notify

    def write(self, stanza: str) -> None:
        if self.down:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "the XMPP server is not connected")
        checked(stanza)
        sender = fromstring(stanza).get("from", "")
        assert ids.domain(sender) == DOMAIN, f"the server would end the stream: {stanza}"
        self.stanzas.append(stanza)

    def emit(self, *items: Event | State) -> None:
        self.items.extend(items)

    def ignored(self, what: str, native_id: str = "") -> None:
        self.ignores.append(what)

    def puppet_jid(self, address: Address) -> str:
        return ids.own_jid(NAMES.xmpp_local(address), DOMAIN)

    def written(self, address: Address) -> str:
        return str(address)

    def taken(self) -> list[Element]:
        """What was written since the last time."""
        stanzas, self.stanzas = self.stanzas, []
        return [fromstring(each) for each in stanzas]

    def kinds(self) -> list[tuple[str, str, str]]:
        """Who wrote what to whom since the last time: sender, type, recipient."""
        return [(each.get("from", ""), each.get("type", ""), each.get("to", "")) for each in self.taken()]

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Their tasks run, and the stream is there."""
        tasks = [asyncio.ensure_future(work) for _, work in self.people.tasks()]
        self.people.opened()
        self.core.tell_all()
        try:
            yield
        finally:
            self.people.closed(Reason.SERVICE_UNAVAILABLE, "over")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self) -> None:
        """Let everything be done that can be done now."""
        for _ in range(30):
            await asyncio.sleep(0)


def message(
    inner: str, *, sender: str = f"{ANA}/phone", to: str = PUPPET, kind: str = "chat", mid: str = "1"
) -> Element:
    """A message to one of ours."""
    return fromstring(
        f"<message xmlns='jabber:component:accept' from='{sender}' to='{to}' id='{mid}' type='{kind}'>{inner}</message>"
    )


def presence(kind: str = "", inner: str = "", *, sender: str = ANA, to: str = PUPPET) -> Element:
    """A presence to one of ours."""
    attribute = f" type='{kind}'" if kind else ""
    return fromstring(
        f"<presence xmlns='jabber:component:accept' from='{sender}' to='{to}'{attribute}>{inner}</presence>"
    )


def failed(mid: str, condition: str, *, sender: str = ANA, kind: str = "cancel", to: str = PUPPET) -> Element:
    """A message came back."""
    error = f"<error type='{kind}'><{condition} xmlns='{STANZAS}'/></error>"
    return message(error, sender=sender, to=to, kind="error", mid=mid)
