"""What comes in, by tables after the examples of the XEPs, and by whatever is well-formed."""

from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.xmpp.inbound import is_self, read_line, read_presence
from adapters.xmpp.presence import read_time
from bridge.model.message import (
    Media,
    MediaKind,
    Message,
    MessageKind,
    Opaque,
    Retraction,
    Span,
    Style,
    Text,
)
from bridge.model.result import Reason

ROOM = "coven@chat.shakespeare.lit"


def message(inner: str, nick: str = "/thirdwitch", attributes: str = "") -> Element:
    return fromstring(
        f'<message xmlns="jabber:component:accept" from="{ROOM}{nick}" type="groupchat" id="m1" {attributes}>'
        f"{inner}</message>"
    )


def presence(inner: str, attributes: str = "") -> Element:
    return fromstring(
        f'<presence xmlns="jabber:component:accept" from="{ROOM}/thirdwitch" {attributes}>{inner}</presence>'
    )


CAT = "https://upload.example.org/a%20b/cat.jpg"

CONTENTS = {
    "<body>Harpier cries</body>": Message(Text("Harpier cries")),
    "<body/>": Message(Text("")),
    '<body xml:lang="de">Hexe</body><body>witch</body>': Message(Text("witch")),
    "<body>/me stirs</body>": Message(Text("stirs"), MessageKind.EMOTE),
    "<body>/mesmerise</body>": Message(Text("/mesmerise")),
    "<subject>on toads</subject><body>ribbit</body>": Message(Text("ribbit"), subject=Text("on toads")),
    "<body>ribbit</body><thread>t1</thread>": Message(Text("ribbit"), thread="t1"),
    # XEP-0308 example 4
    "<body>window</body><replace id='bad1' xmlns='urn:xmpp:message-correct:0'/>": Message(
        Text("window"), replaces="bad1"
    ),
    # XEP-0461 example 4, XEP-0428
    "<body>&gt; cake\nGreat</body><reply to='x@y' id='m0' xmlns='urn:xmpp:reply:0'/>"
    "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='7'/></fallback>": Message(
        Text("> cake\nGreat", (Span(0, 7, Style.QUOTE),)), reply_to="m0"
    ),
    "<body>ab</body><reply id='m0' xmlns='urn:xmpp:reply:0'/><fallback xmlns='urn:xmpp:fallback:0'"
    " for='urn:xmpp:reply:0'><body start='-1' end='99999999999999'/></fallback>": Message(
        Text("ab", (Span(0, 2, Style.QUOTE),)), reply_to="m0"
    ),
    # XEP-0066 example 5
    f"<body>{CAT}</body><x xmlns='jabber:x:oob'><url>{CAT}</url></x>": Message(
        Text(""), parts=(Media(MediaKind.IMAGE, "cat.jpg", CAT),)
    ),
    f"<body>look</body><x xmlns='jabber:x:oob'><url>{CAT}</url></x>": Message(
        Text("look"), parts=(Media(MediaKind.IMAGE, "cat.jpg", CAT),)
    ),
    "<body>look</body><x xmlns='jabber:x:oob'><url>http://[bad</url></x>": Message(
        Text("look"), parts=(Media(MediaKind.FILE, "file", "http://[bad"),)
    ),
    # XEP-0447 example 1
    "<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'><media-type>image/jpeg</media-type>"
    "<name>summit.jpg</name><size>3032449</size></file><sources><url-data xmlns='http://jabber.org/protocol/url-data'"
    f" target='{CAT}'/></sources></file-sharing>": Message(
        Text(""), parts=(Media(MediaKind.IMAGE, "summit.jpg", CAT, "image/jpeg", 3032449),)
    ),
    # XEP-0424 example 4
    "<retract id='s1' xmlns='urn:xmpp:message-retract:1'/><body>/me retracted a message</body>": Retraction("s1"),
    "<apply-to id='s1' xmlns='urn:xmpp:fasten:0'><retract xmlns='urn:xmpp:message-retract:0'/></apply-to>": Retraction(
        "s1"
    ),
    # XEP-0380, OMEMO
    "<encrypted xmlns='eu.siacs.conversations.axolotl'><header/><payload>x</payload></encrypted><body>no OMEMO</body>"
    "<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl'/>": Opaque("an encrypted message"),
    "<body>This message is encrypted</body><encryption xmlns='urn:xmpp:eme:0' namespace='x'/>": Opaque(
        "an encrypted message"
    ),
}


