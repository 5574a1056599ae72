"""What the homeserver pushes, as values of the common model. Pure: a PDU and what is known of its room go in.

Nothing here raises, whatever the PDU holds: federation brings anything. Event types and their contents: client-server
API, specification v1.19, "Instant messaging", "Event replacements", "Event annotations", "Redactions", "Stickers".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from adapters.matrix.ids import LONGEST, Namespace, is_user_id, localpart
from adapters.matrix.markup import clean, clean_name, without_reply_fallback
from adapters.matrix.outbound import hops_of, part_id_of
from adapters.matrix.standing import PERSON, Mark, mark_of
from bridge.model.address import Address, Person, Place
from bridge.model.event import Event, Origin, Protection, State, TopicSet
from bridge.model.message import (
    Content,
    Location,
    Media,
    MediaKind,
    Message,
    MessageKind,
    Opaque,
    Reaction,
    Retraction,
    Text,
)

MENTIONS = 50
"""Mentioned people that one message may carry; more is a nuisance, not a message."""

_KINDS = {"m.text": MessageKind.TEXT, "m.emote": MessageKind.EMOTE, "m.notice": MessageKind.NOTICE}
_MEDIA = {
    "m.image": MediaKind.IMAGE,
    "m.audio": MediaKind.AUDIO,
    "m.video": MediaKind.VIDEO,
    "m.file": MediaKind.FILE,
    "m.sticker": MediaKind.STICKER,
}
_POLL_STARTS = ("m.poll.start", "org.matrix.msc3381.poll.start")
_TEXT_KEYS = ("m.text", "org.matrix.msc1767.text")
# What clients tell each other rather than people; the label is what it is counted under.
_ASIDE = {
    "m.poll.response": "poll response",
    "org.matrix.msc3381.poll.response": "poll response",
    "m.poll.end": "poll end",
    "org.matrix.msc3381.poll.end": "poll end",
    "m.beacon": "live location",
    "org.matrix.msc3672.beacon": "live location",
    "com.beeper.message_send_status": "send status",
    "de.nasnotfound.bridge_error": "send status",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of the room an event was said in, at the moment it is translated.

    `people` and `puppets` are the members by user id, with the name each shows. `address_of` tells whose puppet a
    user id of ours is. `now` is in seconds since the epoch. `marks` is what memberships say of who is no person.
    """

    place: Place
    ours: Namespace
    people: Mapping[str, str]
    puppets: Mapping[str, str]
    address_of: Callable[[str], Address | None]
    now: float
    marks: Mapping[str, Mark] = field(default_factory=dict)

    def name_of(self, user_id: str) -> str:
        """The name shown in the room, else the localpart."""
        return self.people.get(user_id) or self.puppets.get(user_id) or clean_name(localpart(user_id)) or user_id

    def person(self, user_id: str) -> Person:
        """The Matrix user as the model knows them."""
        stands_for = self.marks.get(user_id, PERSON).stands_for
        return Person(Address(self.place.network, user_id), self.name_of(user_id), stands_for)

    def speaker(self, user_id: str, content: Mapping[str, Any]) -> Person:
        """Who says this: a bot speaks for many, so what a gateway brought tells by itself for whom."""
        person = self.person(user_id)
        return replace(person, stands_for=mark_of(content).stands_for) if part_id_of(content) else person


