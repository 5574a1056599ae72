"""How the bridge and the keeper talk: frames of a JSON head and a body of bytes (``docs/keeper.md``). Pure."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

VERSION: Final = 1
"""Of the protocol. Both sides say theirs first, and nothing more where they differ."""

FRAME_BYTES: Final = 4 * 1024 * 1024
"""The longest frame, both lengths not counted."""

_LENGTHS: Final = struct.Struct(">II")


class FrameError(Exception):
    """What came is no frame: whoever is there speaks something else."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: what it is, its values, and bytes that nobody on the way reads."""

    kind: str
    values: dict[str, Any]
    body: bytes = b""

    def text(self, key: str) -> str:
        """A value that must be a string. Raises `FrameError`."""
        value = self.values.get(key)
        if not isinstance(value, str):
            raise FrameError(f"{self.kind}: {key} is no text")
        return value

    def number(self, key: str) -> int:
        """A value that must be a whole number, not below zero. Raises `FrameError`."""
        value = self.values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise FrameError(f"{self.kind}: {key} is no number")
        return value


def pack(kind: str, body: bytes = b"", **values: Any) -> bytes:
    """A frame as bytes. Raises `FrameError` for one that is too long."""
    head = json.dumps({"kind": kind, **values}, separators=(",", ":")).encode()
    if len(head) + len(body) > FRAME_BYTES:
        raise FrameError(f"{kind}: {len(head) + len(body)} bytes are too many for a frame")
    return _LENGTHS.pack(len(head), len(body)) + head + body


class Unpacker:
    """Takes bytes in any portions and gives whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames completed by `data`; to be iterated over to its end. Raises `FrameError`."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _LENGTHS.size:
            head, body = _LENGTHS.unpack_from(buffer)
            if head + body > FRAME_BYTES:
                raise FrameError("a frame beyond all limits")
            start, end = _LENGTHS.size + head, _LENGTHS.size + head + body
            if len(buffer) < end:
                return
            frame = _frame(bytes(buffer[_LENGTHS.size : start]), bytes(buffer[start:end]))
            del buffer[:end]
            yield frame


def _frame(head: bytes, body: bytes) -> Frame:
    try:
        values = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise FrameError("a frame's head is no JSON") from error
    kind = values.pop("kind", None) if isinstance(values, dict) else None
    if not isinstance(kind, str):
        raise FrameError("a frame's head is no object with a kind")
    return Frame(kind, values, body)
