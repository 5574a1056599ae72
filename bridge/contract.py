"""What every adapter offers the core, and what it gets from it.

Arrows point one way: adapters import this module and `bridge.model`; the core knows adapters only by these Protocols
and finds them through the entry point group ``rialto.adapters``. What an adapter can do beyond `Adapter` it shows by
also being one of the small optional Protocols below, which the core checks once, at start.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from bridge.capabilities import Capabilities
from bridge.examination import Answering as Answering
from bridge.examination import Context as Context
from bridge.examination import Examining as Examining
from bridge.examination import Finding as Finding
from bridge.examination import Probing as Probing
from bridge.examination import Remark as Remark
from bridge.model.address import Address, Person, Place
from bridge.model.command import Offer
from bridge.model.event import HOPS, Event, State
from bridge.model.message import MessageKind, Text
from bridge.model.presence import Presence
from bridge.model.result import Failure, Reason, Receipt
from bridge.model.room import Member
from bridge.model.subscription import Notify, Response, Subscribe, Subscription
from bridge.names import Names

ENTRY_POINTS = "rialto.adapters"


class Voice(StrEnum):
    """Who says a part on the network: the speaker's own puppet, or the bot in the speaker's name."""

    PUPPET = "puppet"
    BOT = "bot"


@dataclass(frozen=True, slots=True)
class Part:
    """One wire unit of a delivery, ready to be sent.

    `id` is unique and the same at every attempt: what an adapter stamps on the wire to know its own again, and makes
    its transaction id of. It holds ASCII letters, digits and ``-`` only. With `Voice.BOT`, `text` already carries the
    speaker's name as the downgrade marked it. `source` is the native id of the message in its own network. `hops`:
    gateways it may still pass (RFC 3860 MaxForwards), to be put on the wire where there is a field for it. `accepted`
    is when we took it in, before any attempt to send it, in seconds since the epoch; 0 where that is not known.
    """

    id: str
    place: Place
    speaker: Person
    voice: Voice
    kind: MessageKind
    text: Text
    when: float
    source: str = ""
    hops: int = HOPS
    accepted: float = 0.0


@dataclass(frozen=True, slots=True)
class Notice:
    """One line that the gateway itself says to a person of the network.

    `place` is where they spoke: a room, or with `PlaceKind.USER` the person themself, who then wrote to `to` in
    private. `about` is the native id of what they said. `failure` is why that was not delivered; None where the line
    tells something else. `text` says it in words, the failure's included.
    """

    place: Place
    person: Person
    text: str
    about: str | None = None
    to: Address | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Handover:
    """A part has been given to the connection, in order.

    `confirmation` ends with a `Receipt` or raises `SendError`. `throttled`: the part is held back by flood control,
    and nobody else should wait for it.
    """

    confirmation: asyncio.Future[Receipt]
    throttled: bool = False


class SendError(Exception):
    """A part, a join, a topic could not be brought to the network.

    `temporary`: the same may succeed later, `retry_after` seconds from now where the network said so. A permanent one
    goes back to the sender with `failure`, as their network says it.
    """

    def __init__(self, failure: Failure, *, temporary: bool = False, retry_after: float | None = None) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.temporary = temporary
        self.retry_after = retry_after

    @classmethod
    def permanent(cls, reason: Reason, text: str) -> "SendError":
        """It will not succeed however often it is tried."""
        return cls(Failure(reason, text))

    @classmethod
    def passing(cls, reason: Reason, text: str, retry_after: float | None = None) -> "SendError":
        """It may succeed later."""
        return cls(Failure(reason, text), temporary=True, retry_after=retry_after)


class NoPuppetError(Exception):
    """This person gets no puppet here now (a limit is reached, the place forbids it): the bot speaks for them."""


class StartError(Exception):
    """The adapter cannot work as configured. The text says what is wrong and what to do."""


class Core(Protocol):
    """What an adapter is given when it starts. One instance per network; all calls on the event loop."""

    network: str

    async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
        """Take in what the network said. Returns when it is durable: acknowledge to the source only then.

        Items of one call, and of calls in the order they were made, keep their order. An event whose origin is known
        already is dropped here. `remember`: as the method of that name, in the same transaction as the items (how far
        a stream was read). May wait for a disk, and for its turn while much is on its way there: nothing is to be read
        on from the source meanwhile, beyond a bounded amount (`bridge.inlet`). Raises `asyncio.CancelledError` only.
        """

    def presence(self, presence: Presence, *, passing: bool = False) -> None:
        """What a person of this network shows now. The last value wins; it is neither kept nor waited for.

        No tuples: nothing is known of them any more (they went out of sight), which is not the same as closed.
        `passing`: it may be over in a moment, and for hundreds at once, as in a netsplit. Whoever watches or looks at
        them learns it now; rooms go on to see what they saw, until it is told again as lasting, or something else is.
        """

    def presence_of(self, address: Address) -> Presence:
        """What all readers of a room may see of anybody's presence now; no tuples where nothing is known, or nothing
        is for all."""

    async def subscribe(self, wanted: Subscribe) -> Response:
        """A person of this network wants, or no longer wants, to know of the presence of a foreign person.

        What they may know comes by `Notifying.notify`: once after the response, and at every change. The foreign
        network is asked to follow them (`Watchable`), if it can. Durable when it returns: not to be said again after a
        start. Raises what the store raises where it could not be kept.
        """

    def subscription(self, watcher: Address, target: Address) -> Subscription | None:
        """The subscription between these two that runs or waits; None if there is none."""

    def identity(self, person: Person) -> str:
        """What their puppet says on the wire of whose stand-in it is, so that another gateway knows them again; empty
        where nothing is known (see `Identifying`)."""

    def find(self, text: str) -> Address:
        """The person that somebody means who writes ``bo@example.org``, ``@ana:example.org`` or ``libera:kestrel``.

        Raises `ValueError` saying what to write instead. Whether there is such a person is not known here.
        """

    def written(self, address: Address) -> str:
        """What to write for a person, the shortest that `find` understands."""

    async def command(self, person: Person, text: str) -> str | None:
        """Somebody said something to the bot alone that is for nobody else: do what it says, if it is a command.

        Returns the answer for them, of one or a few lines; None if it is no command. What it changed is durable by
        then. May wait for a disk; raises `asyncio.CancelledError` only.
        """

    @property
    def commands(self) -> Mapping[str, Offer]:
        """What `command` understands, by name. A line is a command if its first word is one of these, in any case."""

    def online(self) -> None:
        """The network can be spoken to now. Lanes and reconciliation (re)start.

        After `offline`, every puppet of this network is taken to be absent unless the adapter is a `Keeping` one.
        """

    def offline(self, failure: Failure) -> None:
        """The network cannot be spoken to for now; say why. Lanes wait, nothing fails, nothing is asked meanwhile."""

    def crashed(self, error: BaseException) -> None:
        """A task that the adapter cannot do without ended by an exception that nobody foresaw.

        The adapter is then stopped, and another one built and started, after a pause that grows from time to time.
        What is on its way waits. Only the first call counts.
        """

    def inside(self, place: Place, failure: Failure | None) -> None:
        """Whether the bot is in a configured place: None when it is, else why not, and what to do.

        Told at every change.
        """

    def ignored(self, what: str, native_id: str = "") -> None:
        """Something came in that is not bridged; `what` is a short stable label (``typing``, ``own echo``).

        Counted, and logged at debug level. For content that a person said use `Event` with `Opaque` instead.
        """

    def confirmed(self, part_id: str, receipt: Receipt) -> None:
        """A part was seen on the network though nobody waits for it any more: the echo of what was sent before a
        restart. Confirmations of handed-over parts go through `Handover.confirmation`."""

    def recall(self, prefix: str = "") -> Mapping[str, str]:
        """What this network's adapter was told to remember, by key. From memory; never blocks."""

    async def remember(self, values: Mapping[str, str | None]) -> None:
        """Keep small values durably under their keys; None forgets. Returns when they are durable."""

    def members(self, network: str | None = None) -> Sequence[Member]:
        """The configured members (places) of this network, or of another one."""

    def last_seen(self, place: Place) -> float | None:
        """When (seconds since the epoch) the newest event accepted from the place was said; None if none ever was."""

    @property
    def names(self) -> Names:
        """How people and rooms of every network are named on every other."""


