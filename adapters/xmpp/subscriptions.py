"""Who of our network has which puppet on their roster, and which puppet has them on its own (RFC 6121 section 3).

These are facts of rosters, what was said between two servers. Who may see whom, and what, the core says, which keeps
the subscriptions themselves.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.model.address import Address, AddressError

PREFIX = "sub/"
"""What the keys begin with under which they are remembered."""

PER_PERSON, IN_ALL = 1000, 100_000
"""How many puppets one person may have on their roster, and how many subscriptions are kept altogether."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Between a person, by bare JID, and the puppet of `address`; None is the bot.

    `hears`: their server has been told ``subscribed``, so that it takes the puppet's presence. `asked`: the puppet has
    asked for theirs; `follows`: it gets it.
    """

    person: str
    address: Address | None
    hears: bool = False
    asked: bool = False
    follows: bool = False

    @property
    def key(self) -> str:
        """Under what it is remembered. A bare JID holds no space."""
        return f"{PREFIX}{self.person} {self.address or ''}"

    @property
    def value(self) -> str | None:
        """What is remembered, None if there is nothing to."""
        if not self.hears and not self.follows:
            return None
        return json.dumps([self.hears, self.asked, self.follows])


def read(key: str, value: str) -> Subscription | None:
    """What was remembered; None if it cannot be read."""
    person, space, address = key.removeprefix(PREFIX).partition(" ")
    try:
        kept = json.loads(value)
        found = Address.parse(address) if address else None
    except (ValueError, AddressError):
        return None
    if not space or not person or not isinstance(kept, list) or len(kept) != 3:
        return None
    if not all(isinstance(each, bool) for each in kept):
        return None
    return Subscription(person, found, *kept)


class Subscriptions:
    """All of them, by person and puppet."""

    def __init__(self, recalled: Mapping[str, str]) -> None:
        self._all: dict[tuple[str, Address | None], Subscription] = {}
        self._watchers: dict[Address | None, dict[str, None]] = {}
        self._counts: dict[str, int] = {}
        for key, value in recalled.items():
            found = read(key, value)
            if found is not None:
                self.put(found)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(tuple(self._all.values()))

    def of(self, person: str, address: Address | None) -> Subscription:
        """The one between the two, whether or not there is anything between them."""
        return self._all.get((person, address)) or Subscription(person, address)

    def watchers(self, address: Address | None) -> tuple[str, ...]:
        """Who has the puppet on their roster."""
        return tuple(self._watchers.get(address, ()))

    def full(self, person: str) -> bool:
        """Whether no more can be kept of that person."""
        return self._counts.get(person, 0) >= PER_PERSON or len(self._all) >= IN_ALL

    def put(self, new: Subscription) -> None:
        """It is so now."""
        key = new.person, new.address
        known = key in self._all
        if new.value is None:
            self._all.pop(key, None)
        else:
            self._all[key] = new
        self._count(new.person, (new.value is not None) - known)
        if new.hears:
            self._watchers.setdefault(new.address, {})[new.person] = None
        elif (watchers := self._watchers.get(new.address)) is not None:
            watchers.pop(new.person, None)
            if not watchers:
                del self._watchers[new.address]

    def _count(self, person: str, change: int) -> None:
        count = self._counts.get(person, 0) + change
        if count:
            self._counts[person] = count
        else:
            self._counts.pop(person, None)
