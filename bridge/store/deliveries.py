"""Queries of the lanes: what waits, what is being sent, how it ended."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, select, text, update

from bridge.delivery import Delivery, State
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.event import Event, Origin, Protection
from bridge.model.message import MessageKind, Text
from bridge.model.result import Failure, Reason, Receipt
from bridge.store import codec
from bridge.store.newest import newest
from bridge.store.tables import IS_OPEN, IS_UNTOLD, body, delivery, event, part, quarantine
from bridge.store.upsert import upsert

log = structlog.get_logger(__name__)

UNREADABLE = Failure(Reason.INTERNAL_SERVER_ERROR, "the bridge could not read it back from its store")
"""Why a delivery ended whose words the store holds in a form nobody understands."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What was, or is being, sent as one part: kept word for word until its outcome is known."""

    index: int
    by_bot: bool
    kind: MessageKind
    text: Text
    state: State = State.SENDING


@dataclass(frozen=True, slots=True)
class Untold:
    """A delivery that failed and whose sender does not know yet."""

    event_id: str
    origin: Origin
    said_in: Place
    sender: Person
    place: Place
    failure: Failure


@dataclass(frozen=True, slots=True)
class Ending:
    """How far a private message is, by the place it was for. `failure` is why it failed, where it did.

    One that was refused when it came has no place.
    """

    place: Place | None
    state: State
    failure: Failure | None = None


def waiting(connection: Connection, place: Place, after: int, most: int, now: float | None = None) -> list[Delivery]:
    """The open deliveries of a place with a number above `after`, in order, at most `most`; all there are, if fewer.

    A delivery that cannot be read back harms no other: it ends here as failed, is put into quarantine, and is left out.
    `now` is the time noted for that (seconds since the epoch), the clock's by default.
    """
    found: list[Delivery] = []
    while len(found) < most:
        asked = most - len(found)
        rows = connection.execute(
            select(delivery.c.seq, delivery.c.state, body.c.content, *_EVENT)
            .join(event, event.c.id == delivery.c.event_id)
            .join(body, body.c.event_id == event.c.id, isouter=True)
            .where(_at(place), text(IS_OPEN), delivery.c.seq > after)
            .order_by(delivery.c.seq)
            .limit(asked)
        ).all()
        for row in rows:
            after = row.seq
            try:
                each = Delivery(_event(row), place, row.seq, State(row.state))
                if each.state is State.SENDING:
                    pieces(connection, each)
            except ValueError as error:
                _set_aside(connection, row, place, error, time.time() if now is None else now)
            else:
                found.append(each)
        if len(rows) < asked:
            break
    return found


def people_waited_for(connection: Connection) -> list[Place]:
    """The people for whom private messages wait."""
    rows = connection.execute(
        select(delivery.c.network, delivery.c.place)
        .where(text(IS_OPEN), delivery.c.place_kind == PlaceKind.USER.value)
        .distinct()
    )
    return [Place(row.network, row.place, PlaceKind.USER) for row in rows]


def numbers(connection: Connection, places: Iterable[Place]) -> dict[tuple[str, str], int]:
    """The highest number given in the lane of each of these places, by network and native id."""
    found = newest(connection, delivery, delivery.c.seq, places)
    return {(place.network, place.native): number for place, number in found.items()}


def give_up(connection: Connection, networks: Sequence[str], failure: Failure, now: float) -> int:
    """End the private messages to networks that are not among these any more. Returns how many there were."""
    gone = connection.execute(
        select(delivery.c.event_id, delivery.c.network, delivery.c.place).where(
            text(IS_OPEN), delivery.c.place_kind == PlaceKind.USER.value, delivery.c.network.not_in(networks)
        )
    ).all()
    for row in gone:
        _end(connection, row.event_id, Place(row.network, row.place, PlaceKind.USER), State.FAILED, now, failure)
    return len(gone)


def begin(connection: Connection, each: Delivery, pieces: Sequence[Piece], now: float) -> None:
    """Note, before the first byte goes out, what is going to be sent."""
    connection.execute(update(delivery).where(_is(each)).values(state=State.SENDING.value, updated=now))
    connection.execute(
        upsert(connection, part).on_conflict_do_nothing(),
        [
            {
                "event_id": each.event.id,
                "network": each.place.network,
                "place": each.place.native,
                "part": piece.index,
                "state": piece.state.value,
                "payload": codec.encode_payload(piece.kind, piece.by_bot, piece.text),
            }
            for piece in pieces
        ],
    )


def restart(connection: Connection, each: Delivery, pieces: Sequence[Piece], now: float) -> None:
    """Begin anew with these pieces: those of before are forgotten, with what the network called them."""
    connection.execute(delete(part).where(_parts_of(each)))
    begin(connection, each, pieces, now)


def pieces(connection: Connection, each: Delivery) -> list[Piece]:
    """The parts of a delivery that was being sent, in order; of one whose outcome is known the words are gone.

    Raises `ValueError` if one cannot be read back.
    """
    rows = connection.execute(select(part).where(_parts_of(each)).order_by(part.c.part))
    found = []
    for row in rows:
        if row.payload is None:
            kind, by_bot, words = MessageKind.TEXT, True, Text("")
        else:
            kind, by_bot, words = codec.decode_payload(row.payload)
        found.append(Piece(row.part, by_bot, kind, words, State(row.state)))
    return found


def confirm(connection: Connection, each: Delivery, index: int, receipt: Receipt, state: State) -> None:
    """Note the outcome of one part, and what the network calls it: the id map."""
    connection.execute(
        update(part)
        .where(_parts_of(each), part.c.part == index)
        .values(state=state.value, native_id=receipt.native_id, payload=None)
    )