@dataclass(frozen=True, slots=True)
class Change:
    """A user's membership changed: they are in the room under `name`, or not any more (None)."""

    user_id: str
    name: str | None
    mark: Mark = PERSON


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one PDU means.

    Either `items` for the core, or `ignored`, the label it is counted under. Beside it, what the adapter itself has
    to note: `echo`, the part that has been seen; `change`, a membership; `topic`; `invited`, one of our users.
    """

    items: tuple[Event | State, ...] = ()
    ignored: str = ""
    echo: str = ""
    change: Change | None = None
    topic: str | None = None
    invited: str = ""
    encrypted: bool = False


MALFORMED = Outcome(ignored="malformed event")


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def identifier(value: object) -> str:
    """The value if it can be an identifier (an event id, a key), else ""."""
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable() else ""


def words(value: object) -> str:
    """The value if it is text, cleaned, else ""."""
    return clean(value) if isinstance(value, str) else ""


def when(pdu: Mapping[str, Any], now: float) -> float:
    """When the event was said. The clock is another server's: never later than now, and now if it is absurd."""
    told = pdu.get("origin_server_ts")
    if isinstance(told, int) and not isinstance(told, bool) and 0 < told < 1 << 53:
        return min(told / 1000, now)
    return now


def message_event(pdu: Mapping[str, Any], scene: Scene) -> Outcome:
    """Translate a PDU that is no state event, or the redaction of one."""
    event_id, sender = identifier(pdu.get("event_id")), pdu.get("sender")
    if not event_id or not is_user_id(sender):
        return MALFORMED
    kind, content = pdu.get("type"), mapping(pdu.get("content"))
    if scene.ours.owns(sender):
        return Outcome(ignored="own echo", echo=part_id_of(content))
    if not isinstance(kind, str):
        return MALFORMED
    if mapping(pdu.get("unsigned")).get("redacted_because") or (not content and kind != "m.room.redaction"):
        return Outcome(ignored="redacted event")
    if kind == "m.room.encrypted":
        said: Content | str = Opaque("an encrypted message")
    elif kind == "m.room.redaction":
        said = _retraction(pdu, content)
    else:
        said = _content(kind, content, scene)
    if isinstance(said, str):
        return Outcome(ignored=said)
    encrypted = kind == "m.room.encrypted"
    event = Event(
        Origin(scene.place.network, event_id),
        scene.place,
        scene.speaker(sender, content),
        when(pdu, scene.now),
        said,
        protection=Protection.END_TO_END if encrypted else Protection.NONE,
        hops=hops_of(content),
    )
    return Outcome((event,), encrypted=encrypted)


def topic(pdu: Mapping[str, Any], scene: Scene, *, initial: bool = False) -> Outcome:
    """Translate the state event ``m.room.topic``."""
    sender = pdu.get("sender")
    text = words(mapping(pdu.get("content")).get("topic"))
    if not is_user_id(sender):
        return MALFORMED
    own = scene.ours.owns(sender)
    by = None if own else scene.person(sender)
    return Outcome((TopicSet(scene.place, text, by, initial=initial, own=own),), topic=text)


def _content(kind: str, content: Mapping[str, Any], scene: Scene) -> Content | str:
    """What was said, or the label under which it is ignored."""
    if kind == "m.room.message":
        return _message(content, scene)
    if kind == "m.sticker":
        return Message(Text(""), parts=(_media(MediaKind.STICKER, content),))
    if kind == "m.reaction":
        relation = mapping(content.get("m.relates_to"))
        target, key = identifier(relation.get("event_id")), clean_name(words(relation.get("key")))
        return Reaction(target, key) if target and key else "malformed reaction"
    if kind in _POLL_STARTS:
        start = mapping(content.get(kind) or content.get("m.poll") or content.get(_POLL_STARTS[1]))
        return Opaque("a poll", Text(_extensible(mapping(start.get("question"))) or _extensible(content)))
    if kind in ("m.call.invite", "m.rtc.notification", "org.matrix.msc4075.rtc.notification"):
        return Opaque("an invitation to a call")
    if kind in _ASIDE:
        return _ASIDE[kind]
    if kind.startswith(("m.call.", "m.key.verification.", "m.rtc.")):
        return "client signalling"
    text = words(content.get("body")) or _extensible(content)
    return Opaque("something this bridge does not know", Text(text)) if text.strip() else "unknown event"