@pytest.mark.conforms("RFC3922:4.1.6", "RFC3922:4.1.7", "RFC3922:4.1.8")
@pytest.mark.parametrize(("inner", "content"), CONTENTS.items())
def test_contents(inner: str, content: object) -> None:
    line = read_line(message(inner), ROOM)
    assert line.content == content
    assert line.encrypted is isinstance(content, Opaque)
    assert (line.nick, line.message_id) == ("thirdwitch", "m1")


LABELS = {
    "": "nothing said",
    "<composing xmlns='http://jabber.org/protocol/chatstates'/>": "typing",
    "<received xmlns='urn:xmpp:receipts' id='x'/>": "receipt",
    "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>": "read marker",
    "<subject>a</subject><thread>b</thread>": "nothing said",
    "<unknown xmlns='urn:example'/>": "nothing said",
    "<encrypted xmlns='eu.siacs.conversations.axolotl'><header/></encrypted>": "encryption keys",
    "<retract id='s1' xmlns='urn:xmpp:message-retract:1'>"
    "<moderated by='coven@chat.shakespeare.lit/x' xmlns='urn:xmpp:message-moderate:1'/></retract>": "false moderation",
}


@pytest.mark.conforms("RFC3922:4.1.8")
@pytest.mark.parametrize(("inner", "label"), LABELS.items())
def test_what_says_nothing_has_a_label(inner: str, label: str) -> None:
    line = read_line(message(inner), ROOM)
    assert (line.content, line.subject, line.reactions, line.label) == (None, None, None, label)


def test_a_subject() -> None:
    assert read_line(message("<subject>Fire Burn</subject>"), ROOM).subject == Text("Fire Burn")
    assert read_line(message("<subject/>"), ROOM).subject == Text("")


def test_reactions() -> None:
    inner = "<reactions id='s1' xmlns='urn:xmpp:reactions:0'><reaction>A</reaction><reaction> A </reaction>"
    inner += "<reaction/><reaction>B</reaction></reactions>"
    assert read_line(message(inner), ROOM).reactions == ("s1", ("A", "B"))
    assert read_line(message("<reactions id='s1' xmlns='urn:xmpp:reactions:0'/>"), ROOM).reactions == ("s1", ())


def test_what_is_kept_in_memory_is_bounded() -> None:
    inner = "".join(f"<reaction>{number}</reaction>" for number in range(100)) + f"<reaction>{'x' * 65}</reaction>"
    line = read_line(message(f"<reactions id='s1' xmlns='urn:xmpp:reactions:0'>{inner}</reactions>"), ROOM)
    assert line.reactions is not None
    assert len(line.reactions[1]) == 20
    long = "i" * 513
    sids = f"<stanza-id xmlns='urn:xmpp:sid:0' id='{long}' by='{ROOM}'/><origin-id xmlns='urn:xmpp:sid:0' id='{long}'/>"
    occupant = f"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{long}'/>"
    line = read_line(message(f"<body>x</body>{sids}{occupant}"), ROOM)
    assert (line.stanza_id, line.origin_id, line.occupant_id) == (None, "", None)


