"""Presence, purely: from a stanza to a tuple, and from what is known of somebody to what their puppet shows.

The mapping is the one of RFC 3922 section 5 and RFC 8048, and where these leave a choice that of docs/presence.md: it
has its tables in the model, for all networks. Whoever only is idle is away.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from adapters.xmpp.standing import NOBODY, Mark
from bridge.model.presence import (
    DESCRIBED,
    SHOWN,
    Absence,
    Activity,
    Basic,
    Presence,
    Show,
    Tuple,
    absence,
    best,
    notes_of,
)

_DELAY = "{urn:xmpp:delay}delay"
_IDLE = "{urn:xmpp:idle:1}idle"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")

_DESCRIBED = {show.value: described for show, described in DESCRIBED.items()}

NOTES, NOTE_CHARACTERS = 5, 1000
"""How many status texts of one presence are taken, and how long each may be."""
ID_CHARACTERS = 100
"""How long a tuple's id gets at most. Resources may have 1023 bytes."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """What a puppet shows. `show` is empty or one of RFC 6121's four; `notes` are pairs of language and text.

    `priority` is as in the stanza; `idle_since` in seconds since the epoch; `mark` says in rooms whose stand-in it is.
    Not `available`: nothing else counts but the notes.
    """

    available: bool = True
    show: str = ""
    notes: tuple[tuple[str, str], ...] = ()
    priority: int = 0
    idle_since: float | None = None
    mark: Mark = NOBODY


PLAIN = Appearance()
"""There, and nothing else is known."""
GONE = Appearance(available=False)
"""Not there, or not known to be."""


def read_time(text: str | None) -> float | None:
    """Seconds since the epoch of a time as XEP-0082 writes it, None if it is none or not of the years 1 to 9999."""
    try:
        when = datetime.fromisoformat(text or "")
        return (when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def read_tuple(stanza: Element, tuple_id: str) -> Tuple:
    """What an available presence (RFC 6121 section 4.7) tells of one device. Whatever it holds, there is an answer."""
    namespace = stanza.tag.rpartition("}")[0]
    described: tuple[frozenset[Activity], Show | None] = frozenset(), None
    priority, since, idle = None, None, None
    notes: dict[str, str] = {}
    for child in stanza:
        space, _, name = child.tag.rpartition("}")
        if child.tag == _DELAY:
            since = read_time(child.get("stamp"))
        elif child.tag == _IDLE:
            idle = read_time(child.get("since"))
        elif space != namespace:
            continue
        elif name == "show":
            described = _DESCRIBED.get((child.text or "").strip(), described)
        elif name == "priority":
            priority = _priority((child.text or "").strip())
        elif name == "status" and (text := (child.text or "").strip()) and len(notes) < NOTES:
            language = child.get(_XML_LANG) or stanza.get(_XML_LANG) or ""
            notes.setdefault(language if _LANGUAGE.fullmatch(language) else "", text[:NOTE_CHARACTERS])
    return Tuple(
        tuple_id[:ID_CHARACTERS],
        Basic.OPEN,
        described[0],
        tuple(notes.items()),
        priority,
        since,
        idle,
        show=described[1],
    )


def _priority(text: str) -> float | None:
    """RFC 3922 section 5.1.7: 0 to 127 become 0 to 1 by thousandths; what is negative must not be told."""
    if not text.isascii() or not text.isdigit() or len(text) > 3 or int(text) > 127:
        return None
    return math.floor(1000 * int(text) / 127) / 1000


def appearance(presence: Presence) -> Appearance:
    """What the puppet of a person shows to those who have it on their roster."""
    found = best(presence)
    if found is None:
        return GONE
    notes = tuple((language, text[:NOTE_CHARACTERS]) for language, text in notes_of(presence, found)[:NOTES] if text)
    absent = absence(found)
    if absent is Absence.GONE:
        return Appearance(available=False, notes=notes)
    show = found.show or SHOWN.get(absent)
    return Appearance(
        True, "" if show is None else show.value, notes, _stanza_priority(found.priority), found.idle_since
    )


def _stanza_priority(value: float | None) -> int:
    """RFC 3922 section 5.2.13, the inverse of `_priority`: never negative, and 127 for 1 alone."""
    if value is None or not value > 0:
        return 0
    return 127 if value >= 1 else min(126, math.ceil(127 * value))


def in_room(presence: Presence) -> Appearance:
    """What the puppet of a person shows in a room. It is a member whatever is known; whoever is offline is xa."""
    if not presence.tuples:
        return PLAIN
    found = appearance(presence)
    return found if found.available else Appearance(show="xa", notes=found.notes)
