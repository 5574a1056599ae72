"""Millions of people: what a lookup costs hardly grows with their number. Counted in steps of SQLite's machine."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from bridge.delivery import Delivery, mint
from bridge.model.address import Address
from bridge.store import Store, conversations, events
from bridge.store.tables import conversation, event
from tests.unit.store.test_store import THERE, opened, said

FEW, MANY = 1_000, 100_000


def fill(connection: Connection, start: int, end: int) -> None:
    """As many people as that, each of a domain of their own, who have all said something, and written to somebody."""
    people = [f"@ana:d{number}.example" for number in range(start, end)]
    when = 1000.0
    common = {"network": "home", "place": "#tea:example.org", "place_kind": "room", "sender_name": "Ana", "when": when}
    rest = {"received": when, "protection": "none", "hops": 9}
    connection.execute(
        insert(event),
        [{"id": mint(when), "native_id": f"${who}", "sender": who} | common | rest for who in people],
    )
    connection.execute(
        insert(conversation), [{"one": f"home:{who}", "other": "libera:kestrel", "last": when} for who in people]
    )


def steps(connection: Connection, work: Callable[[Connection], object]) -> int:
    """How many steps SQLite's machine needs for it."""
    driver: Any = connection.connection.driver_connection
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    driver.set_progress_handler(step, 1)
    work(connection)
    driver.set_progress_handler(None, 1)
    return count


async def cost(store: Store, name: str) -> dict[str, int]:
    new, known = said(f"$new-{name}"), said("$@ana:d7.example")
    pair = (Address("home", "@ana:d7.example"), Address("libera", "kestrel"))
    work: dict[str, Callable[[Connection], object]] = {
        "new": partial(events.record, events=[new], deliveries=[Delivery(new, THERE, 1)], received=1000.0),
        "known": partial(events.record, events=[known], deliveries=[Delivery(known, THERE, 2)], received=1000.0),
        "talk": partial(conversations.note, pair=pair, now=2000.0),
    }
    return {what: await store.write(partial(steps, work=each)) for what, each in work.items()}


@pytest.mark.conforms("RFC2779:2.2.2", "RFC2779:2.2.3")
async def test_taking_in_a_message_costs_the_same_whoever_else_there_is(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.write(partial(fill, start=0, end=FEW))
    few = await cost(store, "few")
    await store.write(partial(fill, start=FEW, end=MANY))
    many = await cost(store, "many")
    assert min(few.values()) > 10, few
    assert {what: many[what] < few[what] * 1.5 for what in few} == dict.fromkeys(few, True), (few, many)
    await store.close()
