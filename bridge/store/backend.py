"""What the store wants of a database: `sqlite.py` and `postgresql.py` offer it."""

import os
import socket
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError


class StoreError(Exception):
    """The store cannot be used. The text says why, and what to do."""


class Backend(Protocol):
    """One database, held by one process at a time. Everything here may block, and belongs to the store's thread."""

    def take(self) -> None:
        """Take hold of the database, so that no other Rialto can. Raises `StoreError` if another one has it."""

    def connect(self) -> Connection:
        """A connection of a hold that is certain. Raises `StoreError`, or what `trouble` tells apart."""

    def look(self) -> Connection:
        """A connection by which nothing can be changed, beside whoever holds the database. Raises as `connect`."""

    def sign(self, connection: Connection) -> None:
        """Note in the store, in the transaction under way, that it is ours from now on; the tables are there."""

    def trouble(self, error: SQLAlchemyError) -> str | None:
        """Why the database does not work, and what to do, if the error says that; None if it is the fault of what was
        asked."""

    def mark(self, connection: Connection) -> str | None:
        """By what the transaction under way can be found again, should its commit not be answered; None where an
        error always means that it was not done."""

    def committed(self, connection: Connection, mark: str) -> bool:
        """Whether a transaction whose commit was not answered was done all the same."""

    def leave(self) -> None:
        """Let go of the database. The connections are closed already."""


def who_we_are() -> str:
    """What is shown to another Rialto that wants the same store."""
    return f"pid {os.getpid()} on {socket.gethostname()}"


def held(by: str, since: float | None) -> StoreError:
    """Another one has the store. `since` is in seconds since the epoch."""
    when = "" if since is None else f" since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return StoreError(
        f"store: another Rialto uses it{when}: {by}; stop that one first, or give this one a store of its own. "
        "Two would bring everything twice"
    )
