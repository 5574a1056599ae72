"""From values to stanzas, as text. Strings, not stanza objects: 2 us a message against 45.

Every value that is not a constant of this file goes through `escape` or `attribute`; nothing else builds XML.
"""

import math
import re
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from adapters.xmpp.errors import ERROR_TYPES, STANZAS
from adapters.xmpp.presence import PLAIN, Appearance
from adapters.xmpp.sanitise import attribute, escape
from adapters.xmpp.standing import NOBODY, Mark
from bridge.model.message import Text
from bridge.model.result import Reason

_YEAR_10000 = 253_402_300_800.0

# RFC 5646, loosely: what may stand in xml:lang without a second thought.
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


_BODY = '<body>{}</body><origin-id xmlns="urn:xmpp:sid:0" id="{}"/>'
_MUC_USER = '<x xmlns="http://jabber.org/protocol/muc#user"/>'


def _stanza(name: str, sender: str, to: str, stanza_id: str, kind: str, payload: str, language: str = "") -> str:
    head = f'<{name} from="{attribute(sender)}" to="{attribute(to)}"'
    if stanza_id:
        head += f' id="{attribute(stanza_id)}"'
    if kind:
        head += f' type="{kind}"'
    if language:
        head += f' xml:lang="{language}"'
    return f"{head}>{payload}</{name}>" if payload else head + "/>"


def _known(language: str | None) -> str:
    return language if language and _LANGUAGE.fullmatch(language) else ""


def groupchat(sender: str, room: str, message_id: str, body: Text, mark: Mark = NOBODY) -> str:
    """A line for a room (XEP-0045 section 7.4), with its id as origin-id, too (XEP-0359)."""
    payload = _BODY.format(escape(body.text), attribute(message_id)) + mark.element()
    return _stanza("message", sender, room, message_id, "groupchat", payload, _known(body.language))


def subject(sender: str, room: str, message_id: str, text: str) -> str:
    """A new subject for a room (XEP-0045 section 8.1): no body."""
    return _stanza("message", sender, room, message_id, "groupchat", f"<subject>{escape(text)}</subject>")


def chat(
    sender: str,
    to: str,
    message_id: str,
    body: Text,
    *,
    nick: str = "",
    in_room: bool = False,
    said: tuple[str, float] | None = None,
    mark: Mark = NOBODY,
) -> str:
    """A line for one person, or with `in_room` for one occupant (XEP-0045 section 7.5), its id as origin-id, too.

    `nick` is what the sender is called (XEP-0172); `said` by whom it was held back, and when it was said (XEP-0203).
    """
    payload = _BODY.format(escape(body.text), attribute(message_id)) + mark.element()
    if in_room:
        payload += _MUC_USER
    if nick:
        payload += _nick(nick)
    if said is not None:
        payload += f'<delay xmlns="urn:xmpp:delay" from="{attribute(said[0])}" stamp="{timestamp(said[1])}"/>'
    return _stanza("message", sender, to, message_id, "chat", payload, _known(body.language))


def _nick(nick: str) -> str:
    return f'<nick xmlns="http://jabber.org/protocol/nick">{escape(nick)}</nick>'


def private(sender: str, occupant: str, message_id: str, text: str) -> str:
    """A private message to an occupant of a room (XEP-0045 section 7.5)."""
    payload = f"<body>{escape(text)}</body>{_MUC_USER}"
    return _stanza("message", sender, occupant, message_id, "chat", payload)


def direct(sender: str, to: str, message_id: str, text: str) -> str:
    """A message to one person."""
    return _stanza("message", sender, to, message_id, "chat", f"<body>{escape(text)}</body>")


def timestamp(when: float) -> str:
    """Seconds since the epoch as XEP-0082 writes them; what no calendar has is the epoch."""
    when = when if 0 <= when < _YEAR_10000 else 0.0
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def showing(appearance: Appearance) -> str:
    """The payload of a presence that shows this (RFC 6121 section 4.7, XEP-0319)."""
    payload = f"<show>{appearance.show}</show>" if appearance.show else ""
    for language, text in appearance.notes:
        tag = f' xml:lang="{language}"' if _known(language) else ""
        payload += f"<status{tag}>{escape(text)}</status>"
    if appearance.priority:
        payload += f"<priority>{appearance.priority:d}</priority>"
    if appearance.idle_since is not None:
        payload += f'<idle xmlns="urn:xmpp:idle:1" since="{timestamp(appearance.idle_since)}"/>'
    return payload + appearance.mark.element()


def appear(sender: str, to: str, appearance: Appearance) -> str:
    """Presence to one address (RFC 6121 section 4.2 and 4.5): to a contact, or a room that one is in already."""
    kind = "" if appearance.available else "unavailable"
    return _stanza("presence", sender, to, "", kind, showing(appearance))


