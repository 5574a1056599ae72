"""A look into a store beside whoever holds it, or while nobody does: nothing is locked, migrated or written."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bridge.store.backend import StoreError
from bridge.store.database import backend_of
from bridge.store.schema import require_current

T = TypeVar("T")


def look(url: str, operation: Callable[[Connection], T]) -> T:
    """Run an operation that only reads. `url` is as of `Store`. It blocks. Raises `StoreError` where there is no store
    that this version can read."""
    backend = backend_of(url)
    try:
        with backend.look() as connection, connection.begin():
            require_current(connection)
            return operation(connection)
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise StoreError(f"store: cannot be read: {backend.trouble(error) or cause}") from error
