"""Queries of private conversations: which are open."""

import structlog
from sqlalchemy import Connection, delete, select

from bridge.model.address import Address, AddressError
from bridge.store.tables import conversation
from bridge.store.upsert import upsert

log = structlog.get_logger(__name__)


def note(connection: Connection, pair: tuple[Address, Address], now: float) -> None:
    """Something was said between these two, at `now` (seconds since the epoch)."""
    connection.execute(
        upsert(connection, conversation)
        .values(one=str(pair[0]), other=str(pair[1]), last=now)
        .on_conflict_do_update(index_elements=list(conversation.primary_key), set_={"last": now})
    )


def known(connection: Connection) -> list[tuple[Address, Address]]:
    """All that are open. What cannot be read back is left out, and logged."""
    found = []
    for row in connection.execute(select(conversation)):
        try:
            found.append((Address.parse(row.one), Address.parse(row.other)))
        except AddressError:
            log.error("a conversation cannot be read back from the store", one=row.one, other=row.other)
    return found


def forget(connection: Connection, before: float) -> int:
    """Forget those in which nothing was said since `before`. Returns how many."""
    return connection.execute(delete(conversation).where(conversation.c.last < before)).rowcount
