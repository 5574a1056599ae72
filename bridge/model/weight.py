"""Roughly how much memory what came in takes while it waits."""

from typing import Final

from bridge.model.event import Event, Roster, State, TopicSet
from bridge.model.message import Message, Opaque, Reaction, Retraction

ENTRY: Final = 1024
"""Bytes of an event or state without what was said: objects, names, ids."""


def weight(item: Event | State) -> int:
    """Bytes, to within a factor of a few: enough to bound what waits, whatever strangers send."""
    match item:
        case Event(origin=origin, content=content):
            said = 0
            match content:
                case Message(body=body, parts=parts, subject=subject):
                    said = len(body.text) + 100 * (len(body.spans) + len(parts)) + (len(subject.text) if subject else 0)
                case Opaque(detail=detail):
                    said = len(detail.text)
                case Reaction(target=target, key=key):
                    said = len(target) + len(key)
                case Retraction(target=target, reason=reason):
                    said = len(target) + len(reason or "")
            return ENTRY + len(origin.native_id) + said
        case Roster(people=people):
            return ENTRY + 300 * len(people)
        case TopicSet(text=text):
            return ENTRY + len(text)
        case _:
            return ENTRY
