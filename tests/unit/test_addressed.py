"""Lines to the bot that are meant for somebody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.addressed import addressed


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
