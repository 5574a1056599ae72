"""A look into the store from outside, while Rialto runs or not: nobody waits for it, and it changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from bridge.store.backend import StoreError
from bridge.store.postgresql import DRIVER
from bridge.store.schema import check


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """The store as it is at one moment. `url` as for `Store`. Raises `StoreError` where there is none that this version
    can read."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(parsed.database or "")
        if not path.exists():
            raise StoreError(f"there is no store at {path}")
        # Not read-only: the first one who comes to a store after a crash has to put it in order.
        engine = create_engine(f"sqlite:///{path.absolute().as_uri()}?mode=rw&uri=true", poolclass=NullPool)
        begin = ("PRAGMA query_only = ON",)
    else:
        engine = create_engine(parsed.set(drivername=DRIVER), poolclass=NullPool)
        begin = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",)
    yield from _read(engine, begin)


def _read(engine: Engine, begin: tuple[str, ...]) -> Iterator[Connection]:
    try:
        with engine.connect() as connection:
            for statement in begin:
                connection.exec_driver_sql(statement)
            check(connection)
            yield connection
    except SQLAlchemyError as error:
        raise StoreError(f"the store cannot be read: {error}") from error
