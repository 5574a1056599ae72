"""``message/cpim`` (RFC 3862): what is written is read back, and any octets are a value or a `CpimError`."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.cpim import (
    CORE,
    Content,
    CpimError,
    CpimMessage,
    Extension,
    HeaderName,
    Mailbox,
    Subject,
    dumps,
    entity,
    loads,
)
from bridge.model.cpim.values import CORE_HEADERS

UNICODE = st.characters(exclude_categories=["Cs"])
AWKWARD = st.sampled_from(" \t\r\n\\\"'<>:;,.\x00\x7f\x85  €😀u0")
TEXT = st.text(UNICODE | AWKWARD)
VALUES = TEXT.map(lambda text: text.strip(" ")).filter(bool)
NAMES = st.text(st.sampled_from("!#$%&'*+-^_`|~AZaz09"), min_size=1, max_size=8)
TAGS = st.from_regex(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,2}", fullmatch=True)
URIS = st.from_regex(r"[a-z][a-z0-9+.-]{0,5}:([A-Za-z0-9._~:/?@!$&'()*+,;=\[\]-]|%[0-9A-F]{2}){1,12}", fullmatch=True)
MAILBOXES = st.builds(Mailbox, URIS, TEXT)
HEADERS = st.builds(HeaderName, st.just(CORE) | URIS, NAMES)
PARAMETERS = st.lists(st.tuples(NAMES, TEXT), max_size=3).map(tuple)
EXTENSIONS = st.builds(Extension, HEADERS, VALUES, PARAMETERS).filter(
    lambda extension: extension.name.namespace != CORE or extension.name.local not in CORE_HEADERS
)
SUBJECTS = st.lists(
    st.builds(Subject, VALUES, st.just("") | TAGS), max_size=3, unique_by=lambda each: each.language.lower()
).map(tuple)
MIME_NAMES = st.from_regex(r"[a-z0-9.+-]{1,8}", fullmatch=True)
MIME_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]))
CONTENTS = st.builds(
    Content,
    st.binary(),
    st.tuples(MIME_NAMES, MIME_NAMES).map("/".join),
    st.lists(st.tuples(MIME_NAMES, MIME_TEXT), max_size=2).map(tuple),
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z0-9-]{1,8}", fullmatch=True).filter(lambda name: name.lower() != "content-type"),
            MIME_TEXT.map(lambda text: text.strip(" \t")),
        ),
        max_size=2,
    ).map(tuple),
)
TIMES = st.datetimes().map(lambda when: (when - when.__class__(1970, 1, 1)).total_seconds())
MESSAGES = st.builds(
    CpimMessage,
    MAILBOXES,
    st.lists(MAILBOXES, min_size=1, max_size=3).map(tuple),
    CONTENTS,
    TIMES,
    SUBJECTS,
    st.lists(MAILBOXES, max_size=2).map(tuple),
    st.lists(HEADERS, max_size=3).map(tuple),
    st.lists(EXTENSIONS, max_size=3).map(tuple),
)

PIECES = st.sampled_from(
    [b"From:", b"To:", b"cc:", b"DateTime:", b"Subject:", b"NS:", b"Require:", b"p.X:", b"Content-Type:", b" ",
     b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\t", b"<im:a@b>", b"<urn:x:y>", b"Ana", b'"', b"\\", b"\\ud800", b"\\u00",
     b";lang=fr", b";x=y", b"p", b",", b".", b"2024-05-06T07:08:09Z", b"text/plain", b"message/cpim",
     b"; charset=utf-8", b"\xff", b"\0"]
)  # fmt: skip
GOOD = (
    b"Content-Type: Message/CPIM\r\n\r\nFrom: Ana Reis <im:ana@x.example>\r\nTo: <im:bo@y.example>\r\n"
    b"DateTime: 2024-05-06T07:08:09Z\r\nSubject:;lang=fr \\u00e9\r\nNS: p <urn:x:y>\r\nRequire: p.X\r\n"
    b'p.X:;a="b" c\r\n\r\nContent-Type: text/plain; charset=utf-8\r\nContent-ID: <x>\r\n\r\nhi'
)


@pytest.mark.conforms("RFC3862:2", "RFC3862:3.6", "RFC2779:4.1.1")
@settings(deadline=None)
@given(MESSAGES)
def test_what_is_written_is_read_back(message: CpimMessage) -> None:
    written = dumps(message)
    for octets in (written, entity(message)):
        assert loads(octets) == message
        read = loads(octets, strict=False)
        assert read == message
        assert not read.repairs
        assert dumps(read) == written
        assert dumps(replace(read)) == written
    # No line but of the header's own making, and none that hides from a reader of lines.
    head = written.partition(b"\r\n\r\n")[0]
    assert not any(octet < 0x20 for octet in head.replace(b"\r\n", b""))


def attempt(data: bytes, strict: bool) -> CpimMessage | None:
    try:
        return loads(data, strict)
    except CpimError:
        return None


def value_or_error(data: bytes) -> None:
    """What strict mode reads, tolerant mode reads alike and without mending; both keep the octets."""
    strict, tolerant = attempt(data, True), attempt(data, False)
    if strict is not None:
        assert strict == tolerant
        assert not strict.repairs
    if tolerant is not None:
        assert tolerant.octets == data
        assert data.endswith(dumps(tolerant))
        assert data.endswith(tolerant.content.body)


@settings(deadline=None, max_examples=300)
@given(st.binary() | st.lists(PIECES | st.binary(max_size=3), max_size=40).map(b"".join))
def test_any_octets_are_a_value_or_the_codecs_error(data: bytes) -> None:
    value_or_error(data)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 4), PIECES | st.binary(max_size=2)), max_size=4))
def test_a_good_object_with_something_spoilt(changes: list[tuple[int, int, bytes]]) -> None:
    data = GOOD
    for position, length, piece in changes:
        data = data[:position] + piece + data[position + length :]
    value_or_error(data)


def test_an_object_cut_anywhere() -> None:
    assert loads(GOOD).content.text() == "hi"
    for length in range(GOOD.rindex(b"\r\n\r\n") + 4):
        with pytest.raises(CpimError):
            loads(GOOD[:length])
        value_or_error(GOOD[:length])


def test_every_octet_exchanged() -> None:
    chance = random.Random(3862)
    for position in range(len(GOOD)):
        for octet in {0, 9, 10, 13, 32, 34, 46, 58, 59, 60, 62, 92, 127, 255, chance.randrange(256)}:
            value_or_error(GOOD[:position] + bytes([octet]) + GOOD[position + 1 :])
