"""What an adapter's own tests use for the core's view of presence and of people: everything is kept to be looked at."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from bridge.addressed import command_name
from bridge.model.address import Address, Person
from bridge.model.command import Offer
from bridge.model.presence import Presence
from bridge.model.result import Failure, Status
from bridge.model.subscription import Notify, Response, Subscribe, Subscription, SubscriptionEvent, SubscriptionState


class Onlooker:
    """The part of `bridge.contract.Core` that has to do with presence and with finding people.

    `shown` is what an adapter told of its own people, `passing` what of it may be over in a moment; `presences` is what
    it is told of others, set by the test, which also says how subscriptions are answered: `granted` is the state that
    they get, `refusal` why none is granted. `notifying` is the adapter's side of it. Commands are those of `offers`,
    answered, unless they end with a question mark.
    """

    def __init__(self) -> None:
        self.shown: list[Presence] = []
        self.passing: list[Presence] = []
        self.presences: dict[Address, Presence] = {}
        self.watches: list[tuple[Address, Address, bool]] = []
        self.offers = {"help": Offer("help", "", "what I can do"), "block": Offer("block", "WHO", "a rule")}
        self.commanded: list[tuple[Person, str]] = []
        self.subscriptions: dict[tuple[Address, Address], Subscription] = {}
        self.asked: list[Subscribe] = []
        self.granted = SubscriptionState.ACTIVE
        self.refusal: Failure | None = None
        self.notifying: Callable[[Notify], None] = lambda notify: None
        self.crashes: list[BaseException] = []

    def presence(self, presence: Presence, *, passing: bool = False) -> None:
        self.shown.append(presence)
        if passing:
            self.passing.append(presence)

    def presence_of(self, address: Address) -> Presence:
        return self.presences.get(address, Presence(address))

    async def subscribe(self, wanted: Subscribe) -> Response:
        await asyncio.sleep(0)
        self.asked.append(wanted)
        pair = wanted.watcher, wanted.target
        known = self.subscriptions.get(pair)
        soon = asyncio.get_running_loop().call_soon
        if wanted.duration == 0:
            assert known is not None
            assert known.id == wanted.subscription_id
            # It is over at once; that it is, is notified after the answer.
            del self.subscriptions[pair]
            soon(partial(self._ended, *pair, SubscriptionEvent.TIMEOUT))
        elif self.refusal is not None:
            return Response(wanted.transaction_id, Status.FAILURE, failure=self.refusal)
        else:
            assert known is None or known.id == wanted.subscription_id
            if known is None:
                self.watches.append((wanted.target, wanted.watcher, True))
            event = SubscriptionEvent.SUBSCRIBE
            self.subscriptions[pair] = Subscription(wanted.subscription_id, *pair, self.granted, event, 0.0, 0.0)
            soon(partial(self.tell, *pair))
        return Response(wanted.transaction_id, Status.SUCCESS, wanted.duration)

    def subscription(self, watcher: Address, target: Address) -> Subscription | None:
        return self.subscriptions.get((watcher, target))

    def tell(self, watcher: Address, target: Address) -> None:
        """Notify a watcher, as the core does."""
        known = self.subscriptions[watcher, target]
        self.notifying(Notify(watcher, target, "n", self.presence_of(target), known.state, known.event))

    def end(self, watcher: Address, target: Address, event: SubscriptionEvent) -> None:
        """End a subscription, as the core does."""
        if self.subscriptions.pop((watcher, target), None) is not None:
            self._ended(watcher, target, event)

    def _ended(self, watcher: Address, target: Address, event: SubscriptionEvent) -> None:
        self.watches.append((target, watcher, False))
        self.notifying(Notify(watcher, target, "n", Presence(target), SubscriptionState.TERMINATED, event))

    def tell_all(self, target: Address | None = None) -> None:
        """Notify all watchers, of that person or of all, as the core does when there is something new."""
        for watcher, watched in self.subscriptions:
            if target in (None, watched):
                self.tell(watcher, watched)

    def crashed(self, error: BaseException) -> None:
        self.crashes.append(error)

    def identity(self, person: Person) -> str:
        return person.stands_for or f"test:{person.address.native}"

    def find(self, text: str) -> Address:
        return Address.parse(text)

    @property
    def commands(self) -> Mapping[str, Offer]:
        return self.offers

    async def command(self, person: Person, text: str) -> str | None:
        self.commanded.append((person, text))
        return (
            None if command_name(text) not in self.offers or text.endswith("?") else f"Answer to {text}.\nIn two lines."
        )

    def written(self, address: Address) -> str:
        return str(address)
