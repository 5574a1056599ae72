"""Presence as IRC knows it, on the network or not, away or not, and the common model's. Pure.

The mapping is that of docs/presence.md: a nick is one tuple, away is the RPID activity of that name, and its text a
note without a language.
"""

from collections.abc import Mapping
from typing import Final

from adapters.irc.markup import from_irc, to_irc
from adapters.irc.people import Known
from bridge.model.address import Address
from bridge.model.presence import Absence, Activity, Basic, Presence, Tuple, absence, best, words
from bridge.split import cut

_TUPLE: Final = "irc"
_NO_NOTE: Final = "*"
"""What IRCv3 pre-away has in place of a text where somebody is just not there."""

_WORDS: Final[Mapping[Absence, str]] = {
    Absence.NONE: "",
    Absence.AWAY: "Away",
    Absence.LONG: "Away for long",
    Absence.BUSY: "Busy",
    Absence.GONE: "offline",
}
"""What is said with AWAY where there is no text."""


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
    found = best(presence)
    if found is None:
        return ""
    absent = absence(found)
    if absent in (Absence.NONE, Absence.GONE):
        return _WORDS[absent]
    return cut(to_irc(words(presence, found)).strip(), limit) or _WORDS[absent]
