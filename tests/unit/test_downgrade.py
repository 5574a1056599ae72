"""What of an event is really sent: tables of lines, and properties over hostile text."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.capabilities import Capabilities, Ordering
from bridge.contract import Voice
from bridge.downgrade import NAME_BYTES, Downgraded, Refused, Step, downgrade, name_in_line
from bridge.model.address import Address, Person, Place
from bridge.model.event import Event, Origin
from bridge.model.message import (
    Content,
    Kick,
    Location,
    Media,
    MediaKind,
    Message,
    MessageKind,
    Opaque,
    Reaction,
    Retraction,
    Span,
    Style,
    Text,
)
from bridge.model.result import Reason

TEXT, EMOTE, NOTICE = MessageKind.TEXT, MessageKind.EMOTE, MessageKind.NOTICE
ANA = Person(Address("home", "@ana:matrix.org"), "Ana")
IRC = Capabilities(part_bytes=400, lines=False, ordering=Ordering.SPEAKER, emote_bytes=9)
MUC = Capabilities(part_bytes=10_000, lines=True, ordering=Ordering.STREAM, notices=False)
BARE = Capabilities(part_bytes=60, lines=False, ordering=Ordering.SERIAL, emotes=False, notices=False)


def event(content: Content, sender: Person = ANA) -> Event:
    return Event(Origin("home", "$1"), Place("home", "!room"), sender, 1.0, content)


def said(text: str, kind: MessageKind = TEXT) -> Message:
    return Message(Text(text), kind)


def sent(done: Downgraded) -> list[tuple[MessageKind, str]]:
    return [(kind, text.text) for kind, text in done.parts]


def by(voice: Voice, content: Content, capabilities: Capabilities = IRC) -> Downgraded:
    return downgrade(event(content), voice, capabilities, "libera", shield=False)


CONTENTS: list[tuple[Content, list[tuple[MessageKind, str]], list[Step]]] = [
    (said("hello"), [(TEXT, "hello")], []),
    (said("waves", EMOTE), [(EMOTE, "waves")], []),
    (said("beep", NOTICE), [(NOTICE, "beep")], []),
    (said("a\n\n \nb"), [(TEXT, "a"), (TEXT, "b")], [Step.LINES_SPLIT]),
    (said("a\r\nb\rc\u2028d"), [(TEXT, "a"), (TEXT, "b"), (TEXT, "c"), (TEXT, "d")], [Step.LINES_SPLIT]),
    (said("\n\nonly\n"), [(TEXT, "only")], []),
    (said("\x01ACTION hi\x01\x00\x7f\t\x1bx"), [(TEXT, "ACTION hi\tx")], [Step.CONTROL_REMOVED]),
    (said("a\ud800b"), [(TEXT, "ab")], [Step.CONTROL_REMOVED]),
    (Message(Text("new"), replaces="$0"), [(TEXT, "(edited) new")], [Step.EDIT_AS_TEXT]),
    (Message(Text("waves"), EMOTE, replaces="$0"), [(EMOTE, "(edited) waves")], [Step.EDIT_AS_TEXT]),
    (Message(Text("yes"), reply_to="$0"), [(TEXT, "yes")], [Step.REPLY_REMOVED]),
    (
        Message(Text("body"), subject=Text("About")),
        [(TEXT, "About"), (TEXT, "body")],
        [Step.SUBJECT_AS_LINE, Step.LINES_SPLIT],
    ),
    (Message(Text(""), subject=Text("About")), [(TEXT, "About")], [Step.SUBJECT_AS_LINE]),
    (
        Message(Text("waves"), EMOTE, subject=Text("About")),
        [(TEXT, "About"), (EMOTE, "waves")],
        [Step.SUBJECT_AS_LINE],
    ),
    (Reaction("$0", "👍"), [(EMOTE, "reacted 👍")], [Step.REACTION_AS_LINE]),
    (Reaction("$0", "👍", withdrawn=True), [(EMOTE, "took back the reaction 👍")], [Step.REACTION_AS_LINE]),
    (Retraction("$0"), [(EMOTE, "took back a message")], [Step.RETRACTION_AS_LINE]),
    (Retraction("$0", "spam\nmore"), [(EMOTE, "took back a message: spam more")], [Step.RETRACTION_AS_LINE]),
    (
        Opaque("an encrypted message"),
        [(EMOTE, "sent an encrypted message, which cannot be shown here")],
        [Step.OPAQUE_AS_LINE],
    ),
    (Opaque("a poll", Text("Tea?")), [(EMOTE, "sent a poll: Tea?")], [Step.OPAQUE_AS_LINE]),
    (
        Message(Text(""), parts=(Media(MediaKind.IMAGE, "cat.png", "https://x.org/cat", "image/png", 12_345),)),
        [(EMOTE, "sent an image: cat.png (12 kB) https://x.org/cat")],
        [Step.MEDIA_AS_LINE],
    ),
    (
        Message(Text("my cat"), parts=(Media(MediaKind.VIDEO, "cat.mp4", None, size=3_400_000),)),
        [(EMOTE, "sent a video: cat.mp4 (3.4 MB), which cannot be fetched from here"), (TEXT, "my cat")],
        [Step.MEDIA_AS_LINE],
    ),
    (
        Message(Text("cat.png"), parts=(Media(MediaKind.STICKER, "cat.png", "https://x.org/c"),)),
        [(EMOTE, "sent a sticker: cat.png https://x.org/c")],
        [Step.MEDIA_AS_LINE],
    ),
    (
        Message(Text("https://x.org/c"), parts=(Media(MediaKind.FILE, "", "https://x.org/c"),)),
        [(EMOTE, "sent a file https://x.org/c")],
        [Step.MEDIA_AS_LINE],
    ),
    (
        Message(Text(""), parts=(Media(MediaKind.AUDIO, "a\r\nb\x00.ogg", "https://x.org/\r\nQUIT\x00 x", size=-1),)),
        [(EMOTE, "sent an audio file: a b.ogg https://x.org/QUITx")],
        [Step.MEDIA_AS_LINE],
    ),
    (
        Message(Text("geo:1,2"), parts=(Location("geo:1,2", "Tea house"),)),
        [(EMOTE, "shared a location: Tea house geo:1,2")],
        [Step.LOCATION_AS_LINE],
    ),
    (
        Message(Text("meet here"), parts=(Location("geo:1,2"),)),
        [(EMOTE, "shared a location: geo:1,2"), (TEXT, "meet here")],
        [Step.LOCATION_AS_LINE],
    ),
    (
        Message(Text("read this, bold", (Span(0, 9, Style.LINK, "https://x.org/"), Span(11, 15, Style.BOLD)))),
        [(TEXT, "read this (https://x.org/), bold")],
        [Step.LINK_SPELLED, Step.STYLES_REMOVED],
    ),
    (Message(Text("https://x.org/", (Span(0, 14, Style.LINK, "https://x.org/"),))), [(TEXT, "https://x.org/")], []),
    (Message(Text("bo: hi", (Span(0, 2, Style.MENTION, "office:bo@example.org"),))), [(TEXT, "bo: hi")], []),
    (Kick(Address("office", "bo@example.org"), "bo", "spam"), [], [Step.KICK_AS_ABSENCE]),
]


@pytest.mark.conforms("RFC2779:4.1.7", "RFC3922:4.2.5")
@pytest.mark.parametrize(("content", "lines", "steps"), CONTENTS)
def test_by_puppet(content: Content, lines: list[tuple[MessageKind, str]], steps: list[Step]) -> None:
    done = by(Voice.PUPPET, content)
    assert sent(done) == lines
    assert list(done.steps) == steps


@pytest.mark.conforms("RFC2779:4.1.7")
@pytest.mark.parametrize(("content", "lines", "steps"), CONTENTS)
def test_by_bot(content: Content, lines: list[tuple[MessageKind, str]], steps: list[Step]) -> None:
    done = by(Voice.BOT, content)
    named = {TEXT: (TEXT, "<Ana> "), EMOTE: (TEXT, "* Ana "), NOTICE: (NOTICE, "<Ana> ")}
    assert sent(done) == [(named[kind][0], named[kind][1] + line) for kind, line in lines]
    assert (Step.NAMED in done.steps) == bool(lines)
    assert [step for step in done.steps if step is not Step.NAMED] == steps


def test_a_place_without_emotes_and_notices() -> None:
    assert by(Voice.PUPPET, said("waves", EMOTE), BARE) == Downgraded(
        ((TEXT, Text("* Ana waves")),), (Step.EMOTE_AS_TEXT,)
    )
    assert by(Voice.PUPPET, said("beep", NOTICE), BARE) == Downgraded(((TEXT, Text("beep")),), (Step.NOTICE_AS_TEXT,))
    assert by(Voice.BOT, said("beep", NOTICE), BARE) == Downgraded(
        ((TEXT, Text("<Ana> beep")),), (Step.NAMED, Step.NOTICE_AS_TEXT)
    )


def test_a_place_with_lines_keeps_them() -> None:
    done = by(Voice.PUPPET, said("a\n\n b\r\nc"), MUC)
    assert done == Downgraded(((TEXT, Text("a\n\n b\nc")),))
    assert sent(by(Voice.BOT, said("a\nb"), MUC)) == [(TEXT, "<Ana> a\nb")]


def test_long_lines_are_split_within_the_budget_of_their_kind() -> None:
    done = by(Voice.PUPPET, said("word " * 90))
    assert Step.LONG_SPLIT in done.steps
    assert [len(text.text) for _, text in done.parts] == [399, 50]
    emote = by(Voice.PUPPET, said("x" * 400, EMOTE))
    assert [len(text.text) for _, text in emote.parts] == [391, 9]


def test_marks_the_place_has_are_kept_through_every_cut() -> None:
    capabilities = Capabilities(12, lines=False, ordering=Ordering.STREAM, styles=frozenset({Style.BOLD}))
    text = Text("\x02one bold\nword here", (Span(5, 14, Style.BOLD), Span(0, 2, Style.CODE)), "en")
    done = downgrade(event(Message(text)), Voice.PUPPET, capabilities)
    assert [part for _, part in done.parts] == [
        Text("one bold", (Span(4, 8, Style.BOLD),), "en"),
        Text("word here", (Span(0, 4, Style.BOLD),), "en"),
    ]
    assert done.steps == (Step.CONTROL_REMOVED, Step.STYLES_REMOVED, Step.LINES_SPLIT)
    bold = by(Voice.BOT, Message(text), Capabilities(60, False, Ordering.STREAM, styles=frozenset({Style.BOLD})))
    assert [part.text[span.start : span.end] for _, part in bold.parts for span in part.spans] == ["bold", "word"]


def test_too_many_lines_are_refused_with_their_number() -> None:
    assert len(by(Voice.PUPPET, said("x\n" * 10)).parts) == 10
    with pytest.raises(Refused) as refused:
        by(Voice.PUPPET, said("x\n" * 11))
    assert refused.value.failure.reason is Reason.POLICY_VIOLATION
    assert refused.value.failure.text == "this message would take 11 lines on libera; at most 10 are sent"
    with pytest.raises(Refused, match="more than 1000 lines on libera"):
        by(Voice.PUPPET, said("x\n" * 30_000))


@pytest.mark.parametrize(
    "content",
    [said(""), said(" \n\t\n"), said("\x00\x01"), said("", EMOTE), Message(Text(""), replaces="$0")],
)
@pytest.mark.parametrize("voice", Voice)
@pytest.mark.parametrize("capabilities", [IRC, MUC])
def test_nothing_to_show_is_refused(content: Content, voice: Voice, capabilities: Capabilities) -> None:
    with pytest.raises(Refused) as refused:
        by(voice, content, capabilities)
    assert refused.value.failure.reason is Reason.BAD_REQUEST


def test_no_room_at_all_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        by(Voice.BOT, said("hello"), Capabilities(8, lines=False, ordering=Ordering.STREAM))
    assert refused.value.failure.reason is Reason.RESOURCE_CONSTRAINT


@pytest.mark.parametrize(
    ("name", "shielded", "bare"),
    [
        ("kestrel", "k\u200bestrel", "kestrel"),
        ("👨‍👩‍👧x", "👨‍👩‍👧\u200bx", "👨‍👩‍👧x"),
        ("é", "é\u200b", "é"),
        ("e\u0301a", "e\u0301\u200ba", "e\u0301a"),
        ("boss> pay <x", "b\u200boss› pay ‹x", "boss› pay ‹x"),
        ("a\r\nQUIT", "a\u200bQUIT", "aQUIT"),
        ("a\u202egnp\u2066", "a\u200bgnp", "agnp"),
        ("  two\u3000words ", "t\u200bwo words", "two words"),
        ("\u200b", "@\u200bana:matrix.org", "@ana:matrix.org"),
        ("", "@\u200bana:matrix.org", "@ana:matrix.org"),
        ("x" * 100, "x\u200b" + "x" * (NAME_BYTES - 4), "x" * NAME_BYTES),
    ],
)
def test_name_in_line(name: str, shielded: str, bare: str) -> None:
    person = Person(ANA.address, name)
    assert name_in_line(person) == shielded
    assert name_in_line(person, shield=False) == bare


def test_a_person_without_any_name() -> None:
    assert name_in_line(Person(Address("home", "\u200b"), ""), shield=False) == "?"


def test_names_are_shielded_by_default() -> None:
    assert sent(downgrade(event(said("hi")), Voice.BOT, IRC)) == [(TEXT, "<A\u200bna> hi")]


bodies = st.one_of(
    st.text(max_size=200),
    st.text(st.sampled_from("ab \n\r\t\x00\x01\x02é日👍\u200d\u0301\u2028\ud800"), max_size=200),
)
contents = st.one_of(
    st.builds(lambda text, kind: Message(Text(text), kind), bodies, st.sampled_from(MessageKind)),
    st.builds(
        lambda text, name, url: Message(Text(text), parts=(Media(MediaKind.FILE, name, url),)), bodies, bodies, bodies
    ),
    st.builds(lambda text, label: Message(Text(text), parts=(Location("geo:1,2", label),)), bodies, bodies),
    st.builds(lambda one, other: Message(Text(one), subject=Text(other), replaces="$0"), bodies, bodies),
    st.builds(Reaction, st.just("$0"), bodies),
    st.builds(Retraction, st.just("$0"), bodies),
    st.builds(lambda what, text: Opaque(what, Text(text)), bodies, bodies),
)
spans = st.builds(
    Span, st.integers(-2, 30), st.integers(-2, 30), st.sampled_from(Style), st.sampled_from([None, "x:y"])
)
limits = st.builds(
    Capabilities,
    part_bytes=st.integers(40, 500),
    lines=st.booleans(),
    ordering=st.just(Ordering.STREAM),
    max_parts=st.just(1000),
    emotes=st.booleans(),
    notices=st.booleans(),
    emote_bytes=st.integers(0, 9),
    styles=st.frozensets(st.sampled_from(Style)),
)
people = st.builds(Person, st.builds(Address, st.just("home"), st.text(min_size=1)), bodies)


@settings(max_examples=800, deadline=None)
@given(contents, people, st.sampled_from(Voice), limits, st.booleans())
def test_every_part_fits_and_is_clean(
    content: Content, sender: Person, voice: Voice, capabilities: Capabilities, shield: bool
) -> None:
    try:
        done = downgrade(event(content, sender), voice, capabilities, shield=shield)
    except Refused:
        assert isinstance(content, Message)  # everything else has words of its own
        assert not content.parts
        assert not (content.body.text.strip() and content.body.text.isprintable())
        return
    assert done == downgrade(event(content, sender), voice, capabilities, shield=shield)
    assert done.parts
    for kind, text in done.parts:
        room = capabilities.part_bytes - (capabilities.emote_bytes if kind is EMOTE else 0)
        assert 0 < len(text.text.encode()) <= room
        assert text.text.strip()
        assert not any(char < " " and char not in "\t\n" for char in text.text)
        assert capabilities.lines or "\n" not in text.text
        assert kind is not EMOTE or (capabilities.emotes and voice is Voice.PUPPET)
        assert kind is not NOTICE or capabilities.notices
        if voice is Voice.BOT:
            assert name_in_line(sender, 4, shield=False)[0] in text.text[:4]
            assert text.text.startswith(("<", "* "))
    assert len(set(done.steps)) == len(done.steps)


@settings(max_examples=400, deadline=None)
@given(bodies, limits, st.sampled_from(Voice))
def test_no_word_is_lost(body: str, capabilities: Capabilities, voice: Voice) -> None:
    """All of the text but controls and white space arrives, in its order."""
    words = "".join(re.sub("[\x00-\x20\x7f\ud800-\udfff]", "", body).split())
    try:
        done = downgrade(event(said(body)), voice, capabilities, shield=False)
    except Refused:
        assert not words
        return
    prefix = "<Ana> " if voice is Voice.BOT else ""
    arrived = "".join(text.text.removeprefix(prefix) for _, text in done.parts)
    assert "".join(arrived.split()) == words


@settings(max_examples=300, deadline=None)
@given(bodies, st.lists(spans, max_size=6), limits)
def test_marks_never_leave_their_text(body: str, marks: list[Span], capabilities: Capabilities) -> None:
    content = Message(Text(body, tuple(marks)))
    try:
        done = downgrade(event(content), Voice.BOT, capabilities)
    except Refused:
        return
    for _, text in done.parts:
        assert len(text.text.encode()) <= capabilities.part_bytes
        for span in text.spans:
            assert 0 <= span.start < span.end <= len(text.text)
            assert span.style in capabilities.styles
