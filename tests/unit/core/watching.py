"""A presence service over networks in memory, with a clock of the test's own."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.model.address import Address
from bridge.model.presence import Activity, Basic, Presence, Tuple
from bridge.model.rule import Decision, Rule, RuleKind
from bridge.model.subscription import Notify, Response, Subscribe
from bridge.permissions import Permissions
from bridge.presence_service import PresenceService
from bridge.store import Store
from bridge.store import rules as stored_rules
from bridge.views import closed
from tests.unit.core.loopback import Loopback
from tests.unit.stores import store_url

ANA = Address("home", "@ana:example.org")
BO = Address("office", "bo@example.org")
CY = Address("office", "cy@example.org")
KESTREL = Address("libera", "kestrel")
HERE = Presence(KESTREL, (Tuple("irc", Basic.OPEN),))
TEA = Presence(KESTREL, (Tuple("irc", Basic.OPEN, frozenset({Activity.AWAY}), (("", "tea"),)),))
GONE = Presence(KESTREL, (Tuple("irc", Basic.CLOSED, notes=(("", "bye"),), idle_since=5.0),))
CLOSED = closed(KESTREL)
UNKNOWN = Presence(KESTREL)
DAY = 86400.0


class Admits:
    """Everybody may ask, but those named."""

    def __init__(self) -> None:
        self.strangers: set[Address] = set()

    def may_watch(self, watcher: Address, watched: Address) -> bool:
        return watcher.network != watched.network and watcher not in self.strangers

    def may_still_watch(self, watcher: Address, watched: Address) -> bool:
        return self.may_watch(watcher, watched)


class Watching:
    """The service, and what it does to networks and people."""

    def __init__(self, store: Store, permissions: Permissions, began: float, answer_within: float) -> None:
        self.now = began
        self.nets = {"home": Loopback(), "office": Loopback(), "libera": Loopback()}
        self.online = set(self.nets)
        self.admits = Admits()
        self.said: list[tuple[Address, str]] = []
        self.permissions = permissions
        self.service = PresenceService(
            store,
            self.nets,
            permissions,
            self.admits,
            exists=lambda address: address.network in self.nets and " " not in address.native,
            denies=lambda address: address.native.startswith("denied"),
            is_online=self.online.__contains__,
            say=lambda address, text: self.said.append((address, text)),
            written=lambda address: address.native,
            clock=lambda: self.now,
            answer_within=answer_within,
        )
        self._ids = itertools.count()

    async def subscribe(
        self, watcher: Address, duration: float | None = None, of: str = "", trans: str = "", target: Address = KESTREL
    ) -> Response:
        """Ask, and let what follows the answer happen."""
        number = next(self._ids)
        wanted = Subscribe(watcher, target, duration, of or f"id{number}", trans or f"trans{number}")
        response = await self.service.subscribe(wanted)
        await asyncio.sleep(0)
        return response

    async def rule(
        self, who: str, decision: Decision, owner: Address = KESTREL, kind: RuleKind = RuleKind.ACCESS
    ) -> None:
        await self.permissions.set(Rule(owner, kind, who, decision))

    def taken(self, watcher: Address) -> list[Notify]:
        """What that watcher was notified of since the last time."""
        notified = self.nets[watcher.network].notified
        found = [each for each in notified if each.watcher == watcher]
        notified[:] = [each for each in notified if each.watcher != watcher]
        return found

    def told(self, watcher: Address) -> list[tuple[str, Presence]]:
        """The same, as state and presence."""
        return [(each.state.value, each.presence) for each in self.taken(watcher)]


@asynccontextmanager
async def watching(
    folder: Path, now: float = 1e9, answer_within: float = 0.01, strangers: Iterable[Address] = ()
) -> AsyncIterator[Watching]:
    """A service over the store in the folder; all networks are online. `strangers` may ask for nobody."""
    store = Store(store_url(folder))
    await store.open()
    try:
        made = Watching(store, Permissions(store, await store.read(stored_rules.known)), now, answer_within)
        made.admits.strangers.update(strangers)
        await made.service.start()
        for network in made.nets:
            made.service.online(network)
        yield made
    finally:
        await store.close()