def test_moderation_by_the_room_itself() -> None:
    inner = (
        "<retract id='s1' xmlns='urn:xmpp:message-retract:1'><moderated by='coven@chat.shakespeare.lit/macbeth'"
        " xmlns='urn:xmpp:message-moderate:1'/><reason>spam</reason></retract>"
    )
    line = read_line(message(inner, nick=""), ROOM)
    assert (line.content, line.moderator) == (Retraction("s1", "spam", vouched=True), "macbeth")
    old = (
        "<apply-to id='s1' xmlns='urn:xmpp:fasten:0'><moderated by='coven@chat.shakespeare.lit/macbeth'"
        " xmlns='urn:xmpp:message-moderate:0'><retract xmlns='urn:xmpp:message-retract:0'/><reason>spam</reason>"
        "</moderated></apply-to>"
    )
    line = read_line(message(old, nick=""), ROOM)
    assert (line.content, line.moderator) == (Retraction("s1", "spam", vouched=True), "macbeth")


def test_ids_and_times_only_by_the_room() -> None:
    inner = (
        "<body>x</body><stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='other@chat.shakespeare.lit'/>"
        f"<stanza-id xmlns='urn:xmpp:sid:0' id='real' by='{ROOM}'/><origin-id xmlns='urn:xmpp:sid:0' id='o1'/>"
        "<delay xmlns='urn:xmpp:delay' from='me@home' stamp='1999-01-01T00:00:00Z'/>"
        f"<delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='2002-10-13T23:58:37Z'/>"
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='occ'/>"
        "<addresses xmlns='http://jabber.org/protocol/address'><address type='ofrom' jid='Hag66@shakespeare.lit/pda'/>"
        "</addresses>"
    )
    line = read_line(message(inner), ROOM)
    assert (line.stanza_id, line.origin_id, line.occupant_id) == ("real", "o1", "occ")
    assert (line.stamp, line.real_jid) == (1034553517.0, "hag66@shakespeare.lit")
    forged = read_line(message("<body/><delay xmlns='urn:xmpp:delay' from='me@x' stamp='1999-01-01T00:00:00Z'/>"), ROOM)
    assert forged.stamp is None


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T01:00:01+01:00", 1.0),
        ("1970-01-01T00:00:01.250Z", 1.25),
        ("19700101T00:00:01", 1.0),
        ("", None),
        (None, None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+23:59", None),
    ],
)
def test_times(text: str | None, when: float | None) -> None:
    found = read_time(text)
    assert found == when or (text is not None and text.startswith("0001") and (found is None or found < 0))


# After XEP-0045 examples 21, 23, 50, 90, 92, 113, 205.
USER = "http://jabber.org/protocol/muc#user"


def test_arrivals() -> None:
    plain = presence(f"<x xmlns='{USER}'><item affiliation='member' role='participant'/></x>")
    read = read_presence(plain)
    assert (read.nick, read.available, read.real_jid, is_self(plain)) == ("thirdwitch", True, None, False)
    shown = presence(
        f"<x xmlns='{USER}'><item jid='Hag66@shakespeare.lit/pda'/><status code='110'/><status code='210'/></x>"
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='occ'/>"
    )
    read = read_presence(shown)
    assert (read.real_jid, read.codes, read.occupant_id) == ("hag66@shakespeare.lit", frozenset({"110", "210"}), "occ")
    assert is_self(shown)


def test_departures() -> None:
    renamed = read_presence(
        presence(
            f"<x xmlns='{USER}'><item nick='oldhag' jid='hag66@shakespeare.lit/pda'/><status code='303'/></x>",
            "type='unavailable'",
        )
    )
    assert (renamed.available, renamed.new_nick, renamed.codes) == (False, "oldhag", frozenset({"303"}))
    kicked = read_presence(
        presence(
            f"<x xmlns='{USER}'><item role='none'><actor nick='Fluellen'/><reason>Avaunt!</reason></item>"
            "<status code='110'/><status code='307'/></x>",
            "type='unavailable'",
        )
    )
    assert (kicked.actor, kicked.reason, kicked.codes) == ("Fluellen", "Avaunt!", frozenset({"110", "307"}))
    by_jid = read_presence(
        presence(f"<x xmlns='{USER}'><item><actor jid='k@x.lit/a'/></item></x>", "type='unavailable'")
    )
    assert by_jid.actor == "k@x.lit"
    destroyed = read_presence(
        presence(f"<x xmlns='{USER}'><item/><destroy><reason>Macbeth</reason></destroy></x>", "type='unavailable'")
    )
    assert (destroyed.destroyed, destroyed.reason) == (True, "Macbeth")
    gone = read_presence(presence("<status>bye</status>", "type='unavailable'"))
    assert (gone.available, gone.status) == (False, "bye")