def _message(content: Mapping[str, Any], scene: Scene) -> Content | str:
    relation = mapping(content.get("m.relates_to"))
    replaces = None
    said = content
    if relation.get("rel_type") == "m.replace":
        replaces = identifier(relation.get("event_id"))
        said = mapping(content.get("m.new_content"))
        if not replaces or not said:
            return "malformed edit"
    msgtype = said.get("msgtype")
    if not isinstance(msgtype, str):
        return "malformed message"
    if msgtype.startswith("m.key.verification."):
        return "client signalling"
    thread, reply_to = _relations(relation)
    body = words(said.get("body"))
    parts: tuple[Media | Location, ...] = ()
    if msgtype in _MEDIA and msgtype != "m.sticker":
        body, parts = _caption(said, body), (_media(_MEDIA[msgtype], said),)
    elif msgtype == "m.location":
        geo = words(said.get("geo_uri"))
        if geo.startswith("geo:"):
            body, parts = "", (Location(geo[:LONGEST], body or None),)
    if reply_to is not None:
        body = without_reply_fallback(body)
    if not parts and not body.strip():
        return "empty message"
    return Message(
        Text(body),
        _KINDS.get(msgtype, MessageKind.TEXT),
        parts,
        thread=thread,
        reply_to=reply_to,
        replaces=replaces,
        mentions=_mentions(said, scene),
    )


def _relations(relation: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The thread's root, and what is replied to. In a thread, a reply may be there for old clients only."""
    thread = identifier(relation.get("event_id")) if relation.get("rel_type") == "m.thread" else ""
    reply_to = identifier(mapping(relation.get("m.in_reply_to")).get("event_id"))
    if thread and relation.get("is_falling_back") is True:
        reply_to = ""
    return thread or None, reply_to or None


def _caption(content: Mapping[str, Any], body: str) -> str:
    """The body is a caption where there is a file name beside it that differs (specification v1.10)."""
    name = content.get("filename")
    return body if isinstance(name, str) and name and clean(name) != body else ""


def _media(kind: MediaKind, content: Mapping[str, Any]) -> Media:
    """The file, without an address: only the homeserver's own users can fetch it (v1.11, authenticated media)."""
    info = mapping(content.get("info"))
    name = clean_name(words(content.get("filename")) or words(content.get("body"))) or str(kind)
    mime, size = identifier(info.get("mimetype")), info.get("size")
    right = isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 1 << 53
    return Media(kind, name, None, mime or None, size if right else None)


def _mentions(content: Mapping[str, Any], scene: Scene) -> tuple[Address, ...]:
    user_ids = mapping(content.get("m.mentions")).get("user_ids")
    if not isinstance(user_ids, list):
        return ()
    found: dict[Address, None] = {}
    for user_id in user_ids[:MENTIONS]:
        if not is_user_id(user_id) or user_id == scene.ours.bot_id:
            continue
        address = scene.address_of(user_id) if scene.ours.owns(user_id) else Address(scene.place.network, user_id)
        if address is not None:
            found[address] = None
    return tuple(found)


def _retraction(pdu: Mapping[str, Any], content: Mapping[str, Any]) -> Retraction | str:
    """Room versions up to 10 name the target beside the content, later ones in it. Homeservers pass on no redaction
    that its sender may not make."""
    target = identifier(content.get("redacts")) or identifier(pdu.get("redacts"))
    reason = words(content.get("reason"))
    return Retraction(target, reason or None, vouched=True) if target else "malformed redaction"


def _extensible(content: Mapping[str, Any]) -> str:
    """The plain text of an extensible event (MSC1767, the m.text content block)."""
    for key in _TEXT_KEYS:
        value = content.get(key)
        if isinstance(value, str):
            return clean(value)
        for form in value if isinstance(value, list) else ():
            if mapping(form).get("mimetype", "text/plain") == "text/plain":
                return words(mapping(form).get("body"))
    return words(content.get("body"))
