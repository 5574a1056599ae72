"""Where the tests' stores are: in a file of SQLite's, unless a folder of tests runs them on another database."""

from collections.abc import Callable
from pathlib import Path


def in_a_file(folder: Path) -> str:
    return f"sqlite:///{folder / 'rialto.db'}"


where: Callable[[Path], str] = in_a_file
"""Gives the URL of a test's store, by the test's folder."""


def store_url(folder: Path) -> str:
    return where(folder)
