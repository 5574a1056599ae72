"""Any event of a room, translated by what it is. Pure, and never raises."""

from collections.abc import Mapping
from typing import Any

from adapters.matrix.inbound import MALFORMED, Outcome, Scene, message_event, topic
from adapters.matrix.members import member_event

REPLACED = "room replaced"
"""The label of the event that says that another room is to be used from now on."""


def translate(pdu: Mapping[str, Any], scene: Scene) -> Outcome:
    """What one event means where the scene is."""
    if "state_key" not in pdu:
        return message_event(pdu, scene)
    kind = pdu.get("type")
    if kind == "m.room.member":
        return member_event(pdu, scene)
    if kind == "m.room.topic" and pdu.get("state_key") == "":
        return topic(pdu, scene)
    if kind == "m.room.encryption":
        return Outcome(ignored="encryption turned on", encrypted=True)
    if kind == "m.room.tombstone":
        return Outcome(ignored=REPLACED)
    return Outcome(ignored="state event") if isinstance(kind, str) else MALFORMED
