"""Presence that comes from people and not through a room: subscriptions, probes, and what contacts show.

Their wishes are the core's to grant (RFC 3922 section 6): ``subscribe`` is its subscribe, ``unsubscribe`` one of no
duration. What a puppet says to them follows from what the core notifies: ``subscribed`` and presence, ``unsubscribed``,
or nothing as long as nobody has answered. So what was not said, for the stream was gone or we were, is said when all is
notified anew.
"""

import asyncio
import uuid
from dataclasses import replace
from typing import Protocol
from xml.etree.ElementTree import Element

import structlog

from adapters.xmpp import ids, outbound
from adapters.xmpp.presence import GONE, appearance, read_tuple
from adapters.xmpp.showing import Showing
from adapters.xmpp.sightings import Sightings
from adapters.xmpp.subscriptions import Subscription, Subscriptions
from bridge.contract import Core, NoPuppetError, SendError
from bridge.model.address import Address
from bridge.model.result import Failure, Reason
from bridge.model.subscription import Notify, Subscribe, SubscriptionEvent, SubscriptionState

log = structlog.get_logger(__name__)

WAITING = 10_000
"""Stanzas that may wait to be dealt with; beyond, they are passed over, and their senders may ask again."""
PROBES, PAUSE = 50, 0.1
"""How many contacts are asked for their presence at once, and the seconds between."""


class Way(Protocol):
    """What contacts need of the rest of the adapter. Nothing of it blocks."""

    def write(self, stanza: str) -> None:
        """Give a stanza to the stream. Raises `SendError`."""

    def ignored(self, what: str, native_id: str = "") -> None:
        """As `bridge.contract.Core.ignored`."""

    def puppet_jid(self, address: Address) -> str:
        """The full JID of that person's puppet. Raises `NoPuppetError`."""


