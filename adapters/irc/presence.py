"""Presence as IRC knows it, on the network or not, away or not, and the common model's. Pure.

The mapping is that of RFC 3863 and RFC 4480 as `rfc.md` of the project's research lays it out for IRC: a nick is one
tuple, away is the RPID activity of that name, and its text a note without a language.
"""

from typing import Final

from adapters.irc.markup import from_irc, to_irc
from adapters.irc.people import Known
from bridge.model.address import Address
from bridge.model.presence import Activity, Basic, Presence, Tuple
from bridge.split import cut

_TUPLE: Final = "irc"
_NO_NOTE: Final = "*"
"""What IRCv3 pre-away has in place of a text where somebody is just not there."""

_WORDS: Final = {Activity.BUSY: "Busy", Activity.VACATION: "On vacation", Activity.AWAY: "Away"}
_OFFLINE: Final = "offline"


def online(address: Address, known: Known | None) -> Presence:
    """Somebody is on the network."""
    if known is None or not known.away:
        return Presence(address, (Tuple(_TUPLE, Basic.OPEN),))
    note = "" if known.note in (None, _NO_NOTE) else from_irc(known.note or "").text.strip()
    notes = (("", note),) if note else ()
    return Presence(address, (Tuple(_TUPLE, Basic.OPEN, frozenset({Activity.AWAY}), notes),))


def offline(address: Address) -> Presence:
    """Somebody is not on the network."""
    return Presence(address, (Tuple(_TUPLE, Basic.CLOSED),))


def unknown(address: Address) -> Presence:
    """Somebody is out of sight."""
    return Presence(address)


def away_text(presence: Presence, limit: int) -> str:
    """What a puppet says with AWAY for its owner, in at most `limit` bytes; empty while they are there.

    Nothing known is as there: a network that hides presence makes nobody absent.
    """
    if not presence.tuples:
        return ""
    best = min(presence.tuples, key=_rank)
    if best.basic is Basic.CLOSED:
        return _OFFLINE
    activity = next((each for each in _WORDS if each in best.activities), None)
    if activity is None and best.idle_since is None:
        return ""
    words = next((text for _, text in best.notes if text.strip()), "")
    return cut(to_irc(words).strip(), limit) or _WORDS[activity or Activity.AWAY]


def _rank(each: Tuple) -> tuple[bool, float, float, int]:
    """Open before closed, then the higher priority, the newer, the less busy."""
    busy = 2 if Activity.BUSY in each.activities else len(each.activities) and 1
    return each.basic is Basic.CLOSED, -(each.priority or 0), -(each.since or 0), busy
