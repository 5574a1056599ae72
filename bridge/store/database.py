"""The store's thread, and the way to it from the event loop.

One thread writes, and it commits as soon as the previous commit has ended, taking along what has gathered in the
meantime: under load many operations share one disk sync, alone one waits for nobody, and there is no timer.
Operations are plain functions of a SQLAlchemy `Connection`. The synchronous driver in a thread is used with reason:
SQLAlchemy's asyncio layer over aiosqlite hops threads for every statement and not once for a transaction, and took 2.5
times as long for a write alone, 40 times for many at once (benchmarks/store_commit.py).

While the database itself does not work (disk full, locked, server away), the thread tries the same operations again
until it does, and everybody waits: what could not be noted is neither acknowledged nor sent.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from bridge.backoff import HALF, Backoff
from bridge.store.backend import Backend, StoreError
from bridge.store.postgresql import PostgreSQL
from bridge.store.schema import migrate
from bridge.store.sqlite import Sqlite

log = structlog.get_logger(__name__)

T = TypeVar("T")
Operation = Callable[[Connection], T]

MOST_AT_ONCE = 500
"""Operations in one commit, so that the first of them does not wait for ever for the last."""

RETRY_FIRST = 1.0
RETRY_AT_MOST = 30.0
"""Seconds between attempts while the database does not work: they grow from the one to the other."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The database does not work, since then (seconds since the epoch). `text` says why, and what to do."""

    text: str
    since: float


