"""JSON from a homeserver, read so that nothing that somebody put into an event keeps the rest from being read. Pure.

Events of old room versions may hold values of any depth and numbers of any length; Python's reader takes neither
(`RecursionError`, and `ValueError` beyond 4300 digits). What cannot be read is brought again for ever, and nothing
behind it: so what is too deep or too long to mean anything is left out.
"""

import json
import re
from typing import Any, Final

DEEPEST: Final = 100
"""Levels that are kept, where not all can be: no event of the specification has more than a dozen."""

_MARKS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]|[0-9]{1000,}', re.DOTALL)


def read(raw: bytes) -> Any:
    """What the bytes mean. Raises `ValueError` where they are no JSON."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return json.loads(_tamed(raw.decode()))


def _tamed(text: str) -> str:
    """The text with null for what lies deeper than `DEEPEST`, and with 0 for numbers beyond all measure."""
    kept: list[str] = []
    depth, begin, deep = 0, 0, False
    for found in _MARKS.finditer(text):
        mark = found[0]
        if mark in "[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept += text[begin : found.start()], "null"
                deep = True
        elif mark in "]}":
            depth -= 1
            if deep and depth == DEEPEST:
                begin, deep = found.end(), False
        elif mark[0] != '"' and not deep:
            kept += text[begin : found.start()], "0"
            begin = found.end()
    if deep:
        raise ValueError("it ends too early")
    return "".join((*kept, text[begin:]))
