"""PDUs as model values: a table of what the specification knows, and hostile ones."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.matrix.inbound import Outcome, message_event, topic
from adapters.matrix.members import member_event
from bridge.model.address import Address, Person
from bridge.model.event import Event, Origin, Protection, TopicSet
from bridge.model.message import (
    Content,
    Location,
    Media,
    MediaKind,
    Message,
    MessageKind,
    Opaque,
    Reaction,
    Retraction,
    Text,
)
from tests.unit.matrix.scenes import ANA, KESTREL, LOBBY, NOW, OURS, pdu, scene

IN_REPLY = {"m.in_reply_to": {"event_id": "$before"}}
POLL = {"question": {"m.text": [{"body": "Tea?"}]}, "answers": []}


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("m.room.message", {"msgtype": "m.text", "body": "hi"}, Message(Text("hi"))),
        ("m.room.message", {"msgtype": "m.emote", "body": "waves"}, Message(Text("waves"), MessageKind.EMOTE)),
        ("m.room.message", {"msgtype": "m.notice", "body": "up"}, Message(Text("up"), MessageKind.NOTICE)),
        ("m.room.message", {"msgtype": "org.new.kind", "body": "hi"}, Message(Text("hi"))),
        ("m.room.message", {"msgtype": "m.text", "body": "a\x00b\ud800c"}, Message(Text("a\ufffdb\ufffdc"))),
        (
            "m.room.message",
            {"msgtype": "m.text", "body": "> <@bo:x> hello\n\nhi", "m.relates_to": IN_REPLY},
            Message(Text("hi"), reply_to="$before"),
        ),
        (
            "m.room.message",
            {
                "msgtype": "m.text",
                "body": "hi",
                "m.relates_to": {"rel_type": "m.thread", "event_id": "$root", "is_falling_back": True} | IN_REPLY,
            },
            Message(Text("hi"), thread="$root"),
        ),
        (
            "m.room.message",
            {"msgtype": "m.text", "body": "hi", "m.relates_to": {"rel_type": "m.thread", "event_id": "$r"} | IN_REPLY},
            Message(Text("hi"), thread="$r", reply_to="$before"),
        ),
        (
            "m.room.message",
            {
                "msgtype": "m.text",
                "body": "* fixed",
                "m.new_content": {"msgtype": "m.notice", "body": "fixed"},
                "m.relates_to": {"rel_type": "m.replace", "event_id": "$before"},
            },
            Message(Text("fixed"), MessageKind.NOTICE, replaces="$before"),
        ),
        (
            "m.room.message",
            {
                "msgtype": "m.text",
                "body": "kestrel: hi",
                "m.mentions": {"user_ids": [KESTREL, "@bo:x.org", "@bo:x.org", OURS.bot_id, 7, "nobody"]},
            },
            Message(Text("kestrel: hi"), mentions=(Address("libera", "kestrel"), Address("home", "@bo:x.org"))),
        ),
        (
            "m.room.message",
            {
                "msgtype": "m.image",
                "body": "cat.png",
                "url": "mxc://x/y",
                "info": {"mimetype": "image/png", "size": 7},
            },
            Message(Text(""), parts=(Media(MediaKind.IMAGE, "cat.png", None, "image/png", 7),)),
        ),
        (
            "m.room.message",
            {"msgtype": "m.file", "body": "look at this", "filename": "a.pdf", "info": {"size": -1}},
            Message(Text("look at this"), parts=(Media(MediaKind.FILE, "a.pdf"),)),
        ),
        (
            "m.room.message",
            {"msgtype": "m.audio", "body": "", "info": {"size": True, "mimetype": 5}},
            Message(Text(""), parts=(Media(MediaKind.AUDIO, "audio"),)),
        ),
        (
            "m.room.message",
            {"msgtype": "m.video", "body": "v.mp4", "filename": "v.mp4"},
            Message(Text(""), parts=(Media(MediaKind.VIDEO, "v.mp4"),)),
        ),
        ("m.sticker", {"body": "Wave"}, Message(Text(""), parts=(Media(MediaKind.STICKER, "Wave"),))),
        (
            "m.room.message",
            {"msgtype": "m.location", "body": "Rialto", "geo_uri": "geo:45.438,12.336"},
            Message(Text(""), parts=(Location("geo:45.438,12.336", "Rialto"),)),
        ),
        (
            "m.room.message",
            {"msgtype": "m.location", "body": "here", "geo_uri": "javascript:x"},
            Message(Text("here")),
        ),
        (
            "m.reaction",
            {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$before", "key": "👍"}},
            Reaction("$before", "👍"),
        ),
        ("m.room.redaction", {"redacts": "$before", "reason": "typo"}, Retraction("$before", "typo", vouched=True)),
        ("m.poll.start", {"m.poll": POLL, "m.text": [{"body": "Tea? 1. yes"}]}, Opaque("a poll", Text("Tea?"))),
        ("org.matrix.msc3381.poll.start", {"org.matrix.msc3381.poll.start": {}}, Opaque("a poll")),
        ("m.call.invite", {"call_id": "1"}, Opaque("an invitation to a call")),
        ("org.new.event", {"body": "words"}, Opaque("something this bridge does not know", Text("words"))),
    ],
)
def test_what_is_said(kind: str, content: Any, said: Content) -> None:
    person = Person(Address("home", ANA), "Ana")
    event = Event(Origin("home", "$event"), LOBBY, person, 1_700_000_000.123, said, protection=Protection.NONE)
    assert message_event(pdu(kind, content), scene()) == Outcome((event,))


def test_a_redaction_of_older_room_versions() -> None:
    (event,) = message_event(pdu("m.room.redaction", {}, redacts="$before"), scene()).items
    assert isinstance(event, Event)
    assert event.content == Retraction("$before", vouched=True)


def test_what_is_encrypted_is_told() -> None:
    outcome = message_event(pdu("m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2"}), scene())
    (event,) = outcome.items
    assert isinstance(event, Event)
    assert event.content == Opaque("an encrypted message")
    assert event.protection is Protection.END_TO_END
    assert outcome.encrypted


@pytest.mark.parametrize(
    ("given", "label"),
    [
        (pdu("m.room.message", {}), "redacted event"),
        (
            pdu("m.room.message", {"msgtype": "m.text", "body": "x"}, unsigned={"redacted_because": {"type": "x"}}),
            "redacted event",
        ),
        (pdu("m.room.message", {"body": "x"}), "malformed message"),
        (pdu("m.room.message", {"msgtype": 5, "body": "x"}), "malformed message"),
        (pdu("m.room.message", {"msgtype": "m.text", "body": ["x"]}), "empty message"),
        (pdu("m.room.message", {"msgtype": "m.text", "body": " \n"}), "empty message"),
        (
            pdu("m.room.message", {"msgtype": "m.text", "body": "* x", "m.relates_to": {"rel_type": "m.replace"}}),
            "malformed edit",
        ),
        (pdu("m.room.message", {"msgtype": "m.key.verification.request", "body": "x"}), "client signalling"),
        (pdu("m.reaction", {"m.relates_to": {"event_id": "$x"}}), "malformed reaction"),
        (pdu("m.room.redaction", {}), "malformed redaction"),
        (pdu("m.poll.response", {"x": 1}), "poll response"),
        (pdu("m.call.candidates", {"x": 1}), "client signalling"),
        (pdu("org.new.event", {"x": 1}), "unknown event"),
        (pdu("m.room.message", {"msgtype": "m.text", "body": "x"}, event_id=""), "malformed event"),
        (pdu("m.room.message", {"msgtype": "m.text", "body": "x"}, sender="ana"), "malformed event"),
        (pdu("m.room.message", {"msgtype": "m.text", "body": "x"}, type=None), "malformed event"),
        ({}, "malformed event"),
    ],
)
def test_what_is_not_bridged(given: dict[str, Any], label: str) -> None:
    assert message_event(given, scene()) == Outcome(ignored=label)


@pytest.mark.parametrize("sender", [KESTREL, OURS.bot_id])
def test_our_own_are_never_people(sender: str) -> None:
    content = {"msgtype": "m.text", "body": "x", "org.rialto.bridge": {"part": "01HZX-1-0"}}
    assert message_event(pdu("m.room.message", content, sender), scene()) == Outcome(
        ignored="own echo", echo="01HZX-1-0"
    )
    content["org.rialto.bridge"] = "nonsense"
    assert message_event(pdu("m.room.message", content, sender), scene()).echo == ""


def test_a_stamp_of_others_means_nothing() -> None:
    content = {"msgtype": "m.text", "body": "x", "org.rialto.bridge": {"part": "01HZX-1-0"}}
    outcome = message_event(pdu("m.room.message", content), scene())
    assert outcome.echo == ""
    assert len(outcome.items) == 1


@pytest.mark.parametrize(
    ("told", "taken"),
    [(1_700_000_000_123, 1_700_000_000.123), (1 << 52, NOW), (1 << 80, NOW), (-5, NOW), (None, NOW), (True, NOW)],
)
def test_times(told: object, taken: float) -> None:
    given = pdu("m.room.message", {"msgtype": "m.text", "body": "x"}, origin_server_ts=told)
    (event,) = message_event(given, scene()).items
    assert isinstance(event, Event)
    assert event.when == taken


def test_a_sender_unknown_in_the_room_has_a_name() -> None:
    (event,) = message_event(pdu("m.room.message", {"msgtype": "m.text", "body": "x"}), scene(people={})).items
    assert isinstance(event, Event)
    assert event.sender == Person(Address("home", ANA), "ana")


def test_topics() -> None:
    given = pdu("m.room.topic", {"topic": "tea\x00"}, state_key="")
    person = Person(Address("home", ANA), "Ana")
    assert topic(given, scene()) == Outcome((TopicSet(LOBBY, "tea\ufffd", person),), topic="tea\ufffd")
    ours = pdu("m.room.topic", {"topic": "tea"}, OURS.bot_id, state_key="")
    assert topic(ours, scene()) == Outcome((TopicSet(LOBBY, "tea", None, own=True),), topic="tea")
    emptied = pdu("m.room.topic", {}, state_key="")
    assert topic(emptied, scene()).items == (TopicSet(LOBBY, "", person),)


KEYS = [
    "type", "event_id", "sender", "content", "state_key", "unsigned", "origin_server_ts", "redacts", "msgtype", "body",
    "m.relates_to", "rel_type", "m.new_content", "m.in_reply_to", "info", "size", "geo_uri", "m.mentions", "user_ids",
    "membership", "displayname", "reason", "prev_content", "m.text", "org.rialto.bridge", "part", "m.poll", "filename",
    "question", "topic", "redacted_because", "key",
]  # fmt: skip
WORDS = [
    "m.room.message", "m.text", "m.image", "m.location", "m.sticker", "m.reaction", "m.room.redaction", "m.replace",
    "m.poll.start", "m.room.encrypted", "m.thread", "join", "leave", "ban", "invite", "$x", ANA, KESTREL,
    OURS.bot_id, "\ud800", "geo:1,2", "",
]  # fmt: skip
ANY_TEXT = st.text(st.characters(codec=None))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=6),
    max_leaves=25,
)
PDUS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(WORDS) | JSON,
        "event_id": st.just("$event") | JSON,
        "sender": st.sampled_from([ANA, KESTREL, OURS.bot_id]) | JSON,
        "state_key": st.sampled_from([ANA, KESTREL, OURS.bot_id]) | JSON,
        "content": st.dictionaries(st.sampled_from(KEYS), st.sampled_from(WORDS) | JSON) | JSON,
        "unsigned": JSON,
        "origin_server_ts": JSON,
        "redacts": JSON,
    },
)


def texts(value: Any) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for attribute in fields(value):
            yield from texts(getattr(value, attribute.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from texts(item)


@given(PDUS)
def test_nothing_that_comes_in_raises(given: dict[str, Any]) -> None:
    for translate in (message_event, member_event, topic):
        outcome = translate(given, scene())
        assert bool(outcome.items) != bool(outcome.ignored)
        for text in texts(outcome):
            text.encode()  # a lone surrogate would stop any store
            assert "\0" not in text
