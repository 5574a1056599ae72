"""The connection to the store, and the thread that owns it.

One thread writes, and it commits as soon as the previous commit has ended, taking along what has gathered in the
meantime: under load many operations share one disk sync, alone one waits for nobody, and there is no timer.
Operations are plain functions of a SQLAlchemy `Connection`. The synchronous driver in a thread is used with reason:
SQLAlchemy's asyncio layer over aiosqlite hops threads for every statement and not once for a transaction, and took 2.5
times as long for a write alone, 40 times for many at once (benchmarks/store_commit.py).
"""

import asyncio
import os
import queue
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger(__name__)

T = TypeVar("T")
Operation = Callable[[Connection], T]

MOST_AT_ONCE = 500
"""Operations in one commit, so that the first of them does not wait for ever for the last."""


class StoreError(Exception):
    """The store cannot be used. The text says why, and what to do."""


@dataclass(slots=True)
class _Job:
    operation: Operation[Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class Store:
    """The store of one running gateway. Open it, use `write` and `read` from the event loop, close it."""

    def __init__(self, url: str) -> None:
        """`url` is a SQLAlchemy URL such as ``sqlite:///rialto.db``."""
        self._url = url
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: Engine | None = None

    async def open(self) -> None:
        """Create or migrate the tables and start the thread. Raises `StoreError`."""
        self._loop = asyncio.get_running_loop()
        self._engine = await asyncio.to_thread(_prepare, self._url)
        self._thread = threading.Thread(target=self._run, args=(self._engine, self._loop), name="store", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Finish what was asked for, and let go of the store. What is asked for meanwhile fails with `StoreError`."""
        if self._thread is None or self._engine is None:
            return
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        self._thread = None
        self._refuse_rest()
        await asyncio.to_thread(self._engine.dispose)

    def write(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Run the operation in a transaction; the future ends when it is durable, in the order of the calls.

        An operation that fails does not disturb those it shared the transaction with; the future gets its exception.
        It may be run twice, after a roll-back, and so must have no effect but on the store. Raises `StoreError` if the
        store is not open; the future gets one if the store was being closed.
        """
        if self._loop is None or self._thread is None:
            raise StoreError("the store is not open")
        job = _Job(operation, self._loop.create_future())
        self._jobs.put(job)
        return job.future

    # Reading goes through the same thread: what was written before is seen, and SQLite has one connection to warm.
    read = write

    def _refuse_rest(self) -> None:
        """Nobody will run what came in behind the mark of the end: say so."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None and not job.future.done():
                job.future.set_exception(StoreError("the store was being closed"))

    def _run(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        with engine.connect() as connection:
            while (job := self._jobs.get()) is not None:
                jobs, last = self._gather(job)
                _run_together(connection, jobs)
                loop.call_soon_threadsafe(_report, jobs)
                if last:
                    return

    def _gather(self, first: _Job) -> tuple[list[_Job], bool]:
        jobs = [first]
        while len(jobs) < MOST_AT_ONCE:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False


def _run_together(connection: Connection, jobs: list[_Job]) -> None:
    try:
        with connection.begin():
            for job in jobs:
                job.result = job.operation(connection)
    except Exception as error:  # noqa: BLE001 - whatever it was, it belongs to the one who asked
        if len(jobs) == 1:
            jobs[0].error = error
            return
        log.warning("a shared transaction failed; its operations are run one by one", operations=len(jobs))
        for job in jobs:
            _run_together(connection, [job])


def _report(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.cancelled():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


def _prepare(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(f"store: {parsed.get_backend_name()} is not supported yet; write sqlite:///rialto.db")
    try:
        _only_ours(Path(parsed.database or ""))
        engine = create_engine(parsed)
        event.listen(engine, "connect", _set_up_sqlite)
        with engine.begin() as connection:
            _migrate(connection)
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise StoreError(f"store: cannot open {parsed.database}: {cause}") from error
    return engine


def _only_ours(path: Path) -> None:
    """Nobody else on the machine may read what people said: SQLite's companion files take over the file's mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"store: cannot open {path}: {error.strerror or error}") from error
    if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        log.warning("others on this machine can read the store; run: chmod 600", store=str(path))


def _set_up_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # FULL: a commit that was answered survives a power cut, not only a crash of ours.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(connection: Connection) -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    found = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config)
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(
            f"store: its schema ({found}) is newer than this version of Rialto knows ({scripts.get_current_head()}); "
            "install the version that wrote it, or restore a backup"
        )
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(f"store: cannot be migrated: {error}") from error
