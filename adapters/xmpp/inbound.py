"""From stanzas to values, purely: what a room says, and who is in it. Any well-formed stanza has an answer."""

from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from adapters.xmpp import ids, markup, standing
from adapters.xmpp.capabilities import kind_of
from adapters.xmpp.errors import StanzaError, read_error
from adapters.xmpp.presence import read_time, read_tuple
from adapters.xmpp.standing import NOBODY, Mark
from bridge.model.event import HOPS
from bridge.model.message import Media, Message, Opaque, Retraction, Text
from bridge.model.presence import Tuple

_USER = "{http://jabber.org/protocol/muc#user}"
_SID = "{urn:xmpp:sid:0}"
_OCCUPANT_ID = "{urn:xmpp:occupant-id:0}occupant-id"
_DELAY = "{urn:xmpp:delay}delay"
_REACTIONS = "{urn:xmpp:reactions:0}"
_RETRACT = "{urn:xmpp:message-retract:1}"
_MODERATE = "{urn:xmpp:message-moderate:1}"
_OLD_FASTEN = "{urn:xmpp:fasten:0}apply-to"
_OLD_MODERATED = "{urn:xmpp:message-moderate:0}moderated"
_OLD_RETRACT = "{urn:xmpp:message-retract:0}retract"
_ADDRESS = "{http://jabber.org/protocol/address}address"

_ENCRYPTED = frozenset(
    {
        "{eu.siacs.conversations.axolotl}encrypted",
        "{urn:xmpp:omemo:1}encrypted",
        "{urn:xmpp:omemo:2}encrypted",
        "{urn:xmpp:openpgp:0}openpgp",
        "{jabber:x:encrypted}x",
        "{urn:xmpp:eme:0}encryption",
    }
)
_KEYS_ONLY = ("{eu.siacs.conversations.axolotl}", "{urn:xmpp:omemo:1}", "{urn:xmpp:omemo:2}")

_SILENT = {
    "http://jabber.org/protocol/chatstates": "typing",
    "urn:xmpp:receipts": "receipt",
    "urn:xmpp:chat-markers:0": "read marker",
    "jabber:x:conference": "invitation",
    "http://jabber.org/protocol/muc#user": "room notice",
    "jabber:x:data": "form",
    "urn:xmpp:jingle-message:0": "call",
    "http://jabber.org/protocol/pubsub#event": "personal event",
    "jabber:x:event": "typing",
}
"""What carries no words of a person, by the namespace of its payload, and how it is counted."""


ID_CHARACTERS = 512
"""Longer ids are taken for none: what is kept in memory has to be bounded, and no client makes such."""
REACTIONS, REACTION_CHARACTERS = 20, 64
"""How many reactions of one person to one line are taken, and how long each may be."""


@dataclass(frozen=True, slots=True)
class RoomPresence:
    """Somebody is in a room, or not any more (XEP-0045 section 7). `nick` is empty for the room itself.

    `real_jid` is bare, `occupant_id` as told (XEP-0421; only some rooms can be believed), `new_nick` what they are
    called from now on, `actor` the nick of who removed them, `status` their own parting words. `shown` is what else
    they show while they are there; its id means nothing. `mark` is whose stand-in they say they are.
    """

    nick: str
    available: bool
    real_jid: str | None = None
    occupant_id: str | None = None
    codes: frozenset[str] = frozenset()
    new_nick: str | None = None
    actor: str | None = None
    reason: str | None = None
    status: str | None = None
    destroyed: bool = False
    error: StanzaError | None = None
    shown: Tuple | None = None
    mark: Mark = NOBODY


@dataclass(frozen=True, slots=True)
class Line:
    """A message of a room. What it says is `content`, or `reactions` (to which id, all that stand), or `subject`.

    `stanza_id` is the room's own id for it, `real_jid` whom the room says it is from in its history; `stamp` when the
    room says it was said, in seconds since the epoch. `moderator` is the nick in whose name the room itself speaks.
    `stands_for` is for whom it is said, by a gateway's word, and `hops` how many gateways it may pass. Without any of
    the three, `label` is how it is counted.
    """

    nick: str
    message_id: str = ""
    origin_id: str = ""
    stanza_id: str | None = None
    occupant_id: str | None = None
    real_jid: str | None = None
    stamp: float | None = None
    subject: Text | None = None
    content: Message | Opaque | Retraction | None = None
    reactions: tuple[str, tuple[str, ...]] | None = None
    moderator: str | None = None
    encrypted: bool = False
    stands_for: str = ""
    hops: int = HOPS
    label: str = "nothing said"


