"""Ids, nicks, errors, settings, what is remembered: the small tables."""

from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.xmpp import ADAPTER, errors, ids, memory, nicks
from adapters.xmpp.memory import Remembered
from adapters.xmpp.settings import XmppSettings
from adapters.xmpp.stream import Account
from bridge.backoff import HALF, Backoff
from bridge.contract import (
    Adapter,
    Context,
    Direct,
    Factory,
    Notifying,
    Puppeteer,
    Rechecking,
    Showing,
    Telling,
    Topical,
)
from bridge.model.address import Address, Person
from bridge.model.presence import Presence
from bridge.model.result import Reason
from bridge.model.subscription import Notify

ANYTHING = st.text(st.characters(codec=None, exclude_categories=()))
CONTEXT = Context("office", "http://127.0.0.1:1", Path())


def settings(**changes: object) -> XmppSettings:
    return XmppSettings.model_validate({"domain": "bridge.example.org", "secret": "s3cret"} | changes)


# Ids


@pytest.mark.parametrize(
    ("native", "canonical"),
    [
        ("lobby@conference.example.org", "lobby@conference.example.org"),
        (" Lobby@Conference.Example.ORG ", "lobby@conference.example.org"),
        ("xmpp:lobby@conference.example.org?join", "lobby@conference.example.org"),
        ("Büro@konferenz.example.org", "büro@konferenz.example.org"),
    ],
)
def test_a_room_has_one_name(native: str, canonical: str) -> None:
    assert ADAPTER.place(native, settings()) == canonical


@pytest.mark.parametrize(
    ("native", "instead"),
    [
        ("", "lobby@conference.example.org"),
        ("conference.example.org", "ROOM@SERVICE"),
        ("#lobby", "ROOM@SERVICE"),
        ("lobby@conference.example.org/me", "write the room alone: lobby@conference.example.org"),
        ("lob by@conference.example.org", "ROOM@SERVICE"),
        ("@conference.example.org", "ROOM@SERVICE"),
        ("\ud800@conference.example.org", "ROOM@SERVICE"),
    ],
)
def test_what_is_no_room_is_told_with_what_to_write(native: str, instead: str) -> None:
    with pytest.raises(ValueError) as refused:
        ADAPTER.place(native, settings())
    assert instead in str(refused.value)


@given(st.from_regex(r"[A-Za-z0-9-]{1,128}", fullmatch=True))
def test_our_ids_are_known_again(part_id: str) -> None:
    assert ids.part_id(ids.wire_id(part_id)) == part_id


@pytest.mark.parametrize(
    "wire", ["", "rialto-", "rialto", "x-rialto-1", "rialto-a b", "rialto-é", "rialto-" + "x" * 129]
)
def test_others_ids_are_not(wire: str) -> None:
    assert ids.part_id(wire) is None


def test_lines_without_an_id_by_the_room() -> None:
    def line(sender: str = "a", message_id: str = "0123456789abcdef", stamp: float = 1.0) -> str:
        return ids.line_id(stanza_id=None, sender=sender, message_id=message_id, stamp=stamp)

    assert ids.line_id(stanza_id="s1", sender="a", message_id="m", stamp=1.0) == "s1"
    assert line() == line(stamp=2.0)
    assert len({line(), line(sender="b"), line(message_id="0123456789abcdeF")}) == 3
    assert line(message_id="1") != line(message_id="1", stamp=2.0)
    assert line(sender="a\ud800").startswith("sha256:")


# Nicks


def first(name: str, count: int = 1, network: str = "libera", native: str = "kestrel") -> list[str]:
    found = nicks.candidates(Person(Address(network, native), name))
    return [next(found) for _ in range(count)]


@pytest.mark.parametrize(
    ("name", "nick"),
    [
        ("Kestrel", "Kestrel"),
        ("  Ana \t  B\n", "Ana B"),
        ("Kes\x02trel\x00", "Kes\ufffdtrel\ufffd"),
        ("a\u202eb", "ab"),
        ("ﬁve", "five"),
        ("", "kestrel"),
        (" \u200b ", "kestrel"),
        ("שלום abc", None),
        ("\ue000\ue001", "kestrel"),
        ("x" * 200, "x" * nicks.NICK_CHARACTERS),
        ("a/b@c<d>&'\"", "a/b@c<d>&'\""),
    ],
)
def test_the_best_nick(name: str, nick: str | None) -> None:
    (found,) = first(name)
    if nick is None:
        assert nicks.prepared(found) == found
    else:
        assert nicks.prepared(found) == found
        assert found.replace("\ufffd", "") == nick.replace("\ufffd", "")