def test_a_refusal() -> None:
    refused = read_presence(
        presence(
            "<x xmlns='http://jabber.org/protocol/muc'/><error by='coven@chat.shakespeare.lit' type='cancel'>"
            "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
            "type='error'",
        )
    )
    assert refused.error is not None
    assert refused.error.reason is Reason.CONFLICT


# Any well-formed stanza has an answer.

NAMESPACES = [
    "jabber:component:accept", USER, "urn:xmpp:sid:0", "urn:xmpp:delay", "urn:xmpp:reactions:0", "urn:xmpp:reply:0",
    "urn:xmpp:message-retract:1", "urn:xmpp:message-moderate:1", "urn:xmpp:message-moderate:0", "urn:xmpp:fasten:0",
    "urn:xmpp:message-retract:0", "urn:xmpp:fallback:0", "urn:xmpp:message-correct:0", "jabber:x:oob", "urn:xmpp:sfs:0",
    "urn:xmpp:file:metadata:0", "http://jabber.org/protocol/url-data", "http://jabber.org/protocol/address",
    "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2", "urn:xmpp:eme:0", "urn:xmpp:occupant-id:0",
    "urn:xmpp:stickers:0", "urn:ietf:params:xml:ns:xmpp-stanzas", "http://jabber.org/protocol/chatstates", "",
]  # fmt: skip
NAMES = [
    "body", "subject", "thread", "x", "item", "actor", "reason", "status", "destroy", "stanza-id", "origin-id", "delay",
    "reactions", "reaction", "retract", "moderated", "apply-to", "reply", "fallback", "replace", "url", "file-sharing",
    "file", "sources", "url-data", "name", "size", "media-type", "addresses", "address", "encrypted", "payload",
    "encryption", "occupant-id", "sticker", "error", "text", "conflict", "composing",
]  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["", ROOM, f"{ROOM}/a", "1", "-1", "99999999999999999999", "303", "110", "ofrom", "urn:xmpp:reply:0"]
    ),
    st.text(max_size=8),
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        ["id", "by", "to", "from", "type", "stamp", "code", "nick", "jid", "for", "start", "end", "target"]
    ),
    VALUES,
    max_size=4,
)


def element(tag: str, attributes: dict[str, str], text: str | None, children: list[Element]) -> Element:
    made = Element(tag, attributes)
    made.text = text
    made.extend(children)
    return made


TAGS = st.builds(
    lambda ns, name: f"{{{ns}}}{name}" if ns else name, st.sampled_from(NAMESPACES), st.sampled_from(NAMES)
)
ELEMENTS = st.recursive(
    st.builds(element, TAGS, ATTRIBUTES, st.none() | VALUES, st.just([])),
    lambda inner: st.builds(element, TAGS, ATTRIBUTES, st.none() | VALUES, st.lists(inner, max_size=3)),
    max_leaves=12,
)
STANZAS = st.builds(
    element,
    st.sampled_from(["message", "presence"]).map(lambda name: f"{{jabber:component:accept}}{name}"),
    ATTRIBUTES,
    st.none(),
    st.lists(ELEMENTS, max_size=5),
)


@given(STANZAS)
def test_any_stanza_has_an_answer(stanza: Element) -> None:
    line = read_line(stanza, ROOM)
    assert line.content is None or line.subject is None
    presence = read_presence(stanza)
    assert (presence.error is not None) is (stanza.get("type") == "error")
    is_self(stanza)
