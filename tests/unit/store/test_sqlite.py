"""What the store promises of SQLite alone: plans, modes, files."""

import asyncio
import stat
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.event import listen, remove

from bridge.store import Store, StoreError, deliveries, events
from tests.unit.store.test_store import HERE, THERE, opened, record, said
from tests.unit.stores import store_url


def test_other_databases_are_refused_in_words() -> None:
    with pytest.raises(StoreError, match="mysql is not supported"):
        asyncio.run(Store("mysql://user@host/rialto").open())


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rialto.db").write_text("not a database at all, but long enough to be taken for one\n" * 20)
    with pytest.raises(StoreError, match="cannot open"):
        await Store(store_url(tmp_path)).open()


async def test_no_query_of_the_start_or_of_retention_reads_whole_tables(tmp_path: Path) -> None:
    """SQLite's own plan: every table is searched by an index, or walked along one that ends the walk early."""
    store = await opened(tmp_path)
    asked: list[tuple[str, object]] = []

    def plans(connection: Connection) -> list[str]:
        def note(_c: object, _cursor: object, statement: str, values: object, _context: object, _many: bool) -> None:
            asked.append((statement, values))

        listen(connection.engine, "before_cursor_execute", note)
        events.forget(connection, 1000.0, 10.0)
        events.last_seen(connection, [HERE, THERE])
        events.long_names(connection, 40)
        deliveries.numbers(connection, [HERE, THERE])
        deliveries.people_waited_for(connection)
        deliveries.untold(connection, 5.0)
        deliveries.waiting(connection, THERE, -1, 100)
        remove(connection.engine, "before_cursor_execute", note)
        return [
            row[3]
            for statement, values in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]  # as noted
        ]

    found = await store.read(plans)
    assert len(asked) == 10
    walks = {line for line in found if line.startswith("SCAN")}
    assert walks == {
        "SCAN delivery USING INDEX ix_delivery_open",  # partial: nothing but what waits
        "SCAN event USING COVERING INDEX ix_event_long_sender",  # partial: nothing but long names
    }
    assert not [line for line in found if "TEMP B-TREE" in line]
    await store.close()


async def test_nobody_else_on_the_machine_can_read_it(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await record(store, said("$1"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes
    assert set(modes.values()) == {0o600}, {name: oct(mode) for name, mode in modes.items()}
    await store.close()


async def test_a_link_is_no_second_store(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    (tmp_path / "other.db").symlink_to(tmp_path / "rialto.db")
    with pytest.raises(StoreError, match="another Rialto uses it"):
        await Store(f"sqlite:///{tmp_path / 'other.db'}").open()
    await store.close()
