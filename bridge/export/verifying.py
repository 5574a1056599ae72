"""Checks an export: the signature over its manifest, and every octet of its files against that."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from cryptography import x509

from bridge.export import manifest
from bridge.export.manifest import FileLine, Manifest, ManifestError, ObjectLine
from bridge.export.signing import SignatureError, Signed, verify

_PIECE = 1 << 20
"""Octets read at once."""


@dataclass(frozen=True, slots=True)
class Broken:
    """What is not as it was written. `start` and `end` are octets of the file, `end` not included; None: all of it."""

    file: str
    what: str
    start: int | None = None
    end: int | None = None

    def __str__(self) -> str:
        if self.start is None or self.end is None:
            return f"{self.file}: {self.what}"
        return f"{self.file}: octets {self.start} to {self.end - 1}: {self.what}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of it. `signed` is None where no signature is there, or none that holds; then `broken` says so."""

    objects: int
    signed: Signed | None
    broken: tuple[Broken, ...]


def check(
    folder: Path,
    trusted: Sequence[x509.Certificate],
    now: datetime,
    advance: Callable[[int], None] = lambda octets: None,
) -> Finding:
    """Check the export. `advance` is told how many octets were looked at. Raises `ManifestError` if it is none."""
    try:
        data = (folder / manifest.NAME).read_bytes()
    except OSError as error:
        raise ManifestError(f"no export: {error.strerror}: {error.filename}") from error
    found = Manifest.read(data)
    broken: list[Broken] = []
    signed = None
    signature = folder / manifest.SIGNATURE
    if signature.exists():
        try:
            signed = verify(data, signature.read_bytes(), trusted, now)
        except SignatureError as error:
            broken.append(Broken(manifest.SIGNATURE, f"the signature does not hold: {error}"))
    elif trusted:
        broken.append(Broken(manifest.NAME, "nobody signed it"))
    for file, objects in found.files.items():
        broken += _file(folder / file.file, file, objects, advance)
    known = {manifest.NAME, manifest.SIGNATURE, *(each.file for each in found.files)}
    broken += [Broken(each.name, "is no part of the export") for each in folder.iterdir() if each.name not in known]
    return Finding(sum(map(len, found.files.values())), signed, tuple(broken))


def _file(path: Path, file: FileLine, objects: Sequence[ObjectLine], advance: Callable[[int], None]) -> list[Broken]:
    try:
        length = path.stat().st_size
        whole = hashlib.sha256()
        with path.open("rb") as read:
            while piece := read.read(_PIECE):
                whole.update(piece)
                advance(len(piece))
            if whole.hexdigest() == file.sha256:
                return []
            # Not read again where all is well, which is nearly always.
            intact = [_is_intact(read, each) for each in objects]
    except OSError as error:
        return [Broken(file.file, f"cannot be read: {error.strerror}")]
    broken = list(_ranges(file.file, objects, intact))
    if not broken:
        broken.append(Broken(file.file, "what stands between the messages was changed"))
    if length != file.length:
        broken.append(Broken(file.file, f"has {length} octets, and had {file.length}"))
    return broken


def _is_intact(read: BinaryIO, each: ObjectLine) -> bool:
    read.seek(each.offset)
    return hashlib.sha256(read.read(each.length)).hexdigest() == each.sha256


def _ranges(file: str, objects: Sequence[ObjectLine], intact: Sequence[bool]) -> Iterator[Broken]:
    """The octets of objects that are not as they were. Those that follow one another are one range: behind an octet
    too many, all are."""
    for is_intact, group in groupby(zip(objects, intact, strict=True), key=itemgetter(1)):
        if is_intact:
            continue
        row = [each for each, _ in group]
        many = f"message {row[0].id}" if len(row) == 1 else f"{len(row)} messages from {row[0].id} to {row[-1].id}"
        yield Broken(file, f"not as written: {many}", row[0].offset, row[-1].offset + row[-1].length)
