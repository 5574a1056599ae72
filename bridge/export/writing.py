"""Writes an export: a folder with a file a day, and the manifest of them, which may be signed.

With ``message/cpim``, a day's file is MIME (``multipart/mixed``, RFC 2046), each of its parts one object; with JSON
Lines, each of its lines is one. The folder comes to be whole or not at all.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from bridge.export import manifest
from bridge.export.manifest import FileLine, ObjectLine
from bridge.export.signing import Signer
from bridge.store.archive import Kept


class Format(StrEnum):
    """What is written."""

    CPIM = "cpim"
    JSONL = "jsonl"


class _File:
    """One day's file, while it is written."""

    def __init__(self, folder: Path, name: str, boundary: str | None) -> None:
        self._name = name
        self._boundary = boundary
        self._out: BinaryIO = (folder / name).open("xb")
        self._digest = hashlib.sha256()
        self._length = 0
        if boundary is not None:
            self._write(f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{boundary}"\r\n'.encode())

    def add(self, id_: str, octets: bytes) -> ObjectLine:
        """Append one object."""
        if self._boundary is not None:
            if self._boundary.encode() in octets:
                raise ValueError("an object holds the boundary between objects; write it again")
            self._write(f"\r\n--{self._boundary}\r\n".encode())
        line = ObjectLine(
            file=self._name, offset=self._length, length=len(octets), sha256=hashlib.sha256(octets).hexdigest(), id=id_
        )
        self._write(octets)
        if self._boundary is None:
            self._write(b"\n")
        return line

    def end(self) -> FileLine:
        """End the file; it is on the disk."""
        if self._boundary is not None:
            self._write(f"\r\n--{self._boundary}--\r\n".encode())
        with self._out:
            self._out.flush()
            os.fsync(self._out.fileno())
        return FileLine(file=self._name, length=self._length, sha256=self._digest.hexdigest())

    def _write(self, octets: bytes) -> None:
        self._out.write(octets)
        self._digest.update(octets)
        self._length += len(octets)

    def close(self) -> None:
        """Let go of it, ended or not."""
        self._out.close()


class Writer:
    """A context in which an export is written; it is there when the context ends well, and otherwise not at all."""

    def __init__(self, to: Path, form: Format, write: Callable[[Kept], bytes], signer: Signer | None = None) -> None:
        """`write` makes the octets of one object."""
        self._to = to
        self._form = form
        self._octets = write
        self._signer = signer
        self._folder = to.with_name(f".{to.name}.{secrets.token_hex(4)}")
        self._boundary = f"rialto-{secrets.token_hex(16)}"
        self._file: _File | None = None
        self._day = ""
        self._manifest: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Raises `FileExistsError` if there is such a folder or file already, and `OSError` if none can be made."""
        if self._to.exists():
            raise FileExistsError(str(self._to))
        self._folder.mkdir(mode=0o700)
        self._manifest = (self._folder / manifest.NAME).open("xb")
        return self

    def add(self, kept: Kept) -> None:
        """Write one object. They come in the order of time. Raises `OSError`."""
        day = datetime.fromtimestamp(kept.when, UTC).strftime("%Y-%m-%d")
        if self._file is None or day != self._day:
            self._end_file()
            name = f"{day}.{'mime' if self._form is Format.CPIM else 'jsonl'}"
            self._file = _File(self._folder, name, self._boundary if self._form is Format.CPIM else None)
            self._day = day
        self._note(self._file.add(kept.id, self._octets(kept)))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if kind is None:
                self._end_file()
                self._seal()
                self._folder.rename(self._to)
        finally:
            # Half an export is not to be taken for one.
            for each in (self._file, self._manifest):
                if each is not None:
                    each.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _note(self, line: FileLine | ObjectLine) -> None:
        assert self._manifest is not None  # noqa: S101 - it is open as long as the context lasts
        self._manifest.write(manifest.written(line))

    def _end_file(self) -> None:
        if self._file is not None:
            self._note(self._file.end())
            self._file = None

    def _seal(self) -> None:
        assert self._manifest is not None  # noqa: S101 - as above
        self._manifest.flush()
        os.fsync(self._manifest.fileno())
        if self._signer is not None:
            octets = (self._folder / manifest.NAME).read_bytes()
            (self._folder / manifest.SIGNATURE).write_bytes(self._signer.sign(octets))