def subscription(sender: str, to: str, kind: str, nick: str = "") -> str:
    """A subscription stanza or a probe (RFC 6121 sections 3 and 4.3), from a bare JID to another."""
    return _stanza("presence", sender, to, "", kind, _nick(nick) if nick else "")


def enter(
    sender: str,
    room: str,
    nick: str,
    stanza_id: str,
    password: str | None,
    seconds: float | None,
    appearance: Appearance = PLAIN,
    latest: int = 0,
) -> str:
    """Entering a room (XEP-0045 section 7.2), with its history of so many `seconds`, or if that is None its `latest`
    lines.

    Not `since` a time: that would be by our clock, and the room looks at its own.
    """
    history = f'<history maxstanzas="{latest}"/>' if seconds is None else f'<history seconds="{math.ceil(seconds)}"/>'
    key = f"<password>{escape(password)}</password>" if password is not None else ""
    payload = f'<x xmlns="http://jabber.org/protocol/muc">{history}{key}</x>'
    return _stanza("presence", sender, f"{room}/{nick}", stanza_id, "", payload + showing(appearance))


def change_nick(sender: str, room: str, nick: str, stanza_id: str, appearance: Appearance = PLAIN) -> str:
    """Asking for another nick (XEP-0045 section 7.6)."""
    return _stanza("presence", sender, f"{room}/{nick}", stanza_id, "", showing(appearance))


def leave(sender: str, room: str, nick: str, reason: str | None) -> str:
    """Leaving a room (XEP-0045 section 7.14)."""
    payload = f"<status>{escape(reason)}</status>" if reason else ""
    return _stanza("presence", sender, f"{room}/{nick}", "", "unavailable", payload)


def accept_defaults(sender: str, room: str, stanza_id: str) -> str:
    """Unlocking a new room as it is, an "instant room" (XEP-0045 section 10.1.2)."""
    payload = '<query xmlns="http://jabber.org/protocol/muc#owner"><x xmlns="jabber:x:data" type="submit"/></query>'
    return _stanza("iq", sender, room, stanza_id, "set", payload)


def ask_info(sender: str, to: str, stanza_id: str) -> str:
    """Asking what an entity is and can do (XEP-0030)."""
    query = '<query xmlns="http://jabber.org/protocol/disco#info"/>'
    return _stanza("iq", sender, to, stanza_id, "get", query)


def ask_archive(sender: str, room: str, stanza_id: str, *, after: str | None, start: float | None, most: int) -> str:
    """Asking for a page of an archive (XEP-0313 section 4): the next `most` lines `after` that id, from `start` on."""
    form = ""
    if start is not None:
        form = (
            '<x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE" type="hidden"><value>urn:xmpp:mam:2</value>'
            f'</field><field var="start"><value>{timestamp(start)}</value></field></x>'
        )
    place = f"<after>{escape(after)}</after>" if after else ""
    limits = f'<set xmlns="http://jabber.org/protocol/rsm"><max>{most:d}</max>{place}</set>'
    query = f'<query xmlns="urn:xmpp:mam:2" queryid="{attribute(stanza_id)}">{form}{limits}</query>'
    return _stanza("iq", sender, room, stanza_id, "set", query)


def ping(sender: str, to: str, stanza_id: str) -> str:
    """A ping (XEP-0199)."""
    return _stanza("iq", sender, to, stanza_id, "get", '<ping xmlns="urn:xmpp:ping"/>')


def result(request: Element, payload: str = "") -> str:
    """The result of an IQ, from whom it was addressed to."""
    return _stanza("iq", request.get("to", ""), request.get("from", ""), request.get("id", ""), "result", payload)


def error(stanza: Element, reason: Reason, text: str = "") -> str:
    """The error stanza that answers a stanza (RFC 6120 section 8.3). Never answer an error with it."""
    name = stanza.tag.rpartition("}")[2]
    return _error(name, stanza.get("to", ""), stanza.get("from", ""), stanza.get("id", ""), reason, text)


def refusal(sender: str, to: str, message_id: str, reason: Reason, text: str) -> str:
    """The error stanza that tells somebody, perhaps much later, what became of their message."""
    return _error("message", sender, to, message_id, reason, text)


def _error(name: str, sender: str, to: str, stanza_id: str, reason: Reason, text: str) -> str:
    words = f'<text xmlns="{STANZAS}" xml:lang="en">{escape(text)}</text>' if text else ""
    payload = f'<error type="{ERROR_TYPES[reason]}"><{reason.value} xmlns="{STANZAS}"/>{words}</error>'
    return _stanza(name, sender, to, stanza_id, "error", payload)
