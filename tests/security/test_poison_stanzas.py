"""Poison: any stanza that a server could route to us is dealt with, and what comes behind it is heard.

Bytes go in at the component's stream, through the real parser, dispatcher and intake, to a core that records. Valid
stanzas of every kind are taken as a beginning, and mutated.
"""

import asyncio
from copy import deepcopy
from typing import cast
from xml.etree.ElementTree import Element, fromstring, tostring

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.xmpp.account.adapter import AccountAdapter
from adapters.xmpp.account.settings import AccountSettings
from adapters.xmpp.account.stream import Stream
from adapters.xmpp.sanitise import checked
from bridge.contract import Core
from bridge.model.address import Address
from bridge.model.event import Event
from tests.networks.xmpp.xmpp_lab import CONTEXT, RecordingCore
from tests.security.inside import calm, xmpp
from tests.unit.xmpp.muc import BOT, DOMAIN, ROOM, USER

PUPPET = f"kestrel%libera@{DOMAIN}"
ANA = "ana@example.org/phone"
SID = "urn:xmpp:sid:0"
ERROR = "<error type='cancel'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text>no</text></error>"
DELAY = f"<delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='2020-01-01T00:00:00Z'/>"
MORE = [
    f"<stanza-id xmlns='{SID}' id='9' by='{ROOM}'/><origin-id xmlns='{SID}' id='1'/>",
    "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='abc'/>",
    DELAY,
    "<x xmlns='jabber:x:delay' stamp='20020910T23:08:25'/>",
    "<replace xmlns='urn:xmpp:message-correct:0' id='1'/>",
    "<reply xmlns='urn:xmpp:reply:0' to='x@y' id='1'/><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'>"
    "<body start='0' end='3'/></fallback>",
    "<reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>👍</reaction></reactions>",
    "<apply-to xmlns='urn:xmpp:fasten:0' id='1'><retract xmlns='urn:xmpp:message-retract:0'/></apply-to>",
    "<retract xmlns='urn:xmpp:message-retract:1' id='1'/>",
    "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>",
    "<encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:otr:0' name='OTR'/>",
    "<x xmlns='jabber:x:oob'><url>https://example.org/x.jpg</url></x>",
    "<thread parent='x'>t</thread><subject>s</subject>",
    "<active xmlns='http://jabber.org/protocol/chatstates'/><markable xmlns='urn:xmpp:chat-markers:0'/>",
    f"<x xmlns='{USER}'><invite from='x@y'><reason>come</reason></invite><status code='104'/></x>",
    "<nick xmlns='http://jabber.org/protocol/nick'>Ana</nick>",
    "<rialto xmlns='urn:x-rialto:bridge' hops='3' stands-for='xmpp:a@b'/>",
    "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>x</body></message></forwarded>",
    "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p>x</p></body></html>",
]


def occupant(nick: str, more: str = "", kind: str = "", item: str = "role='participant'", inner: str = "") -> str:
    return (
        f"<presence from='{ROOM}/{nick}' to='{BOT}'{kind}><x xmlns='{USER}'><item affiliation='none' {item}>{inner}"
        f"</item>{more}</x></presence>"
    )


