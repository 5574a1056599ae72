"""Stanza injection: nothing that anybody writes elsewhere becomes markup, an attribute, or a stanza of its own, and no
character that XML forbids reaches the component's stream, which the server would end for everybody."""

import itertools
from dataclasses import replace
from functools import partial
from xml.etree.ElementTree import Element

import pytest

from bridge.contract import NoPuppetError, Notice, Part, SendError, Voice
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.message import MessageKind, Text
from bridge.model.presence import Activity, Basic, Presence, Tuple
from bridge.model.result import Failure, Reason
from tests.security.inside import XmppServer, calm, for_good, xmpp
from tests.unit.xmpp.muc import DOMAIN, ROOM

HALL = Place("office", ROOM)
EVIL = [
    "</body></message><message from='admin@example.org' to='x'><body>pwned",
    "'/><iq type='set' id='pwned'/><presence x='",
    '"/><iq type="set" id="pwned"/><presence x="',
    "]]><pwned/>",
    "<![CDATA[<pwned/>]]>",
    "<!-- pwned --><?pwned x?>",
    "&lt;pwned/&gt;&#60;pwned/&#62;&pwned;",
    "<!DOCTYPE x [<!ENTITY pwned 'x'>]>&pwned;",
    "</stream:stream>",
    "\0\x01\x08\x0b\x0c\x1f\ufffe\uffff\ud800\udfff pwned",
    "\x1b[31mpwned\x9b",
    "<stream:error xmlns:stream='http://etherx.jabber.org/streams'><pwned/></stream:error>",
]
TAGS = {"message", "presence", "iq"}


def check(server: XmppServer) -> None:
    """Whatever was written is of ours; all words of it stand as text."""
    assert not server.faults
    for stanza in server.written:
        assert stanza.tag in TAGS
        for element in stanza.iter():
            assert isinstance(element.tag, str)
            assert "pwned" not in element.tag
            assert all("pwned" not in name for name in element.keys())  # noqa: SIM118 - an element is no mapping
        assert stanza.get("id") != "pwned"
        assert "pwned" not in (stanza.get("type") or "")


@pytest.mark.parametrize("evil", EVIL, ids=[f"evil{number}" for number in range(len(EVIL))])
async def test_words_stay_words(evil: str) -> None:
    async with xmpp() as (adapter, _, server):
        who = Person(Address("libera", "kestrel"), evil)
        await adapter.join(HALL, who)
        user = Place("office", "ana@example.org", PlaceKind.USER)
        numbers = itertools.count()
        for voice, kind, place in itertools.product(Voice, MessageKind, (HALL, user)):
            text = Text(evil, language=evil)
            part = Part(f"p-{next(numbers)}", place, who, voice, kind, text, 1e9, evil)
            try:
                adapter.send(part).confirmation.add_done_callback(_seen)
            except SendError as error:
                for_good(error)
        shown = Tuple("x", Basic.OPEN, frozenset({Activity.AWAY}), notes=((evil, evil), ("", evil)), since=-1e30)
        adapter.show(Presence(who.address, (shown,)))
        await adapter.rename(HALL, replace(who, name=f"y{evil}"))
        ana = Person(Address("office", "ana@example.org"), evil)
        failure = Failure(Reason.FORBIDDEN, evil)
        for notice in (Notice(HALL, ana, evil, evil), Notice(user, ana, evil, evil, who.address, failure)):
            try:
                await adapter.tell(notice)
            except SendError:
                continue
        await adapter.leave(HALL, who.address, evil)
        await calm()
        check(server)
        said = [stanza.findtext("body") or "" for stanza in server.written if stanza.tag == "message"]
        assert any("pwned" in text or "stream" in text for text in said)


@pytest.mark.parametrize("evil", EVIL, ids=[f"evil{number}" for number in range(len(EVIL))])
@pytest.mark.parametrize("where", ["native", "place"])
async def test_names_stay_names(evil: str, where: str) -> None:
    """Addresses of other networks become JIDs of ours; addresses of this one come from its own stanzas."""
    async with xmpp() as (adapter, _, server):
        who = Person(Address("libera", f"k{evil}" if where == "native" else "kestrel"), "kestrel")
        user = Place("office", f"{evil}@example.org" if where == "place" else "ana@example.org", PlaceKind.USER)
        for act in (partial(adapter.join, HALL), partial(adapter.meet, user)):
            try:
                await act(who)
            except (SendError, NoPuppetError):
                continue
        try:
            sent = adapter.send(Part("p-1", user, who, Voice.PUPPET, MessageKind.TEXT, Text("hi"), 1e9))
            sent.confirmation.add_done_callback(_seen)
        except SendError as error:
            for_good(error)
        await calm()
        check(server)


@pytest.mark.parametrize(
    "mid", ["'/><pwned/>", "&lt;pwned/&gt;", "&quot;&gt;&lt;pwned/&gt;", "a" * 100_000, "&#13;&#10;&#9;", ""]
)
@pytest.mark.parametrize("name", ["iq", "message"])
async def test_what_we_answer_carries_a_strangers_id_as_it_was(name: str, mid: str) -> None:
    async with xmpp() as (_, _, server):
        payload = "<query xmlns='jabber:iq:version'/>" if name == "iq" else "<body>to nobody</body>"
        kind = "get" if name == "iq" else "chat"
        quoted = mid.replace("'/><pwned/>", "&apos;/&gt;&lt;pwned/&gt;")
        server.written.clear()
        server.say(f"<{name} from='x@y/z' to='no\\20body@{DOMAIN}' type='{kind}' id='{quoted}'>{payload}</{name}>")
        await calm()
        check(server)
        (answer,) = _to(server, "x@y/z")
        sent: Element = answer
        assert sent.get("type") == "error"
        assert "pwned" not in "".join(child.tag for child in sent)


def _to(server: XmppServer, jid: str) -> list[Element]:
    return [stanza for stanza in server.written if stanza.get("to") == jid]


def _seen(future: object) -> None:
    getattr(future, "cancelled")() or getattr(future, "exception")()  # noqa: B009
