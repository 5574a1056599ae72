"""Presence: what people show, on its way to those networks where their puppets show it. In memory, last value wins."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from bridge.contract import Adapter, Showing
from bridge.model.address import Address
from bridge.model.presence import Presence
from bridge.model.rule import Decision
from bridge.views import everybodys, view

log = structlog.get_logger(__name__)

LOST = 10_000
"""People of whom it is kept when they were last known of; beyond, the earliest are forgotten."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of somebody, and since when they show this (seconds since the epoch)."""

    presence: Presence
    changed: float


class Presences:
    """Owns what is known of everybody's presence. Called on the event loop."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        *,
        denies: Callable[[Address], bool] = lambda address: False,
        decided: Callable[[Address], Iterable[Decision]] = lambda address: (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`denies`: is nothing to be known of that person? `decided`: what they decided about whoever sees them."""
        self._adapters = adapters
        self._denies = denies
        self._decided = decided
        self._clock = clock
        self._known: dict[Address, Known] = {}
        self._lost: dict[Address, float] = {}
        self._shown: dict[Address, Presence] = {}
        self._in_rooms: dict[Address, Presence] = {}  # what rooms go on to see of somebody
        self._listeners: list[Callable[[Address], None]] = []

    def listen(self, changed: Callable[[Address], None]) -> None:
        """`changed` is to be called with whoever shows something else now."""
        self._listeners.append(changed)

    def of(self, address: Address) -> Presence:
        """All that is known; no tuples where nothing is. Not for everybody's eyes."""
        known = self._known.get(address)
        return Presence(address) if known is None else known.presence

    def known(self, address: Address) -> Known | None:
        """The same, with its time; None where nothing is known."""
        return self._known.get(address)

    def lost(self, address: Address) -> float | None:
        """When something was last known of somebody of whom nothing is known now; None if it never was."""
        return self._lost.get(address)

    def public(self, address: Address) -> Presence:
        """What all readers of a room may see of somebody."""
        return everybodys(self._in_rooms.get(address) or self.of(address), self._decided(address))

    def heard(self, presence: Presence, *, passing: bool = False) -> None:
        """A network told what a person of it shows now. `passing`: rooms go on to see what they saw."""
        address = presence.presentity
        if self._denies(address):
            return
        held = self._in_rooms.pop(address, None)
        if passing:
            self._in_rooms[address] = held or self.of(address)
        if self.of(address) == presence:
            if held is not None:
                self.publish(address)
            return
        now, before = self._clock(), self._known.pop(address, None)
        self._lost.pop(address, None)
        if presence.tuples:
            same = before is not None and view(before.presence, Decision.ALLOW) == view(presence, Decision.ALLOW)
            self._known[address] = Known(presence, before.changed if before is not None and same else now)
        else:
            self._lost[address] = now
            if len(self._lost) > LOST:
                del self._lost[next(iter(self._lost))]
        log.debug("presence", person=str(address), tuples=len(presence.tuples))
        self.publish(address)
        for changed in self._listeners:
            changed(address)

    def publish(self, address: Address) -> None:
        """Show what all may see of somebody, if it is something else than before."""
        public = self.public(address)
        if self._shown.get(address, Presence(address)) == public:
            return
        self._shown.pop(address, None)
        if public.tuples:
            self._shown[address] = public
        for name, adapter in self._adapters.items():
            if name != address.network and isinstance(adapter, Showing):
                adapter.show(public)

    def offline(self, network: str) -> None:
        """Nothing is known any more of that network's people."""
        for address in [each for each in {**self._known, **self._in_rooms} if each.network == network]:
            self.heard(Presence(address))
