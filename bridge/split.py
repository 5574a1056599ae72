"""Cutting text to a number of bytes without breaking what a reader sees as one character.

A limit is in bytes of UTF-8. What counts as one character is an extended grapheme cluster (UAX #29). Text is
well-formed Unicode: a lone surrogate raises `UnicodeEncodeError`.
"""

import re

import regex

SMALLEST = 4
"""Bytes of the longest code point: with less, a text might never end."""

_CLUSTER = regex.compile(r"\X")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,19}://\S+")  # bounded, or a long word would cost its square
_BREAKS = " \n"


def cut(text: str, limit: int) -> str:
    """The longest beginning of whole grapheme clusters within `limit` bytes.

    Where not even the first cluster fits, it is cut between code points, so that something is left whenever `limit`
    is at least `SMALLEST`.
    """
    return text[: _fit(text, 0, limit)]


def first(text: str) -> str:
    """The first grapheme cluster; nothing of an empty text."""
    cluster = _CLUSTER.match(text)
    return cluster.group() if cluster else ""


def split(text: str, limit: int) -> list[str]:
    """The text in pieces of at most `limit` bytes each; none for an empty text.

    Broken, best first: at the last space or line feed, which is left out; before a URL or a word that fits into a
    piece of its own; between grapheme clusters; inside a cluster longer than a piece. Nothing else is left out.
    Raises `ValueError` for a limit below `SMALLEST`.
    """
    return [text[start:end] for start, end in ranges(text, limit)]


def ranges(text: str, limit: int) -> list[tuple[int, int]]:
    """As `split`, but where each piece starts and ends in the text."""
    if limit < SMALLEST:
        raise ValueError(f"pieces of {limit} bytes cannot hold every character")
    pieces = []
    start = 0
    while start < len(text):
        end = _fit(text, start, limit)
        follow = end
        if end < len(text):
            end, follow = _break(text, start, end, limit)
        pieces.append((start, end))
        start = follow
    return pieces


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _fit(text: str, start: int, limit: int) -> int:
    """Where the longest run of whole clusters from `start` within `limit` bytes ends."""
    window = text[start : start + max(limit, 0) + 1]  # a code point is a byte at least: the end lies in here
    if len(window) <= limit and _size(window) <= limit:
        return start + len(window)
    points = max(limit, 0) if window.isascii() else len(window.encode()[: max(limit, 0)].decode(errors="ignore"))
    return start + (_boundary(window, points) or points)


def _boundary(text: str, at: int) -> int:
    """The last boundary between clusters at or before `at`, which is inside the text. 0 if there is none but that."""
    piece = text[: at + 1]
    if piece.isascii():
        return at - 1 if piece.endswith("\r\n") else at
    boundary = 0
    for cluster in _CLUSTER.finditer(piece):
        boundary = cluster.start()
    return boundary


def _break(text: str, start: int, end: int, limit: int) -> tuple[int, int]:
    """Where the piece from `start`, which could reach to `end`, is to end, and where the next one starts."""
    if _alone(text, end):
        return end, end + 1
    at = _last_break(text, start, end)
    if at > start and _size(_word(text, at + 1, limit)) <= limit:
        return at, at + 1
    # No word to put into the next piece whole. Yet a URL in it may be: "(https://...", or beside Chinese.
    for url in _URL.finditer(text, max(at, start), min(end + limit + 1, len(text))):
        if url.start() >= end:
            break
        if start < url.start() and end < url.end() and _size(url.group()) <= limit:
            boundary = start + _boundary(text[start:end], url.start() - start)
            end = boundary if boundary > start else end
            break
    return end, end


def _last_break(text: str, start: int, end: int) -> int:
    """The last place after `start` and before `end` where the text may be broken at a space; -1 if there is none."""
    at = end
    while (at := max(text.rfind(char, start + 1, at) for char in _BREAKS)) > start:
        if _alone(text, at):
            return at
    return -1


def _alone(text: str, at: int) -> bool:
    """Whether a break character that is a cluster by itself stands there."""
    if text[at] not in _BREAKS:
        return False
    before = max(at - 1, 0)
    return any(
        cluster.group() == text[at] and before + cluster.start() == at
        for cluster in _CLUSTER.finditer(text[before : at + 2])
    )


def _word(text: str, start: int, limit: int) -> str:
    """The word that starts there, or so much of it as shows that it is longer than a piece."""
    window = text[start : start + limit + 1]
    ends = [found for char in _BREAKS if (found := window.find(char)) >= 0]
    return window[: min(ends, default=len(window))]