@dataclass(slots=True)
class _Job:
    operation: Operation[Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class Store:
    """The store of one running gateway. Open it, use `write` and `read` from the event loop, close it."""

    def __init__(self, url: str, committed: Callable[[int, float], None] = lambda operations, seconds: None) -> None:
        """`url` is ``sqlite:///`` and a path, or ``postgresql://user@host/database``. `committed` is called in the
        store's thread after each commit, with the number of operations in it and the seconds that it took."""
        self._url = url
        self._committed = committed
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._trouble: Trouble | None = None
        self._closing = threading.Event()

    @property
    def trouble(self) -> Trouble | None:
        """Why everybody waits for the store; None while it works."""
        return self._trouble

    async def open(self) -> None:
        """Take hold of the database, create or migrate the tables, start the thread. Raises `StoreError`."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        thread = threading.Thread(target=self._run, args=(self._loop, opened), name="store", daemon=True)
        thread.start()
        await opened
        self._thread = thread

    async def close(self) -> None:
        """Finish what was asked for, and let go of the store. What is asked for meanwhile fails with `StoreError`, and
        so does all of it if the database does not work."""
        if self._thread is None:
            return
        self._closing.set()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        self._thread = None
        self._refuse_rest()

    def write(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Run the operation in a transaction; the future ends when it is durable, in the order of the calls.

        An operation that fails does not disturb those it shared the transaction with; the future gets its exception.
        While the database does not work, it waits. It may be run several times, after a roll-back, and so must have no
        effect but on the store. Raises `StoreError` if the store is not open; the future gets one if the store was
        being closed.
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

    def _note(self, trouble: Trouble | None) -> None:
        """On the event loop: what the thread has found."""
        before, self._trouble = self._trouble, trouble
        if trouble is None and before is not None:
            log.info("the store works again", seconds=round(time.time() - before.since, 1))
        elif trouble is not None and before is None:
            log.error("the store does not work; nothing is taken in or sent until it does", why=trouble.text)

    # The thread

    def _run(self, loop: asyncio.AbstractEventLoop, opened: asyncio.Future[None]) -> None:
        def note(trouble: Trouble | None) -> None:
            loop.call_soon_threadsafe(self._note, trouble)

        try:
            backend = backend_of(self._url)
            worker = _Worker(backend, note, self._closing, self._committed)
            try:
                worker.prepare()
            except BaseException:
                # The lock, too, is given back.
                worker.leave()
                raise
        except Exception as error:  # noqa: BLE001 - whatever it was, it belongs to the one who asked
            loop.call_soon_threadsafe(_refuse, opened, error)
            return
        loop.call_soon_threadsafe(_welcome, opened)
        try:
            while (job := self._jobs.get()) is not None:
                jobs, last = self._gather(job)
                worker.run(jobs)
                loop.call_soon_threadsafe(_report, jobs)
                if last:
                    return
        finally:
            worker.leave()

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


class _Worker:
    """Runs operations on a database. Lives in the store's thread."""

    def __init__(
        self,
        backend: Backend,
        note: Callable[[Trouble | None], None],
        closing: threading.Event,
        committed: Callable[[int, float], None],
    ) -> None:
        """`note` is told of trouble and of its end. Once `closing` is set, trouble is not waited for."""
        self._committed = committed
        self._backend = backend
        self._note = note
        self._closing = closing
        self._connection: Connection | None = None
        self._since: float | None = None
        self._given_up = False
        self._pauses = Backoff(RETRY_FIRST, RETRY_AT_MOST, least=HALF)

    def prepare(self) -> None:
        """Take hold of the database and bring its tables up to date. Raises `StoreError`."""
        self._backend.take()
        try:
            connection = self._connected()
            with connection.begin():
                migrate(connection)
                self._backend.sign(connection)
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise StoreError(f"store: cannot open {self._backend.trouble(error) or cause}") from error

    def leave(self) -> None:
        """Let go of the database."""
        self._disconnect()
        self._backend.leave()

    def run(self, jobs: list[_Job]) -> None:
        """Run them in one transaction; where one of them fails, each in its own."""
        try:
            self._insist(jobs)
        except StoreError as error:
            for job in jobs:
                job.error = error
        except Exception as error:  # noqa: BLE001 - whatever it was, it belongs to the one who asked
            if len(jobs) == 1:
                jobs[0].error = error
                return
            log.warning("a shared transaction failed; its operations are run one by one", operations=len(jobs))
            for job in jobs:
                self.run([job])

    def _insist(self, jobs: list[_Job]) -> None:
        """One transaction, again and again while the database does not work."""
        mark: str | None = None
        if self._given_up:
            raise StoreError("the store was being closed, and does not work")
        while True:
            try:
                connection = self._connected()
                if mark is not None and self._backend.committed(connection, mark):
                    break
                mark = None
                began = time.monotonic()
                with connection.begin() as transaction:
                    for job in jobs:
                        job.result = job.operation(connection)
                    mark = self._backend.mark(connection)
                    transaction.commit()
                self._committed(len(jobs), time.monotonic() - began)
                break
            except (SQLAlchemyError, StoreError) as error:
                why = str(error) if isinstance(error, StoreError) else self._backend.trouble(error)
                if why is None:
                    self._works()
                    raise
                self._wait(why)
        self._works()

    def _works(self) -> None:
        if self._since is not None:
            self._since = None
            self._pauses.reset()
            self._note(None)

    def _wait(self, why: str) -> None:
        # What is behind a broken connection is better found out anew.
        self._disconnect()
        if self._since is None:
            self._since = time.time()
        self._note(Trouble(why, self._since))
        if self._closing.wait(self._pauses.next()):
            self._given_up = True
            raise StoreError(f"the store was being closed, and does not work: {why}")

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._backend.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.close()
        except SQLAlchemyError as error:
            log.debug("a connection to the store did not close well", error=str(error))


def backend_of(url: str) -> Backend:
    """The database that a URL names; nothing is opened. Raises `StoreError`."""
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return Sqlite(parsed)
        case "postgresql":
            return PostgreSQL(parsed)
        case other:
            raise StoreError(f"store: {other} is not supported; write sqlite:///rialto.db or postgresql://user@host/db")


def _welcome(opened: asyncio.Future[None]) -> None:
    if not opened.cancelled():
        opened.set_result(None)


def _refuse(opened: asyncio.Future[None], error: Exception) -> None:
    if not opened.cancelled():
        opened.set_exception(error)


def _report(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.cancelled():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
