"""A copy taken while Rialto runs opens, and nothing is lost or doubled but what was said after it."""

import asyncio
import shutil
import sqlite3
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from bridge.store import StoreError
from bridge.store.backup import copy
from tests.unit.store.copied import restored, talk_and_copy
from tests.unit.store.test_store import opened
from tests.unit.stores import in_a_file


async def test_a_copy_taken_while_people_talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "copy.db"
    await talk_and_copy(tmp_path, lambda _: asyncio.to_thread(copy, tmp_path / "rialto.db", there))
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.glob("copy.db*")) == ["copy.db"]
    await restored(tmp_path / "new", f"sqlite:///{there}", monkeypatch)


async def test_a_copy_by_vacuum_into_will_do_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an operator does with the sqlite3 shell."""

    def vacuum() -> None:
        connection = sqlite3.connect(tmp_path / "rialto.db")
        connection.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
        connection.close()

    await talk_and_copy(tmp_path, lambda _: asyncio.to_thread(vacuum))
    await restored(tmp_path / "new", f"sqlite:///{tmp_path / 'copy.db'}", monkeypatch)


async def test_the_three_files_of_one_that_was_killed_are_a_copy_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a snapshot of the whole disk has them: as if the power had failed."""
    (tmp_path / "snapshot").mkdir()

    def snapshot(_: Connection) -> None:
        for path in tmp_path.glob("rialto.db*"):
            shutil.copy(path, tmp_path / "snapshot")

    # In the store's own thread, so that nobody writes meanwhile: a snapshot is one moment.
    await talk_and_copy(tmp_path, lambda store: store.write(snapshot))
    assert (tmp_path / "snapshot" / "rialto.db-wal").exists()
    await restored(tmp_path / "new", in_a_file(tmp_path / "snapshot"), monkeypatch)


def test_a_copy_overwrites_nothing_and_leaves_nothing_half(tmp_path: Path) -> None:
    (tmp_path / "rialto.db").write_bytes(b"not a database at all, but long enough to be taken for one\n" * 20)
    (tmp_path / "other").write_text("precious")
    with pytest.raises(FileExistsError):
        copy(tmp_path / "rialto.db", tmp_path / "other")
    assert (tmp_path / "other").read_text() == "precious"
    with pytest.raises(StoreError, match="cannot be copied"):
        copy(tmp_path / "rialto.db", tmp_path / "new")
    with pytest.raises(StoreError, match="there is no store"):
        copy(tmp_path / "none.db", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "none.db").exists()


async def test_the_command_copies_a_store_in_use(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "networks:\n  libera: {kind: irc, server: 'irc://127.0.0.1:1', nick: rialto}\n"
    )
    (tmp_path / "config.yaml").chmod(0o600)
    store = await opened(tmp_path)
    command = [sys.executable, "-m", "bridge", "backup", "copy.db"]
    run = partial(subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, check=False)
    first = await asyncio.to_thread(run)
    assert (first.returncode, first.stderr[:21]) == (0, "copy.db is written: 0"), first.stderr
    again = await asyncio.to_thread(run)
    assert (again.returncode, again.stderr) == (2, "copy.db is there already; name another file\n")
    await store.close()
