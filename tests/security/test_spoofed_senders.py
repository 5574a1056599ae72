"""Spoofed senders: nobody speaks as one of ours, nobody of ours is taken for a person, nobody speaks for another.

Puppets and the bot are ours alone: what claims to come from one of them is our own echo, or a forgery; in either case
nothing of it may reach the other networks.
"""

import json

import pytest

from bridge.model.event import Event
from bridge.model.message import Message
from tests.security.fortress import HS_TOKEN, PUSH
from tests.security.inside import calm, irc, xmpp
from tests.security.test_poison_transactions import attached
from tests.unit.matrix.scenes import ANA, KESTREL, OURS, member, pdu
from tests.unit.xmpp.muc import BOT, DOMAIN, ROOM

TEXT = {"msgtype": "m.text", "body": "forged"}
STAMPED = TEXT | {"org.rialto.bridge": {"part": "01HZX-1-0", "hops": 70, "stands_for": "irc:libera/kestrel"}}
PUPPET = f"kestrel%libera@{DOMAIN}"

# Matrix


@pytest.mark.parametrize("sender", [KESTREL, OURS.bot_id, "@_rialto_office_ana=40example.org:example.org"])
@pytest.mark.parametrize("content", [TEXT, STAMPED], ids=["plain", "stamped"])
async def test_an_event_by_one_of_ours_is_no_persons(sender: str, content: dict[str, object]) -> None:
    async with attached() as (standing, core):
        events = [
            pdu("m.room.message", content, sender),
            pdu("m.room.message", content, sender, event_id="$private", room_id="!private"),
            pdu("m.room.topic", {"topic": "forged"}, sender, state_key="", event_id="$topic"),
            pdu("m.reaction", {"m.relates_to": {"event_id": "$1", "key": "x"}}, sender, event_id="$reaction"),
            pdu("m.room.redaction", {"redacts": "$1"}, sender, event_id="$redaction"),
        ]
        assert await standing.push(*events) == 200
        assert not core.events()


async def test_a_stamp_of_ours_on_a_strangers_event_confirms_nothing() -> None:
    async with attached() as (standing, core):
        assert await standing.push(pdu("m.room.message", STAMPED, ANA)) == 200
        assert not core.late
        assert [event.sender.address.native for event in core.events()] == [ANA]


@pytest.mark.parametrize(
    "sender",
    [
        "@_rialto_libera_kestrel:evil.org",
        "@_rialto_libera_kestrel:example.org.evil.org",
        "@rialto:evil.org",
        "@x_rialto_libera_kestrel:example.org",
        "@_RIALTO_libera_kestrel:example.org",
    ],
)
@pytest.mark.conforms("RFC2779:5.1.1", "RFC2779:5.3.3")
async def test_a_puppets_name_elsewhere_is_somebody_elses(sender: str) -> None:
    async with attached() as (standing, core):
        assert await standing.push(pdu("m.room.message", STAMPED, sender)) == 200
        assert [event.sender.address.native for event in core.events()] == [sender]
        assert not core.late


@pytest.mark.parametrize("sender", ["kestrel", "@", "@:example.org", "@a b:example.org\n", "", None, 5, "@a:b\0"])
@pytest.mark.conforms("RFC2779:5.4.3")
async def test_a_sender_that_is_none_is_nobody(sender: object) -> None:
    async with attached() as (standing, core):
        body = json.dumps({"events": [pdu("m.room.message", TEXT) | {"sender": sender}]}).encode()
        assert await standing.ask("PUT", PUSH, token=HS_TOKEN, body=body) == 200
        assert all(event.sender.address.native.isprintable() for event in core.events())
        if not isinstance(sender, str) or ":" not in sender:
            assert not core.events()


async def test_a_member_cannot_speak_of_another() -> None:
    """Whose membership changes is whom the state key names: ours go by the word of the homeserver, and by no display
    name."""
    async with attached() as (standing, core):
        named = member(ANA, "join", displayname="kestrel") | {"event_id": "$1"}
        assert await standing.push(named, pdu("m.room.message", TEXT, ANA)) == 200
        assert [event.sender.address.native for event in core.events()] == [ANA]


# XMPP


def texts(items: list[object]) -> list[tuple[str, str]]:
    return [
        (str(item.sender.address.native), item.content.body.text)
        for item in items
        if isinstance(item, Event) and isinstance(item.content, Message) and item.content.body.text != "still there"
    ]


