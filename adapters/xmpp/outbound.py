"""From values to stanzas, as text. Strings, not stanza objects: 2 us a message against 45.

Every value that is not a constant of this file goes through `escape` or `attribute`; nothing else builds XML.
"""

import re
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from adapters.xmpp.errors import ERROR_TYPES, STANZAS
from adapters.xmpp.sanitise import attribute, escape
from bridge.model.message import Text
from bridge.model.result import Reason

# RFC 5646, loosely: what may stand in xml:lang without a second thought.
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


def _stanza(name: str, sender: str, to: str, stanza_id: str, kind: str, payload: str, language: str = "") -> str:
    head = f'<{name} from="{attribute(sender)}" to="{attribute(to)}"'
    if stanza_id:
        head += f' id="{attribute(stanza_id)}"'
    if kind:
        head += f' type="{kind}"'
    if language:
        head += f' xml:lang="{language}"'
    return f"{head}>{payload}</{name}>" if payload else head + "/>"


def groupchat(sender: str, room: str, message_id: str, body: Text) -> str:
    """A line for a room (XEP-0045 section 7.4), with its id as origin-id, too (XEP-0359)."""
    language = body.language if body.language and _LANGUAGE.fullmatch(body.language) else ""
    payload = f'<body>{escape(body.text)}</body><origin-id xmlns="urn:xmpp:sid:0" id="{attribute(message_id)}"/>'
    return _stanza("message", sender, room, message_id, "groupchat", payload, language)


def subject(sender: str, room: str, message_id: str, text: str) -> str:
    """A new subject for a room (XEP-0045 section 8.1): no body."""
    return _stanza("message", sender, room, message_id, "groupchat", f"<subject>{escape(text)}</subject>")


def private(sender: str, occupant: str, message_id: str, text: str) -> str:
    """A private message to an occupant of a room (XEP-0045 section 7.5)."""
    payload = f'<body>{escape(text)}</body><x xmlns="http://jabber.org/protocol/muc#user"/>'
    return _stanza("message", sender, occupant, message_id, "chat", payload)


def direct(sender: str, to: str, message_id: str, text: str) -> str:
    """A message to one person."""
    return _stanza("message", sender, to, message_id, "chat", f"<body>{escape(text)}</body>")


def timestamp(when: float) -> str:
    """Seconds since the epoch as XEP-0082 writes them."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def enter(sender: str, room: str, nick: str, stanza_id: str, password: str | None, since: float | None) -> str:
    """Entering a room (XEP-0045 section 7.2), with its history `since` then, none if that is None."""
    history = '<history maxstanzas="0"/>' if since is None else f'<history since="{timestamp(since)}"/>'
    key = f"<password>{escape(password)}</password>" if password is not None else ""
    payload = f'<x xmlns="http://jabber.org/protocol/muc">{history}{key}</x>'
    return _stanza("presence", sender, f"{room}/{nick}", stanza_id, "", payload)


def change_nick(sender: str, room: str, nick: str, stanza_id: str) -> str:
    """Asking for another nick (XEP-0045 section 7.6)."""
    return _stanza("presence", sender, f"{room}/{nick}", stanza_id, "", "")


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


def ping(sender: str, to: str, stanza_id: str) -> str:
    """A ping (XEP-0199)."""
    return _stanza("iq", sender, to, stanza_id, "get", '<ping xmlns="urn:xmpp:ping"/>')


def result(request: Element, payload: str = "") -> str:
    """The result of an IQ, from whom it was addressed to."""
    return _stanza("iq", request.get("to", ""), request.get("from", ""), request.get("id", ""), "result", payload)


def error(stanza: Element, reason: Reason, text: str = "") -> str:
    """The error stanza that answers a stanza (RFC 6120 section 8.3). Never answer an error with it."""
    name = stanza.tag.rpartition("}")[2]
    words = f'<text xmlns="{STANZAS}" xml:lang="en">{escape(text)}</text>' if text else ""
    payload = f'<error type="{ERROR_TYPES[reason]}"><{reason.value} xmlns="{STANZAS}"/>{words}</error>'
    return _stanza(name, stanza.get("to", ""), stanza.get("from", ""), stanza.get("id", ""), "error", payload)
