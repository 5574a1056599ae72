"""Queries of the archive: what is kept of what was said, and of whom nothing is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Select, delete, func, insert, or_, select

from bridge.model.address import Address, AddressError
from bridge.model.event import Event
from bridge.model.message import Content, Message, Retraction
from bridge.model.native import bounded
from bridge.store import codec
from bridge.store.tables import archive, unkept
from bridge.store.upsert import upsert

log = structlog.get_logger(__name__)

AT_ONCE = 1000
"""Rows erased in one operation, so that what is written meanwhile does not wait for long."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One event, as it is kept. `room` is None for what was said in private, to `recipient`; `when` is in seconds since
    the epoch."""

    id: str
    network: str
    native_id: str
    place: str
    room: str | None
    sender: Address
    sender_name: str
    recipient: Address | None
    when: float
    content: Content


@dataclass(frozen=True, slots=True)
class Choice:
    """What of the archive is wanted: said in these rooms (None: anywhere, in private too), said by or to these people
    (None: anybody), from `since` until before `until` (seconds since the epoch)."""

    rooms: tuple[str, ...] | None = None
    people: tuple[Address, ...] | None = None
    since: float | None = None
    until: float | None = None


def keep(connection: Connection, events: Sequence[tuple[Event, str | None]]) -> None:
    """Keep these events, each with the name of its room, but for those of, or in private to, whoever has opted out by
    now. What somebody took back is kept no longer, nor are its edits."""
    people = {str(person) for each, _ in events for person in (each.sender.address, each.to) if person is not None}
    out = set(connection.execute(select(unkept.c.owner).where(unkept.c.owner.in_(people))).scalars()) if people else ()
    rows = [
        _row(each, room)
        for each, room in events
        if str(each.sender.address) not in out and (each.to is None or str(each.to) not in out)
    ]
    if rows:
        connection.execute(insert(archive), rows)
    for each, _ in events:
        if isinstance(each.content, Retraction):
            _take_back(connection, each, each.content)


def _row(event: Event, room: str | None) -> dict[str, Any]:
    edited = event.content.replaces if isinstance(event.content, Message) else None
    return {
        "event_id": event.id,
        "network": event.origin.network,
        "native_id": event.origin.native_id,
        "place": event.place.native,
        "room": room,
        "sender": str(event.sender.address),
        "sender_name": event.sender.name,
        "recipient": None if event.to is None else str(event.to),
        "replaces": None if edited is None else bounded(edited),
        "when": event.when,
        "content": codec.encode(event.content),
    }


def _take_back(connection: Connection, event: Event, retraction: Retraction) -> None:
    """By its sender, unless the network vouches that somebody else may: else anybody could erase what others said."""
    target = bounded(retraction.target)
    mine = () if retraction.vouched else (archive.c.sender == str(event.sender.address),)
    connection.execute(
        delete(archive).where(
            archive.c.network == event.origin.network,
            or_(archive.c.native_id == target, archive.c.replaces == target),
            archive.c.place == event.place.native,
            *mine,
        )
    )


def forget(connection: Connection, before: float) -> int:
    """Erase what was said earlier than `before` (seconds since the epoch). Returns how many rows went: at most
    `AT_ONCE`, so that it is to be called again until there are none."""
    old = select(archive.c.event_id).where(archive.c.when < before).order_by(archive.c.when).limit(AT_ONCE)
    return connection.execute(delete(archive).where(archive.c.event_id.in_(old))).rowcount


def opt_out(connection: Connection, owner: Address) -> int:
    """Keep nothing of what this person says, from now on, and erase what is kept. Returns how much that was."""
    connection.execute(upsert(connection, unkept).values(owner=str(owner)).on_conflict_do_nothing())
    return connection.execute(delete(archive).where(archive.c.sender == str(owner))).rowcount


def opt_in(connection: Connection, owner: Address) -> None:
    """Keep what this person says from now on, as what everybody says."""
    connection.execute(delete(unkept).where(unkept.c.owner == str(owner)))


def opted_out(connection: Connection) -> list[Address]:
    """Of whom nothing is kept. What cannot be read back is left out, and logged."""
    found = []
    for owner in connection.execute(select(unkept.c.owner)).scalars():
        try:
            found.append(Address.parse(owner))
        except AddressError:
            log.error("who opted out of the archive cannot be read back from the store", owner=owner)
    return found


def count(connection: Connection, choice: Choice) -> int:
    """How many events `read` would give."""
    return connection.execute(_chosen(select(func.count()).select_from(archive), choice)).scalar_one()


def read(connection: Connection, choice: Choice) -> Iterable[Kept]:
    """What is wanted, in the order in which it was said. Read as it is asked for, never all of it at once.

    Raises `ValueError` for a row that cannot be read back.
    """
    wanted = _chosen(select(archive), choice).order_by(archive.c.when, archive.c.event_id)
    rows = connection.execute(wanted.execution_options(yield_per=500))
    for row in rows:
        try:
            yield Kept(
                row.event_id,
                row.network,
                row.native_id,
                row.place,
                row.room,
                Address.parse(row.sender),
                row.sender_name,
                None if row.recipient is None else Address.parse(row.recipient),
                row.when,
                codec.decode(row.content),
            )
        except AddressError as error:
            raise ValueError(f"event {row.event_id}: {error}") from error


Chosen = TypeVar("Chosen", bound=Select[Any])


def _chosen(query: Chosen, choice: Choice) -> Chosen:
    if choice.rooms is not None:
        query = query.where(archive.c.room.in_(choice.rooms))
    if choice.people is not None:
        wanted = [str(each) for each in choice.people]
        query = query.where(archive.c.sender.in_(wanted) | archive.c.recipient.in_(wanted))
    if choice.since is not None:
        query = query.where(archive.c.when >= choice.since)
    if choice.until is not None:
        query = query.where(archive.c.when < choice.until)
    return query