GONE = " type='unavailable'"
VALID = [
    *(f"<message from='{ROOM}/A' to='{BOT}' type='groupchat' id='1'><body>hi</body>{more}</message>" for more in MORE),
    *(f"<message from='{ANA}' to='{PUPPET}' type='chat' id='1'><body>hi</body>{more}</message>" for more in MORE),
    f"<message from='{ROOM}/Ana' to='{PUPPET}/rialto' type='chat' id='1'><body>hi</body><x xmlns='{USER}'/></message>",
    f"<message from='{ROOM}' to='{BOT}' type='groupchat'><subject>tea</subject></message>",
    f"<message from='{ROOM}' to='{BOT}' id='1'><x xmlns='jabber:x:conference' jid='{ROOM}' reason='come'/></message>",
    f"<message from='{ANA}' to='{BOT}' type='chat' id='1'><body>@bo:example.org hello</body></message>",
    f"<message from='{ANA}' to='{PUPPET}' type='error' id='1'>{ERROR}</message>",
    f"<message from='{ROOM}' to='{BOT}' type='error' id='1'>{ERROR}</message>",
    f"<message from='{ANA}' to='{PUPPET}' type='headline'><body>x</body></message>",
    occupant("Bo", item="role='moderator' jid='bo@example.org/x' nick='Bo'"),
    occupant("Bo", kind=GONE, item="role='none'"),
    occupant("Bo", "<status code='303'/>", GONE, "nick='Bob'"),
    occupant("Bo", "<status code='307'/>", GONE, "role='none'", "<actor nick='Ana'/><reason>out</reason>"),
    occupant("Bo", "<status code='301'/>", GONE, "affiliation2='outcast'"),
    occupant("Bo", "<destroy jid='other@conference.example.org'><reason>x</reason></destroy>", GONE),
    occupant("Bo", "<status code='110'/><status code='210'/><status code='201'/>"),
    f"<presence from='{ROOM}/rialto' to='{BOT}' type='error' id='1'><x xmlns='{USER[:-5]}'/>{ERROR}</presence>",
    f"<presence from='{ANA}' to='{PUPPET}'><show>away</show><status>tea</status><priority>5</priority>"
    "<idle xmlns='urn:xmpp:idle:1' since='2020-01-01T00:00:00Z'/><c xmlns='http://jabber.org/protocol/caps' node='x' "
    f"hash='sha-1' ver='x'/>{DELAY}</presence>",
    *(f"<presence from='ana@example.org' to='{PUPPET}' type='{kind}'/>"
      for kind in ("subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "unavailable", "error")),
    *(f"<iq from='{ANA}' to='{to}' type='{kind}' id='1'><query xmlns='{space}' node='x'/></iq>"
      for to in (DOMAIN, BOT, PUPPET)
      for kind, space in (
          ("get", "http://jabber.org/protocol/disco#info"), ("get", "http://jabber.org/protocol/disco#items"),
          ("set", "jabber:iq:roster"), ("get", "jabber:iq:version"), ("get", "jabber:iq:last"),
          ("set", "jabber:iq:register"), ("result", "http://jabber.org/protocol/disco#info"), ("error", "x"),
      )),
    f"<iq from='{ANA}' to='{PUPPET}/rialto' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    f"<iq from='{ANA}' to='{PUPPET}' type='get' id='1'><vCard xmlns='vcard-temp'/></iq>",
    f"<iq from='{ROOM}' to='{BOT}' type='result' id='1'/>",
]  # fmt: skip

WORDS = [
    *(
        "",
        " ",
        "x",
        "/",
        "@",
        "a@",
        "@b",
        "a@b/",
        "a/b@c",
        "a@b@c/d/e",
        "\u202e",
        "\n",
        "\t",
        "é" * 2000,
        "%",
        "%%",
        "^",
    ),
    *(f"#tea%libera@{DOMAIN}", f"%libera@{DOMAIN}", f"^%^%@{DOMAIN}", f"\\20@{DOMAIN}", f"@{DOMAIN}", f".{DOMAIN}"),
    *(
        BOT,
        PUPPET,
        f"{PUPPET}/rialto",
        DOMAIN,
        ROOM,
        f"{ROOM}/",
        f"{ROOM}/rialto",
        f"{ROOM}/Ana",
        ANA,
        "a@b/" + "c" * 1024,
    ),
    *("groupchat", "chat", "normal", "headline", "error", "get", "set", "result", "unavailable", "subscribe", "probe"),
    *("2020-13-45T99:99:99Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:60+14:00", "-1", "1e999", "NaN", "9" * 5000),
    *("101", "110", "303", "307", "301", "321", "99999999999999999999", "0x1", "²", "true", "none", "moderator"),
]
NAMES = [
    *("{jabber:component:accept}body", "{jabber:component:accept}error", "{jabber:component:accept}subject", "body"),
    *(
        "{jabber:component:accept}message",
        f"{{{USER}}}x",
        f"{{{USER}}}item",
        f"{{{USER}}}status",
        "{urn:xmpp:delay}delay",
    ),
    *(f"{{{SID}}}stanza-id", f"{{{SID}}}origin-id", "{urn:xmpp:reply:0}reply", "{urn:xmpp:reactions:0}reactions"),
    *("{urn:xmpp:fallback:0}fallback", "{jabber:x:oob}x", "{jabber:x:data}x", "{x}odd", "{urn:xmpp:ping}ping"),
]
ATTRIBUTES = [
    *("from", "to", "id", "type", "stamp", "code", "jid", "nick", "by", "since", "start", "end", "for", "hops", "node"),
    *("{http://www.w3.org/XML/1998/namespace}lang", "affiliation", "role", "parent", "url", "{x}odd"),
]
PARSED = [fromstring(f"<s xmlns='jabber:component:accept'>{text}</s>")[0] for text in VALID]


@st.composite
def stanzas(draw: st.DrawFn) -> bytes:
    """A valid stanza in which something, at any depth, is odd, gone, doubled or elsewhere."""
    stanza = deepcopy(draw(st.sampled_from(PARSED)))
    for _ in range(draw(st.integers(0, 4))):
        everything = list(stanza.iter())
        element = draw(st.sampled_from(everything))
        other = draw(st.sampled_from(everything))
        match draw(st.integers(0, 7)):
            case 0 | 1:
                element.set(draw(st.sampled_from(ATTRIBUTES)), draw(st.sampled_from(WORDS)))
            case 2 if element.attrib:
                name = draw(st.sampled_from(sorted(element.attrib)))
                element.set(name, draw(st.sampled_from(WORDS)))
            case 3 if element.attrib:
                del element.attrib[draw(st.sampled_from(sorted(element.attrib)))]
            case 4:
                element.text = draw(st.sampled_from(WORDS))
            case 5:
                element.append(deepcopy(other))
            case 6 if len(element):
                element.remove(draw(st.sampled_from(list(element))))
            case 7:
                element.append(Element(draw(st.sampled_from(NAMES)), {"id": draw(st.sampled_from(WORDS))}))
    return tostring(stanza)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(stanzas(), min_size=1, max_size=12))
def test_any_stanza_is_dealt_with_and_what_is_behind_it_is_heard(given: list[bytes]) -> None:
    async def take() -> None:
        async with xmpp() as (_, core, server):
            for stanza in given:
                server.say(stanza)
            await calm()
            assert "not understood" not in core.ignores, "nothing that can be foreseen is left to the last resort"
            for item in core.items:
                if isinstance(item, Event):
                    item.origin.native_id.encode()
                    assert "\0" not in item.origin.native_id

    asyncio.run(take())


@pytest.mark.parametrize("stanza", VALID)
async def test_each_valid_stanza_is_dealt_with(stanza: str) -> None:
    async with xmpp() as (_, core, server):
        server.say(stanza)
        await calm()
        assert "not understood" not in core.ignores


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(stanzas(), min_size=1, max_size=12))
def test_any_stanza_to_an_account_is_dealt_with_and_what_is_behind_it_is_heard(given: list[bytes]) -> None:
    """In place of the stream, whose own defences have their tests, stands what takes every stanza that may be sent."""

    async def forever(_: Stream) -> None:
        await asyncio.Event().wait()

    async def nothing(_: Stream, within: float = 0) -> None:
        return

    async def take() -> None:
        core = RecordingCore(ROOM)
        account = AccountSettings(mode="client", jid="bot@example.org", password=SecretStr("secret"))
        adapter = AccountAdapter(account, CONTEXT)
        await adapter.start(cast(Core, core))
        try:
            adapter.opened()
            for stanza in given:
                adapter.received(fromstring(stanza))
            await calm()
            adapter.received(
                fromstring(
                    "<message xmlns='jabber:component:accept' from='zoe@example.org/x' type='chat' id='last'>"
                    f"<body>{Address('libera', 'kestrel')} still there</body></message>"
                )
            )
            await core.heard("still there", 10.0)
            assert not core.crashes
            assert "not understood" not in core.ignores, "nothing that can be foreseen is left to the last resort"
        finally:
            await adapter.stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stream, "prepare", nothing)
        patch.setattr(Stream, "close", nothing)
        patch.setattr(Stream, "run", forever)
        patch.setattr(Stream, "write", lambda _, stanza: fromstring(b"<s>" + checked(stanza) + b"</s>"))
        asyncio.run(take())
