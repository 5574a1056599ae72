"""The store in a file of SQLite's."""

import errno
import fcntl
import json
import os
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from bridge.store.backend import StoreError, held, who_we_are

log = structlog.get_logger(__name__)

PRAGMAS: Final = (
    "journal_mode=WAL",
    # A commit that was answered survives a power cut, not only a crash of ours.
    "synchronous=FULL",
    "foreign_keys=ON",
    # Milliseconds to wait for a backup tool, or whoever else writes.
    "busy_timeout=5000",
)

# What is wrong with the file, its disk or its neighbours, and what to do. Any other error is that of what was asked.
_TROUBLE: Final = {
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_BUSY: "another program keeps it locked: end what writes to it, for example an sqlite3 shell",
    sqlite3.SQLITE_LOCKED: "another program keeps it locked: end what writes to it, for example an sqlite3 shell",
    sqlite3.SQLITE_PROTOCOL: "another program keeps it locked: end what writes to it, for example an sqlite3 shell",
    sqlite3.SQLITE_IOERR: "look after its disk: room, health, quota, and what the system's log says",
    sqlite3.SQLITE_CANTOPEN: "see that its file and folder are there, and that Rialto may write them",
    sqlite3.SQLITE_READONLY: "see that its file, folder and disk may be written to",
    sqlite3.SQLITE_PERM: "see that its file and folder may be written to",
    sqlite3.SQLITE_CORRUPT: "it is damaged: stop Rialto and restore a backup",
    sqlite3.SQLITE_NOTADB: "it is damaged: stop Rialto and restore a backup",
    sqlite3.SQLITE_NOMEM: "give the machine more memory",
}


class Sqlite:
    """A database in a file. It is locked by a companion, ``rialto.db-lock``, and not by SQLite's own means, so that
    backup tools can read meanwhile. The lock is the kernel's: it ends with the process, however that ends."""

    def __init__(self, url: URL) -> None:
        self._path = Path(url.database or "")
        # Its errors are logged; what was to be written is not theirs to quote.
        self._engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
        event.listen(self._engine, "connect", _set_up)
        event.listen(self._engine, "begin", _begin)
        self._lock: int | None = None

    def take(self) -> None:
        """See `Backend.take`. The files are made, readable by nobody else."""
        _only_ours(self._path)
        # Beside the file itself, wherever links lead: a second name of the store is not a second store.
        path = self._path.resolve()
        path = path.with_name(path.name + "-lock")
        try:
            lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _cannot_open(path, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            words = os.pread(lock, 1000, 0)
            os.close(lock)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise StoreError(f"store: {path} cannot be locked: {error.strerror}; use a local disk") from error
            raise held(*_holder(words)) from None
        self._lock = lock
        try:
            os.ftruncate(lock, 0)
            os.pwrite(lock, json.dumps({"by": who_we_are(), "since": time.time()}).encode(), 0)
        except OSError as error:
            # Only the words for the other one are missing.
            log.warning("the lock could not be signed", path=str(path), error=error.strerror)

    def connect(self) -> Connection:
        """See `Backend.connect`."""
        return self._engine.connect()

    def look(self) -> Connection:
        """See `Backend.look`."""
        if not self._path.exists():
            raise StoreError(f"store: there is none at {self._path}")
        where = f"{self._path.absolute().as_uri()}?mode=rw"

        def reading() -> sqlite3.Connection:
            # Not SQLite's own read-only mode: the first one who comes after a crash has to put the file in order.
            connection = sqlite3.connect(where, uri=True, isolation_level=None)
            connection.execute("PRAGMA query_only=ON")
            return connection

        engine = create_engine("sqlite://", creator=reading, poolclass=NullPool, hide_parameters=True)
        event.listen(engine, "begin", _begin)
        return engine.connect()

    def sign(self, connection: Connection) -> None:
        """See `Backend.sign`: the lock cannot be lost, and says who has it."""

    def trouble(self, error: SQLAlchemyError) -> str | None:
        """See `Backend.trouble`."""
        cause = getattr(error, "orig", None)
        code = getattr(cause, "sqlite_errorcode", None)
        # The low byte is the kind; the rest says where it happened.
        what = None if code is None else _TROUBLE.get(code & 0xFF)
        return None if what is None else f"{self._path}: {cause}; {what}"

    def mark(self, connection: Connection) -> str | None:
        """See `Backend.mark`: here an error means that it was rolled back."""
        return None

    def committed(self, connection: Connection, mark: str) -> bool:
        """See `Backend.committed`."""
        return False

    def leave(self) -> None:
        """See `Backend.leave`. The lock's file stays: whoever removed it could remove another one's."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _set_up(connection: Any, _record: object) -> None:
    # The driver's own way begins no transaction before it changes tables: half a migration would stay.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _only_ours(path: Path) -> None:
    """Nobody else on the machine may read what people said: SQLite's companion files take over the file's mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        mode = path.stat().st_mode
    except OSError as error:
        raise _cannot_open(path, error) from error
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        log.warning("others on this machine can read the store; run: chmod 600", store=str(path))


def _cannot_open(path: Path, error: OSError) -> StoreError:
    return StoreError(f"store: cannot open {path}: {error.strerror or error}")


def _holder(words: bytes) -> tuple[str, float | None]:
    try:
        found = json.loads(words)
        return str(found["by"]), float(found["since"])
    except (ValueError, TypeError, KeyError):
        return "it did not say who it is", None
