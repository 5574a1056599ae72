"""Lines: parsed from bytes, and made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.protocol.encoding import decode, known
from adapters.irc.protocol.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from adapters.irc.protocol.linebuffer import LineBuffer
from adapters.irc.protocol.message import Line, Source, parse, serialise, unescape

VECTORS = [
    (b"PING", Line("PING")),
    (b"ping :a b", Line("PING", ("a b",))),
    (b":srv 001 me :Hello  world", Line("001", ("me", "Hello  world"), Source("srv"))),
    (b":a!b@c PRIVMSG #x ::)", Line("PRIVMSG", ("#x", ":)"), Source("a", "b", "c"))),
    (b":a!b@c PRIVMSG  #x   hi ", Line("PRIVMSG", ("#x", "hi"), Source("a", "b", "c"))),
    (b":a@h QUIT :", Line("QUIT", ("",), Source("a", None, "h"))),
    (
        b"@a=1;b;+c/d=e\\:f\\s\\\\g\\r\\nh\\b\\ TAGMSG x",
        Line("TAGMSG", ("x",), None, {"a": "1", "b": "", "+c/d": "e;f \\g\r\nhb"}),
    ),
    (b"@a=1;a=2;;=z PING", Line("PING", (), None, {"a": "2"})),
    (b"@a=1 :s PING", Line("PING", (), Source("s"), {"a": "1"})),
    (b"PRIVMSG #x :caf\xc3\xa9", Line("PRIVMSG", ("#x", "café"))),
    (b"PRIVMSG #x :caf\xe9", Line("PRIVMSG", ("#x", "café"))),
    (b"PRIVMSG #x :\xc3\xa9\xc3\xa9\xc3[CUT]", Line("PRIVMSG", ("#x", "éé\ufffd[CUT]"))),
    (b"PRIVMSG #x :a\0b\rc", Line("PRIVMSG", ("#x", "ab c"))),
    (b":a!b@c JOIN :#x\r", Line("JOIN", ("#x",), Source("a", "b", "c"))),
]


@pytest.mark.parametrize(("raw", "line"), VECTORS)
def test_vectors(raw: bytes, line: Line) -> None:
    assert parse(raw) == line


@pytest.mark.parametrize("raw", [b"", b" ", b":only.source", b"@tags=only", b"12 x", b"1234 x", b"FOO! x", b"\xff\xfe"])
def test_no_command(raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse(raw)


@given(st.binary(max_size=700))
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    try:
        line = parse(raw)
    except RemoteProtocolError:
        return
    assert line.command.isascii()
    assert not any(character in param for param in line.params for character in "\r\0")


@given(st.binary(max_size=400), st.sampled_from(["cp1252", "koi8-r", "iso8859-15", "shift_jis", "utf-16"]))
def test_text_is_always_read(raw: bytes, fallback: str) -> None:
    assert isinstance(decode(raw, fallback), str)


@given(st.text())
def test_utf8_is_read_as_it_is(text: str) -> None:
    assert decode(text.encode(errors="replace")) == text.encode(errors="replace").decode()


def test_known_encodings() -> None:
    assert known("cp1252")
    assert known("koi8-r")
    assert not known("klingon")
    assert not known("base64")


@given(st.lists(st.binary(max_size=40).filter(lambda raw: b"\n" not in raw), max_size=8), st.data())
def test_lines_do_not_depend_on_how_bytes_arrive(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\r\n" for line in lines)
    whole = LineBuffer(64).feed(stream)
    single, bits = LineBuffer(64), LineBuffer(64)
    assert [line for byte in stream for line in single.feed(bytes([byte]))] == whole
    got: list[bytes] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += bits.feed(stream[:size])
        stream = stream[size:]
    assert got == whole
    assert whole == [stripped for line in lines if (stripped := line.rstrip(b"\r"))]


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_an_overlong_line_is_passed_over_alone(size: int) -> None:
    buffer = LineBuffer(100)
    stream = b"before\n" + b"x" * 1000 + b"\nafter\n" + b"y" * 100 + b"\n" + b"z" * 101 + b"\nlast\n"
    lines = [line for start in range(0, len(stream), size) for line in buffer.feed(stream[start : start + size])]
    assert lines == [b"before", b"after", b"y" * 100, b"last"]
    assert buffer.overlong == 2


def test_an_endless_line_takes_no_memory() -> None:
    buffer = LineBuffer(1000)
    for _ in range(1000):
        assert buffer.feed(b"x" * 1000) == []
    assert len(buffer._buffer) <= 1000
    assert buffer.feed(b"\nPING\n") == [b"PING"]
    assert buffer.overlong == 1


@given(st.text(max_size=60))
def test_tag_values_survive(value: str) -> None:
    clean = value.replace("\0", "").encode(errors="replace").decode()
    raw = serialise("TAGMSG", "x", tags={"+a/b": value})
    assert parse(raw.removesuffix(b"\r\n")).tags.get("+a/b") == clean


def test_a_lone_backslash_ends_a_tag() -> None:
    assert unescape("a\\") == "a"


@given(st.text(max_size=50))
def test_text_survives(text: str) -> None:
    raw = serialise("PRIVMSG", "#x", text)
    expected = text.replace("\0", "").replace("\r", " ").replace("\n", " ").encode(errors="replace").decode()
    assert parse(raw.removesuffix(b"\r\n")).params == ("#x", expected)


def test_the_base_of_errors_is_not_raised() -> None:
    with pytest.raises(TypeError):
        ProtocolError("x")


def test_lengths() -> None:
    assert len(serialise("PRIVMSG", "#x", "y" * 498)) == 512
    with pytest.raises(LocalProtocolError, match="513 bytes"):
        serialise("PRIVMSG", "#x", "y" * 499)
    assert len(serialise("PRIVMSG", "#x", "y" * 600, line_bytes=1024)) == 614
    with pytest.raises(LocalProtocolError, match="of tags"):
        serialise("TAGMSG", "#x", tags={"a": "b" * 4094})


def test_the_last_parameter_is_marked_where_it_must_be() -> None:
    assert serialise("JOIN", "#x") == b"JOIN #x\r\n"
    assert serialise("PASS", "two words") == b"PASS :two words\r\n"
    assert serialise("PASS", ":colon") == b"PASS ::colon\r\n"
    assert serialise("topic", "#x", "") == b"TOPIC #x :\r\n"