class Contacts:
    """Owned by its task, `run`, which takes stanzas in their order. `bot` is the bot's full JID."""

    def __init__(
        self, core: Core, way: Way, subscriptions: Subscriptions, showing: Showing, sightings: Sightings, *, bot: str
    ) -> None:
        self._core = core
        self._way = way
        self._subscriptions = subscriptions
        self._showing = showing
        self._sightings = sightings
        self._bot = bot
        self._domain = ids.domain(bot)
        self._items: asyncio.Queue[Element | Notify | Subscription] = asyncio.Queue(WAITING)
        self._unsent: list[str] = []
        self._asking: set[tuple[str, Address]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def presence(self, stanza: Element) -> None:
        """A presence from somebody, in its turn."""
        try:
            self._items.put_nowait(stanza)
        except asyncio.QueueFull:
            self._way.ignored("presence beyond all bounds")

    def notify(self, notify: Notify) -> None:
        """See `bridge.contract.Notifying`. What only shows something else goes by at once; what changes how the two
        stand comes in its turn."""
        person, address = notify.watcher.native, notify.target
        is_active = notify.state is SubscriptionState.ACTIVE
        self._showing.want(person, address, appearance(notify.presence) if is_active else GONE)
        if is_active and self._subscriptions.of(person, address).hears and (person, address) not in self._asking:
            self._showing.show(person, address)
            return
        try:
            self._items.put_nowait(notify)
        except asyncio.QueueFull:
            log.warning("too many changes to tell contacts of; they are told when the stream opens next")

    def contact(self, person: str, puppet: str) -> bool:
        """Whether the puppet of that bare JID is on the person's roster."""
        address, readable = self._puppet(puppet)
        return readable and self._subscriptions.of(person, address).hears

    def opened(self) -> None:
        """The stream is there: what is not kept is said again, and contacts are asked what they show."""
        unsent, self._unsent = self._unsent, []
        for stanza in unsent:
            self._write(stanza)
        self._tasks = [
            asyncio.create_task(self._probe(), name=f"{self._core.network} probes"),
            asyncio.create_task(self._resume(), name=f"{self._core.network} subscriptions"),
        ]

    def closed(self) -> None:
        """The stream is gone."""
        for task in self._tasks:
            task.cancel()

    async def run(self) -> None:
        """Deal with what came, until cancelled."""
        while True:
            item = await self._items.get()
            try:
                match item:
                    case Notify():
                        await self._notified(item)
                    case Subscription():
                        await self._again(item)
                    case _:
                        await self._handle(item)
            except SendError as error:
                log.info("presence not sent", error=str(error))
            except Exception:
                # The fault of one stanza must not silence the presence of everybody else.
                what = {"type": item.get("type"), "sender": item.get("from")} if isinstance(item, Element) else {}
                log.exception("presence not understood", **what)
                self._way.ignored("not understood")

    async def _handle(self, stanza: Element) -> None:
        kind, sender = stanza.get("type"), stanza.get("from", "")
        person, puppet = ids.bare(sender), ids.bare(stanza.get("to", ""))
        if not person.rpartition("@")[0] or ids.domain(person) == self._domain or " " in person:
            self._way.ignored("presence of nobody")
            return
        address, readable = self._puppet(puppet)
        known = self._subscriptions.of(person, address)
        if not readable:
            if kind in ("subscribe", "probe"):
                self._nobody(stanza, person, puppet)
            else:
                self._way.ignored("presence to nobody")
        elif kind == "subscribe":
            await self._subscribe(stanza, known)
        elif kind == "unsubscribe":
            await self._unsubscribe(known)
        elif kind == "subscribed":
            await self._subscribed(known)
        elif kind == "unsubscribed":
            await self._unsubscribed(known)
        elif kind == "probe":
            await self._probed(known)
        elif address is None or not known.follows:
            self._way.ignored("presence of a stranger")
        else:
            self._shows(stanza, kind, known.person, address)

    # Subscriptions of theirs to us

    async def _subscribe(self, stanza: Element, known: Subscription) -> None:
        if not known.hears and self._subscriptions.full(known.person):
            self._way.write(outbound.error(stanza, Reason.RESOURCE_CONSTRAINT, "that are too many contacts here"))
            self._say(known, "unsubscribed")
        elif known.address is None:
            await self._keep(replace(known, hears=True))
            self._say(known, "subscribed")
            self._showing.to(known.person, None)
        else:
            if known.hears:
                # They ask once more, and shall have an answer once more.
                self._asking.add((known.person, known.address))
            failure = await self._ask(known, known.address, stanza.get("id", ""))
            if failure is not None:
                # RFC 3922 section 6.1 asks for the error; many clients only take back their request when it is refused.
                self._asking.discard((known.person, known.address))
                self._way.write(outbound.error(stanza, failure.reason, failure.text))
                await self._refused(known)

    async def _unsubscribe(self, known: Subscription) -> None:
        address, me = known.address, Address(self._core.network, known.person)
        running = None if address is None else self._core.subscription(me, address)
        if address is not None and running is not None:
            await self._core.subscribe(Subscribe(me, address, 0.0, running.id, uuid.uuid4().hex))
        elif known.hears:
            await self._end(known)

    async def _probed(self, known: Subscription) -> None:
        if known.hears:
            self._showing.to(known.person, known.address)
        elif self._subscriptions.full(known.person):
            self._say(known, "unsubscribed")
        elif known.address is None:
            await self._keep(replace(known, hears=True))
            self._showing.to(known.person, None)
        # Their server would not ask if it did not have us on their roster, by our own approval, which is lost.
        elif await self._ask(known, known.address) is not None:
            await self._refused(known)

    async def _again(self, known: Subscription) -> None:
        """Their server was told ``subscribed``, and the core knows of no subscription."""
        known = self._subscriptions.of(known.person, known.address)
        if known.hears and known.address is not None and await self._ask(known, known.address) is not None:
            await self._refused(known)

    async def _ask(self, known: Subscription, address: Address, transaction_id: str = "") -> Failure | None:
        """Have the core decide; what then is to be said comes as a notify. Returns why it refuses at once."""
        me = Address(self._core.network, known.person)
        running = self._core.subscription(me, address)
        subscription_id = uuid.uuid4().hex if running is None else running.id
        response = await self._core.subscribe(
            Subscribe(me, address, None, subscription_id, transaction_id or uuid.uuid4().hex)
        )
        return response.failure

    async def _notified(self, notify: Notify) -> None:
        known = self._subscriptions.of(notify.watcher.native, notify.target)
        pair = known.person, notify.target
        if notify.state is SubscriptionState.ACTIVE:
            if not known.hears or pair in self._asking:
                # Not kept where it cannot be written: then it is notified anew.
                self._speak(known, "subscribed")
                self._asking.discard(pair)
            self._showing.to(*pair)
            asks = not known.asked and not known.follows
            if asks:
                self._speak(known, "subscribe")
            await self._keep(replace(known, hears=True, asked=known.asked or asks))
        elif notify.state is SubscriptionState.PENDING:
            if known.hears:
                self._showing.to(*pair)
        elif self._core.subscription(notify.watcher, notify.target) is not None:
            # They have asked anew meanwhile; what comes of that follows, and is not to be taken back by this.
            await self._keep(replace(known, hears=False))
        else:
            self._asking.discard(pair)
            if notify.event in (SubscriptionEvent.REJECTED, SubscriptionEvent.GIVEUP):
                await self._refused(known)
            elif known.hears:
                await self._end(known)
            else:
                self._showing.forget(*pair)

    async def _refused(self, known: Subscription) -> None:
        """They are to see nothing any more, and to know it."""
        if known.hears and known.address is not None:
            self._showing.end(known.person, known.address)
        elif known.address is not None:
            self._showing.forget(known.person, known.address)
        self._speak(known, "unsubscribed")
        await self._keep(replace(known, hears=False))

    async def _end(self, known: Subscription) -> None:
        """They wish to see nothing any more."""
        await self._keep(replace(known, hears=False))
        self._showing.end(known.person, known.address)

    # Subscriptions of ours to them

    async def _subscribed(self, known: Subscription) -> None:
        if not known.asked:
            self._way.ignored("subscription answer")
            return
        await self._keep(replace(known, follows=True))

    async def _unsubscribed(self, known: Subscription) -> None:
        if known.address is None or not known.follows:
            self._way.ignored("subscription answer")
            return
        await self._keep(replace(known, follows=False))
        self._sightings.unfollowed(Address(self._core.network, known.person), known.address)

    def _shows(self, stanza: Element, kind: str | None, person: str, puppet: Address) -> None:
        address = Address(self._core.network, person)
        device = ids.resource(stanza.get("from", ""))
        if kind is None:
            self._sightings.device(address, puppet, device, read_tuple(stanza, device or "account"))
        elif kind == "unavailable" and device:
            self._sightings.device(address, puppet, device, None)
        elif kind == "unavailable":
            self._sightings.all_offline(address, puppet)
        else:
            # Their server cannot be had, or knows no such account any more: nothing is known of them.
            self._way.ignored("presence error")
            self._sightings.unfollowed(address, puppet)

    # Helpers

    async def _keep(self, new: Subscription) -> None:
        if new == self._subscriptions.of(new.person, new.address):
            return
        await self._core.remember({new.key: new.value})
        self._subscriptions.put(new)

    def _puppet(self, puppet: str) -> tuple[Address | None, bool]:
        """Whose puppet has that bare JID, None for the bot; and whether it is a name of ours at all."""
        local, _, domain = puppet.rpartition("@")
        if domain != self._domain or not local:
            return None, False
        if puppet == ids.bare(self._bot):
            return None, True
        try:
            found = self._core.names.from_xmpp_local(local)
        except ValueError:
            return None, False
        return (found, True) if isinstance(found, Address) and found.network != self._core.network else (None, False)

    def _nobody(self, stanza: Element, person: str, puppet: str) -> None:
        """RFC 3922 section 6.1 asks for the error; many clients only take back their request when it is refused."""
        self._way.ignored("presence to nobody")
        if ids.domain(puppet) != self._domain:
            return
        if stanza.get("type") == "subscribe":
            self._way.write(outbound.error(stanza, Reason.ITEM_NOT_FOUND, "nobody here is called so"))
        self._way.write(outbound.subscription(puppet, person, "unsubscribed"))

    def _speak(self, known: Subscription, kind: str) -> None:
        """Say something of a subscription now. Raises `SendError`."""
        stanza = self._spoken(known, kind)
        if stanza:
            self._way.write(stanza)

    def _say(self, known: Subscription, kind: str) -> None:
        """The same, as soon as it can be said."""
        stanza = self._spoken(known, kind)
        if stanza:
            self._write(stanza)

    def _spoken(self, known: Subscription, kind: str) -> str:
        try:
            puppet = self._bot if known.address is None else self._way.puppet_jid(known.address)
        except NoPuppetError as error:
            log.debug("a contact has no name now", error=str(error))
            return ""
        return outbound.subscription(ids.bare(puppet), known.person, kind)

    def _write(self, stanza: str) -> None:
        try:
            self._way.write(stanza)
        except SendError as error:
            # It is not asked for again, so it must not be lost.
            if error.temporary and len(self._unsent) < WAITING:
                self._unsent.append(stanza)
            else:
                raise

    async def _resume(self) -> None:
        """Have those decided anew of whom the core knows nothing: it was told before it kept subscriptions, or has
        refused them while nobody could be told."""
        for each in self._subscriptions:
            address, me = each.address, Address(self._core.network, each.person)
            if each.hears and address is not None and self._core.subscription(me, address) is None:
                await self._items.put(each)

    async def _probe(self) -> None:
        """Ask those whom puppets follow what they show (RFC 6121 section 4.3.1)."""
        followed = [(each.person, each.address) for each in self._subscriptions if each.follows]
        for count, (person, address) in enumerate(followed, start=1):
            try:
                puppet = ids.bare(self._way.puppet_jid(address)) if address is not None else ""
                if puppet:
                    self._way.write(outbound.subscription(puppet, person, "probe"))
            except NoPuppetError as error:
                log.debug("a contact has no name now", error=str(error))
            except SendError as error:
                log.info("not every contact was asked for presence", error=str(error))
                return
            if count % PROBES == 0:
                await asyncio.sleep(PAUSE)
