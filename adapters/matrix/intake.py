"""Transactions from the homeserver: every event translated, in order, and durable in the core before the answer.

Nothing is decided by a transaction's id: Synapse starts counting anew after a restart. What has been taken in is known
by its event ids; the core knows them for ever, this module the newest, so that no old membership comes a second time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from adapters.matrix.conversations import Notes
from adapters.matrix.direct import DirectRooms
from adapters.matrix.entering import Entering
from adapters.matrix.errors import MatrixError
from adapters.matrix.hearing import Heard
from adapters.matrix.ids import Namespace, is_user_id
from adapters.matrix.inbound import Change, Outcome, Scene, identifier, mapping
from adapters.matrix.missed import Missed
from adapters.matrix.puppets import Puppets
from adapters.matrix.rooms import Room, Rooms
from adapters.matrix.sending import Sender
from adapters.matrix.standing import Mark
from adapters.matrix.tasks import Tasks
from adapters.matrix.translating import REPLACED, translate
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
        direct: DirectRooms,
        heard: Heard | None,
        missed: Missed,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._core = core
        self._ours = ours
        self._rooms = rooms
        self._puppets = puppets
        self._entering = entering
        self._sender = sender
        self._tasks = tasks
        self._direct = direct
        self._heard = heard
        self._missed = missed
        self._clock = clock
        self._recent: dict[str, None] = {}

    async def transaction(self, body: Mapping[str, Any]) -> None:
        """Take in one transaction; returns when the core has it durably. Raises `MatrixError` where it cannot be told
        now what was said before it."""
        events = body.get("events")
        pdus = [mapping(event) for event in events] if isinstance(events, list) else []
        if self._missed.in_doubt:
            pdus = await self._missed.completed(pdus)
        await self._take_in(pdus, body)

    async def catch_up(self) -> None:
        """Take in what people said in the rooms and the homeserver has not pushed; it may still be about to. Raises
        `MatrixError`."""
        await self._take_in(await self._missed.everywhere(), {})

    async def _take_in(self, pdus: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> None:
        items: list[Event | State] = []
        notes: Notes = {}
        seen: list[str] = []
        for pdu in pdus:
            event_id = identifier(pdu.get("event_id"))
            if event_id in self._recent:
                self._core.ignored("event taken in before", event_id)
                continue
            try:
                items += self._take(pdu, notes)
            except Exception:
                # One event that we stumble over must not keep those behind it away: it would be brought for ever.
                log.exception("event not understood", event_id=event_id, type=str(pdu.get("type"))[:100])
                self._core.ignored("not understood", event_id)
            seen.append(event_id)
        self._ephemeral(body)
        if items or notes:
            await self._core.accept(*items, remember=notes)
        self._out_of_sight(pdus)
        # Only now: had the core not taken them, the homeserver would have to bring them again.
        self._recent.update(dict.fromkeys(filter(None, seen)))
        while len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    def _out_of_sight(self, pdus: Sequence[Mapping[str, Any]]) -> None:
        """Of users who went and are nowhere with us now, we hear no more."""
        heard = self._heard
        for pdu in pdus if heard is not None else ():
            user, membership = pdu.get("state_key"), mapping(pdu.get("content")).get("membership")
            gone = pdu.get("type") == "m.room.member" and membership in ("leave", "ban")
            if not gone or not is_user_id(user) or heard is None:
                continue
            if not self._direct.sees(user) and not any(user in room.people for room in self._rooms):
                heard.lose(user)

    def _take(self, pdu: Mapping[str, Any], notes: Notes) -> tuple[Event | State, ...]:
        """Translate one PDU and note what it changes; returns what the core shall have. Adds to `notes`."""
        event_id = identifier(pdu.get("event_id"))
        room = self._rooms.by_id(pdu.get("room_id"))
        if room is None:
            return self._elsewhere(pdu, event_id, notes)
        if self._overtaken(pdu, room):
            if (puppet := str(pdu.get("state_key"))) not in room.puppets:
                room.apply(Change(puppet, None), self._ours)
            self._core.ignored("own membership", event_id)
            return ()
        outcome = self._translate(pdu, room)
        if outcome.change is not None:
            lost = room.apply(outcome.change, self._ours)
            if lost is not None:
                self._tasks.spawn(self._mark_again(room, outcome.change.user_id, lost), "lost mark")
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
        if outcome.echo:
            self._echoed(outcome.echo, event_id)
        if outcome.invited:
            self._invited(outcome.invited, room)
        if outcome.ignored:
            self._core.ignored(outcome.ignored, event_id)
        return outcome.items

    def _overtaken(self, pdu: Mapping[str, Any], room: Room) -> bool:
        """Whether this is a membership of a puppet from before a departure that we ordered, or the departure itself. It
        says nothing new: where the puppet has come back meanwhile, it is there; where it has not, it is not."""
        user_id, membership = pdu.get("state_key"), mapping(pdu.get("content")).get("membership")
        if pdu.get("type") != "m.room.member" or not isinstance(user_id, str) or not self._ours.is_puppet(user_id):
            return False
        if membership == "leave" and user_id == pdu.get("sender"):
            return room.departed(user_id)
        return membership == "join" and user_id in room.leaving

    def _translate(self, pdu: Mapping[str, Any], room: Room) -> Outcome:
        scene = Scene(
            room.place, self._ours, room.people, room.puppets, self._puppets.address_of, self._clock(), room.marks
        )
        outcome = translate(pdu, scene)
        if outcome.ignored == REPLACED:
            log.warning("the room was replaced by another: configure the new one", place=room.place.native)
        return outcome

    def _elsewhere(self, pdu: Mapping[str, Any], event_id: str, notes: Notes) -> tuple[Event | State, ...]:
        """An event of a room that is no configured place, or not yet known to be one."""
        if pdu.get("state_key") == self._ours.bot_id and mapping(pdu.get("content")).get("membership") == "invite":
            self._entering.invited()
        taken = self._direct.take(pdu, event_id)
        notes |= taken.notes
        if taken.echo:
            self._echoed(taken.echo, event_id)
        if taken.ignored:
            self._core.ignored(taken.ignored, event_id)
        return () if taken.event is None else (taken.event,)

    def _echoed(self, part_id: str, event_id: str) -> None:
        if not self._sender.echo(part_id, event_id):
            self._core.confirmed(part_id, Receipt(event_id))

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

    async def _mark_again(self, room: Room, user_id: str, mark: Mark) -> None:
        try:
            await self._puppets.mark_again(room, user_id, mark)
        except MatrixError as error:
            log.info("a stand-in is not marked as one any more", who=user_id, place=room.place.native, error=str(error))

    def _ephemeral(self, body: Mapping[str, Any]) -> None:
        """Presence is told; typing and receipts are counted. Both keys hold the same where both are there."""
        for key in _EPHEMERAL_KEYS:
            edus = body.get(key)
            if isinstance(edus, list):
                for edu in edus:
                    self._passing(mapping(edu))
                return

    def _passing(self, edu: Mapping[str, Any]) -> None:
        kind = edu.get("type")
        if kind != "m.presence" or self._heard is None:
            self._core.ignored(_EPHEMERAL.get(str(kind), "ephemeral event"))
            return
        try:
            self._heard.take(edu)
        except Exception:
            # As with events: what follows is not to suffer.
            log.exception("presence not understood")
            self._core.ignored("not understood")
