"""The store in a database of PostgreSQL's."""

import secrets
import time
from typing import Final

from sqlalchemy import URL, Connection, create_engine, select, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from bridge.store.backend import StoreError, held, who_we_are
from bridge.store.tables import setting
from bridge.store.upsert import upsert

DRIVER: Final = "postgresql+psycopg"

OLDEST: Final = (13,)
"""The oldest version that says whether a transaction has written anything."""

OPENED: Final = "store.opened"
"""The setting that names the last one who opened the store."""

COMMITTED: Final = "store.committed"
"""The setting that names the last transaction that wrote anything."""

LOCK: Final = 0x5269616C
"""The first half of the advisory lock's key; the second is made of the schema, so that each has a lock of its own."""

LEAVES_WITHIN: Final = 3.0
"""Seconds that the lock may still be another one's before we say so."""

# See the PostgreSQL manual, libpq, section "Parameter Key Words". The times are the seconds until a connection is given
# up to which nobody answers.
_LIBPQ: Final = {
    "client_encoding": "utf8",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",  # milliseconds
}

# SQLSTATE, whole or by class (PostgreSQL manual, appendix A), and what to do. 22 and 23, and what else is not named
# here, is the fault of what was asked.
_TROUBLE: Final = {
    "08": "see that the server runs, can be reached, and lets Rialto's user in",
    "25006": "it takes no writes: is it a standby?",
    "28": "see that the server lets Rialto's user in",
    "3D": "make the database, or name another",
    "40": "it goes on by itself",
    "42501": "grant Rialto's user what is missing",
    "42P01": "its tables are gone: stop Rialto and restore a backup",
    "53100": "make room on the server's disk",
    "53": "the server lacks room, memory or connections",
    "55P03": "another session keeps its tables locked: end it (see pg_stat_activity)",
    "57": "see that the server runs; it may be starting or stopping",
    "58": "look after the server's disk, and at its log",
    "XX": "it may be damaged: look at the server's log, stop Rialto, restore a backup",
}

