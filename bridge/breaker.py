"""The breaker: where a message goes in circles through somebody else's bridge, the room pauses.

Most loops end before (our own speakers are known, other gateways' puppets carry whose stand-ins they are, hops run
out); what is left is a relay that returns text without any mark, on plain IRC above all. Nothing is ever dropped for
what it says: the breaker only stops, for a while and loudly, to listen to the one who returns it.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bridge.model.address import Address, Place
from bridge.model.event import Event
from bridge.model.message import Message
from bridge.model.result import Failure, Reason
from bridge.model.room import Room

log = structlog.get_logger(__name__)

WINDOW = 10.0
"""Seconds within which one sender must return the same text,"""

RETURNS = 3
"""so many times, after somebody else said it, for a loop to be recognised."""

PAUSE = 60.0
"""Seconds that sender is not listened to then; each time again twice as long, up to `LONGEST`."""

LONGEST = 3600.0

LOOKED_AT = 50
"""The latest of those who said a text; more are not remembered."""

_MARKED = re.compile(r"^(?:\s*(?:<[^<>]{1,100}>|\([^()]{1,100}\)|\[[^\[\]]{1,100}\]|[^\s:]{1,64}:)\s+)+")
"""What relays put before a text: the name of who said it."""


@dataclass(frozen=True, slots=True)
class Looping:
    """A loop was recognised: in which room, where the text came back, by whom, and how long they are not heard."""

    room: str
    place: Place
    sender: Address
    seconds: float


Relay = tuple[Place, Address]


@dataclass(frozen=True, slots=True)
class _Said:
    """Somebody said a text: when (by the message's own time), where, who, and under what id."""

    when: float
    place: Place
    sender: Address
    native_id: str


class Breaker:
    """Looks at every message of a room before it is routed. Owned by the event loop."""

    def __init__(self, clock: Callable[[], float], tripped: Callable[[Looping], None]) -> None:
        """`clock` gives seconds; `tripped` is called when a loop is recognised."""
        self._clock = clock
        self._tripped = tripped
        self._texts: OrderedDict[tuple[str, bytes], tuple[float, list[_Said]]] = OrderedDict()
        self._until: dict[Relay, float] = {}
        self._trips: dict[Relay, tuple[int, float]] = {}

    def check(self, event: Event, room: Room) -> Failure | None:
        """Why this message is not taken in, None if it is. Known ids are passed over: a repeated push is no loop."""
        now, relay = self._clock(), (event.place, event.sender.address)
        until = self._until.get(relay, 0.0)
        if now < until:
            return _paused(until - now)
        self._until.pop(relay, None)
        if not isinstance(event.content, Message) or not event.content.body.text.strip():
            return None
        if not self._returns(event, room, now):
            return None
        looping = self._trip(event, room, now)
        log.error(
            "messages go in circles",
            room=room.name,
            place=str(event.place),
            sender=str(event.sender.address),
            not_heard_for=looping.seconds,
        )
        self._tripped(looping)
        return _paused(looping.seconds)

    def paused(self, place: Place) -> float:
        """Seconds for which somebody in the place is still not listened to; 0 if nobody is."""
        now = self._clock()
        return max(
            (until - now for (where, _), until in self._until.items() if where == place and until > now), default=0
        )

    def _returns(self, event: Event, room: Room, now: float) -> bool:
        """Notes that this was said. Whether its sender has returned it once too often."""
        while self._texts and next(iter(self._texts.values()))[0] < now - WINDOW:
            self._texts.popitem(last=False)
        key, sender = (room.name, _digest(event)), event.sender.address
        _, before = self._texts.pop(key, (now, []))
        said = [each for each in before if abs(each.when - event.when) <= WINDOW]
        if not any(each.native_id == event.origin.native_id and each.place == event.place for each in said):
            said.append(_Said(event.when, event.place, sender, event.origin.native_id))
        self._texts[key] = now, said[-LOOKED_AT:]
        mine = [each.when for each in said if (each.place, each.sender) == (event.place, sender)]
        # A relay returns what was said before it; who says the same thing three times of themself is only insistent.
        return len(mine) >= RETURNS and any(each.sender != sender and each.when <= min(mine) for each in said)

    def _trip(self, event: Event, room: Room, now: float) -> Looping:
        relay = event.place, event.sender.address
        self._texts.pop((room.name, _digest(event)), None)
        count, last = self._trips.get(relay, (0, 0.0))
        count = count + 1 if now < last + 2 * LONGEST else 1
        seconds = min(LONGEST, PAUSE * 2 ** (count - 1))
        self._trips[relay], self._until[relay] = (count, now), now + seconds
        for each in [each for each, (_, at) in self._trips.items() if at < now - 2 * LONGEST]:
            del self._trips[each]
        return Looping(room.name, event.place, event.sender.address, seconds)


def _digest(event: Event) -> bytes:
    assert isinstance(event.content, Message)  # noqa: S101 - checked by the caller
    text = " ".join(_MARKED.sub("", event.content.body.text).split())
    return hashlib.sha256(text.encode(errors="replace")).digest()


def _paused(seconds: float) -> Failure:
    words = f"you return what others say, so that nothing of yours is bridged for {int(seconds) + 1} seconds"
    return Failure(Reason.POLICY_VIOLATION, words)
