"""What somebody may see of a presence, by what its owner decided. Pure.

Whoever is offline shows that and nothing else, to anybody: no text, no times, no device. So what a politely blocked
watcher sees (RFC 2779 5.1.15) is what every watcher of an offline person sees, to the last letter.
"""

from collections.abc import Iterable

from bridge.model.address import Address
from bridge.model.presence import Basic, Presence, Tuple
from bridge.model.rule import Decision

OFFLINE = Tuple("offline", Basic.CLOSED)
"""All there is to say of somebody who is offline."""


def closed(presentity: Address) -> Presence:
    """The presence of somebody who is offline, or is taken to be."""
    return Presence(presentity, (OFFLINE,))


def view(presence: Presence, decision: Decision) -> Presence:
    """What of a presence is for somebody of whom its owner decided so.

    Where nothing is known, everybody is told so: of one who blocks politely no more is known than of one who is
    offline.
    """
    if not presence.tuples:
        return Presence(presence.presentity)
    if decision is Decision.ALLOW and any(each.basic is Basic.OPEN for each in presence.tuples):
        return presence
    return closed(presence.presentity)


def everybodys(presence: Presence, decisions: Iterable[Decision]) -> Presence:
    """What of a presence is for all readers of a room alike, of whom nobody can be left out.

    `decisions` are all that its owner decided about anybody. If they are not all to allow it, the room is told
    nothing; and that the person is offline, if somebody is to think so.
    """
    strict = {decision for decision in decisions if decision is not Decision.ALLOW}
    if Decision.POLITE_BLOCK in strict:
        return view(presence, Decision.POLITE_BLOCK)
    return Presence(presence.presentity) if strict else view(presence, Decision.ALLOW)
