"""The manifest of an export: what lies where, octet by octet. It is what is signed, and what is checked against.

``manifest.jsonl`` has one JSON object a line: of each object, the octets of its file that it takes, and their digest;
behind the objects of a file the file, with its length and digest. Digests are SHA-256, in hexadecimal.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError

NAME = "manifest.jsonl"
SIGNATURE = "manifest.jsonl.p7s"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\.(mime|jsonl)$")]
"""A day (UTC) and what is in it. Nothing else may be named: a manifest is a stranger's word until it is verified."""


class ManifestError(ValueError):
    """The manifest cannot be read. Says why."""


@dataclass(frozen=True, slots=True)
class FileLine:
    """One file of the export."""

    file: FileName
    length: Annotated[int, Field(ge=0)]
    sha256: Digest
    what: Literal["file"] = "file"


@dataclass(frozen=True, slots=True)
class ObjectLine:
    """One object: the octets `offset` to `offset + length` of its file. `id` is the message's id in Rialto's log."""

    file: FileName
    offset: Annotated[int, Field(ge=0)]
    length: Annotated[int, Field(ge=0)]
    sha256: Digest
    id: str
    what: Literal["object"] = "object"


_LINE: TypeAdapter[FileLine | ObjectLine] = TypeAdapter(Annotated[FileLine | ObjectLine, Field(discriminator="what")])


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export consists of: its files, each with the objects in it, in the order in which they lie there."""

    files: Mapping[FileLine, Sequence[ObjectLine]]

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Raises `ManifestError`."""
        files: dict[str, FileLine] = {}
        objects: defaultdict[str, list[ObjectLine]] = defaultdict(list)
        for number, line in enumerate(data.splitlines(), start=1):
            try:
                found = _LINE.validate_json(line)
            except ValidationError as error:
                raise ManifestError(f"line {number}: {error.errors()[0]['msg']}") from error
            if isinstance(found, ObjectLine):
                objects[found.file].append(found)
            elif files.setdefault(found.file, found) is not found:
                raise ManifestError(f"line {number}: {found.file} stands there already")
        if astray := objects.keys() - files.keys():
            raise ManifestError(f"there are objects of {min(astray)}, which is no file of it")
        return cls({each: sorted(objects[name], key=_offset) for name, each in files.items()})


def _offset(line: ObjectLine) -> int:
    return line.offset


def written(line: FileLine | ObjectLine) -> bytes:
    """The line, as `Manifest.read` reads it."""
    return _LINE.dump_json(line) + b"\n"
