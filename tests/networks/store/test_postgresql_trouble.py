"""PostgreSQL away, restarted, locked, taken over: everybody waits, and nothing is done twice."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, func, select

from bridge.demo.servers import PostgreSQL
from bridge.store import Store, StoreError, postgresql
from bridge.store.tables import memory
from tests.unit.store.trouble import impatient, in_trouble, put, says

NewPostgreSQL = Callable[..., Awaitable[PostgreSQL]]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)


async def opened(url: str) -> Store:
    store = Store(url)
    await store.open()
    return store


def rows(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(memory)).scalar_one())


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_server_that_is_away_is_waited_for(new_postgresql: NewPostgreSQL, how: str) -> None:
    server = await new_postgresql()
    store = await opened(server.url)
    await store.write(partial(put, key="before"))
    await getattr(server, how)()
    writes = [store.write(partial(put, key=f"key {number}")) for number in range(20)]
    assert "see that the server runs" in await in_trouble(store)
    assert not any(write.done() for write in writes)
    await server.start()
    assert await asyncio.gather(*writes) == [f"key {number}" for number in range(20)]
    assert store.trouble is None
    assert await store.read(rows) == 21
    await store.close()


async def test_a_server_restarted_under_load_loses_nothing_and_doubles_nothing(new_postgresql: NewPostgreSQL) -> None:
    """Also where the answer to a commit was lost: a write that was done is not done again (its key is taken)."""
    server = await new_postgresql()
    store = await opened(server.url)
    enough = asyncio.Event()

    async def speak(who: int) -> int:
        number = 0
        while not enough.is_set():
            await store.write(partial(put, key=f"{who} {number}"))
            number += 1
        return number

    speakers = [asyncio.create_task(speak(who)) for who in range(4)]
    for _ in range(3):
        await store.write(lambda connection: None)
        await server.kill()
        await in_trouble(store)
        await server.start()
        try:
            await in_trouble(store, wanted=False)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{server.pid}\n{server.log_tail()}") from None
    enough.set()
    assert sum(await asyncio.gather(*speakers)) == await store.read(rows)
    await store.close()


@pytest.mark.parametrize("done", [True, False], ids=["was done", "was not done"])
async def test_a_commit_whose_answer_was_lost_is_asked_after(
    postgresql: PostgreSQL, schema: str, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    store = await opened(schema)
    real = psycopg.Connection.commit
    lost: list[object] = []

    def commit(connection: psycopg.Connection[Any]) -> None:
        if lost:
            real(connection)
            return
        lost.append(connection)
        if done:
            real(connection)
        connection.close()
        raise psycopg.OperationalError("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "commit", commit)
        # Were it done twice, the key would be taken: the caller would get an error for what was done.
        assert await store.write(partial(put, key="once")) == "once"
    assert lost
    assert await store.read(rows) == 1
    await store.close()


async def test_tables_that_another_session_locks_are_waited_for(
    schema: str, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(schema)
    await store.write(lambda connection: connection.exec_driver_sql("SET lock_timeout = '50ms'").close())
    other = await psycopg.AsyncConnection.connect(schema)
    await other.execute("LOCK TABLE memory IN ACCESS EXCLUSIVE MODE")
    write = store.write(partial(put, key="a"))
    assert "another session keeps its tables locked" in await in_trouble(store)
    assert not write.done()
    await other.rollback()
    assert await write == "a"
    await other.close()
    await store.close()


async def test_one_who_was_cut_off_does_not_go_on_where_another_was_meanwhile(
    schema: str, postgresql: PostgreSQL
) -> None:
    first = await opened(schema)
    # The administrator ends the session; before it comes back, another Rialto has the store.
    name = schema.rpartition("%3D")[2]
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        f" AND objid = (hashtext('{name}')::bigint & 4294967295)::oid"
    )
    assert await postgresql.execute(query) == [(True,)]
    second = await opened(schema)
    write = first.write(partial(put, key="a"))
    await says(first, "another Rialto uses it")
    await second.close()
    await says(first, "another Rialto has used it")
    assert not write.done()
    await first.close()
    with pytest.raises(StoreError, match="being closed"):
        await write


async def test_a_server_that_cannot_be_reached_bars_the_start_in_words(new_postgresql: NewPostgreSQL) -> None:
    server = await new_postgresql()
    await server.stop()
    with pytest.raises(StoreError, match=r"cannot open PostgreSQL 127\.0\.0\.1, database rialto: .*server runs"):
        await Store(server.url).open()


async def test_a_wrong_password_schema_or_encoding_bars_the_start(postgresql: PostgreSQL, unique: str) -> None:
    with pytest.raises(StoreError, match="lets Rialto's user in") as refused:
        await Store(postgresql.url.replace("rialto:", "rialto:wrong")).open()
    assert "wrong" not in str(refused.value)
    with pytest.raises(StoreError, match="there is no schema of that name"):
        await Store(f"{postgresql.url}?options=-csearch_path%3Dnowhere").open()
    await postgresql.execute(f"CREATE DATABASE {unique} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    with pytest.raises(StoreError, match="its encoding is SQL_ASCII; make a database with ENCODING 'UTF8'"):
        await Store(postgresql.url_of(unique)).open()


def test_the_lock_is_the_same_in_every_version() -> None:
    """An older Rialto and a newer one must exclude each other."""
    assert postgresql.LOCK == 0x5269616C
