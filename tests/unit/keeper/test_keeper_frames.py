"""How bridge and keeper talk: whole and split it is the same, and nothing that comes makes it do anything else."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.keeper.frames import FRAME_BYTES, Frame, FrameError, Unpacker, pack
from bridge.keeper.held import pong

VALUES = st.dictionaries(
    st.text(max_size=8).filter(lambda key: key != "kind"),
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20),
    max_size=4,
)
FRAMES = st.builds(Frame, st.text(max_size=10), VALUES, st.binary(max_size=60))


def packed(frame: Frame) -> bytes:
    return pack(frame.kind, frame.body, **frame.values)


def unpacked(chunks: list[bytes]) -> list[Frame]:
    unpacker = Unpacker()
    return [frame for chunk in chunks for frame in unpacker.feed(chunk)]


@given(st.lists(FRAMES.filter(lambda frame: "body" not in frame.values), max_size=4), st.data())
def test_what_is_packed_comes_out_the_same_however_it_is_split(frames: list[Frame], data: st.DataObject) -> None:
    whole = b"".join(map(packed, frames))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    chunks = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert unpacked(chunks) == frames


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_frame_or_refused(data: bytes) -> None:
    try:
        frames = unpacked([data])
    except FrameError:
        return
    assert all(len(frame.body) < len(data) for frame in frames)


@given(st.binary(max_size=100), st.binary(max_size=20))
def test_a_head_of_any_bytes_is_a_frame_or_refused(head: bytes, body: bytes) -> None:
    try:
        (frame,) = unpacked([struct.pack(">II", len(head), len(body)) + head + body])
    except FrameError:
        return
    assert frame.body == body


def test_a_frame_beyond_all_limits_is_refused_before_it_is_there() -> None:
    with pytest.raises(FrameError, match="beyond all limits"):
        unpacked([struct.pack(">II", 2, FRAME_BYTES)])
    with pytest.raises(FrameError, match="too many"):
        pack("write", bytes(FRAME_BYTES))


@pytest.mark.parametrize("values", [{}, {"upto": "1"}, {"upto": -1}, {"upto": True}, {"upto": 1.5}])
def test_a_number_is_a_number(values: dict[str, Any]) -> None:
    with pytest.raises(FrameError):
        Frame("ack", values).number("upto")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"PING :irc.example.org", b"PONG :irc.example.org\r\n"),
        (b"ping x y", b"PONG x y\r\n"),
        (b":irc.example.org PING :12 ab", b"PONG :12 ab\r\n"),
        (b"@time=2026-01-01T00:00:00Z :irc.example.org PING 12", b"PONG 12\r\n"),
        (b"PING", b""),
        (b":a!b@c PRIVMSG #x :PING 1", b""),
        (b"PINGS 1", b""),
        (b"", b""),
    ],
)
def test_a_ping_is_answered_and_nothing_else(line: bytes, answer: bytes) -> None:
    assert pong(line) == answer