class Adapter(Protocol):
    """One attachment to one network. Built by its `Factory`, driven by the core from one event loop."""

    async def start(self, core: Core) -> None:
        """Begin to connect, and return. Called once. Must not wait for the network; tell `Core.online` when it is
        there and keep reconnecting by itself. Raises `StartError` if it never can."""

    async def stop(self) -> None:
        """Say good-bye and let go of everything, in a few seconds. Called once; afterwards nothing is called."""

    def capabilities(self, place: Place, speaker: Person, voice: Voice) -> Capabilities:
        """What can be expressed there now, by that voice. Called before each delivery; must not block."""

    def send(self, part: Part) -> Handover:
        """Give a part to the connection. Must not block. Calls for one place are made in their order.

        Raises `SendError`: temporary if the connection is down, permanent if the part can never be sent.
        """


@runtime_checkable
class Puppeteer(Protocol):
    """Foreign people can appear as members of a place. Without it, the bot speaks for everybody."""

    async def join(self, place: Place, person: Person) -> None:
        """Make the person's puppet present and named; returns when others can see it. Idempotent.

        The core bounds the time it waits, and the number of calls under way by `joins_in_flight`. Raises
        `NoPuppetError`, `SendError`.
        """

    async def leave(self, place: Place, address: Address, reason: str | None) -> None:
        """Take the puppet out of the place. Idempotent. Never called while its deliveries to the place wait."""

    async def rename(self, place: Place, person: Person) -> None:
        """Show the person's new name. Raises `SendError`.

        While deliveries of the puppet to the place wait, called only for the one at the head of them, when that was
        said under the new name: what was said under the old one has been handed over by then.
        """

    @property
    def joins_in_flight(self) -> int:
        """How many `join`, `leave` and `rename` calls the network bears at once."""