def test_the_next_best() -> None:
    assert first("Kestrel", 4) == ["Kestrel", "Kestrel (libera)", "Kestrel (libera 2)", "Kestrel (libera 3)"]
    assert first("x" * 200, 2)[1].endswith(" (libera)")


@given(ANYTHING, ANYTHING.filter(bool))
def test_nicks_are_what_servers_take(name: str, native: str) -> None:
    found = list(nicks.candidates(Person(Address("libera", native), name)))
    assert len(found) == len(set(found)) > 10
    assert found == list(nicks.candidates(Person(Address("libera", native), name)))
    for nick in found:
        assert ids.jid(f"room@conference.example.org/{nick}").resource == nick
        assert nick.strip()
        assert len(nick) <= 1023


# Errors


def test_every_reason_has_a_type_and_comes_back() -> None:
    assert set(errors.ERROR_TYPES) == set(Reason)
    for reason, kind in errors.ERROR_TYPES.items():
        stanza = fromstring(
            f"<message><error type='{kind}'><{reason.value} xmlns='{errors.STANZAS}'/>"
            f"<text xmlns='{errors.STANZAS}'> why </text></error></message>"
        )
        assert errors.read_error(stanza) == errors.StanzaError(reason, kind, "why")


@pytest.mark.parametrize(
    "stanza",
    ["<message/>", "<message><error/></message>", "<message><error type='odd'><x xmlns='urn:x'/></error></message>",
     f"<message><error><unknown xmlns='{errors.STANZAS}'/></error></message>"],
)  # fmt: skip
def test_an_error_that_says_nothing(stanza: str) -> None:
    assert errors.read_error(fromstring(stanza)) == errors.StanzaError(Reason.UNDEFINED_CONDITION)


@pytest.mark.parametrize(
    ("reason", "kind", "temporary"),
    [
        (Reason.FORBIDDEN, "auth", False),
        (Reason.REGISTRATION_REQUIRED, "auth", False),
        (Reason.NOT_AUTHORIZED, "auth", False),
        (Reason.ITEM_NOT_FOUND, "cancel", False),
        (Reason.NOT_ACCEPTABLE, "cancel", False),
        (Reason.NOT_ALLOWED, "cancel", False),
        (Reason.SERVICE_UNAVAILABLE, "wait", True),
        (Reason.SERVICE_UNAVAILABLE, "cancel", True),
        (Reason.REMOTE_SERVER_TIMEOUT, "wait", True),
        (Reason.REMOTE_SERVER_NOT_FOUND, "cancel", True),
        (Reason.RESOURCE_CONSTRAINT, "wait", True),
    ],
)
def test_what_refused_entry_means(reason: Reason, kind: str, temporary: bool) -> None:
    error = errors.join_refused(errors.StanzaError(reason, kind))
    assert (error.failure.reason, error.temporary) == (reason, temporary)
    assert error.failure.text


def test_what_the_server_says_is_told_along() -> None:
    assert errors.line_refused(errors.StanzaError(Reason.POLICY_VIOLATION, "modify", "no")).failure.text == "no"
    assert "moderated" in errors.line_refused(errors.StanzaError(Reason.FORBIDDEN)).failure.text
    odd = errors.stream_failure("{x}", "", network="n", domain="d", server="s")
    assert "ended the stream" in odd.text


