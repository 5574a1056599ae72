"""Text on its way in and out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.matrix.markup import clean, clean_name, without_reply_fallback


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain \t text\nnext", "plain \t text\nnext"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        ("\x01\x02\x03x", "\N{REPLACEMENT CHARACTER}x"),
        ("half \ud83d of it", "half \N{REPLACEMENT CHARACTER} of it"),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text(st.characters(codec=None)))
def test_clean_text_is_text(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert not set(cleaned) & {"\x00", "\r", "\x01", "\x1b"}
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("Ana", "Ana"),
        ("  Ana \n  Lima ", "Ana Lima"),
        ("\u202eanA\u202c", "anA"),
        ("A\x00n\x07a", "Ana"),
        ("\u200b\ufeff", ""),
        ("نسیم\u200cها", "نسیم\u200cها"),  # the joiner that Persian needs stays
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_names(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


@given(st.text(st.characters(codec=None), max_size=400))
def test_names_fit(name: str) -> None:
    cleaned = clean_name(name)
    assert len(cleaned.encode()) <= 255
    assert clean_name(cleaned) == cleaned
    json.dumps(cleaned, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("body", "stripped"),
    [
        ("> <@ana:matrix.org> hello\n\nhi", "hi"),
        ("> <@ana:matrix.org> one\n> two\n>\n\nhi\n\n> kept", "hi\n\n> kept"),
        ("no quotation", "no quotation"),
        ("> only a quotation", ""),
        (">quoted by hand", ">quoted by hand"),
    ],
)
def test_reply_fallback(body: str, stripped: str) -> None:
    assert without_reply_fallback(body) == stripped
