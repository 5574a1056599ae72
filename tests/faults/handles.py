"""Rialto with two handles that can be turned from outside while it runs: its clock, and the room that its store has.

``python -m tests.faults.handles FILE run -c CONFIG`` is ``rialto run -c CONFIG``, and looks at FILE, which a `Handles`
made, whenever it asks for the time or begins a transaction.
"""

import mmap
import struct
import sys
import time
from pathlib import Path

_FORMAT = struct.Struct("=dq")  # seconds, pages

ROOMY = 0xFFFFFFFE
"""The most pages a database of SQLite's can have (https://www.sqlite.org/limits.html)."""

FULL = 1
"""As many pages as it has: SQLite does not go below that (https://www.sqlite.org/pragma.html#pragma_max_page_count)."""


class Handles:
    """The outside: turns them."""

    def __init__(self, file: Path) -> None:
        """`file` is where the other side looks; it is made, with everything as it is by nature."""
        self.file = file
        self._ahead, self._pages = 0.0, ROOMY
        self._tell()

    def move_clock(self, seconds: float) -> None:
        """Its clock is so far ahead of ours from now on; behind, if that is negative."""
        self._ahead = seconds
        self._tell()

    def fill_store(self, *, full: bool) -> None:
        """Its store may grow no more, or may again."""
        self._pages = FULL if full else ROOMY
        self._tell()

    def let_go(self) -> None:
        """Everything as it is by nature."""
        self._ahead, self._pages = 0.0, ROOMY
        self._tell()

    def _tell(self) -> None:
        # In its place, for the other side has mapped it.
        with self.file.open("r+b" if self.file.exists() else "w+b", buffering=0) as file:
            file.write(_FORMAT.pack(self._ahead, self._pages))


def _take(file: Path) -> mmap.mmap:
    """The inside: hold on to them. To be called before anything of Rialto's is imported, for that keeps `time.time`."""
    from sqlalchemy import Connection, Engine, event

    with file.open("rb") as opened:
        handles = mmap.mmap(opened.fileno(), _FORMAT.size, access=mmap.ACCESS_READ)
    real = time.time

    def moved() -> float:
        return real() + float(_FORMAT.unpack_from(handles)[0])

    time.time = moved

    @event.listens_for(Engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={_FORMAT.unpack_from(handles)[1]:d}").close()

    return handles


def main() -> None:
    """The command."""
    file, *arguments = sys.argv[1:]
    handles = _take(Path(file))
    from bridge.cli import app

    try:
        app(arguments, prog_name="rialto")
    finally:
        handles.close()


if __name__ == "__main__":
    main()
