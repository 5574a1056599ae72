"""Marks stay where they belong while their text is cut, joined and changed."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.message import Span, Style, Text
from bridge.text import excerpt, join, substitute


def marked(text: Text) -> list[str]:
    return [text.text[span.start : span.end] for span in text.spans]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 11, ["bold"]), (0, 6, ["bo"]), (6, 11, ["ld"]), (4, 8, ["bold"]), (0, 4, []), (8, 11, []), (5, 7, ["ol"])],
)
def test_excerpt(start: int, end: int, expected: list[str]) -> None:
    text = Text("two bold ok", (Span(4, 8, Style.BOLD),), "en")
    part = excerpt(text, start, end)
    assert part.text == text.text[start:end]
    assert marked(part) == expected
    assert part.language == "en"


def test_join() -> None:
    text = join(["a: ", Text("bc", (Span(0, 1, Style.BOLD),), "fr"), Text("d", (Span(0, 1, Style.LINK, "x"),))], "|")
    assert text == Text("a: |bc|d", (Span(4, 5, Style.BOLD), Span(7, 8, Style.LINK, "x")), "fr")


@pytest.mark.parametrize(
    ("text", "replacement", "expected", "marks"),
    [
        ("a--b", "", "ab", (("b", 3, 4),)),
        ("a--b--c", "+", "a+b+c", (("b", 3, 4), ("+b+", 1, 6), ("c", 6, 7), ("a+b+c", 0, 7))),
        ("--a", "+", "+a", (("a", 2, 3), ("+a", 0, 3))),
        ("a--", "", "a", (("a", 0, 1), ("a", 0, 3), ("", 1, 3))),
        ("abc", "+", "abc", (("b", 1, 2),)),
    ],
)
def test_substitute(text: str, replacement: str, expected: str, marks: tuple[tuple[str, int, int], ...]) -> None:
    spans = tuple(Span(start, end, Style.BOLD) for _, start, end in marks)
    changed = substitute(Text(text, spans), re.compile("--"), replacement)
    assert changed.text == expected
    assert marked(changed) == [mark for mark, _, _ in marks if mark]


@settings(deadline=None)
@given(st.text("ab-", max_size=20), st.integers(0, 20), st.integers(0, 20), st.sampled_from(["", "+", "++++"]))
def test_a_mark_covers_what_became_of_its_text(text: str, start: int, end: int, replacement: str) -> None:
    start, end = sorted((min(start, len(text)), min(end, len(text))))
    pattern = re.compile("-")
    changed = substitute(Text(text, (Span(start, end, Style.BOLD),)), pattern, replacement)
    assert changed.text == text.replace("-", replacement)
    assert "".join(marked(changed)) == text[start:end].replace("-", replacement)
