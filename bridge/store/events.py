"""Queries of the journal: taking events in, once."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, and_, delete, exists, func, insert, or_, select, text

from bridge.delivery import Delivery, mint
from bridge.model.address import Address, Place
from bridge.model.event import Event
from bridge.store import codec
from bridge.store.newest import newest
from bridge.store.tables import IS_OPEN, LONG_SENDER, body, delivery, event, quarantine
from bridge.store.upsert import upsert

AT_ONCE = 1000
"""Rows erased in one operation, so that what is written meanwhile does not wait for long."""


def record(
    connection: Connection, events: Sequence[Event], deliveries: Sequence[Delivery], received: float
) -> frozenset[str]:
    """Write the events, and the deliveries of those that are new. Returns the ids of the new ones.

    An event whose origin is known is left out without an error, so that a duplicate never fails its batch.
    """
    new: set[str] = set()
    for each in events:
        statement = upsert(connection, event).on_conflict_do_nothing().returning(event.c.id)
        row = connection.execute(statement, _event_row(each, received)).first()
        if row is not None:
            new.add(row.id)
    wanted = [each for each in deliveries if each.event.id in new]
    if wanted:
        bodies = {each.event.id: each.event for each in wanted}
        connection.execute(
            insert(body), [{"event_id": id_, "content": codec.encode(e.content)} for id_, e in bodies.items()]
        )
        connection.execute(insert(delivery), [_delivery_row(each, received) for each in wanted])
    return frozenset(new)


def set_aside(connection: Connection, each: Event, error: str, now: float) -> None:
    """Quarantine an event that cannot be recorded. Its body is not kept; what is not Unicode is escaped."""
    connection.execute(
        insert(quarantine),
        {
            "network": each.origin.network,
            "native_id": _storable(each.origin.native_id),
            "error": _storable(error),
            "when": now,
        },
    )


def last_seen(connection: Connection, places: Iterable[Place]) -> dict[Place, float]:
    """When the newest event of each of these places was said."""
    return newest(connection, event, event.c.when, places)


def long_names(connection: Connection, longer: int) -> list[Address]:
    """Senders whose native ids have more than `longer` characters: their puppets' names may be hashes."""
    indexed = [text(f"length(sender) > {LONG_SENDER}")] if longer >= LONG_SENDER else []
    rows = connection.execute(
        select(event.c.network, event.c.sender).where(func.length(event.c.sender) > longer, *indexed).distinct()
    )
    return [Address(row.network, row.sender) for row in rows]


def forget(connection: Connection, bodies_before: float, ids_before: float) -> tuple[int, int]:
    """Retention: erase what was said when all its deliveries have ended, and later even that it was said.

    Both bounds are seconds since the epoch. Returns how many bodies and how many events went: at most `AT_ONCE` of
    each, so that it is to be called again until there are none.
    """
    # Bodies lead: there are few of them, where events are kept for months. Event ids are in the order of time.
    old = select(event.c.received).where(event.c.id == body.c.event_id).correlate(body).scalar_subquery()
    needed = exists().where(
        delivery.c.event_id == body.c.event_id, or_(text(IS_OPEN), delivery.c.updated >= bodies_before)
    )
    bodies = connection.execute(
        delete(body).where(
            body.c.event_id.in_(
                select(body.c.event_id)
                .where(body.c.event_id < _id_before(bodies_before), old < bodies_before, ~needed)
                .order_by(body.c.event_id)
                .limit(AT_ONCE)
                .correlate(None)
            )
        )
    )
    is_open = exists().where(and_(delivery.c.event_id == event.c.id, text(IS_OPEN)))
    events = connection.execute(
        delete(event).where(
            event.c.id.in_(
                select(event.c.id)
                .where(event.c.received < ids_before, ~is_open)
                .order_by(event.c.received)
                .limit(AT_ONCE)
                .correlate(None)
            )
        )
    )
    return bodies.rowcount, events.rowcount


def _id_before(now: float) -> str:
    """Sorts after every event id minted earlier than `now`, and before every later one."""
    return mint(max(0.0, now))[:10]


def _storable(words: str) -> str:
    return words.encode("utf-8", "backslashreplace").decode()


def _event_row(each: Event, received: float) -> dict[str, object]:
    return {
        "id": each.id,
        "network": each.origin.network,
        "native_id": each.origin.native_id,
        "place": each.place.native,
        "place_kind": each.place.kind.value,
        "sender": each.sender.address.native,
        "sender_name": each.sender.name,
        # Nothing was said later than it was heard: a sender's clock must not reach into the future (see `last_seen`).
        "when": min(each.when, received),
        "received": received,
        "protection": each.protection.value,
        "hops": each.hops,
    }


def _delivery_row(each: Delivery, now: float) -> dict[str, object]:
    return {
        "event_id": each.event.id,
        "network": each.place.network,
        "place": each.place.native,
        "place_kind": each.place.kind.value,
        "seq": each.seq,
        "state": each.state.value,
        "told": False,
        "updated": now,
    }
