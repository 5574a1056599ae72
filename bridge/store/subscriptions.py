"""Queries of the presence service: who wants to be told of whom, and who looked at whom."""

from collections.abc import Sequence
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, delete, func, select, tuple_

from bridge.model.address import Address, AddressError
from bridge.model.subscription import Subscription, SubscriptionEvent, SubscriptionState
from bridge.store.tables import look, subscription
from bridge.store.upsert import upsert

log = structlog.get_logger(__name__)

ANONYMOUS = ""
"""What stands in place of a watcher who does not say who they are."""


class Look(NamedTuple):
    """Somebody looked once at the presence of another: how often, and when last. None is anonymous."""

    watcher: Address | None
    last: float
    times: int


def put(connection: Connection, new: Subscription) -> None:
    """It is so now, between these two."""
    values = {
        "id": new.id,
        "state": new.state.value,
        "event": new.event.value,
        "created": new.created,
        "changed": new.changed,
        "expires": new.expires,
    }
    connection.execute(
        upsert(connection, subscription)
        .values(watcher=str(new.watcher), target=str(new.target), **values)
        .on_conflict_do_update(index_elements=list(subscription.primary_key), set_=values)
    )


def remove(connection: Connection, pairs: Sequence[tuple[Address, Address]]) -> None:
    """Forget these, by watcher and target."""
    for watcher, target in pairs:
        connection.execute(
            delete(subscription).where(subscription.c.watcher == str(watcher), subscription.c.target == str(target))
        )


def known(connection: Connection) -> list[Subscription]:
    """All of them. What cannot be read back is left out, and logged."""
    found = []
    for row in connection.execute(select(subscription)):
        try:
            found.append(
                Subscription(
                    row.id,
                    Address.parse(row.watcher),
                    Address.parse(row.target),
                    SubscriptionState(row.state),
                    SubscriptionEvent(row.event),
                    row.created,
                    row.changed,
                    row.expires,
                )
            )
        except (AddressError, ValueError):
            log.error("a subscription cannot be read back from the store", watcher=row.watcher, target=row.target)
    return found


def looked(connection: Connection, watcher: Address | None, target: Address, now: float) -> None:
    """Somebody looked once at the target's presence."""
    who = ANONYMOUS if watcher is None else str(watcher)
    connection.execute(
        upsert(connection, look)
        .values(watcher=who, target=str(target), last=now, times=1)
        .on_conflict_do_update(index_elements=list(look.primary_key), set_={"last": now, "times": look.c.times + 1})
    )


def looks(connection: Connection, target: Address) -> list[Look]:
    """Who looked at the target's presence, the latest first."""
    found = []
    for row in connection.execute(select(look).where(look.c.target == str(target)).order_by(look.c.last.desc())):
        try:
            watcher = None if row.watcher == ANONYMOUS else Address.parse(row.watcher)
        except AddressError:
            log.error("a look cannot be read back from the store", watcher=row.watcher, target=row.target)
            continue
        found.append(Look(watcher, row.last, row.times))
    return found


def forget_looks(connection: Connection, before: float, most: int) -> int:
    """Forget the looks from before that time, and of each target all but so many of the latest. Returns how many."""
    erased = connection.execute(delete(look).where(look.c.last < before)).rowcount
    place = func.row_number().over(partition_by=look.c.target, order_by=look.c.last.desc()).label("place")
    numbered = select(look.c.watcher, look.c.target, place).subquery()
    late = select(numbered.c.watcher, numbered.c.target).where(numbered.c.place > most)
    return erased + connection.execute(delete(look).where(tuple_(look.c.watcher, look.c.target).in_(late))).rowcount
