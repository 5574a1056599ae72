"""Lines to the bot that are meant for somebody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.addressed import addressed, command_name, in_lines


@pytest.mark.parametrize(
    ("text", "who", "what"),
    [
        ("bo@example.org hello", "bo@example.org", "hello"),
        ("bo@example.org: hello there", "bo@example.org", "hello there"),
        ("  bo@example.org,  two\nlines  ", "bo@example.org", "two\nlines"),
        ("@ana:example.org hi", "@ana:example.org", "hi"),
        ("@ana:example.org: hi", "@ana:example.org", "hi"),
        ("libera:kestrel hi", "libera:kestrel", "hi"),
        ("help", "help", ""),
        ("bo@example.org:", "bo@example.org", ""),
        ("", "", ""),
        ("   ", "", ""),
    ],
)
def test_whom_a_line_is_for(text: str, who: str, what: str) -> None:
    assert addressed(text) == (who, what)


@given(st.text(max_size=200))
def test_nothing_is_invented(text: str) -> None:
    who, what = addressed(text)
    assert who in text
    assert what in text
    assert not any(character.isspace() for character in who)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("help", "help"),
        (" Block  bo@example.org", "block"),
        ("", ""),
        ("  ", ""),
        ("help: x", "help:"),
        ("a:b c", "a:b"),
    ],
)
def test_the_name_of_a_command(text: str, name: str) -> None:
    assert command_name(text) == name


def test_an_answer_in_lines_of_their_own() -> None:
    answer = "You decided:\n- block a, b\n- allow c\nMore.\nEnd"
    assert in_lines(answer, 400, 5) == ["You decided: block a, b; allow c; More. End"]
    assert in_lines(answer, 20, 5) == ["You decided: block", "a, b; allow c; More.", "End"]
    assert in_lines(answer, 20, 2) == ["You decided: block", "a, b; allow c; Mo…"]
    assert in_lines("", 20, 2) == []


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(8, 60), st.integers(1, 5))
def test_no_answer_is_longer_than_it_may_be(text: str, limit: int, most: int) -> None:
    lines = in_lines(text, limit, most)
    assert len(lines) <= most
    assert all(len(line.encode()) <= limit and "\n" not in line and "\r" not in line for line in lines)
