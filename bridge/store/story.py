"""What the store knows of one message: where it came from, where it went, what became of it; and not what it says."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from bridge.store.tables import body, delivery, event, part, quarantine

MOST = 20
"""Messages that one id may name: another network's ids may look the same."""


def stories(connection: Connection, wanted: str, networks: Sequence[str]) -> list[dict[str, Any]]:
    """The messages that go by this id: our own, a part's on the wire, or a native id, of what came in or was delivered.

    Times are in seconds since the epoch. `networks` are those whose native ids are looked through.
    """
    event_id = wanted[:26].lower()
    delivered = select(part.c.event_id).where(part.c.network.in_(networks), part.c.native_id == wanted)
    found = connection.execute(
        select(event, body.c.event_id.label("kept"))
        .join(body, body.c.event_id == event.c.id, isouter=True)
        .where(
            or_(
                event.c.id == event_id,
                (event.c.network.in_(networks)) & (event.c.native_id == wanted),
                event.c.id.in_(delivered),
            )
        )
        .order_by(event.c.id)
        .limit(MOST)
    ).all()
    return [_story(connection, row) for row in found]


def quarantined(connection: Connection) -> int:
    """How many events could not be recorded, since the store was made."""
    return connection.execute(select(func.count()).select_from(quarantine)).scalar_one()


def _story(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    deliveries = connection.execute(
        select(delivery).where(delivery.c.event_id == row.id).order_by(delivery.c.network, delivery.c.place)
    ).all()
    parts = connection.execute(select(part).where(part.c.event_id == row.id).order_by(part.c.part)).all()
    return {
        "id": row.id,
        "network": row.network,
        "native_id": row.native_id,
        "place": row.place,
        "sender": row.sender,
        "sender_name": row.sender_name,
        "said": row.when,
        "received": row.received,
        "body_kept": row.kept is not None,
        "deliveries": [
            {
                "network": each.network,
                "place": each.place,
                "private": each.place_kind == "user",
                "state": each.state,
                "reason": each.reason,
                "text": each.text,
                "told": each.told,
                "updated": each.updated,
                "parts": [
                    {"part": piece.part, "state": piece.state, "native_id": piece.native_id}
                    for piece in parts
                    if (piece.network, piece.place) == (each.network, each.place)
                ],
            }
            for each in deliveries
        ],
    }