def confirm_by_id(
    connection: Connection, event_id: str, place: Place, index: int, receipt: Receipt, state: State
) -> None:
    """Note that a part was seen on the network after its delivery had ended. A native id known already stays."""
    connection.execute(
        update(part)
        .where(
            part.c.event_id == event_id,
            part.c.network == place.network,
            part.c.place == place.native,
            part.c.part == index,
            part.c.native_id.is_(None),
        )
        .values(state=state.value, native_id=receipt.native_id, payload=None)
    )


def end(connection: Connection, each: Delivery, state: State, now: float, failure: Failure | None = None) -> None:
    """Note how the delivery ended. No part of it is open afterwards, and none keeps its words."""
    _end(connection, each.event.id, each.place, state, now, failure)


def told(connection: Connection, event_id: str, place: Place) -> None:
    """The sender knows of the failure."""
    connection.execute(update(delivery).where(delivery.c.event_id == event_id, _at(place)).values(told=True))


def untold(connection: Connection, since: float) -> list[Untold]:
    """Failures later than `since` whose senders do not know yet."""
    rows = connection.execute(
        select(delivery.c.network, delivery.c.place, delivery.c.place_kind, delivery.c.reason, delivery.c.text, *_EVENT)
        .join(event, event.c.id == delivery.c.event_id)
        .where(
            text(IS_UNTOLD),
            delivery.c.updated >= since,
        )
        .order_by(delivery.c.updated)
    )
    return [
        Untold(
            row.event_id,
            *_origin(row),
            Place(row.network, row.place, PlaceKind(row.place_kind)),
            Failure(Reason(row.reason or Reason.UNDEFINED_CONDITION), row.text or ""),
        )
        for row in rows
    ]


def ending(connection: Connection, origin: Origin) -> Ending | None:
    """What became of the private message that was said there; None if it was never taken in."""
    row = connection.execute(
        select(delivery)
        .select_from(event)
        .join(delivery, event.c.id == delivery.c.event_id, isouter=True)
        .where(event.c.network == origin.network, event.c.native_id == origin.native_id)
    ).first()
    if row is None:
        return None
    if row.event_id is None:
        return Ending(None, State.FAILED)
    failure = Failure(Reason(row.reason), row.text or "") if row.reason else None
    return Ending(Place(row.network, row.place, PlaceKind(row.place_kind)), State(row.state), failure)


def _end(
    connection: Connection, event_id: str, place: Place, state: State, now: float, failure: Failure | None
) -> None:
    connection.execute(
        update(delivery)
        .where(delivery.c.event_id == event_id, _at(place))
        .values(
            state=state.value,
            updated=now,
            reason=None if failure is None else failure.reason.value,
            text=None if failure is None else failure.text,
        )
    )
    parts = and_(part.c.event_id == event_id, part.c.network == place.network, part.c.place == place.native)
    # Of a delivery that was brought, a part without an outcome was not needed, or nobody will ever say.
    left = state if state in (State.FAILED, State.EXPIRED) else State.UNCERTAIN
    connection.execute(
        update(part).where(parts, part.c.state == State.SENDING.value).values(state=left.value, payload=None)
    )
    connection.execute(update(part).where(parts, part.c.payload.is_not(None)).values(payload=None))


def _set_aside(connection: Connection, row: Row[Any], place: Place, error: ValueError, now: float) -> None:
    # The words of the error may hold what was said: its kind is all that is kept of it.
    cause = type(error).__name__
    log.error(
        "a delivery cannot be read back from the store; it has failed",
        msg=row.event_id,
        network=row.event_network,
        native_id=row.event_native_id,
        place=str(place),
        error=cause,
    )
    _end(connection, row.event_id, place, State.FAILED, now, UNREADABLE)
    connection.execute(
        insert(quarantine),
        {
            "network": row.event_network,
            "native_id": row.event_native_id,
            "error": f"{UNREADABLE.text} ({cause}), on the way to {place.native} on {place.network}",
            "when": now,
        },
    )


def _at(place: Place) -> ColumnElement[bool]:
    # A room and a person may have the same native id.
    return and_(
        delivery.c.network == place.network,
        delivery.c.place == place.native,
        delivery.c.place_kind == place.kind.value,
    )


def _is(each: Delivery) -> ColumnElement[bool]:
    return and_(delivery.c.event_id == each.event.id, _at(each.place))


def _parts_of(each: Delivery) -> ColumnElement[bool]:
    return and_(
        part.c.event_id == each.event.id, part.c.network == each.place.network, part.c.place == each.place.native
    )


# Both tables have columns of the same names: the event's are read under names of their own.
_EVENT = tuple(column.label(f"event_{column.name}") for column in event.c)


def _origin(row: Row[Any]) -> tuple[Origin, Place, Person]:
    network = row.event_network
    return (
        Origin(network, row.event_native_id),
        Place(network, row.event_place, PlaceKind(row.event_place_kind)),
        Person(Address(network, row.event_sender), row.event_sender_name),
    )


def _event(row: Row[Any]) -> Event:
    """Raises `ValueError` if the row does not hold an event."""
    origin, place, sender = _origin(row)
    if row.content is None:
        raise ValueError("there is no body")
    return Event(
        origin=origin,
        place=place,
        sender=sender,
        when=row.event_when,
        content=codec.decode(row.content),
        id=row.event_id,
        protection=Protection(row.event_protection),
        hops=row.event_hops,
    )
