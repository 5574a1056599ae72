"""A pushed transaction, read so that no event in it can keep the others from being read. Pure.

JSON of any depth and with numbers of any size may stand in an event of old room versions; Python's reader takes neither
(`RecursionError`, and `ValueError` beyond 4300 digits). A transaction that is refused is brought again for ever, and
nothing behind it: so where the whole cannot be read, each event is read by itself.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

_TOKENS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)


def read(raw: bytes) -> tuple[Any, int]:
    """The transaction, and how many of its events could not be read; these are empty. Raises `ValueError` where it is
    no JSON at all."""
    try:
        return json.loads(raw), 0
    except (ValueError, RecursionError):
        pieces = list(_events(raw.decode()))
    events, unread = [], 0
    for piece in pieces:
        try:
            events.append(json.loads(piece))
        except (ValueError, RecursionError):
            events.append({})
            unread += 1
    if not unread:
        # Then it was something else, which would be lost if it were passed over.
        raise ValueError("it is no JSON")
    return {"events": events}, unread


def _events(text: str) -> Iterator[str]:
    """The elements of the list that stands under ``events``, as they are written. Raises `ValueError`."""
    depth, start, key, inside = 0, 0, "", False
    closing: list[str] = []
    for found in _TOKENS.finditer(text):
        mark = found[0]
        if mark in "[{":
            depth += 1
            closing.append("]" if mark == "[" else "}")
            if depth == 2 and mark == "[" and key == '"events"':
                inside, start = True, found.end()
        elif mark in "]}":
            if not closing or closing.pop() != mark:
                raise ValueError("brackets do not match")
            depth -= 1
            if inside and depth == 1:
                inside = False
                if text[start : found.start()].strip():
                    yield text[start : found.start()]
        elif inside and depth == 2 and mark == ",":
            yield text[start : found.start()]
            start = found.end()
        elif depth == 1 and mark != ",":
            key = mark
    if closing:
        raise ValueError("it ends too early")
