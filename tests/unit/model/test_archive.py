"""Messages of the model as ``message/cpim`` objects, and back."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model import archive, cpim, imdn
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.archive import Envelope, from_cpim, to_cpim
from bridge.model.cpim import Content, CpimError, CpimMessage, Extension, HeaderName, Mailbox, Subject
from bridge.model.event import HOPS, Event, Origin, Protection
from bridge.model.message import Location, Media, MediaKind, Message, MessageKind, Span, Style, Text

WHEN = 1714979289.01
PAGE = (Path(__file__).parents[3] / "docs" / "message-cpim.md").read_text()
KESTREL = Person(Address("libera", "kestrel"), "Kestrel")
TEA = Place("libera", "#tea")


def event(message: Message, **changes: object) -> Event:
    made = Event(Origin("libera", "msgid=abc 123"), TEA, KESTREL, WHEN, message, "01hx5a7m8kqz3v9w2y4b6c8d0e")
    return replace(made, **changes)  # type: ignore[arg-type]  # names and types are the tests' own


@pytest.mark.conforms(
    "RFC2779:4.1.1",
    "RFC2779:4.1.2",
    "RFC2779:4.1.6",
    "RFC3862:2",
    "RFC3922:4.1",
    "RFC3922:4.1.3",
    "RFC3922:4.1.6",
    "RFC3922:4.1.7",
    "RFC3922:4.1.9",
)
def test_an_event_as_an_object() -> None:
    message = Message(
        Text("good morning\nall", (Span(0, 4, Style.BOLD),), "en-GB"),
        MessageKind.EMOTE,
        (Media(MediaKind.IMAGE, "owl.png", "https://x.example/owl.png", "image/png", 9),),
        Text(" Réunion ", language="fr"),
        "t 1",
        "m%1",
        "m2",
        (Address("home", "@ana:matrix.org"),),
    )
    said = event(message, protection=Protection.TRANSPORT, hops=7)
    written = cpim.dumps(to_cpim(message, Envelope.of(said)))
    assert written.decode().split("\r\n") == [
        "From: Kestrel <im:kestrel@libera>",
        "To: <im:%23tea@libera>",
        "DateTime: 2024-05-06T07:08:09.010Z",
        "Subject:;lang=fr Réunion",
        "NS: imdn <urn:ietf:params:imdn>",
        "NS: rialto <org.rialto.bridge:cpim>",
        "imdn.Message-ID: 01hx5a7m8kqz3v9w2y4b6c8d0e",
        "rialto.Network: libera",
        "rialto.Native-Id: msgid=abc%20123",
        "rialto.Protection: transport",
        "rialto.Hops: 7",
        "rialto.Kind: emote",
        "rialto.Thread: t%201",
        "rialto.Reply-To: m%251",
        "rialto.Replaces: m2",
        "rialto.Span:;start=0;end=4 bold",
        'rialto.Media:;name=owl.png;url="https://x.example/owl.png";mime="image/png";size=9 image',
        "rialto.Mention: im:%40ana%3Amatrix.org@home",
        "",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Language: en-GB",
        "",
        "good morning",
        "all",
    ]
    read, envelope = from_cpim(cpim.loads(written))
    assert read == replace(message, subject=Text("Réunion", language="fr"))
    assert envelope == Envelope.of(said)
    assert envelope.origin == said.origin


@pytest.mark.conforms("RFC2779:4.1.2", "RFC2779:4.1.3", "RFC3860:3.2", "RFC3922:4.1.1", "RFC3922:4.1.2")
def test_what_is_said_in_private_is_to_a_person() -> None:
    place = Place("libera", "kestrel", PlaceKind.USER)
    envelope = Envelope.of(event(Message(Text("hi")), place=place, to=Address("office", "bo@example.org")))
    assert envelope.sender == Mailbox("im:kestrel@libera", "Kestrel")
    assert envelope.to == (Mailbox("im:bo%40example.org@office"),)
    assert Address.from_uri(envelope.to[0].uri) == Address("office", "bo@example.org")


def test_a_plain_message_is_a_plain_object() -> None:
    envelope = Envelope(Mailbox("im:ana@x.example"), (Mailbox("im:bo@y.example"),), WHEN)
    assert to_cpim(Message(Text("hi")), envelope) == CpimMessage(envelope.sender, envelope.to, Content(b"hi"), WHEN)


FOREIGN = CpimMessage(Mailbox("im:ana@x.example", "Ana"), (Mailbox("im:bo@y.example"),), Content(b"hi\r\nyou"), WHEN)


@pytest.mark.conforms("RFC3862:2.2:unknown", "RFC3922:4.2.3", "RFC3922:4.2.5", "RFC3922:4.2.6", "RFC3922:4.2.9:text")
def test_what_a_stranger_sends() -> None:
    foreign = replace(
        FOREIGN,
        subjects=(Subject("eins", "de"), Subject("one")),
        cc=(Mailbox("im:c@z.example"),),
        extensions=(Extension(HeaderName(cpim.CORE, "X"), "y"), Extension(imdn.MESSAGE_ID, "m1")),
    )
    message, envelope = from_cpim(cpim.loads(cpim.dumps(foreign)))
    assert message == Message(Text("hi\nyou"), subject=Text("eins", language="de"))
    assert envelope == Envelope(foreign.sender, foreign.to, WHEN, "m1")


def test_languages_that_are_none_are_left_out() -> None:
    message = Message(Text("hi", language="no tag"), subject=Text("s", language="x_y"))
    read, _ = from_cpim(to_cpim(message, Envelope(FOREIGN.sender, FOREIGN.to, WHEN)))
    assert read == Message(Text("hi"), subject=Text("s"))
    several = replace(FOREIGN, content=Content(b"hi", headers=(("Content-Language", "en, fr"),)))
    assert from_cpim(several)[0] == Message(Text("hi"))


@pytest.mark.parametrize("subject", ["", "  "])
def test_an_empty_subject_is_none(subject: str) -> None:
    made = to_cpim(Message(Text("hi"), subject=Text(subject)), Envelope(FOREIGN.sender, FOREIGN.to, WHEN))
    assert made.subjects == ()
    assert from_cpim(made)[0].subject is None


@pytest.mark.conforms("RFC3922:4.2.9:charset", "RFC3922:4.2.9:other")
@pytest.mark.parametrize(
    "content",
    [Content(b"<p>", "text/html"), Content(b"\xe9", parameters=(("charset", "latin-1"),)), Content(b"\xff"),
     Content(b"x", "message/cpim", ())],
)  # fmt: skip
def test_what_is_no_text_is_not_said(content: Content) -> None:
    with pytest.raises(CpimError, match="content"):
        from_cpim(replace(FOREIGN, content=content))


@pytest.mark.conforms("RFC3862:3.5:required", "RFC3922:4.2.7")
def test_what_is_understood() -> None:
    required = replace(FOREIGN, required=(archive.THREAD, imdn.MESSAGE_ID, imdn.DISPOSITION_NOTIFICATION))
    assert required.not_understood(archive.UNDERSTOOD) == (imdn.DISPOSITION_NOTIFICATION,)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (Extension(archive.KIND, "song"), "Kind: 'song' is none of text, emote, notice"),
        (Extension(archive.SPAN, "bold"), "Span: '' is no number"),
        (Extension(archive.SPAN, "bold", (("start", "0"), ("end", "7"))), "not in a text of 6"),
        (Extension(archive.SPAN, "bold", (("start", "2"), ("end", "2"))), "not in a text"),
        (Extension(archive.SPAN, "loud", (("start", "0"), ("end", "1"))), "is none of bold"),
        (Extension(archive.SPAN, "bold", (("start", "-1"), ("end", "1"))), "no number"),
        (Extension(archive.SPAN, "bold", (("start", "٣"), ("end", "4"))), "no number"),
        (Extension(archive.MEDIA, "hologram"), "is none of image"),
        (Extension(archive.MEDIA, "image", (("size", "9" * 5000),)), "no number"),
        (Extension(archive.MENTION, "im:a"), "Mention"),
        (Extension(archive.MENTION, "im:a@x.example"), "Mention"),
        (Extension(archive.THREAD, "%zz"), "Thread"),
        (Extension(archive.NATIVE_ID, "a%0ab"), "Native-Id"),
        (Extension(archive.PROTECTION, "much"), "Protection"),
        (Extension(archive.HOP_LIMIT, "-1"), "Hops"),
    ],
)
def test_headers_of_ours_that_are_not_as_we_write_them(header: Extension, says: str) -> None:
    with pytest.raises(CpimError, match=says):
        from_cpim(replace(FOREIGN, extensions=(header,)))


@pytest.mark.parametrize(
    ("message", "envelope"),
    [
        (Message(Text("\ud800")), Envelope(FOREIGN.sender, FOREIGN.to, WHEN)),
        (Message(Text("x"), thread="\ud800"), Envelope(FOREIGN.sender, FOREIGN.to, WHEN)),
        (Message(Text("x")), Envelope(FOREIGN.sender, FOREIGN.to, WHEN, "a b")),
    ],
)
def test_what_no_object_can_say(message: Message, envelope: Envelope) -> None:
    with pytest.raises(CpimError):
        to_cpim(message, envelope)


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"))
IDS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n"), min_size=1)
OPTIONAL = st.none() | WORDS
LANGUAGES = st.sampled_from([None, "en", "pt-BR", "zh-Hant-TW"])
ADDRESSES = st.builds(
    Address,
    st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n"), min_size=1),
)
MEDIA = st.builds(
    Media, st.sampled_from(MediaKind), WORDS, OPTIONAL, OPTIONAL, st.none() | st.integers(0, 10**12)
)  # fmt: skip
PARTS = st.lists(MEDIA | st.builds(Location, WORDS, OPTIONAL), max_size=3).map(tuple)


@st.composite
def texts(draw: st.DrawFn) -> Text:
    text = draw(WORDS)
    spans = []
    if text:
        for _ in range(draw(st.integers(0, 2))):
            start = draw(st.integers(0, len(text) - 1))
            end = draw(st.integers(start + 1, len(text)))
            spans.append(Span(start, end, draw(st.sampled_from(Style)), draw(OPTIONAL)))
    return Text(text, tuple(spans), draw(LANGUAGES))


SUBJECTS = st.none() | st.builds(Text, WORDS.map(lambda text: text.strip(" ")).filter(bool), language=LANGUAGES)
MENTIONS = st.lists(ADDRESSES, max_size=2).map(tuple)
MESSAGES = st.builds(Message, texts(), st.sampled_from(MessageKind), PARTS, SUBJECTS, IDS, IDS, IDS, MENTIONS)
EVENTS = st.builds(
    lambda message, who, name, to, native, protection, hops: event(
        message, sender=Person(who, name), to=to, origin=Origin(who.network, native), protection=protection, hops=hops
    ),
    MESSAGES,
    ADDRESSES,
    WORDS,
    st.none() | ADDRESSES,
    IDS.filter(bool),
    st.sampled_from(Protection),
    st.integers(0, HOPS),
)


@pytest.mark.conforms("RFC2779:4.1.1", "RFC2779:4.1.6", "RFC3860:3.3:format")
@settings(deadline=None)
@given(EVENTS)
def test_every_message_comes_back(said: Event) -> None:
    assert isinstance(said.content, Message)
    envelope = Envelope.of(said)
    read = cpim.loads(cpim.dumps(to_cpim(said.content, envelope)))
    assert from_cpim(read) == (said.content, envelope)
    assert not read.not_understood(archive.UNDERSTOOD)


@pytest.mark.conforms("RFC2779:4.1.8", "RFC3862:6:headers")
def test_the_page_tells_what_is_written() -> None:
    example = PAGE.split("```\n")[1].removesuffix("\n").replace("\n", "\r\n").encode()
    read = cpim.loads(example)
    assert cpim.entity(to_cpim(*from_cpim(read))) == example
    for name in archive.UNDERSTOOD - {imdn.MESSAGE_ID}:
        assert f"`{name.local}`" in PAGE.partition("## Headers of our own")[2]
    for values in (Style, MediaKind):
        assert ", ".join(f"`{value}`" for value in values) in PAGE
    assert archive.NAMESPACE in PAGE


def test_a_hundred_thousand_headers() -> None:
    spans = tuple(Span(number % 9, 10, Style.BOLD) for number in range(100_000))
    message = Message(Text("0123456789", spans))
    assert from_cpim(to_cpim(message, Envelope(FOREIGN.sender, FOREIGN.to, WHEN)))[0] == message
