"""Transactions from the homeserver: every event translated, in order, and durable in the core before the answer.

Nothing is decided by a transaction's id: Synapse starts counting anew after a restart. What has been taken in is known
by its event ids; the core knows them for ever, this module the newest, so that no old membership comes a second time.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from adapters.matrix.entering import Entering
from adapters.matrix.ids import Namespace
from adapters.matrix.inbound import MALFORMED, Change, Outcome, Scene, identifier, mapping, message_event, topic
from adapters.matrix.members import member_event
from adapters.matrix.puppets import Puppets
from adapters.matrix.rooms import Room, Rooms
from adapters.matrix.sending import Sender
from adapters.matrix.tasks import Tasks
from bridge.contract import Core, NoPuppetError, SendError
from bridge.model.event import Cause, Event, PuppetGone, State
from bridge.model.result import Receipt

log = structlog.get_logger(__name__)

RECENT = 4096
"""Event ids kept in mind."""

_EPHEMERAL = {"m.typing": "typing", "m.receipt": "receipt", "m.presence": "presence"}
_EPHEMERAL_KEYS = ("ephemeral", "de.sorunome.msc2409.ephemeral")


class Intake:
    """What the homeserver pushes, on its way to the core."""

    def __init__(
        self,
        core: Core,
        ours: Namespace,
        rooms: Rooms,
        puppets: Puppets,
        entering: Entering,
        sender: Sender,
        tasks: Tasks,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._core = core
        self._ours = ours
        self._rooms = rooms
        self._puppets = puppets
        self._entering = entering
        self._sender = sender
        self._tasks = tasks
        self._clock = clock
        self._recent: dict[str, None] = {}

    async def transaction(self, body: Mapping[str, Any]) -> None:
        """Take in one transaction; returns when the core has it durably."""
        events = body.get("events")
        pdus = [mapping(event) for event in events] if isinstance(events, list) else []
        items: list[Event | State] = []
        seen: list[str] = []
        for pdu in pdus:
            event_id = identifier(pdu.get("event_id"))
            if event_id in self._recent:
                self._core.ignored("event taken in before", event_id)
                continue
            items += self._take(pdu)
            seen.append(event_id)
        self._ephemeral(body)
        if items:
            await self._core.accept(*items)
        # Only now: had the core not taken them, the homeserver would have to bring them again.
        self._recent.update(dict.fromkeys(filter(None, seen)))
        while len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    def _take(self, pdu: Mapping[str, Any]) -> tuple[Event | State, ...]:
        """Translate one PDU and note what it changes; returns what the core shall have."""
        event_id = identifier(pdu.get("event_id"))
        room = self._rooms.by_id(pdu.get("room_id"))
        if room is None:
            self._foreign(pdu, event_id)
            return ()
        outcome = self._translate(pdu, room)
        if outcome.change is not None:
            room.apply(outcome.change, self._ours)
            if outcome.change == Change(self._ours.bot_id, None) and pdu.get("sender") != self._ours.bot_id:
                room.removed.add(self._ours.bot_id)
                self._entering.removed(room.place)
        for item in outcome.items:
            if isinstance(item, PuppetGone) and item.cause in (Cause.KICKED, Cause.BANNED):
                room.removed.add(self._puppets.user_id(item.address))
        if outcome.topic is not None:
            room.topic = outcome.topic
        if outcome.encrypted and not room.encrypted:
            room.encrypted = True
            log.warning("messages here are encrypted and cannot be read by the bridge", place=room.place.native)
        if outcome.echo and not self._sender.echo(outcome.echo, event_id):
            self._core.confirmed(outcome.echo, Receipt(event_id))
        if outcome.invited:
            self._invited(outcome.invited, room)
        if outcome.ignored:
            self._core.ignored(outcome.ignored, event_id)
        return outcome.items

    def _translate(self, pdu: Mapping[str, Any], room: Room) -> Outcome:
        scene = Scene(room.place, self._ours, room.people, room.puppets, self._puppets.address_of, self._clock())
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
            log.warning("the room was replaced by another: configure the new one", place=room.place.native)
            return Outcome(ignored="room replaced")
        return Outcome(ignored="state event") if isinstance(kind, str) else MALFORMED

    def _foreign(self, pdu: Mapping[str, Any], event_id: str) -> None:
        """An event of a room that is no configured place, or not yet known to be one."""
        content = mapping(pdu.get("content"))
        if pdu.get("type") == "m.room.member" and content.get("membership") == "invite":
            if pdu.get("state_key") == self._ours.bot_id:
                self._entering.invited()
            self._core.ignored("invitation elsewhere", event_id)
            return
        self._core.ignored("room not configured", event_id)

    def _invited(self, user_id: str, room: Room) -> None:
        if user_id == self._ours.bot_id:
            room.removed.discard(user_id)
            self._entering.invited()
        else:
            self._tasks.spawn(self._accept_invitation(room, user_id), f"invitation of {user_id}")

    async def _accept_invitation(self, room: Room, user_id: str) -> None:
        try:
            await self._puppets.accept_invitation(room, user_id)
        except (SendError, NoPuppetError) as error:
            log.warning("invitation not accepted", puppet=user_id, place=room.place.native, error=str(error))

    def _ephemeral(self, body: Mapping[str, Any]) -> None:
        """Typing, receipts, presence: not bridged yet, counted. Both keys hold the same where both are there."""
        for key in _EPHEMERAL_KEYS:
            edus = body.get(key)
            if isinstance(edus, list):
                for edu in edus:
                    kind = mapping(edu).get("type")
                    self._core.ignored(_EPHEMERAL.get(str(kind), "ephemeral event"))
                return