_MARK = text(
    "UPDATE setting SET value = :word WHERE key = :key AND pg_current_xact_id_if_assigned() IS NOT NULL RETURNING value"
)
_KEY = "CAST(:lock AS integer), hashtext(current_schema())"
_HOLDER = text(
    "SELECT a.application_name, a.client_addr::text AS client, extract(epoch FROM a.backend_start) AS since"
    " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = CAST(:lock AS integer)::oid"
    " AND l.objid = (hashtext(current_schema())::bigint & 4294967295)::oid AND l.objsubid = 2"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class PostgreSQL:
    """A database of a server. It is locked by an advisory lock of the session: it ends with the connection, so also
    with the process. A connection that was lost is made anew, with the lock, unless somebody else was here meanwhile:
    then what we hold in memory is not what the store says any more."""

    def __init__(self, url: URL) -> None:
        arguments = {"application_name": f"rialto {who_we_are()}"[:63], **_LIBPQ}
        arguments = {key: value for key, value in arguments.items() if key not in url.query}
        self._where = f"PostgreSQL {url.host or url.query.get('host') or 'here'}, database {url.database or 'default'}"
        self._engine = create_engine(
            url.set(drivername=DRIVER), poolclass=NullPool, connect_args=arguments, hide_parameters=True
        )
        self._token = secrets.token_hex(8)
        self._signed = False

    def take(self) -> None:
        """See `Backend.take`: there is nothing to lock beside the connection."""

    def connect(self) -> Connection:
        """See `Backend.connect`. The lock is that of this connection."""
        connection = self._engine.connect()
        try:
            with connection.begin():
                self._set_up(connection)
            self._lock(connection)
            if self._signed:
                self._check(connection)
        except BaseException:
            # Whatever it was, a connection that may hold the lock is not left open.
            connection.invalidate()
            connection.close()
            raise
        return connection

    def look(self) -> Connection:
        """See `Backend.look`."""
        return self._engine.connect().execution_options(postgresql_readonly=True)

    def sign(self, connection: Connection) -> None:
        """Note that we are the last who opened the store, in the transaction under way; the tables are there."""
        for key in (OPENED, COMMITTED):
            values = {"value": self._token}
            connection.execute(
                upsert(connection, setting)
                .values(key=key, **values)
                .on_conflict_do_update(index_elements=[setting.c.key], set_=values)
            )
        self._signed = True

    def trouble(self, error: SQLAlchemyError) -> str | None:
        """See `Backend.trouble`."""
        if not isinstance(error, DBAPIError):
            return None
        state = getattr(error.orig, "sqlstate", None)
        if state is None:
            # Without a word of the server's, the connection is what failed, or the driver refused what was asked.
            lost = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
            what = _TROUBLE["08"] if lost else None
        else:
            what = _TROUBLE.get(state) or _TROUBLE.get(state[:2])
        return None if what is None else f"{self._where}: {_words(error)}; {what}"

    def mark(self, connection: Connection) -> str | None:
        """See `Backend.mark`: a word that the transaction leaves in the store, if it has written anything.

        Its number would not do: a server that crashes gives the numbers of what was lost to other transactions.
        """
        word = secrets.token_hex(8)
        found = connection.execute(_MARK, {"key": COMMITTED, "word": word}).scalar_one_or_none()
        return None if found is None else str(found)

    def committed(self, connection: Connection, mark: str) -> bool:
        """See `Backend.committed`. We have the lock again, so the session of before has ended, either way."""
        return self._read(connection, COMMITTED) == mark

    def leave(self) -> None:
        """See `Backend.leave`: the lock went with the connection."""

    def _set_up(self, connection: Connection) -> None:
        if (connection.dialect.server_version_info or ()) < OLDEST:
            raise StoreError(f"store: {self._where}: PostgreSQL {OLDEST[0]} or later is needed")
        encoding, durable, schema = connection.execute(
            text("SELECT current_setting('server_encoding'), current_setting('synchronous_commit'), current_schema()")
        ).one()
        if schema is None:
            raise StoreError(f"store: {self._where}: there is no schema of that name; CREATE SCHEMA makes one")
        if encoding != "UTF8":
            raise StoreError(f"store: {self._where}: its encoding is {encoding}; make a database with ENCODING 'UTF8'")
        if durable == "off":
            # A commit that was answered survives a power cut of the server.
            connection.execute(text("SET synchronous_commit = on"))
        connection.execute(text("SET lock_timeout = '5s'"))

    def _lock(self, connection: Connection) -> None:
        """A session whose process was killed takes a moment to end."""
        until = time.monotonic() + LEAVES_WITHIN
        while True:
            with connection.begin():
                if connection.execute(text(f"SELECT pg_try_advisory_lock({_KEY})"), {"lock": LOCK}).scalar_one():
                    return
                if time.monotonic() > until:
                    raise self._held(connection)
            time.sleep(0.05)  # on the store's own thread, which has nothing else to do yet

    def _read(self, connection: Connection, key: str) -> str | None:
        with connection.begin():
            found = connection.execute(select(setting.c.value).where(setting.c.key == key)).scalar_one_or_none()
        return None if found is None else str(found)

    def _check(self, connection: Connection) -> None:
        found = self._read(connection, OPENED)
        if found != self._token:
            raise StoreError(
                f"{self._where}: another Rialto has used it, or it was restored, while this one was cut off from it; "
                "see that only one is started, and restart it"
            )

    def _held(self, connection: Connection) -> StoreError:
        found = connection.execute(_HOLDER, {"lock": LOCK}).first()
        if found is None:
            return held("it is leaving just now", None)
        at = f", connected from {found.client}" if found.client else ""
        return held(
            (found.application_name.removeprefix("rialto ") or "a session without a name") + at,
            found.since and float(found.since),
        )


def _words(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())
