"""The presence of Matrix users: as the homeserver pushes it, and asked for where somebody wants to know.

Pushed presence is best effort: what a homeserver could not bring is not brought again. So whoever is followed is asked
about when the link comes up.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from adapters.matrix.ids import Namespace, is_user_id
from adapters.matrix.inbound import mapping
from adapters.matrix.presence import presence_of
from bridge.contract import Core
from bridge.model.address import Address
from bridge.model.presence import Presence

log = structlog.get_logger(__name__)

KEPT = 10_000
"""Users whose last presence is kept in mind, so that repetitions end here."""

SAME_IDLE = 120.0
"""Seconds by which two tellings of the same idleness may differ."""


class Heard:
    """Tells the core what users show, each change once."""

    def __init__(self, core: Core, ours: Namespace, clock: Callable[[], float] = time.time) -> None:
        self._core = core
        self._ours = ours
        self._clock = clock
        self._last: dict[str, Presence] = {}
        self.pushed = False
        """Whether the homeserver has pushed any presence since this start, be it our own users'."""

    def forget(self) -> None:
        """The core knows of nobody any more: everything is new again."""
        self._last.clear()

    def lose(self, user: str) -> None:
        """The user shares no room with us any more: what they show will not be told to us."""
        if self._last.pop(user, None) is not None:
            self._core.presence(Presence(Address(self._core.network, user)))

    def take(self, edu: Mapping[str, Any]) -> None:
        """One ``m.presence``, as pushed."""
        sender = edu.get("sender")
        self.pushed = True
        if not is_user_id(sender):
            self._core.ignored("malformed presence")
        elif self._ours.owns(sender):
            self._core.ignored("own presence")
        else:
            self.tell(sender, mapping(edu.get("content")))

    def tell(self, user: str, content: Mapping[str, Any]) -> None:
        """What a user shows, as pushed or as asked for."""
        presence = presence_of(Address(self._core.network, user), content, self._clock())
        if presence is None:
            self._core.ignored("malformed presence")
            return
        last = self._last.pop(user, None)
        if last is not None and _same(last, presence):
            self._last[user] = last
            self._core.ignored("presence as before")
            return
        self._last[user] = presence
        while len(self._last) > KEPT:
            del self._last[next(iter(self._last))]
        self._core.presence(presence)


def _same(one: Presence, other: Presence) -> bool:
    (before,), (after,) = one.tuples, other.tuples
    if (before.basic, before.activities, before.notes) != (after.basic, after.activities, after.notes):
        return False
    if before.idle_since is None or after.idle_since is None:
        return before.idle_since is after.idle_since
    return abs(before.idle_since - after.idle_since) <= SAME_IDLE
