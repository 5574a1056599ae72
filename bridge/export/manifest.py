"""The manifest of an export: what lies where, octet by octet. It is what is signed, and what is checked against.

``manifest.jsonl`` has one JSON object a line: first the files, each with its length and digest, then the objects, each
with the octets of its file that it takes. Digests are SHA-256, in hexadecimal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

NAME = "manifest.jsonl"
SIGNATURE = "manifest.jsonl.p7s"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\.(mime|jsonl)$")]
"""A day (UTC) and what is in it. Nothing else may be named: a manifest is a stranger's word until it is verified."""


class ManifestError(ValueError):
    """The manifest cannot be read. Says why."""


class FileLine(BaseModel):
    """One file of the export."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: Literal["file"] = "file"
    file: FileName
    length: int = Field(ge=0)
    sha256: Digest


class ObjectLine(BaseModel):
    """One object: the octets `offset` to `offset + length` of its file. `id` is the message's id in Rialto's log."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: Literal["object"] = "object"
    file: FileName
    offset: int = Field(ge=0)
    length: int = Field(ge=0)
    sha256: Digest
    id: str


_LINE: TypeAdapter[FileLine | ObjectLine] = TypeAdapter(Annotated[FileLine | ObjectLine, Field(discriminator="what")])


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export consists of."""

    files: Sequence[FileLine]
    objects: Sequence[ObjectLine]

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Raises `ManifestError`."""
        files: list[FileLine] = []
        objects: list[ObjectLine] = []
        for number, line in enumerate(data.splitlines(), start=1):
            try:
                found = _LINE.validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                raise ManifestError(f"line {number}: {first['msg']}") from error
            if isinstance(found, FileLine):
                files.append(found)
            else:
                objects.append(found)
        names = [each.file for each in files]
        if len(set(names)) != len(names) or any(each.file not in set(names) for each in objects):
            raise ManifestError("files stand there twice, or objects of files that do not stand there")
        return cls(files, objects)

    def lines(self) -> Iterator[bytes]:
        """What `read` reads, line by line."""
        for each in (*self.files, *self.objects):
            yield each.model_dump_json().encode() + b"\n"

    def of(self, file: str) -> list[ObjectLine]:
        """The objects of one file, in the order in which they lie there."""
        return sorted((each for each in self.objects if each.file == file), key=lambda each: each.offset)
