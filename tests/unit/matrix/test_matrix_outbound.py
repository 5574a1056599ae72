"""Parts as event contents."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.matrix.capabilities import PART_BYTES, ROOM
from adapters.matrix.outbound import content_of, notice_for, part_id_of, time_stamp, topic_of
from bridge.capabilities import Ordering
from bridge.contract import SendError
from bridge.model.message import MessageKind
from bridge.model.result import Reason
from tests.unit.matrix.scenes import NOW, part


@pytest.mark.parametrize(
    ("kind", "msgtype"),
    [(MessageKind.TEXT, "m.text"), (MessageKind.EMOTE, "m.emote"), (MessageKind.NOTICE, "m.notice")],
)
def test_kinds(kind: MessageKind, msgtype: str) -> None:
    content = content_of(part("hello", kind=kind))
    assert content == {
        "msgtype": msgtype,
        "body": "hello",
        "m.mentions": {},
        "org.rialto.bridge": {"part": "01HZX-1-0", "hops": 20},
    }
    assert part_id_of(content) == "01HZX-1-0"


@pytest.mark.parametrize(
    ("text", "body"),
    [("a\x00b", "a\ufffdb"), ("\ud800", "\ufffd"), ("", "\ufffd"), (" \n", "\ufffd"), ("\x01", "\ufffd")],
)
def test_bodies_are_text_and_never_empty(text: str, body: str) -> None:
    assert content_of(part(text))["body"] == body


@pytest.mark.parametrize("text", ['"' * PART_BYTES, "\\" * PART_BYTES, "\n" * (PART_BYTES - 1) + "x", "日" * 10_000])
def test_a_part_of_the_declared_size_is_an_event(text: str) -> None:
    assert len(text.encode()) <= ROOM.part_bytes
    assert content_of(part(text))["body"] == text


def test_what_is_too_large_for_good_is_refused() -> None:
    with pytest.raises(SendError) as error:
        content_of(part("x\x00" * 30_000))
    assert not error.value.temporary
    assert error.value.failure.reason is Reason.NOT_ACCEPTABLE


@given(st.text(st.characters(codec=None)))
def test_any_text_is_json(text: str) -> None:
    json.dumps(content_of(part(text)), ensure_ascii=False).encode()


def test_times() -> None:
    assert time_stamp(part(when=NOW), NOW + 1) is None
    assert time_stamp(part(when=NOW), NOW + 60) == int(NOW * 1000)
    assert time_stamp(part(when=NOW + 60), NOW) is None
    assert time_stamp(part(when=0.0), NOW) is None


def test_notices() -> None:
    content = notice_for("@ana:matrix.org", "Ana", "not\ndelivered\x00", None)
    assert content["body"] == "Ana: not delivered\ufffd"
    assert content["m.mentions"] == {"user_ids": ["@ana:matrix.org"]}
    assert "m.relates_to" not in content
    assert notice_for("@ana:matrix.org", "Ana", "x", "$1")["m.relates_to"] == {"m.in_reply_to": {"event_id": "$1"}}


def test_topics_are_cut() -> None:
    assert topic_of("tea\x00") == {"topic": "tea\ufffd"}
    assert len(topic_of("x" * 100_000)["topic"]) == 8_000


def test_order_is_kept_by_waiting() -> None:
    assert ROOM.ordering is Ordering.SERIAL
    assert ROOM.lines
