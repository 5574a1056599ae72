"""Working on text and keeping its marks in place."""

import re
from bisect import bisect_right
from collections.abc import Iterable

from bridge.model.message import Span, Text


def excerpt(text: Text, start: int, end: int) -> Text:
    """The characters from `start` to `end` with the marks that reach into them."""
    if not text.spans:
        return Text(text.text[start:end], (), text.language)
    spans = (
        Span(max(span.start, start) - start, min(span.end, end) - start, span.style, span.value)
        for span in text.spans
        if max(span.start, start) < min(span.end, end)
    )
    return Text(text.text[start:end], tuple(spans), text.language)


def join(texts: Iterable[Text | str], between: str = "") -> Text:
    """One text after the other, with `between` where they meet. The language is that of the first that has one."""
    parts: list[str] = []
    spans: list[Span] = []
    language = None
    at = 0
    for text in texts:
        if parts:
            parts.append(between)
            at += len(between)
        part = text if isinstance(text, str) else text.text
        if isinstance(text, Text):
            spans.extend(Span(span.start + at, span.end + at, span.style, span.value) for span in text.spans)
            language = language or text.language
        parts.append(part)
        at += len(part)
    return Text("".join(parts), tuple(spans), language)


def substitute(text: Text, pattern: re.Pattern[str], replacement: str) -> Text:
    """Every match replaced by a fixed text. A mark that ends inside a match covers the replacement too."""
    if not pattern.search(text.text):
        return text
    if not text.spans:
        return Text(pattern.sub(lambda _: replacement, text.text), (), text.language)
    starts = [0]  # where what stays of the text begins, before ...
    moved = [0]  # ... and after
    parts: list[str] = []
    length = 0
    for match in pattern.finditer(text.text):
        kept = text.text[starts[-1] : match.start()]
        parts += (kept, replacement)
        length += len(kept) + len(replacement)
        starts.append(match.end())
        moved.append(length)
    parts.append(text.text[starts[-1] :])

    def place(at: int) -> int:
        index = bisect_right(starts, at) - 1
        ahead = moved[index + 1] if index + 1 < len(moved) else length + len(parts[-1])
        return min(moved[index] + at - starts[index], ahead)

    spans = (Span(place(span.start), place(span.end), span.style, span.value) for span in text.spans)
    return Text("".join(parts), tuple(span for span in spans if span.start < span.end), text.language)


def duration(seconds: float) -> str:
    """A length of time in words, in one unit, rounded."""
    for name, size, most in (("second", 1.0, 90), ("minute", 60.0, 90), ("hour", 3600.0, 48)):
        amount = max(1, round(seconds / size))
        if amount < most:
            return f"{amount} {name}{'' if amount == 1 else 's'}"
    return f"{round(seconds / 86400)} days"
