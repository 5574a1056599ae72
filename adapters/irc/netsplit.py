"""Netsplits: hundreds who quit at once because two servers lost each other, and come back within minutes.

Their departures are held back for a while and forgotten when they return, so that nobody elsewhere sees the crowd go
and come. Sources: RFC 1459 section 8.8 and common practice for the reason of such a QUIT, the names of two servers.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from adapters.irc.people import Identity
from bridge.model.address import Address, Place
from bridge.model.event import Cause, Event, Joined, Left, Roster, State

HOLD: Final = 300.0
"""Seconds for which a departure is held back,"""

SPREAD: Final = 120.0
"""and how many more at most, by chance: who does not return shall not go in one flood either."""

LIMIT: Final = 50_000
"""Departures held back at once."""

_SERVER = r"[A-Za-z0-9*](?:[A-Za-z0-9*_-]*[A-Za-z0-9*])?(?:\.[A-Za-z0-9*_-]+)+"
_SPLIT = re.compile(rf"({_SERVER}) ({_SERVER})")

Item = Event | State
Draw = Callable[[float, float], float]


def is_split(reason: str | None) -> bool:
    """Whether this is the reason of a QUIT in a netsplit: two different server names, or ``*.net *.split``.

    A person cannot write it: servers put ``Quit:`` before what people say, or quotation marks around it.
    """
    match = _SPLIT.fullmatch(reason or "")
    return match is not None and match[1].lower() != match[2].lower()


@dataclass(frozen=True, slots=True)
class Held:
    """A departure that is held back, and of whom."""

    left: Left
    identity: Identity | None
    until: float


class Splits:
    """Lets everything through to `put` in order, but for departures in a netsplit.

    `identity` tells who bears an address now, as far as is known. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        put: Callable[[Item], None],
        identity: Callable[[Address], Identity | None],
        clock: Callable[[], float],
        draw: Draw = random.uniform,
    ) -> None:
        self._put = put
        self._identity = identity
        self._clock = clock
        self._draw = draw
        self._held: dict[tuple[Place, Address], Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def take(self, item: Item) -> None:
        """One more thing that happened."""
        match item:
            case Left(place, address, Cause.QUIT, reason) if is_split(reason) and len(self._held) < LIMIT:
                until = self._clock() + HOLD + self._draw(0.0, SPREAD)
                self._held[place, address] = Held(item, self._identity(address), until)
                return
            case Joined(place, person):
                if (held := self._held.pop((place, person.address), None)) is not None:
                    if not self._another(held, person.address):
                        return
                    self._put(held.left)
            case Left(place, address):
                if (held := self._held.pop((place, address), None)) is not None:
                    self._put(held.left)
            case Roster(place):
                # It says itself who is there and who is not.
                for key in [key for key in self._held if key[0] == place]:
                    del self._held[key]
            case Event(place=place, sender=sender):
                # Whoever speaks is back, also where their JOIN passed us by.
                self._held.pop((place, sender.address), None)
        self._put(item)

    def tick(self) -> None:
        """Time has passed: who has not returned is gone."""
        now = self._clock()
        for key, held in [item for item in self._held.items() if item[1].until <= now]:
            del self._held[key]
            self._put(held.left)

    def _another(self, held: Held, address: Address) -> bool:
        now = self._identity(address)
        return held.identity is not None and now is not None and held.identity.differs(now)
