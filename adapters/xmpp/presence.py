"""Presence, purely: from a stanza to a tuple, and from what is known of somebody to what their puppet shows.

The mapping is the one of RFC 3922 section 4 and RFC 8048 section 4, where these leave a choice as docs and tests say:
``show`` away and xa are `Activity.AWAY`, dnd is `Activity.BUSY`; back, a vacation is xa, and whoever only is idle is
away.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from adapters.xmpp.standing import NOBODY, Mark
from bridge.model.presence import Activity, Basic, Presence, Tuple

_DELAY = "{urn:xmpp:delay}delay"
_IDLE = "{urn:xmpp:idle:1}idle"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")

NOTES, NOTE_CHARACTERS = 5, 1000
"""How many status texts of one presence are taken, and how long each may be."""
ID_CHARACTERS = 100
"""How long a tuple's id gets at most. Resources may have 1023 bytes."""

_ACTIVITIES = {
    "away": frozenset({Activity.AWAY}),
    "xa": frozenset({Activity.AWAY}),
    "dnd": frozenset({Activity.BUSY}),
}

_WEIGHT = {Activity.BUSY: 4, Activity.VACATION: 2, Activity.AWAY: 1}


@dataclass(frozen=True, slots=True)
class Appearance:
    """What a puppet shows. `show` is empty, ``away``, ``xa`` or ``dnd``; `notes` are pairs of language and text.

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
    """Seconds since the epoch of a time as XEP-0082 writes it, None if it is none."""
    try:
        when = datetime.fromisoformat(text or "")
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def read_tuple(stanza: Element, tuple_id: str) -> Tuple:
    """What an available presence (RFC 6121 section 4.7) tells of one device. Whatever it holds, there is an answer."""
    namespace = stanza.tag.rpartition("}")[0]
    show, priority, since, idle = "", None, None, None
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
            show = (child.text or "").strip()
        elif name == "priority":
            priority = _priority((child.text or "").strip())
        elif name == "status" and (text := (child.text or "").strip()) and len(notes) < NOTES:
            language = child.get(_XML_LANG) or stanza.get(_XML_LANG) or ""
            notes.setdefault(language if _LANGUAGE.fullmatch(language) else "", text[:NOTE_CHARACTERS])
    return Tuple(
        tuple_id[:ID_CHARACTERS],
        Basic.OPEN,
        _ACTIVITIES.get(show, frozenset()),
        tuple(notes.items()),
        priority,
        since,
        idle,
    )


def _priority(text: str) -> float | None:
    """RFC 3922 section 4.2: 0 to 127 become 0 to 1 by thousandths; what is negative must not be told."""
    if not text.isascii() or not text.isdigit() or len(text) > 3 or int(text) > 127:
        return None
    return math.floor(1000 * int(text) / 127) / 1000


def best(presence: Presence) -> Tuple | None:
    """The tuple that stands for the person where only one can be shown: open before closed, then the higher
    priority, the newer, the least busy. None if nothing is known."""
    return max(presence.tuples, key=_rank, default=None)


def _rank(found: Tuple) -> tuple[bool, float, float, int]:
    weight = sum(_WEIGHT[activity] for activity in found.activities)
    return found.basic is Basic.OPEN, found.priority or 0.0, found.since or 0.0, -weight


def appearance(presence: Presence) -> Appearance:
    """What the puppet of a person shows to those who have it on their roster."""
    found = best(presence)
    if found is None:
        return GONE
    notes = tuple((language, text[:NOTE_CHARACTERS]) for language, text in found.notes[:NOTES] if text)
    if found.basic is Basic.CLOSED:
        return Appearance(available=False, notes=notes)
    show = ""
    if Activity.BUSY in found.activities:
        show = "dnd"
    elif Activity.VACATION in found.activities:
        show = "xa"
    elif Activity.AWAY in found.activities or found.idle_since is not None:
        show = "away"
    return Appearance(True, show, notes, _stanza_priority(found.priority), found.idle_since)


def _stanza_priority(value: float | None) -> int:
    if value is None or not value > 0:
        return 0
    return 127 if value >= 1 else min(126, math.ceil(127 * value))


def in_room(presence: Presence) -> Appearance:
    """What the puppet of a person shows in a room. It is a member whatever is known; whoever is offline is xa."""
    if not presence.tuples:
        return PLAIN
    found = appearance(presence)
    return found if found.available else Appearance(show="xa", notes=found.notes)
