"""The state event ``m.room.member`` as values of the common model. Pure, and never raises.

Client-server API, specification v1.19, "Room membership". What is written here is the difference between what was
known (the scene, and ``unsigned.prev_content`` where the homeserver tells it) and what is true now.
"""

from collections.abc import Mapping
from typing import Any

from adapters.matrix.ids import is_user_id, localpart
from adapters.matrix.inbound import MALFORMED, Change, Outcome, Scene, identifier, mapping, when, words
from adapters.matrix.markup import clean_name
from adapters.matrix.standing import PERSON, mark_of
from bridge.model.address import Address, Person
from bridge.model.event import Cause, Event, Joined, Left, Origin, PuppetGone, Renamed, State
from bridge.model.message import Kick


def shown_name(user_id: str, content: Mapping[str, Any]) -> str:
    """The name a member event shows, else the localpart; never empty."""
    name = content.get("displayname")
    return (clean_name(name) if isinstance(name, str) else "") or clean_name(localpart(user_id)) or user_id


def member_event(pdu: Mapping[str, Any], scene: Scene) -> Outcome:
    """Translate one membership change."""
    event_id, sender, user_id = identifier(pdu.get("event_id")), pdu.get("sender"), pdu.get("state_key")
    content = mapping(pdu.get("content"))
    if not event_id or not is_user_id(sender) or not is_user_id(user_id):
        return MALFORMED
    membership = content.get("membership")
    if membership == "join":
        return _join(user_id, content, scene)
    if membership == "invite":
        if scene.ours.owns(user_id) and not scene.ours.owns(sender):
            return Outcome(ignored="invitation", invited=user_id)
        return Outcome(ignored="invitation")
    if membership == "knock":
        return Outcome(ignored="knock")
    if membership in ("leave", "ban"):
        return _gone(pdu, user_id, membership == "ban", scene)
    return MALFORMED


def _join(user_id: str, content: Mapping[str, Any], scene: Scene) -> Outcome:
    name, told = shown_name(user_id, content), mark_of(content)
    if scene.ours.owns(user_id):
        return Outcome(ignored="own membership", change=Change(user_id, name, told))
    before = scene.marks.get(user_id, PERSON)
    # A homeserver that brings a new name from the profile forgets the mark; whoever is none of us does not become one.
    mark = before if told == PERSON else told
    change = Change(user_id, name, mark)
    person = Person(Address(scene.place.network, user_id), name, mark.stands_for)
    known = scene.people.get(user_id)
    if mark.gateway:
        gone = known is not None and not before.gateway
        left = (Left(scene.place, person.address),) if gone else ()
        return Outcome(left, ignored="" if gone else "another gateway", change=change)
    if known is None or before != mark:
        return Outcome((Joined(scene.place, person),), change=change)
    if known != name:
        return Outcome((Renamed(scene.place, person),), change=change)
    return Outcome(ignored="profile change", change=change)


def _gone(pdu: Mapping[str, Any], user_id: str, banned: bool, scene: Scene) -> Outcome:
    sender: str = pdu["sender"]
    change = Change(user_id, None)
    before = mapping(mapping(pdu.get("unsigned")).get("prev_content")).get("membership")
    known = user_id in scene.people or user_id in scene.puppets
    told = isinstance(before, str)
    was_here = before == "join" if told else known
    ours, by_us = scene.ours.owns(user_id), scene.ours.owns(sender)
    if user_id == scene.ours.bot_id:
        return Outcome(ignored="own membership", change=change)
    if ours and by_us:
        if user_id == sender and user_id in scene.puppets and (address := scene.address_of(user_id)) is not None:
            # We had not taken it out, or it would not be among the puppets any more.
            return Outcome((PuppetGone(scene.place, address, Cause.LEFT),), change=change)
        return Outcome(ignored="own membership", change=change)
    # Where nobody tells what was before, the absence is reported (it is true), but no kick is made of it.
    if not was_here and told and not (ours and banned):
        return Outcome(ignored="ban lifted" if before == "ban" else "invitation", change=change)
    reason = words(mapping(pdu.get("content")).get("reason")) or None
    address = scene.address_of(user_id) if ours else Address(scene.place.network, user_id)
    if address is None:
        return Outcome(ignored="unknown puppet", change=change)
    if user_id == sender:
        return Outcome((Left(scene.place, address, Cause.LEFT, reason),), change=change)
    cause, by = (Cause.BANNED if banned else Cause.KICKED), scene.name_of(sender)
    gone: State = (PuppetGone if ours else Left)(scene.place, address, cause, reason, by)
    if by_us or not was_here:
        return Outcome((gone,), change=change)
    kick = Event(
        Origin(scene.place.network, str(pdu["event_id"])),
        scene.place,
        scene.person(sender),
        when(pdu, scene.now),
        Kick(address, scene.name_of(user_id), reason, banned),
    )
    return Outcome((kick, gone), change=change)
