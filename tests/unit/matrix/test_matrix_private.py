"""What is said in rooms of two, without a homeserver."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.matrix.conversations import Conversation, Conversations, Stage
from adapters.matrix.outbound import hops_of
from adapters.matrix.private import ENCRYPTED, Listener
from bridge.model.address import Address, Place, PlaceKind
from bridge.model.event import HOPS, Event
from bridge.model.message import Message, MessageKind, Reaction, Text
from tests.unit.matrix.scenes import ANA, KESTREL, NAMES, NOW, OURS, pdu
from tests.unit.matrix.test_matrix_inbound import JSON, PDUS

WREN = Address("libera", "wren")
LISTENER = Listener("home", OURS, lambda user_id: OURS.read(user_id, NAMES), Address.parse, lambda: NOW)


def conversation(address: Address | None = WREN) -> Conversation:
    ours = OURS.bot_id if address is None else OURS.puppet_id(address, NAMES)
    return Conversations("home").begin("!two", ANA, ours, address, Stage.OPEN, NOW, "Ana")


def message(body: str, **more: Any) -> dict[str, Any]:
    return pdu("m.room.message", {"msgtype": "m.text", "body": body} | more)


def test_a_message_is_for_the_person_behind_the_puppet() -> None:
    event = LISTENER.hear(message("hello"), conversation()).event
    assert event is not None
    assert event.place == Place("home", ANA, PlaceKind.USER)
    assert (event.to, event.sender.name, event.content) == (WREN, "Ana", Message(Text("hello")))
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$x", "key": "+"}}
    event = LISTENER.hear(pdu("m.reaction", reaction), conversation()).event
    assert event is not None
    assert (event.to, event.content) == (WREN, Reaction("$x", "+"))


def test_what_is_for_nobody() -> None:
    secret = LISTENER.hear(pdu("m.room.encrypted", {"algorithm": "x"}), conversation())
    assert (secret.event, secret.answer) == (None, ENCRYPTED)
    others = LISTENER.hear(pdu("m.room.message", {"msgtype": "m.text", "body": "x"}, "@eve:x.org"), conversation())
    assert (others.event, others.answer, others.outcome.ignored) == (None, "", "third person")
    own = LISTENER.hear(pdu("m.room.message", {"org.rialto.bridge": {"part": "p-1"}}, KESTREL), conversation())
    assert (own.event, own.answer, own.outcome.echo) == (None, "", "p-1")


@pytest.mark.parametrize(
    ("text", "to", "said"),
    [
        ("libera:wren hello", WREN, "hello"),
        (" libera:wren:  two\nlines ", WREN, "two\nlines"),
        ("office:bo@example.org, hi", Address("office", "bo@example.org"), "hi"),
    ],
)
def test_lines_to_the_bot(text: str, to: Address, said: str) -> None:
    saying = LISTENER.hear(message(text), conversation(None))
    assert saying.event is not None
    assert (saying.event.to, saying.event.content, saying.answer) == (to, Message(Text(said)), "")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("hello", "begin with their address"),
        ("hello there", "begin with their address"),
        ("libera:wren", "begin with their address"),
        ("libera:wren   ", "begin with their address"),
        ("@ hello", "is not an address"),
        ("LIBERA:wren hello", "is not an address"),
        ("home:@bo:example.org hello", "without me"),
    ],
)
def test_lines_to_the_bot_that_are_not_understood(text: str, answer: str) -> None:
    saying = LISTENER.hear(message(text), conversation(None))
    assert saying.event is None
    assert answer in saying.answer
    # Whether it is a command is for the core to say.
    assert saying.asked == text
    quiet = LISTENER.hear(message(text, msgtype="m.notice"), conversation(None))
    assert (quiet.event, quiet.answer, quiet.asked) == (None, "", "")
    assert quiet.outcome.ignored == "not for anybody"
    assert LISTENER.hear(message(text), conversation(WREN)).asked == ""


def test_an_edited_line_and_what_is_no_line() -> None:
    content = {
        "msgtype": "m.text", "body": "* libera:wren hullo",
        "m.new_content": {"msgtype": "m.text", "body": "libera:wren hello"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$first"},
    }  # fmt: skip
    event = LISTENER.hear(pdu("m.room.message", content), conversation(None)).event
    assert event is not None
    assert event.content == Message(Text("hello"), replaces="$first")
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$x", "key": "+"}}
    saying = LISTENER.hear(pdu("m.reaction", reaction), conversation(None))
    assert (saying.event, saying.answer, saying.outcome.ignored) == (None, "", "not for anybody")
    notice = LISTENER.hear(message("libera:wren told", msgtype="m.notice"), conversation(None)).event
    assert notice is not None
    assert notice.content == Message(Text("told"), MessageKind.NOTICE)


@pytest.mark.conforms("RFC3860:3.4.2:carried")
@pytest.mark.parametrize(
    ("stamp", "hops"),
    [
        ({"hops": 3}, 3), ({"hops": 0}, 0), ({"hops": -5}, 0), ({"hops": 10**50}, HOPS), ({"hops": HOPS + 1}, HOPS),
        ({"hops": True}, HOPS), ({"hops": "3"}, HOPS), ({"hops": 3.0}, HOPS), ({}, HOPS), ("x", HOPS), (None, HOPS),
    ],
)  # fmt: skip
def test_hops(stamp: Any, hops: int) -> None:
    assert hops_of({"org.rialto.bridge": stamp}) == hops
    event = LISTENER.hear(message("x", **{"org.rialto.bridge": stamp}), conversation()).event
    assert event is not None
    assert event.hops == hops


@given(PDUS | st.builds(message, st.text()), st.sampled_from([None, WREN]))
def test_nothing_raises(event: Any, address: Address | None) -> None:
    saying = LISTENER.hear(event if isinstance(event, dict) else {}, conversation(address))
    assert saying.event is None or not saying.answer
    if saying.event is not None:
        assert isinstance(saying.event, Event)
        assert saying.event.to is not None
        assert saying.event.to.network != "home"
        assert saying.event.sender.address == Address("home", ANA)
    assert len(saying.answer) < 1000


@given(JSON)
def test_no_stamp_raises(stamp: Any) -> None:
    assert 0 <= hops_of({"org.rialto.bridge": stamp}) <= HOPS
