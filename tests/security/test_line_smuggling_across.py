"""Line smuggling, from every field of every other network to the bytes on the IRC connections.

What a Matrix or XMPP user can write anywhere is translated, reduced and sent as in the gateway; whatever they put
into it, only the commands that we meant reach the server.
"""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from adapters.irc.adapter import IrcAdapter
from adapters.matrix.translating import translate
from bridge.contract import Notice, Part, SendError, Voice
from bridge.downgrade import Refused, downgrade
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.event import Event, Joined, Left, PuppetGone, Renamed, TopicSet
from bridge.model.message import Message, MessageKind, Text
from bridge.model.presence import Activity, Basic, Presence, Tuple
from tests.networks.irc.irc_lab import RecordingCore, until
from tests.security.inside import IrcServer, calm, for_good, irc, xmpp
from tests.unit.matrix.scenes import ANA, KESTREL, member, pdu, scene
from tests.unit.xmpp.muc import BOT, ROOM

VEC = Place("libera", "#vec")
EVIL = [
    "hi\rOPER pwned x",
    "hi\nOPER pwned x",
    "hi\r\nOPER pwned x\r\n",
    "\0OPER pwned x",
    "\r\n\r\nOPER pwned x",
    "\n\r",
]
EVIL += ["\x01VERSION\x01", "a\x01\rOPER pwned x\x01", "\u2028OPER pwned x", "\x85OPER pwned x", "\ud800\nOPER pwned x"]
OURS = {b"CAP", b"NICK", b"USER", b"PASS", b"JOIN", b"PART", b"PRIVMSG", b"NOTICE", b"TOPIC", b"QUIT", b"PING", b"AWAY"}
OURS |= {b"MODE", b"NAMES", b"WHO", b"PONG", b"MONITOR", b"ISON", b"WHOIS"}


def check(server: IrcServer) -> list[bytes]:
    """Every line is one of ours, whole."""
    lines: list[bytes] = []
    for end in server.ends:
        assert end.written.endswith(b"\r\n") or not end.written
        own = end.written.split(b"\r\n")[:-1]
        for line in own:
            assert not set(line) & set(b"\r\n\0"), line
            assert line.split(b" ")[0] in OURS, line
            assert line.count(b"\x01") in (0, 2), line
        lines += own
    return lines


def matrix(evil: str) -> Iterable[Any]:
    """What a Matrix user can write anywhere: what the core gets of it."""
    named = {ANA: evil}
    pdus = [
        pdu("m.room.message", {"msgtype": "m.text", "body": evil}),
        pdu("m.room.message", {"msgtype": "m.emote", "body": evil}),
        pdu("m.room.message", {"msgtype": "m.notice", "body": evil}),
        pdu("m.room.message", {"msgtype": evil, "body": evil}),
        pdu("m.room.message", {"msgtype": "m.image", "body": evil, "filename": f"x{evil}", "url": evil,
                               "info": {"mimetype": evil}}),
        pdu("m.room.message", {"msgtype": "m.location", "body": evil, "geo_uri": f"geo:{evil}"}),
        pdu("m.reaction", {"m.relates_to": {"event_id": "$1", "key": evil, "rel_type": "m.annotation"}}),
        pdu("m.room.redaction", {"redacts": "$1", "reason": evil}),
        pdu("m.poll.start", {"m.poll": {"question": {"m.text": evil}}}),
        pdu(f"x{evil}", {"body": evil}),
        pdu("m.room.topic", {"topic": evil}, state_key=""),
        member(ANA, "join", displayname=evil),
        member(ANA, "leave", before="join", reason=evil),
        member(KESTREL, "leave", ANA, before="join", reason=evil),
        member(KESTREL, "ban", ANA, before="join", reason=evil),
    ]  # fmt: skip
    for each in pdus:
        yield from translate(each, scene(named)).items


async def from_xmpp(evil: str) -> list[Any]:
    """The same of an XMPP user; XML has no NUL, and a CR only as a reference."""
    text = "".join(f"&#{ord(each)};" for each in evil if each not in "\0\x01\ud800")
    async with xmpp() as (_, core, server):
        server.say(f"<message from='{ROOM}/Ana' to='{BOT}' type='groupchat' id='1'><body>{text}</body></message>")
        server.say(
            f"<message from='{ROOM}/Ana' to='{BOT}' type='groupchat' id='2'><body>/me {text}</body>"
            f"<subject>{text}</subject><thread>{text}</thread><x xmlns='jabber:x:oob'><url>{text}</url></x></message>"
        )
        server.say(f"<message from='{ROOM}/Ana' to='{BOT}' type='groupchat' id='3'><subject>{text}</subject></message>")
        nick = f"Bo{text}"
        user = "http://jabber.org/protocol/muc#user"
        server.say(
            f"<presence from='{ROOM}/{nick}' to='{BOT}'><x xmlns='{user}'><item role='participant'/></x></presence>"
            f"<message from='{ROOM}/{nick}' to='{BOT}' type='groupchat' id='4'><body>{text}</body></message>"
            f"<presence from='{ROOM}/{nick}' to='{BOT}' type='unavailable'><x xmlns='{user}'><item>"
            f"<actor nick='{nick}'/><reason>{text}</reason></item><status code='307'/></x></presence>"
        )
        await calm()
        return list(core.items)


