"""``message/cpim`` in sizes that nobody means well: read or refused in time linear in the length, without recursion.

Each shape is read in one size and in eight times that size. Were the time quadratic in the length, the larger one would
take 64 times as long; less than 32 times is asked for, of the time that this process computed, so that a busy machine
changes nothing.
"""

import time
from collections.abc import Callable

import pytest

from bridge.model.cpim import DEPTH, CpimError, layers, loads

HEAD = b"From: <im:a@x.example>\r\nTo: <im:b@x.example>\r\nDateTime: 2024-05-06T07:08:09Z\r\n"
TAIL = b"\r\nContent-Type: text/plain\r\n\r\nhi"
TYPE = b"Content-Type: message/cpim\r\n\r\n"
MIME = HEAD + b"\r\nContent-Type: "


def around(lines: Callable[[int], bytes]) -> Callable[[int], bytes]:
    return lambda size: HEAD + lines(size) + b"\r\n" + TAIL


def nested(size: int) -> bytes:
    return (HEAD + b"\r\n" + TYPE) * (size // 100) + HEAD + TAIL


SHAPES: dict[str, Callable[[int], bytes]] = {
    "one long value": around(lambda size: b"X: " + b"a" * size),
    "one long name": around(lambda size: b"X" * size + b": a"),
    "one long name with dots": around(lambda size: b"X." * (size // 2) + b": a"),
    "a long line without a colon": around(lambda size: b"X " * (size // 2)),
    "escapes": around(lambda size: b"X: " + b"\\u0041" * (size // 6)),
    "backslashes": around(lambda size: b"X: " + b"\\" * size),
    "surrogates": around(lambda size: b"X: " + b"\\ud83d" * (size // 6)),
    "many headers": around(lambda size: b"\r\n".join([b"X: abc"] * (size // 8))),
    "many recipients": around(lambda size: b"\r\n".join([b"To: <im:c@x.example>"] * (size // 22))),
    "many namespaces": around(lambda size: b"\r\n".join(b"NS: p%d <urn:x:y>" % n for n in range(size // 20))),
    "many subjects": around(lambda size: b"\r\n".join(b"Subject:;lang=x-%d a" % n for n in range(size // 20))),
    "much required": around(lambda size: b"Require: " + b",".join([b"X"] * (size // 2))),
    "many parameters": around(lambda size: b"X:" + b";a=b" * (size // 4) + b" c"),
    "many parameters and no value": around(lambda size: b"X:" + b";a=b" * (size // 4) + b"!"),
    "a long parameter without an end": around(lambda size: b'X:;a="' + b"\\a" * (size // 2)),
    "many words before no mailbox": around(lambda size: b"cc: " + b"a " * (size // 2)),
    "a quoted name without an end": around(lambda size: b'cc: "' + b"\\a" * (size // 2)),
    "a long URI": around(lambda size: b"cc: <im:" + b"%41a" * (size // 4) + b">"),
    "a long URI without an end": around(lambda size: b"cc: <im:" + b"%41a" * (size // 4)),
    "a long scheme": around(lambda size: b"cc: <" + b"i" * size),
    "a long language": around(lambda size: b"Subject:;lang=" + b"a-" * (size // 2) + b" x"),
    "a long time": around(lambda size: b"DateTime: 2024-05-06T07:08:09." + b"0" * size + b"Y"),
    "spaces": around(lambda size: b"X:" + b" " * size + b"x" + b" " * size),
    "no blank line": lambda size: HEAD + b"X: a\r\n" * (size // 6),
    "carriage returns": lambda size: HEAD + b"\r" * size,
    "line feeds": lambda size: HEAD + b"\n" * size,
    "a folded MIME header": lambda size: MIME + b"a/b\r\n" + b" a\r\n" * (size // 4) + b"\r\nhi",
    "a long media type": lambda size: MIME + b"a/b" + b"; c=d" * (size // 5) + b"\r\n\r\nhi",
    "a media type of semicolons": lambda size: MIME + b"a/b" + b" ;" * (size // 2) + b"!\r\n\r\nhi",
    "a media type of spaces": lambda size: MIME + b"a/b" + b" " * size + b"x\r\n\r\nhi",
    "a media type without an end": lambda size: MIME + b'a/b; c="' + b"\\a" * (size // 2) + b"\r\n\r\nhi",
    "many MIME headers": lambda size: MIME + b"a/b\r\n" + b"X: y\r\n" * (size // 6) + b"\r\nhi",
    "MIME headers in the wrong place": lambda size: HEAD + b"Content-X: y\r\n" * (size // 14) + b"\r\nhi",
    "a long body": lambda size: HEAD + TAIL + b"\r\n" * (size // 2),
    "messages in messages": nested,
}  # fmt: skip


def seconds(data: bytes) -> float:
    """How long this process computes over it, in both modes; the shortest of three times."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        for strict in (True, False):
            try:
                for each in layers(loads(data, strict), strict):
                    assert each.octets
            except CpimError as error:
                assert len(str(error)) < 300  # noqa: PT017  # it may be refused, and is not repeated at length
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("shape", SHAPES)
def test_time_is_linear_in_the_length(shape: str) -> None:
    small, large = (SHAPES[shape](size) for size in (64_000, 512_000))
    assert seconds(large) < 32 * max(seconds(small), 0.001)


@pytest.mark.conforms("RFC3862:2.2:length")
def test_a_header_of_ten_megabytes() -> None:
    long = "é" * 5_000_000
    read = loads(HEAD + f"Subject: {long}\r\n".encode() + TAIL)
    assert read.subjects[0].text == long


@pytest.mark.conforms("RFC3862:2.2:several")
def test_a_hundred_thousand_headers() -> None:
    read = loads(HEAD + b"".join(b"X: %d\r\n" % number for number in range(100_000)) + TAIL)
    assert [each.value for each in read.extensions] == [str(number) for number in range(100_000)]


def test_ten_thousand_messages_in_one_another() -> None:
    read = loads((HEAD + b"\r\n" + TYPE) * 9_999 + HEAD + TAIL)
    with pytest.raises(CpimError, match=f"more than {DEPTH}"):
        list(layers(read))
    count = sum(1 for _ in layers(read, depth=10_000))
    assert count == 10_000