@runtime_checkable
class Keeping(Protocol):
    """Puppets stay in their places while we are away (Matrix): `Core.offline` does not make them absent."""

    async def present(self, place: Place) -> Iterable[Person]:
        """Whose puppets are in the place now, by what name: all of them. Called when the network comes online, and
        again later if it failed. Raises `SendError`.
        """


@runtime_checkable
class Topical(Protocol):
    """The place's topic can be set."""

    async def set_topic(self, place: Place, text: str, by: Person | None) -> None:
        """Set the topic, cut to the network's limit. What is read back afterwards is reported with ``own=True``.

        Raises `SendError`.
        """


@runtime_checkable
class Telling(Protocol):
    """A person can be told something in private, or as privately as the network allows."""

    async def tell(self, notice: Notice) -> None:
        """Tell one person one line, in their network's own manner: an error stanza where there is such a thing.

        Used for failures: "your message was not delivered to ...". Raises `SendError`.
        """


@runtime_checkable
class Direct(Protocol):
    """People of the network can be written to one by one, without a room: places of `PlaceKind.USER`.

    For these, `Adapter.capabilities` and `Adapter.send` are called as for rooms. `native` is the native id of the
    person written to, as in an `Address`. What comes from them has `Event.to`.
    """

    async def meet(self, place: Place, person: Person) -> Voice:
        """Have `person`'s puppet able to write to the user of the place: connected, registered, their room made.

        Called before each delivery; returns at once where all is ready. `Voice.BOT`: they get no puppet, the bot is to
        speak for them. The core bounds the time it waits. Raises `SendError`: permanent where the message cannot be
        brought (nobody is called so); temporary trouble may as well be told by `send`.
        """

    def at_home(self, address: Address) -> bool:
        """Whether the person belongs to the very server, or the IRC network, that this attachment is to.

        These may use the bridge where no rule says otherwise; people elsewhere in a federation may not. Pure.
        """


