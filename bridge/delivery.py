"""Deliveries: one event on its way to one place, in parts."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from bridge.model.address import Place
from bridge.model.event import Event


class State(StrEnum):
    """Of a part, and of the delivery it belongs to. The last four are for ever.

    SENDING is durable before the first byte goes out, so that after a crash it is known what is in doubt.
    UNCERTAIN: sent, and no network will ever say whether it arrived.
    """

    QUEUED = "queued"
    SENDING = "sending"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"


OPEN = (State.QUEUED, State.SENDING)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one place. `seq` is its number in that place's lane."""

    event: Event
    place: Place
    seq: int
    state: State = State.QUEUED


_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def mint(now: float) -> str:
    """A new event id: 26 characters, unique, and in the order of `now` (seconds since the epoch, to the millisecond).

    A ULID in lower case: 48 bits of time, 80 of chance.
    """
    number = (int(now * 1000) << 80) | secrets.randbits(80)
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -5, -5))


def minted_at(event_id: str) -> float:
    """When the id was made, in seconds since the epoch."""
    number = 0
    for character in event_id[:10]:
        number = number * 32 + _CROCKFORD.index(character)
    return number / 1000


@lru_cache(maxsize=4096)
def tag(place: Place) -> str:
    """Eight hexadecimal digits that tell this place from the others of a room, for ids on the wire."""
    return hashlib.sha256(f"{place.network}\0{place.kind}\0{place.native}".encode()).hexdigest()[:8]


PART_ID = re.compile(r"([0-9a-hjkmnp-tv-z]{26})-([0-9a-f]{8})-(0|[1-9][0-9]{0,3})")


def part_id(event_id: str, place: Place, index: int) -> str:
    """What a part is called on the wire, the same at every attempt."""
    return f"{event_id}-{tag(place)}-{index}"


def parse_part_id(text: str) -> tuple[str, str, int]:
    """Event id, tag of the place, index. Raises `ValueError` if it is not one of ours."""
    match = PART_ID.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:60]!r} is not the id of a part")
    return match[1], match[2], int(match[3])