def _bare_or_none(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return str(ids.jid(text).bare)
    except ValueError:
        return None


def _id(text: str | None) -> str:
    return text if text is not None and len(text) <= ID_CHARACTERS else ""


def _occupant_id(stanza: Element) -> str | None:
    found = stanza.find(_OCCUPANT_ID)
    return (_id(found.get("id")) or None) if found is not None else None


def is_self(presence: Element) -> bool:
    """Whether the room says with it "this is you" (status 110)."""
    user = presence.find(f"{_USER}x")
    return user is not None and any(status.get("code") == "110" for status in user.iter(f"{_USER}status"))


def read_presence(stanza: Element) -> RoomPresence:
    """A presence stanza from a room."""
    nick = ids.resource(stanza.get("from", ""))
    kind = stanza.get("type")
    if kind == "error":
        return RoomPresence(nick, available=False, error=read_error(stanza))
    status = next((child.text for child in stanza if child.tag.rpartition("}")[2] == "status" and child.text), None)
    available = kind is None
    shown = read_tuple(stanza, "") if available else None
    mark = standing.read(stanza)
    user = stanza.find(f"{_USER}x")
    if user is None:
        oid = _occupant_id(stanza)
        return RoomPresence(nick, available=available, occupant_id=oid, status=status, shown=shown, mark=mark)
    item = user.find(f"{_USER}item")
    actor = item.find(f"{_USER}actor") if item is not None else None
    destroy = user.find(f"{_USER}destroy")
    reason = (destroy if destroy is not None else item if item is not None else user).find(f"{_USER}reason")
    return RoomPresence(
        nick,
        available=available,
        real_jid=_bare_or_none(item.get("jid")) if item is not None else None,
        occupant_id=_occupant_id(stanza),
        codes=frozenset(code for found in user.iter(f"{_USER}status") if (code := found.get("code"))),
        new_nick=(item.get("nick") or None) if item is not None else None,
        actor=(actor.get("nick") or ids.bare(actor.get("jid", "")) or None) if actor is not None else None,
        reason=((reason.text or "").strip() or None) if reason is not None else None,
        status=status,
        destroyed=destroy is not None,
        shown=shown,
        mark=mark,
    )


def read_line(stanza: Element, room: str) -> Line:
    """A message stanza of type ``groupchat`` from the room."""
    nick = ids.resource(stanza.get("from", ""))
    stanza_id = origin_id = stamp = real_jid = None
    encrypted = keys_only = False
    mark = standing.read(stanza)
    for child in stanza:
        tag = child.tag
        if tag == f"{_SID}stanza-id":
            if child.get("by") == room:
                stanza_id = _id(child.get("id")) or None
        elif tag == f"{_SID}origin-id":
            origin_id = _id(child.get("id"))
        elif tag == _DELAY:
            if child.get("from") in (room, None):
                stamp = read_time(child.get("stamp"))
        elif tag in _ENCRYPTED:
            encrypted = True
            namespace = tag.partition("}")[0] + "}"
            if namespace in _KEYS_ONLY and child.find(f"{namespace}payload") is None:
                keys_only = True
        elif tag.startswith("{http://jabber.org/protocol/address}"):
            real_jid = next(
                (_bare_or_none(found.get("jid")) for found in child.iter(_ADDRESS) if found.get("type") == "ofrom"),
                None,
            )
    head = Line(
        nick,
        message_id=_id(stanza.get("id")),
        origin_id=origin_id or "",
        stanza_id=stanza_id,
        occupant_id=_occupant_id(stanza),
        real_jid=real_jid,
        stamp=stamp,
        encrypted=encrypted,
        stands_for=mark.of,
        hops=HOPS if mark.hops is None else mark.hops,
    )
    if encrypted:
        if keys_only:
            return replace(head, label="encryption keys")
        return replace(head, content=Opaque("an encrypted message"))
    return _said(stanza, head)


def _said(stanza: Element, head: Line) -> Line:
    reactions = stanza.find(f"{_REACTIONS}reactions")
    if reactions is not None and (about := _id(reactions.get("id"))):
        found = ((each.text or "").strip() for each in reactions.iter(f"{_REACTIONS}reaction"))
        keys = dict.fromkeys(key for key in found if 0 < len(key) <= REACTION_CHARACTERS)
        return replace(head, reactions=(about, tuple(keys)[:REACTIONS]))
    retraction = _retraction(stanza)
    if retraction is not None:
        content, moderator = retraction
        if moderator is not None and head.nick:
            # Only the room itself may speak for its moderators (XEP-0425 section 5).
            return replace(head, label="false moderation")
        return replace(head, content=content, moderator=moderator)
    body, subject = markup.text_of(stanza, "body"), markup.text_of(stanza, "subject")
    parts = _media(stanza)
    if body is None and not parts:
        thread = any(child.tag.rpartition("}")[2] == "thread" for child in stanza)
        if subject is not None and not thread:
            return replace(head, subject=subject)
        return replace(head, label=_label(stanza))
    return replace(head, content=_message(stanza, body or Text(""), subject, parts))


def _message(stanza: Element, body: Text, subject: Text | None, parts: tuple[Media, ...]) -> Message:
    namespace = stanza.tag.partition("}")[0]
    if any(body.text.strip() == part.url for part in parts):
        body = Text("", language=body.language)
    else:
        body = markup.quoted(stanza, body)
    kind, marked = kind_of(body.text)
    edited = stanza.find("{urn:xmpp:message-correct:0}replace")
    reply = stanza.find("{urn:xmpp:reply:0}reply")
    thread = stanza.find(f"{namespace}}}thread") if namespace else None
    return Message(
        markup.cut(body, marked) if marked else body,
        kind,
        parts=parts,
        subject=subject,
        thread=(thread.text or None) if thread is not None else None,
        reply_to=(reply.get("id") or None) if reply is not None else None,
        replaces=(edited.get("id") or None) if edited is not None else None,
    )


def _media(stanza: Element) -> tuple[Media, ...]:
    sticker = stanza.find("{urn:xmpp:stickers:0}sticker") is not None
    parts = [markup.shared(found, sticker=sticker) for found in stanza.iter("{urn:xmpp:sfs:0}file-sharing")]
    known = {part.url for part in parts}
    for oob in stanza.iter("{jabber:x:oob}x"):
        url = (oob.findtext("{jabber:x:oob}url") or "").strip()
        if url and url not in known:
            known.add(url)
            parts.append(markup.media_at(url))
    return tuple(parts)


def _retraction(stanza: Element) -> tuple[Retraction, str | None] | None:
    """What is retracted, and the nick of the moderator who did it, if one did."""
    retract = stanza.find(f"{_RETRACT}retract")
    if retract is not None and retract.get("id"):
        moderated = retract.find(f"{_MODERATE}moderated")
        reason = (retract.findtext(f"{_RETRACT}reason") or "").strip() or None
        moderator = None if moderated is None else ids.resource(moderated.get("by", ""))
        return Retraction(retract.get("id", ""), reason, vouched=moderator is not None), moderator
    # XEP-0424 before 0.4 and XEP-0425 before 0.3, which Prosody's community modules still send.
    fasten = stanza.find(_OLD_FASTEN)
    if fasten is None or not fasten.get("id"):
        return None
    moderated = fasten.find(_OLD_MODERATED)
    if moderated is not None and moderated.find(_OLD_RETRACT) is not None:
        reason = (moderated.findtext("{urn:xmpp:message-moderate:0}reason") or "").strip() or None
        return Retraction(fasten.get("id", ""), reason, vouched=True), ids.resource(moderated.get("by", ""))
    if fasten.find(_OLD_RETRACT) is not None:
        return Retraction(fasten.get("id", "")), None
    return None


def _label(stanza: Element) -> str:
    for child in stanza:
        label = _SILENT.get(child.tag.partition("}")[0].removeprefix("{"))
        if label:
            return label
    return "nothing said"