@runtime_checkable
class Showing(Protocol):
    """The presence of foreign people can be shown by their puppets."""

    def show(self, presence: Presence) -> None:
        """What all may see of a foreign person's presence changed. Must not block; the adapter paces what it sends, and
        only the last value matters. After `Core.online` the adapter asks `Core.presence_of` for those it shows."""


@runtime_checkable
class Notifying(Protocol):
    """One person of the network can be told what a foreign person shows, and others something else (RFC 2779 2.3.3)."""

    def notify(self, notify: Notify) -> None:
        """A watcher (`Core.subscribe`) is to see this. Must not block; the adapter paces what it sends, and only the
        last value matters. After `Core.online` all of it is told anew.

        ``pending``: their wish is known to its target, who has not answered. ``terminated``: this is the last; with
        the event ``rejected`` or ``giveup`` their wish is refused.
        """


@runtime_checkable
class Watchable(Protocol):
    """People of the network can be followed by those elsewhere who want to know of their presence."""

    def watch(self, address: Address, *, wanted: bool) -> None:
        """Begin or stop to follow a person of this network, and tell by `Core.presence`. Must not block."""


@runtime_checkable
class Rechecking(Protocol):
    """The network can say whether a part that was being sent when we died has arrived."""

    def rechecks(self, place: Place) -> bool:
        """Whether it can say so for this place. Where not, parts in doubt are sent once more and count as uncertain.

        Must not block.
        """

    async def recheck(self, parts: Sequence[Part]) -> Mapping[str, Receipt]:
        """Of these parts, all for one place, the receipts of those that are known to have arrived, by part id.

        Called after a restart and also after each broken connection, when the network is online and parts are in
        doubt, before the lane sends anything more. The others are sent again with the same part id. Raises
        `SendError` (temporary) when it cannot tell yet.
        """


IDENTITY_BYTES = 512
"""How long an identity may be, in bytes of UTF-8. A longer one is none."""


@runtime_checkable
class Identifying(Protocol):
    """The people of the network have names that hold for every gateway: identities.

    A puppet carries the identity of its person where the network has a field for it (`Core.identity`). So another
    gateway in the same room sees that this is somebody who is in the room already, on the network they came from, and
    bridges neither them nor what they say a second time: no circle is ever closed. An identity is a line of printable
    text: ``xmpp:`` and a bare JID, ``matrix:`` and a user id, ``irc:`` with the network's own name, a slash and the
    folded nick.
    """

    def identity(self, address: Address) -> str:
        """The identity of a person of this network; empty if there is none (the network's name is not known yet)."""

    def native(self, identity: str) -> Address | None:
        """The person of this network who has that identity; None if it is of another. It comes from strangers."""

    def ours(self, identity: str) -> bool:
        """Whether that is what another gateway must take one of our own puppets here, or our bot, for."""


@runtime_checkable
class Routed(Protocol):
    """The adapter answers HTTP requests, all below its own prefix ``/NETWORK/``."""

    async def handle(self, request: Any) -> Any:
        """Answer one `aiohttp.web.Request` with a `aiohttp.web.StreamResponse`."""


class Factory(Protocol):
    """One kind of network: the object an entry point of `ENTRY_POINTS` names. `kind` is the entry point's name."""

    kind: ClassVar[str]
    settings: ClassVar[type[BaseModel]]
    """The keys of a network of this kind, besides ``kind``. Unknown keys are refused by the core."""

    def create(self, settings: Any, context: Context) -> Adapter:
        """Build the adapter; no I/O."""

    def place(self, native: str, settings: Any) -> str:
        """The canonical native id of a configured room place. Raises `ValueError` saying what to write instead."""

    def person(self, native: str, settings: Any) -> str:
        """The canonical native id of a person as somebody may write it. Raises `ValueError` saying what to write."""

    def registration(self, settings: Any, context: Context) -> str:
        """The text an operator adds to their server's configuration, with a word on where it goes."""


@runtime_checkable
class Moded(Protocol):
    """A factory whose kind of network can be attached in several ways, by the key ``mode``.

    `modes` has a factory for each, the default first; one of them may be the factory itself.
    """

    modes: Mapping[str, Factory]
