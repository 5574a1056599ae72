"""PostgreSQL: a database server with a database for Rialto. Debian's own cluster is not touched."""

import asyncio
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from bridge.demo.servers.process import LOOPBACK, Server, ServerError, free_ports, safe_word

_PROGRAMS = Path("/usr/lib/postgresql")


def postgresql_program(name: str) -> Path:
    """One of the newest installed version's programs, which Debian keeps out of PATH."""
    found = [path for path in _PROGRAMS.glob(f"*/bin/{name}") if re.fullmatch(r"\d+", path.parts[-3])]
    if not found:
        raise ServerError(f"{name} of PostgreSQL is not installed: run scripts/setup, or: apt-get install postgresql")
    return max(found, key=lambda path: int(path.parts[-3]))


class PostgreSQL(Server):
    """`url` is the store's. `sync` off spares the disk: what is answered survives a crash of the server, and no power
    cut."""

    name = "postgresql"
    user = "postgres"
    stop_signal = signal.SIGINT  # SIGTERM would wait for the clients to leave
    database = "rialto"

    def __init__(self, folder: Path, *, sync: bool = True) -> None:
        super().__init__(folder)
        self._sync = sync
        self._password = secrets.token_hex(16)
        (self.port,) = free_ports(1)

    @property
    def url(self) -> str:
        """Where the database is."""
        return self.url_of(self.database)

    def url_of(self, database: str) -> str:
        """Where another database of this server is."""
        return f"postgresql://rialto:{self._password}@{LOOPBACK}:{self.port}/{database}"

    async def new_schema(self, name: str) -> str:
        """Make an empty schema in the database. Returns its URL."""
        await self.execute(f'CREATE SCHEMA "{safe_word(name, "a schema", r"[a-z][a-z0-9_]*")}"')
        return f"{self.url}?options=-csearch_path%3D{name}"

    async def execute(self, statement: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run a statement as the database's administrator, in a transaction of its own if any."""

        def run() -> list[tuple[Any, ...]]:
            with psycopg.connect(self.url_of(database or self.database), autocommit=True) as connection:
                cursor = connection.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []

        return await asyncio.to_thread(run)

    def _ports(self) -> Sequence[int]:
        return [self.port]

    def _command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "40",
            "fsync": "on" if self._sync else "off",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [str(postgresql_program("postgres")), "-D", str(self.folder / "data"), *options]

    def _prepare(self) -> None:
        if (self.folder / "data" / "PG_VERSION").exists():
            return
        password = self.folder / "password"
        password.write_text(self._password)
        password.chmod(0o600)
        command = [str(postgresql_program("initdb")), "-D", str(self.folder / "data"), "-U", "rialto", "-E", "UTF8"]
        command += ["--locale=C.UTF-8", "-A", "scram-sha-256", f"--pwfile={password}", "--no-sync"]
        owner = None
        if os.geteuid() == 0:
            # PostgreSQL refuses to be root.
            self._give_to(self.user)
            owner = self._owner(self.user)
        with self.log.open("ab") as log:
            made = subprocess.run(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=owner and owner.pw_uid,
                group=owner and owner.pw_gid,
                extra_groups=owner and [],
                check=False,
            )
        if made.returncode:
            raise self._failure("could not be given a folder")

    async def _answers(self) -> None:
        await asyncio.to_thread(self._ask)

    def _ask(self) -> None:
        try:
            with psycopg.connect(self.url_of("postgres"), connect_timeout=2, autocommit=True) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (self.database,)).fetchone()
                if found is None:
                    connection.execute(f"CREATE DATABASE {self.database}")
        except psycopg.OperationalError as error:
            raise OSError(str(error)) from error