async def carry(adapter: IrcAdapter, item: Any, numbers: "itertools.count[int]") -> None:
    """Do on IRC what follows from it, as the core would."""
    match item:
        case Event():
            for voice in Voice:
                try:
                    reduced = downgrade(item, voice, adapter.capabilities(VEC, item.sender, voice))
                except Refused:
                    continue
                if voice is Voice.PUPPET:
                    await adapter.join(VEC, item.sender)
                for kind, text in reduced.parts:
                    part = Part(f"p-{next(numbers)}", VEC, item.sender, voice, kind, text, 0.0, item.origin.native_id)
                    say(adapter, part)
        case TopicSet(_, text, by):
            await adapter.set_topic(VEC, text, by)
        case Joined(_, who) | Renamed(_, who):
            await adapter.join(VEC, who)
            await adapter.rename(VEC, replace(who, name=f"x{who.name}"))
        case Left(_, address, _, reason):
            await adapter.leave(VEC, address, reason)
        case PuppetGone():
            pass


def say(adapter: IrcAdapter, part: Part) -> None:
    try:
        adapter.send(part)
    except SendError as error:
        for_good(error)


@pytest.mark.parametrize("evil", EVIL, ids=[f"evil{number}" for number in range(len(EVIL))])
async def test_what_others_write_is_one_line_of_ours(evil: str, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [*matrix(evil), *await from_xmpp(evil)]
    assert {type(item).__name__ for item in items} >= {"Event", "TopicSet", "Joined", "Left", "PuppetGone"}
    async with irc(monkeypatch, puppets=100) as (adapter, _, server):
        for item in items:
            await carry(adapter, item, itertools.count())
        await calm()
        assert len(check(server)) > 20


@pytest.mark.parametrize("evil", EVIL, ids=[f"evil{number}" for number in range(len(EVIL))])
async def test_nothing_the_core_hands_over_uncleaned_is_more_than_a_line(
    evil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if no translator had cleaned anything: the serialiser has the last word."""
    async with irc(monkeypatch, puppets=100) as (adapter, core, server):
        who = Person(Address("home", f"@{evil}:example.org"), evil)
        await adapter.join(VEC, who)
        tell = Place("libera", f"kestrel{evil}", PlaceKind.USER)
        for voice, kind, place in itertools.product(Voice, MessageKind, (VEC, tell)):
            say(adapter, Part(f"p{voice}{kind}", place, who, voice, kind, Text(evil), 0.0, evil))
        shown = Tuple("x", Basic.OPEN, frozenset({Activity.AWAY}), notes=(("", evil),))
        adapter.show(Presence(who.address, (shown,)))
        adapter.watch(Address("libera", evil), wanted=True)
        for act in (
            lambda: adapter.set_topic(VEC, evil, who),
            lambda: adapter.rename(VEC, replace(who, name=f"y{evil}")),
            lambda: adapter.tell(Notice(VEC, Person(Address("libera", f"kestrel{evil}"), evil), evil, evil)),
            lambda: adapter.tell(Notice(VEC, Person(Address("libera", "kestrel"), "kestrel"), evil, evil)),
            lambda: adapter.meet(tell, who),
            lambda: adapter.leave(VEC, who.address, evil),
        ):
            try:
                await act()
            except SendError:
                continue
        await calm()
        check(server)
    assert not core.crashes


@pytest.mark.parametrize("gap", ["\r", "\0", "\r\0"])
async def test_from_one_irc_network_to_another(gap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that lets a bare CR or a NUL through does not make us say two lines elsewhere."""
    async with irc(monkeypatch) as (_, core, server):
        server.bot.say(f":kestrel!k@h PRIVMSG #vec :hi{gap}OPER pwned x\r\n:kestrel!k@h TOPIC #vec :x{gap}OPER y\r\n")
        server.bot.say(f":kestrel!k@h KICK #vec zoe :x{gap}OPER y\r\n")
        await until(lambda: core.all(TopicSet), "topic", lambda: core.items)
        heard: RecordingCore = core
    with monkeypatch.context() as other:
        async with irc(other) as (adapter, _, server):
            for item in heard.items:
                if isinstance(item, Event) and isinstance(item.content, Message):
                    assert not set(item.content.body.text) & set("\r\0")
                if not isinstance(item, Left):
                    await carry(adapter, item, itertools.count())
            await calm()
            check(server)
