"""A copy of a store in a file, taken while Rialto runs or not."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from bridge.store.backend import StoreError

PATIENCE = 30.0
"""Seconds to wait for whoever keeps the store locked."""


def copy(store: Path, to: Path) -> int:
    """Copy the store as it is at one moment, into one file that only its owner can read; durable when this returns.

    Nobody who writes to the store meanwhile has to wait. Returns the copy's size in bytes. Raises `FileExistsError` if
    there is such a file already, and `StoreError` if it cannot be done; then there is none.
    """
    if not store.exists():
        raise StoreError(f"there is no store at {store}")
    os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        # Not read-only: the first one who comes to a store after a crash has to put it in order.
        with (
            closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=rw", uri=True, timeout=PATIENCE)) as source,
            closing(sqlite3.connect(to)) as target,
        ):
            # In one step, which is one moment of the store. The pages come by way of SQLite: it is no copy of files.
            source.backup(target, pages=-1)
            # One file, without companions, wherever it is carried.
            target.execute("PRAGMA journal_mode=DELETE")
            [found] = target.execute("PRAGMA quick_check").fetchone()
            if found != "ok":
                raise StoreError(f"the copy of {store} is damaged: {found}")
        _sync(to)
        _sync(to.absolute().parent)
    except BaseException as error:
        # Whatever it was, half a copy is not to be taken for one.
        to.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error | OSError):
            raise StoreError(f"{store} cannot be copied to {to}: {error}") from error
        raise
    return to.stat().st_size


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
