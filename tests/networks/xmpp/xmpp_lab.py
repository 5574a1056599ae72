"""What the adapter's tests against a real Prosody share: a core in memory that records, and short ways to speak."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from adapters.xmpp.adapter import XmppAdapter
from adapters.xmpp.settings import XmppSettings
from adapters.xmpp.stream import Connector
from bridge.contract import Adapter, Context, Part, Voice
from bridge.demo.clients import XmppClient
from bridge.demo.servers import Prosody
from bridge.model.address import Address, Person, Place
from bridge.model.event import Event, State
from bridge.model.message import Message, MessageKind, Text
from bridge.model.presence import Presence
from bridge.model.result import Failure, Receipt
from bridge.model.room import Member
from bridge.model.subscription import Response, Subscribe, SubscriptionEvent
from bridge.names import Kind, Named, Names
from tests.networks.onlooker import Onlooker

T = TypeVar("T")
NewClient = Callable[[Prosody, str], Awaitable[XmppClient]]
"""Logs in a client on a server, with a new account whose name begins with the word."""

NAMES = Names([Named("office", Kind.XMPP, default=True), Named("libera", Kind.IRC), Named("home", Kind.MATRIX)])


class RecordingCore(Onlooker):
    """`bridge.contract.Core` in memory. What survives a restart of the adapter is handed to the next one."""

    def __init__(self, *rooms: str, key: str | None = None, before: "RecordingCore | None" = None) -> None:
        super().__init__()
        self.network = "office"
        self.places = [Place("office", room) for room in rooms]
        self.items: list[Event | State] = []
        self.log: list[str] = []
        self.failures: list[Failure] = []
        self.standing: list[tuple[Place, Failure | None]] = []
        self.ignores: list[str] = []
        self.receipts: dict[str, Receipt] = {}
        self.is_online = False
        self.repeated: list[Event] = []
        self.memory: dict[str, str] = before.memory if before else {}
        self.origins: set[str] = before.origins if before else set()
        self.newest: dict[Place, float] = before.newest if before else {}
        self.subscriptions = before.subscriptions if before else {}
        self.slow: asyncio.Event | None = None
        self._key = key
        self._changed = asyncio.Condition()

    async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
        await self.remember(remember or {})
        if self.slow is not None:
            await self.slow.wait()
        for item in items:
            if isinstance(item, Event):
                if item.origin.native_id in self.origins:
                    self.repeated.append(item)
                    continue
                self.origins.add(item.origin.native_id)
                self.newest[item.place] = max(self.newest.get(item.place, 0.0), item.when)
            self.items.append(item)
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _soon(self) -> None:
        self._task = asyncio.ensure_future(self._notify())

    def online(self) -> None:
        self.is_online = True
        self.log.append("online")
        self.tell_all()
        self._soon()

    def offline(self, failure: Failure) -> None:
        self.is_online = False
        self.failures.append(failure)
        self.log.append(f"offline {failure}")
        self._soon()

    def inside(self, place: Place, failure: Failure | None) -> None:
        self.standing.append((place, failure))
        self._soon()

    def ignored(self, what: str, native_id: str = "") -> None:
        self.ignores.append(what)
        self._soon()

    def presence(self, presence: Presence, *, passing: bool = False) -> None:
        super().presence(presence, passing=passing)
        self._soon()

    async def subscribe(self, wanted: Subscribe) -> Response:
        response = await super().subscribe(wanted)
        self._soon()
        return response

    def end(self, watcher: Address, target: Address, event: SubscriptionEvent) -> None:
        super().end(watcher, target, event)
        self._soon()

    def confirmed(self, part_id: str, receipt: Receipt) -> None:
        self.receipts[part_id] = receipt
        self._soon()

    def recall(self, prefix: str = "") -> Mapping[str, str]:
        return {key: value for key, value in self.memory.items() if key.startswith(prefix)}

    async def remember(self, values: Mapping[str, str | None]) -> None:
        for key, value in values.items():
            if value is None:
                self.memory.pop(key, None)
            else:
                self.memory[key] = value

    def members(self, network: str | None = None) -> Sequence[Member]:
        return [Member(place, key=self._key) for place in self.places] if network in (None, self.network) else []

    def last_seen(self, place: Place) -> float | None:
        return self.newest.get(place)

    @property
    def names(self) -> Names:
        return NAMES

    # For tests

    async def until(self, what: str, found: Callable[[], T], within: float = 30.0) -> T:
        """Wait until `found` gives something true; else fail, telling what was seen."""
        try:
            async with asyncio.timeout(within), self._changed:
                while True:
                    value = found()
                    if value:
                        return value
                    await self._changed.wait()
        except TimeoutError:
            seen = "\n".join(f"  {item}" for item in self.items[-30:])
            raise AssertionError(
                f"not seen within {within:g} s: {what}\nitems:\n{seen}\nlog: {self.log}\nignored: {self.ignores[-20:]}"
            ) from None

    async def item(self, kind: type[T], within: float = 30.0, since: int = 0, **wanted: Any) -> T:
        """The first item of that kind whose attributes equal `wanted`; waits for it."""

        def found() -> T | None:
            for item in self.items[since:]:
                if isinstance(item, kind) and all(getattr(item, name) == value for name, value in wanted.items()):
                    return item
            return None

        value = await self.until(f"{kind.__name__} {wanted}", found, within)
        assert value is not None
        return value

    async def content(self, kind: type[T], within: float = 30.0) -> tuple[Event, T]:
        """The first event with content of that kind."""

        def found() -> tuple[Event, T] | None:
            for item in self.items:
                if isinstance(item, Event) and isinstance(item.content, kind):
                    return item, item.content
            return None

        value = await self.until(kind.__name__, found, within)
        assert value is not None
        return value

    async def heard(self, text: str, within: float = 30.0) -> Event:
        """The event of that message."""

        def found() -> Event | None:
            return next((event for event in self.messages() if _text(event) == text), None)

        value = await self.until(f"message {text!r}", found, within)
        assert value is not None
        return value

    def messages(self) -> list[Event]:
        return [item for item in self.items if isinstance(item, Event) and isinstance(item.content, Message)]

    def texts(self) -> list[str]:
        return [_text(event) for event in self.messages()]


def _text(event: Event) -> str:
    assert isinstance(event.content, Message)
    return event.content.body.text


def settings(prosody: Prosody, domain: str, **changes: Any) -> XmppSettings:
    values: dict[str, Any] = {
        "server": f"127.0.0.1:{prosody.component_port}",
        "domain": domain,
        "secret": prosody.components.get(domain, ""),
    }
    return XmppSettings(**values | changes)


CONTEXT = Context("office", "http://127.0.0.1:1", Path())


@asynccontextmanager
async def running(
    prosody: Prosody,
    domain: str,
    core: RecordingCore,
    *,
    there: bool = True,
    connector: Connector | None = None,
    **changes: Any,
) -> AsyncIterator[XmppAdapter]:
    """An adapter at work; online, with its bot in all rooms, unless `there` is false."""
    adapter = XmppAdapter(settings(prosody, domain, **changes), CONTEXT, connector)
    core.notifying = adapter.notify
    await adapter.start(core)
    try:
        if there:
            await in_rooms(adapter, core)
        yield adapter
    finally:
        await adapter.stop()


async def in_rooms(adapter: XmppAdapter, core: RecordingCore) -> None:
    await core.until("online", lambda: core.is_online)
    async with asyncio.timeout(30):
        for place in core.places:
            await adapter._find(place).here.wait()


def person(name: str, network: str = "libera", native: str = "") -> Person:
    return Person(Address(network, native or name.lower()), name)


_serial = iter(range(1, 1_000_000))


def part(
    place: Place,
    who: Person,
    text: str,
    *,
    voice: Voice = Voice.PUPPET,
    kind: MessageKind = MessageKind.TEXT,
    part_id: str = "",
    when: float | None = None,
) -> Part:
    return Part(
        part_id or f"part-{next(_serial)}-{time.time_ns()}",
        place,
        who,
        voice,
        kind,
        Text(text),
        time.time() if when is None else when,
    )


async def say(adapter: Adapter, spoken: Part, within: float = 30.0) -> Receipt:
    """Send a part and wait for its receipt."""
    async with asyncio.timeout(within):
        return await adapter.send(spoken).confirmation
