"""The backup of a store on PostgreSQL, by its own tools, while Rialto runs."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.demo.servers import PostgreSQL, postgresql_program
from tests.unit import stores
from tests.unit.store.copied import restored, talk_and_copy


async def run(server: PostgreSQL, program: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        str(postgresql_program(program)), *arguments, env=os.environ | {"PGCONNECT_TIMEOUT": "10"}
    )
    assert await process.wait() == 0, server.log_tail()


async def test_a_dump_taken_while_people_talk(
    postgresql: PostgreSQL,
    unique: str,
    tmp_path: Path,
    new_folder: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, new = postgresql.url_of(f"{unique}_old"), postgresql.url_of(f"{unique}_new")
    for name in ("old", "new"):
        await postgresql.execute(f"CREATE DATABASE {unique}_{name}")
    dump = str(new_folder("dump") / "rialto.dump")
    monkeypatch.setattr(stores, "where", lambda _: old)
    await talk_and_copy(tmp_path, lambda _: run(postgresql, "pg_dump", "--format=custom", f"--file={dump}", old))
    await run(postgresql, "pg_restore", "--exit-on-error", "--no-owner", f"--dbname={new}", dump)
    await restored(tmp_path / "new", new, monkeypatch)
