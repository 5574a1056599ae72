"""Private conversations: who may write to whom. What is open stays open, for both sides; starting one is a right."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping

from bridge.contract import Adapter, Direct
from bridge.model.address import Address, Place, PlaceKind
from bridge.model.event import Event
from bridge.model.result import Failure, Reason
from bridge.permissions import NOT_WANTED
from bridge.route import Route
from bridge.rules import Rules

HOUR = 3600.0

STARTERS = 10_000
"""People whose latest starts are remembered; beyond it the earliest are forgotten."""

Pair = tuple[Address, Address]


def pair(one: Address, other: Address) -> Pair:
    """The conversation of two people, whoever began it."""
    return (one, other) if str(one) <= str(other) else (other, one)


class Conversations:
    """Decides on private messages. Owned by the event loop."""

    def __init__(
        self,
        rules: Rules,
        adapters: Mapping[str, Adapter],
        *,
        in_rooms: Callable[[Address], bool],
        is_canonical: Callable[[Address], bool] = lambda address: True,
        is_room: Callable[[Address], bool] = lambda address: False,
        delivers: Callable[[Address, Address], bool] = lambda owner, sender: True,
        known: Iterable[Pair] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`in_rooms`: is the person in a configured place? `is_canonical`: is that how their network spells them?
        `is_room`: is it no person, but a configured place? `delivers`: does the first take what the second writes?
        `known`: conversations the store kept."""
        self._rules = rules
        self._adapters = adapters
        self._in_rooms = in_rooms
        self._is_canonical = is_canonical
        self._is_room = is_room
        self._delivers = delivers
        self.keep(known)
        self._starting: OrderedDict[Pair, Address] = OrderedDict()  # begun by whom, and not taken in yet
        self._clock = clock
        self._starts: OrderedDict[Address, deque[float]] = OrderedDict()

    def route(self, event: Event) -> Route:
        """Where a private message goes: to the person it is for, or back to its sender with the reason why not.

        A new conversation is open once `opened` says that the message was taken in.
        """
        who, to = event.sender.address, event.to
        assert to is not None  # noqa: S101 - only private messages come here
        refusal = self._refusal(who, to)
        if refusal is not None:
            return Route(refusal=refusal)
        return Route((Place(to.network, to.native, PlaceKind.USER),))

    def opened(self, event: Event) -> None:
        """The private message was taken in: whoever it is for may answer."""
        assert event.to is not None  # noqa: S101 - only private messages come here
        both = pair(event.sender.address, event.to)
        self._starting.pop(both, None)
        self._open.add(both)
        self._talking.update(both)

    def keep(self, known: Iterable[Pair]) -> None:
        """These are open, and no others: the store has forgotten the rest."""
        self._open = set(known)
        self._talking = {address for both in self._open for address in both}

    def may_decide(self, address: Address) -> bool:
        """Whether the person has a say in who may see them and write to them: who may use the bridge, and who was
        reached by it."""
        return self.may_use(address) or (address in self._talking and not self._rules.denies(address))

    def exists(self, address: Address) -> bool:
        """Whether there can be such a person, spelt so that rules see who it is: a rule that names one who is called
        like a pattern is about many."""
        if address.network not in self._adapters or self._is_room(address) or "*" in address.native:
            return False
        return self._is_canonical(address) or self._in_rooms(address)

    def may_watch(self, watcher: Address, watched: Address) -> bool:
        """Whether `watcher` may ask for the presence of `watched`: who may write may see."""
        return self.may_still_watch(watcher, watched) and (
            pair(watcher, watched) in self._open or self.may_use(watcher)
        )

    def may_still_watch(self, watcher: Address, watched: Address) -> bool:
        """Whether `watcher`, who once might ask for it, may go on to know of it: who has left the rooms since, may."""
        if watcher.network == watched.network or self._rules.denies(watcher) or self._rules.denies(watched):
            return False
        return pair(watcher, watched) in self._open or self._rules.may_use(watcher, known=True)

    def may_use(self, address: Address) -> bool:
        """The access rule, by what is known of the person: in a configured place, at home on an attached server."""
        return self._rules.may_use(address, known=self.at_home(address) or self._in_rooms(address))

    def at_home(self, address: Address) -> bool:
        """Whether the person belongs to an attached server itself, or to an attached IRC network."""
        adapter = self._adapters.get(address.network)
        return adapter is not None and isinstance(adapter, Direct) and adapter.at_home(address)

    def _refusal(self, who: Address, to: Address) -> Failure | None:
        if to.network == who.network or not self.exists(to):
            # Another spelling of somebody is somebody whom no rule knows.
            return Failure(Reason.ITEM_NOT_FOUND, "there is nobody of that name on another network")
        if self._rules.denies(who):
            return Failure(Reason.FORBIDDEN, "you may not use this bridge")
        if self._rules.denies(to):
            return Failure(Reason.FORBIDDEN, "nobody can be written to there through this bridge")
        if not self._delivers(to, who):
            # Also in a conversation that is open: who may write to somebody is theirs to decide, at any time.
            return NOT_WANTED
        if pair(who, to) in self._open or self._starting.get(pair(who, to)) == who:
            return None
        if not self.may_use(who):
            return Failure(Reason.FORBIDDEN, "you may not use this bridge, unless somebody writes to you")
        if not self._rules.may_start(who):
            return Failure(Reason.NOT_ALLOWED, "you may not start conversations through this bridge, only answer")
        refusal = self._too_many(who)
        if refusal is None:
            self._starting[pair(who, to)] = who
            while len(self._starting) > STARTERS:
                self._starting.popitem(last=False)
        return refusal

    def _too_many(self, who: Address) -> Failure | None:
        """Counts a start, unless there were too many within the hour."""
        now, limit = self._clock(), self._rules.dm_per_hour
        starts = self._starts.setdefault(who, deque())
        self._starts.move_to_end(who)
        while len(self._starts) > STARTERS:
            self._starts.popitem(last=False)
        while starts and starts[0] <= now - HOUR:
            starts.popleft()
        if len(starts) < limit:
            starts.append(now)
            return None
        if not limit:
            return Failure(Reason.NOT_ALLOWED, "nobody may start conversations through this bridge, only answer")
        minutes = int((starts[0] + HOUR - now) // 60) + 1
        return Failure(
            Reason.POLICY_VIOLATION,
            f"you started {limit} conversations within an hour, which is the limit; write again in {minutes} minutes",
        )