# Settings


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("127.0.0.1:5347", ("127.0.0.1", 5347)),
        ("xmpp.example.org", ("xmpp.example.org", 5347)),
        ("[::1]:5000", ("::1", 5000)),
    ],
)
def test_servers(server: str, address: tuple[str, int]) -> None:
    assert settings(server=server).address == address


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mode": "client"}, "component"),
        ({"server": "127.0.0.1:0"}, "HOST:PORT"),
        ({"server": "127.0.0.1:99999"}, "HOST:PORT"),
        ({"server": "http://x"}, "HOST:PORT"),
        ({"server": "::1"}, "HOST:PORT"),
        ({"domain": "me@example.org"}, "is not a domain"),
        ({"domain": "exa mple"}, "is not a JID"),
        ({"secret": ""}, "openssl rand"),
        ({"nick": " "}, "cannot be a nick"),
        ({"people": ["me@example.org"]}, "write for example example.org"),
        ({"people": [""]}, "write for example example.org"),
        ({"domain": ""}, "write for example bridge.example.org"),
        ({"sekret": "x"}, "Extra inputs"),
    ],
)
def test_mistakes_are_told_with_what_to_write(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**changes)
    assert words in str(refused.value)


def test_no_secret_shows() -> None:
    assert "s3cret" not in repr(settings())
    assert "s3cret" not in repr(Account("office", "bridge.example.org", "s3cret", "127.0.0.1:5347"))


def test_the_snippets_say_what_the_servers_need() -> None:
    text = ADAPTER.registration(settings(secret='a"b\\c'), CONTEXT)
    assert 'Component "bridge.example.org"\n    component_secret = "a\\"b\\\\c"' in text
    start = text.index("  -\n    port")
    (listener,) = yaml.safe_load(text[start : text.index("# Then: ejabberdctl")])
    assert listener["hosts"] == {"bridge.example.org": {"password": 'a"b\\c'}}
    assert (listener["port"], listener["ip"], listener["module"]) == (5347, "127.0.0.1", "ejabberd_service")
    hostile = ADAPTER.registration(settings(secret='x"\nComponent "evil'), CONTEXT)
    assert '\nComponent "evil' not in hostile


def test_the_adapter_offers_what_it_is_said_to() -> None:
    factory: Factory = ADAPTER
    adapter: Adapter = factory.create(settings(), CONTEXT)
    for ability in (Puppeteer, Topical, Telling, Rechecking, Direct, Showing, Notifying):
        assert isinstance(adapter, ability)


def test_whose_people_are_at_home() -> None:
    adapter = ADAPTER.create(settings(people=["Example.NET"]), CONTEXT)
    assert isinstance(adapter, Direct)
    at_home = {
        native: adapter.at_home(Address("office", native))
        for native in ("a@example.org", "a@example.net", "a@x.example.org", "a@org", "r@example.org/occupant", "a@b.c")
    }
    assert [native for native, home in at_home.items() if home] == ["a@example.org", "a@example.net"]
    assert isinstance(adapter, Showing)
    assert isinstance(adapter, Notifying)
    # Before the start, which does no harm.
    kestrel = Presence(Address("libera", "kestrel"))
    adapter.show(kestrel)
    adapter.notify(Notify(Address("office", "a@b.c"), kestrel.presentity, "n", kestrel))
    assert settings(domain="bridge").home == frozenset()


# Memory and back-off


@given(ANYTHING.map(lambda text: text.replace("\ud800", "")), ANYTHING, st.none() | ANYTHING)
def test_what_is_remembered_is_read_again(nick: str, name: str, occupant_id: str | None) -> None:
    known = Remembered(Address("libera", "[a] b"), nick, name, occupant_id)
    stored = {memory.key("r@c", known.address): memory.write(known), "puppet r@c nonsense": "[]", "other": "x"}
    assert memory.write(known).isascii()
    assert list(memory.read("r@c", {key: value for key, value in stored.items() if key.startswith("puppet r@c ")})) == [
        known
    ]


@pytest.mark.parametrize("value", ["", "x", "[]", "{}", "[1, 2, 3]", '["a", "b", 3]', "null", '"abc"'])
def test_what_cannot_be_read_is_passed_over(value: str) -> None:
    assert memory.read_one(Address("libera", "a"), value) is None


def test_pauses_grow_up_to_a_limit_and_start_over() -> None:
    backoff = Backoff(1.0, 60.0, least=HALF)
    pauses = [backoff.next() for _ in range(100)]
    for number, pause in enumerate(pauses):
        longest = min(2.0**number, 60.0)
        assert longest / 2 <= pause <= longest
    backoff.reset()
    assert backoff.next() <= 1.0
