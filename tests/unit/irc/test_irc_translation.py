"""Native values in, model values out: events, formatting codes, ids, settings, CTCP."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.irc import ADAPTER
from adapters.irc.ids import Minter, Places, canonical_channel
from adapters.irc.inbound import Heard, Ignored, Scene, barred, private, translate
from adapters.irc.markup import from_irc
from adapters.irc.nicks import Own
from adapters.irc.protocol import ctcp, events, numerics
from adapters.irc.protocol.events import Manner
from adapters.irc.protocol.message import Source
from adapters.irc.protocol.servertime import timestamp
from adapters.irc.settings import IrcSettings
from bridge.contract import Factory
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.event import Cause, Event, Joined, Left, Origin, Roster, TopicSet
from bridge.model.message import Kick, Message, MessageKind, Span, Style, Text
from bridge.model.result import Reason
from bridge.model.room import Member

HERE = Place("libera", "#tea")
PUPPET = Address("office", "ana@example.org")
KIM = Source("Kim", "kim", "host")
KIM_PERSON = Person(Address("libera", "kim"), "Kim")


def scene() -> Scene:
    ids: Iterator[int] = iter(range(100))
    own = {"ana": Own(PUPPET, Source("ana")), "rialto": Own(None, Source("rialto"))}
    return Scene(
        network="libera",
        places=Places([Member(HERE)]),
        fold=str.lower,
        own=lambda source: own.get(source.nick.lower()),
        mint=lambda: f"minted-{next(ids)}",
        now=lambda: 5.0,
        is_bot=lambda nick: nick == "Beep",
    )


def heard(event: events.Event) -> list[object]:
    return [item.item if isinstance(item, Heard) else item for item in translate(event, scene())]


def said(source: Source = KIM, target: str = "#Tea", manner: Manner = Manner.TEXT, **more: object) -> events.Said:
    values: dict[str, object] = {"text": "hi", "to_channel": target.startswith("#"), "own": False} | more
    return events.Said(source, target, manner, **values)  # type: ignore[arg-type]  # values of one dictionary


@pytest.mark.parametrize(
    ("manner", "kind"),
    [(Manner.TEXT, MessageKind.TEXT), (Manner.ACTION, MessageKind.EMOTE), (Manner.NOTICE, MessageKind.NOTICE)],
)
def test_messages(manner: Manner, kind: MessageKind) -> None:
    event = said(manner=manner, msgid="m1", when="1970-01-01T00:01:00.500Z")
    assert heard(event) == [Event(Origin("libera", "m1"), HERE, KIM_PERSON, 60.5, Message(Text("hi"), kind))]


def test_hops_and_words_for_one_alone() -> None:
    (event,) = heard(said(hops=3, msgid="m1"))
    assert isinstance(event, Event)
    assert event.hops == 3
    one = said(target="ana", hops=0, msgid="m1", manner=Manner.ACTION)
    assert barred(one, scene()) is None
    event = private(one, PUPPET, Text("waves"), scene())
    assert (event.place, event.to) == (Place("libera", "kim", PlaceKind.USER), PUPPET)
    assert (event.sender, event.hops) == (KIM_PERSON, 0)
    assert event.content == Message(Text("waves"), MessageKind.EMOTE)


def test_a_message_without_id_or_time() -> None:
    assert heard(said()) == [Event(Origin("libera", "minted-0"), HERE, KIM_PERSON, 5.0, Message(Text("hi")))]


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (said(Source("ana", "x", "y")), "own echo"),
        (said(Source("rialto", "x", "y")), "own echo"),
        (said(own=True), "own echo"),
        (said(target="@#tea", only_some=True), "statusmsg"),
        (said(Source("irc.example.org")), "server message"),
        (said(Source("ChanServ", "c", "services")), "service message"),
        (said(bot=True), "bot"),
        (said(Source("Beep", "b", "host")), "bot"),
        (said(target="rialto"), "direct message"),
        (said(manner=Manner.CTCP, ctcp="VERSION"), "ctcp"),
        (said(manner=Manner.CTCP_REPLY, ctcp="PING"), "ctcp"),
        (said(target="#elsewhere"), "unknown channel"),
        (events.Passed("tagmsg"), "tagmsg"),
        (events.JoinRefused("#tea", "474", "banned"), "join refused"),
        (events.Kicked("#tea", "rialto", KIM, "out", own=True), "kick of the bot"),
    ],
)
def test_what_is_not_bridged_is_named(event: events.Event, what: str) -> None:
    (item,) = heard(event)
    assert isinstance(item, Ignored)
    assert item.what == what


@pytest.mark.parametrize(
    ("event", "items"),
    [
        (events.Joined("#tea", KIM, own=False), [Joined(HERE, KIM_PERSON)]),
        (events.Joined("#else", KIM, own=False), []),
        (events.Joined("#tea", Source("ana", "x", "y"), own=False), []),
        (events.Joined("#tea", Source("ChanServ", "x", "y"), own=False), []),
        (events.Parted("#tea", KIM, "\x02bye\x02", own=False), [Left(HERE, KIM_PERSON.address, Cause.LEFT, "bye")]),
        (events.Parted("#tea", KIM, "", own=False), [Left(HERE, KIM_PERSON.address, Cause.LEFT, None)]),
        (events.Quit(KIM, "gone", ("#Tea", "#x")), [Left(HERE, KIM_PERSON.address, Cause.QUIT, "gone")]),
        (events.Quit(Source("ana", "x", "y"), "gone", ("#tea",)), []),
        (
            events.NickChanged(KIM, "Kimmy", ("#tea",), own=False),
            [
                Left(HERE, KIM_PERSON.address, Cause.NICK, "now Kimmy"),
                Joined(HERE, Person(Address("libera", "kimmy"), "Kimmy")),
            ],
        ),
        (
            events.Members("#tea", {"Kim": "@", "ana": "", "rialto": "", "ChanServ": "@"}),
            [Roster(HERE, (KIM_PERSON,))],
        ),
        (events.Topic("#tea", "\x0304t\x03", KIM), [TopicSet(HERE, "t", KIM_PERSON)]),
        (events.Topic("#tea", "t", None), [TopicSet(HERE, "t", initial=True)]),
        (events.Topic("#tea", "t", Source("ana", "x", "y")), [TopicSet(HERE, "t", own=True)]),
        (events.Topic("#tea", "t", Source("services.example")), [TopicSet(HERE, "t")]),
        (events.Registered("x"), []),
    ],
)
def test_states(event: events.Event, items: list[object]) -> None:
    assert heard(event) == items


def test_kicks() -> None:
    event, left = heard(events.Kicked("#tea", "Bo", KIM, "spam", own=False, msgid="k"))
    target = Address("libera", "bo")
    assert event == Event(Origin("libera", "k"), HERE, KIM_PERSON, 5.0, Kick(target, "Bo", "spam"))
    assert left == Left(HERE, target, Cause.KICKED, "spam", "Kim")
    (event,) = heard(events.Kicked("#tea", "Ana", KIM, "", own=False))
    assert isinstance(event, Event)
    assert event.content == Kick(PUPPET, "Ana", None)


@pytest.mark.parametrize("tag", ["", "yesterday", "2026-11-22", "2026-11-22T16:59:19", "99999-01-01T00:00:00Z"])
def test_times_that_say_nothing(tag: str) -> None:
    assert timestamp(tag, 7.0) == 7.0


# Formatting codes


@pytest.mark.parametrize(
    ("raw", "text", "spans"),
    [
        ("plain", "plain", ()),
        ("a \x02b\x02 c", "a b c", (Span(2, 3, Style.BOLD),)),
        ("\x02open", "open", (Span(0, 4, Style.BOLD),)),
        ("\x02a\x1db\x02c\x1d", "abc", (Span(0, 2, Style.BOLD), Span(1, 3, Style.ITALIC))),
        ("\x1fa\x0fb", "ab", (Span(0, 1, Style.UNDERLINE),)),
        ("\x11code\x11 \x1egone\x1e", "code gone", (Span(0, 4, Style.CODE), Span(5, 9, Style.STRIKE))),
        ("\x02\x02empty", "empty", ()),
        ("\x0304,12red\x03 \x034on\x03,5 \x0312345", "red on,5 345", ()),
        ("\x04ff0000red\x04 \x16rev\x16\x07", "red rev", ()),
        ("tab\there \x01\x00", "tab\there ", ()),
    ],
)
def test_codes(raw: str, text: str, spans: tuple[Span, ...]) -> None:
    assert from_irc(raw) == Text(text, spans)


@given(st.text(alphabet=st.sampled_from("\x02\x1d\x1f\x1e\x11\x0f\x03\x04\x16\x00\x0712,ab é")))
def test_spans_lie_within_the_text(raw: str) -> None:
    result = from_irc(raw)
    assert not any(ord(character) < 32 for character in result.text)
    for span in result.spans:
        assert 0 <= span.start < span.end <= len(result.text)
    for style in Style:
        mine = sorted((span.start, span.end) for span in result.spans if span.style is style)
        assert all(one[1] <= other[0] for one, other in pairwise(mine))


# Ids and settings


@pytest.mark.parametrize(("name", "canonical"), [("#Tea", "#tea"), ("&Local", "&local"), ("#a[B]~É", "#a[b]~É")])
def test_channels(name: str, canonical: str) -> None:
    assert canonical_channel(name) == canonical
    assert ADAPTER.place(canonical, None) == canonical


@pytest.mark.parametrize("name", ["", "tea", "#", "#a b", "#a,b", "#a\x07", "#a\r\n", "#" + "x" * 200, "@#ops"])
def test_no_channels(name: str) -> None:
    with pytest.raises(ValueError):
        canonical_channel(name)


def test_minted_ids_never_repeat() -> None:
    one, other = Minter(1.0), Minter(1.0)
    ids = [minter.mint() for minter in (one, other) for _ in range(100)]
    assert len(set(ids)) == 200


def settings(**values: object) -> IrcSettings:
    return IrcSettings.model_validate({"server": "ircs://irc.example.org", "nick": "rialto"} | values)


@pytest.mark.parametrize(
    ("server", "host", "port", "secure"),
    [
        ("ircs://irc.example.org", "irc.example.org", 6697, True),
        ("irc://irc.example.org/", "irc.example.org", 6667, False),
        ("irc://127.0.0.1:16667", "127.0.0.1", 16667, False),
        ("ircs://[::1]:7000", "::1", 7000, True),
    ],
)
def test_servers(server: str, host: str, port: int, secure: bool) -> None:
    value = settings(server=server)
    assert (value.host, value.port, value.secure) == (host, port, secure)


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"server": "irc.example.org:6697"}, "write ircs://"),
        ({"server": "http://irc.example.org"}, "write ircs://"),
        ({"server": "irc://irc.example.org:99999"}, "between 1 and 65535"),
        ({"server": "irc://irc.example.org/#tea"}, "under `rooms`"),
        ({"nick": "two words"}, "write letters"),
        ({"nick": "9lives"}, "a letter first"),
        ({"nick": "x\r\nQUIT"}, "write letters"),
        ({"nick": "#tea"}, "write letters"),
        ({"password": "x\ny"}, "control character"),
        ({"password": ""}, "empty"),
        ({"realname": "a\nb"}, "short line"),
        ({"username": "a b"}, "a few letters"),
        ({"username": "x" * 100}, "a few letters"),
        ({"nick": "x" * 100}, "write letters"),
        ({"realname": "x" * 500}, "short line"),
        ({"password": "x" * 500}, "too long"),
        ({"encoding": "klingon"}, "cp1252"),
        ({"puppets": -1}, "greater than or equal to 0"),
        ({"flood": {"burst": 0}}, "greater than or equal to 1"),
        ({"flood": {"per_second": 0}}, "greater than 0"),
        ({"tls": {"verfy": False}}, "verfy"),
        ({"nicks": "x"}, "nicks"),
    ],
)
def test_mistakes_are_told(values: dict[str, object], hint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**values)
    assert hint in str(refused.value)


def test_a_password_does_not_show() -> None:
    value = settings(password="sesame")
    assert "sesame" not in repr(value) + str(value)


def test_the_factory() -> None:
    factory: Factory = ADAPTER
    assert factory.kind == "irc"
    text = factory.registration(settings(), None)  # type: ignore[arg-type]  # it needs no context
    assert "51 connections" in text


# CTCP


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("\x01ACTION waves\x01", ctcp.Ctcp("ACTION", "waves")),
        ("\x01action waves", ctcp.Ctcp("ACTION", "waves")),
        ("\x01VERSION\x01", ctcp.Ctcp("VERSION", "")),
        ("\x01", ctcp.Ctcp("", "")),
        ("hello \x01VERSION\x01", None),
        ("", None),
    ],
)
def test_ctcp(text: str, parsed: ctcp.Ctcp | None) -> None:
    assert ctcp.parse(text) == parsed


def test_ctcp_answers() -> None:
    def answer(command: str, text: str = "") -> str | None:
        return ctcp.answer(ctcp.Ctcp(command, text), version="V", source="S", time="T")

    assert answer("VERSION") == "\x01VERSION V\x01"
    assert answer("SOURCE") == "\x01SOURCE S\x01"
    assert answer("TIME") == "\x01TIME T\x01"
    assert answer("PING", "1\x0123") == "\x01PING 123\x01"
    assert answer("PING") is None
    assert answer("DCC", "SEND x") is None
    assert "PING" in (answer("CLIENTINFO") or "")
    assert len(answer("PING", "x" * 400) or "") < 100


def test_every_numeric_has_a_reason() -> None:
    assert numerics.reason("404") is Reason.FORBIDDEN
    assert numerics.reason("599") is Reason.UNDEFINED_CONDITION
    assert all(isinstance(numerics.reason(numeric), Reason) for numeric in numerics.JOIN_REFUSED)
    assert numerics.is_error("499")
    assert not numerics.is_error("353")