@pytest.mark.parametrize("sender", [PUPPET, f"{PUPPET}/rialto", BOT, DOMAIN, f"{DOMAIN}/x", f"nobody@{DOMAIN}/x"])
@pytest.mark.parametrize("kind", ["chat", "normal", "groupchat", "headline", "error"])
@pytest.mark.conforms("RFC2779:2.3.4", "RFC2779:5.2.4")
async def test_a_stanza_from_our_own_domain_is_nobodys(sender: str, kind: str) -> None:
    async with xmpp() as (_, core, server):
        for to in (f"bo%example.org@{DOMAIN}", BOT, DOMAIN, PUPPET):
            server.say(
                f"<message from='{sender}' to='{to}' type='{kind}' id='1'><body>forged</body></message>"
                f"<presence from='{sender}' to='{to}'/><presence from='{sender}' to='{to}' type='subscribe'/>"
            )
        await calm()
        assert texts(list(core.items)) == []
        assert not core.watches
        assert not [presence for presence in core.shown if str(presence.presentity.native).endswith(DOMAIN)]


@pytest.mark.conforms("RFC2779:5.3.3")
async def test_an_occupant_with_a_puppets_name_is_themself() -> None:
    async with xmpp() as (_, core, server):
        server.occupant("kestrel", jid="mallory@evil.org/x")
        server.say(
            f"<message from='{ROOM}/kestrel' to='{BOT}' type='groupchat' id='01HZX-1-0'><body>forged</body>"
            f"<stanza-id xmlns='urn:xmpp:sid:0' id='9' by='{ROOM}'/><origin-id xmlns='urn:xmpp:sid:0' id='01HZX-1-0'/>"
            "</message>"
        )
        await core.heard("forged")
        assert texts(list(core.items)) == [("mallory@evil.org", "forged")]
        assert core.receipts == {}, "our id on a stranger's line confirms nothing"


@pytest.mark.parametrize(
    "sender", [f"{ROOM}x/Ana", "hall@conference.evil.org/Ana", f"x{ROOM}", f"{ROOM.upper()}/Ana", f"{ROOM}/"]
)
async def test_what_looks_like_a_room_is_none(sender: str) -> None:
    async with xmpp() as (_, core, server):
        server.say(f"<message from='{sender}' to='{BOT}' type='groupchat' id='1'><body>forged</body></message>")
        await calm()
        assert texts(list(core.items)) == []


async def test_the_name_of_a_direct_message_is_its_address_whatever_it_says() -> None:
    async with xmpp() as (_, core, server):
        server.say(
            f"<message from='mallory@evil.org/x' to='{PUPPET}' type='chat' id='1'><body>hello</body>"
            "<nick xmlns='http://jabber.org/protocol/nick'>ana@example.org</nick>"
            "<addresses xmlns='http://jabber.org/protocol/address'><address type='ofrom' jid='ana@example.org'/>"
            "</addresses><delay xmlns='urn:xmpp:delay' from='ana@example.org' stamp='2020-01-01T00:00:00Z'/></message>"
        )
        event = await core.heard("hello")
        assert event.sender.address.native == "mallory@evil.org"


@pytest.mark.parametrize("space", ["urn:xmpp:carbons:2", "urn:xmpp:forward:0", "urn:xmpp:mam:2"])
@pytest.mark.conforms("RFC2779:5.4.3")
async def test_a_forwarded_message_of_a_strangers_is_not_believed(space: str) -> None:
    """As CVE-2017-5589 and its kin: a copy in an envelope that anybody can write."""
    async with xmpp() as (_, core, server):
        inner = (
            f"<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='ana@example.org/x' "
            f"to='{PUPPET}' type='chat'><body>forged</body></message></forwarded>"
        )
        for name in ("received", "sent", "result", "forwarded"):
            server.say(
                f"<message from='mallory@evil.org/x' to='{PUPPET}' id='1'><{name} xmlns='{space}'>{inner}</{name}>"
                "</message>"
            )
        await calm()
        assert texts(list(core.items)) == []


# IRC


@pytest.mark.parametrize(
    "source", ["rialto!u@h", "Rialto!u@h", "rialto", "s", "s.example.org", "NickServ!s@services", "ChanServ!s@h"]
)
async def test_our_own_nick_a_server_and_services_are_no_people(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with irc(monkeypatch) as (_, core, server):
        for target in ("#vec", "rialto"):
            server.bot.say(f":{source} PRIVMSG {target} :forged\r\n:{source} NOTICE {target} :forged\r\n")
        server.bot.say(":kestrel!k@h PRIVMSG #vec :fence\r\n")
        await calm()
        assert [text for _, _, text in core.said()] == ["fence"]


@pytest.mark.conforms("RFC2779:5.4.3", "RFC2779:5.1.12")
async def test_tags_of_a_client_say_nothing_of_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async with irc(monkeypatch) as (_, core, server):
        server.bot.say("@account=ana;+draft/reply=1;+rialto.org/part=01HZX-1-0 :kestrel!k@h PRIVMSG #vec :hi\r\n")
        await calm()
        assert [(name, text) for name, _, text in core.said()] == [("kestrel", "hi")]
