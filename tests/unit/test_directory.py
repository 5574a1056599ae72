"""Addresses as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory import Directory, Entry
from bridge.model.address import Address
from bridge.names import Kind


def lower(text: str) -> str:
    if not text or " " in text:
        raise ValueError(f"{text!r} names nobody")
    return text.lower()


ONE_OF_EACH = Directory(
    [
        Entry("office", Kind.XMPP, lower, default=True),
        Entry("home", Kind.MATRIX, str, default=True),
        Entry("libera", Kind.IRC, lower, default=False),
    ]
)
SEVERAL = Directory(
    [
        Entry("office", Kind.XMPP, lower, default=False),
        Entry("annex", Kind.XMPP, lower, default=True),
        Entry("home", Kind.MATRIX, str, default=True),
        Entry("libera", Kind.IRC, lower, default=False),
        Entry("oftc", Kind.IRC, lower, default=False),
    ]
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("bo@example.org", Address("office", "bo@example.org")),
        (" Bo@Example.org ", Address("office", "bo@example.org")),
        ("@Ana:example.org", Address("home", "@Ana:example.org")),
        ("libera:kestrel", Address("libera", "kestrel")),
        ("home:@ana:example.org", Address("home", "@ana:example.org")),
        ("office:bo@example.org", Address("office", "bo@example.org")),
    ],
)
def test_an_address_is_found(text: str, address: Address) -> None:
    assert ONE_OF_EACH.find(text) == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kestrel", "does not say on which network"),
        ("librea:kestrel", "no network is called 'librea'; networks are: office, annex, home, libera, oftc"),
        ("", "does not say on which network"),
        ("libera:", "names nobody"),
        ("oftc:two words", "names nobody"),
    ],
)
def test_what_is_no_address_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SEVERAL.find(text)


def test_the_shortest_form_is_written() -> None:
    assert SEVERAL.written(Address("annex", "bo@example.org")) == "bo@example.org"
    assert SEVERAL.written(Address("office", "bo@example.org")) == "office:bo@example.org"
    assert SEVERAL.written(Address("oftc", "kestrel")) == "oftc:kestrel"
    # Any word could be a nick: a sentence to the bot must never go to whoever is called like its first word.
    assert ONE_OF_EACH.written(Address("libera", "kestrel")) == "libera:kestrel"
    with pytest.raises(ValueError, match="does not say"):
        ONE_OF_EACH.find("my")


@given(st.text(max_size=40))
def test_anything_is_found_or_refused_with_words(text: str) -> None:
    for directory in (ONE_OF_EACH, SEVERAL):
        try:
            address = directory.find(text)
        except ValueError:
            continue
        assert directory.find(directory.written(address)) == address
