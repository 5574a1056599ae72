"""What /sync answers, as far as this gateway reads it. Pure, and never raises.

Client-server API, specification v1.19, "Syncing".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.matrix.ids import is_user_id
from adapters.matrix.inbound import identifier, mapping

Pdu = Mapping[str, Any]

TOKEN_BYTES = 8192
"""A token for the stream beyond this is none."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened in one room since the last answer, oldest first.

    `limited`: something before `events` is left out, which `before`, a token, is the end of. `state` is what the
    state was where `events` begin, as far as it changed.
    """

    room_id: str
    events: tuple[Pdu, ...]
    state: tuple[Pdu, ...] = ()
    limited: bool = False
    before: str = ""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody asks the account into a room. `aliases` are the names that the invitation shows of it."""

    room_id: str
    by: str
    aliases: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Batch:
    """One answer. `token` is where the next one begins; "" if the answer is unusable."""

    token: str
    timelines: tuple[Timeline, ...] = ()
    invitations: tuple[Invitation, ...] = ()


def stream_token(value: object) -> str:
    """The value if it can be a token for the stream, else ""."""
    return value if isinstance(value, str) and len(value) <= TOKEN_BYTES and value.isprintable() else ""


def pdus(value: object) -> tuple[Pdu, ...]:
    """The events of a list of them; what is no JSON object is left out."""
    return tuple(event for event in value if isinstance(event, dict)) if isinstance(value, list) else ()


def read(answer: Mapping[str, Any], own: str) -> Batch:
    """Read an answer to the account `own`."""
    rooms = mapping(answer.get("rooms"))
    timelines = [
        Timeline(
            room_id,
            pdus(timeline.get("events")),
            pdus(mapping(told.get("state")).get("events")),
            timeline.get("limited") is True,
            stream_token(timeline.get("prev_batch")),
        )
        for section in ("join", "leave")
        for room_id, told in _rooms(rooms.get(section))
        for timeline in [mapping(told.get("timeline"))]
    ]
    invitations = (_invitation(room_id, told, own) for room_id, told in _rooms(rooms.get("invite")))
    return Batch(stream_token(answer.get("next_batch")), tuple(timelines), tuple(filter(None, invitations)))


def arrival(events: Sequence[Pdu], own: str) -> int | None:
    """Which of these events is the account's last coming into the room; None if it was there all along."""
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        if event.get("type") != "m.room.member" or event.get("state_key") != own:
            continue
        before = mapping(mapping(event.get("unsigned")).get("prev_content")).get("membership")
        if mapping(event.get("content")).get("membership") == "join" and before != "join":
            return index
    return None


def _rooms(value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for room_id, told in mapping(value).items():
        if identifier(room_id):
            yield room_id, mapping(told)


def _invitation(room_id: str, told: Mapping[str, Any], own: str) -> Invitation | None:
    by, aliases = "", set[str]()
    for event in pdus(mapping(told.get("invite_state")).get("events")):
        content, kind = mapping(event.get("content")), event.get("type")
        if kind == "m.room.member" and event.get("state_key") == own and content.get("membership") == "invite":
            sender = event.get("sender")
            by = sender if is_user_id(sender) else ""
        elif kind == "m.room.canonical_alias":
            aliases.update(_aliases(content))
    return Invitation(room_id, by, frozenset(aliases)) if by else None


def _aliases(content: Mapping[str, Any]) -> Iterable[str]:
    others = content.get("alt_aliases")
    told = [content.get("alias"), *(others[:20] if isinstance(others, list) else ())]
    return filter(None, map(identifier, told))
