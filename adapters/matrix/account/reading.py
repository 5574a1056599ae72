"""Reading what happens: /sync, in order and without gaps, and durable in the core before the token moves on.

The token for the stream is kept in the same transaction as the events before it. Where the homeserver leaves something
out of a room's timeline, that is fetched first, from the old token up to where the timeline begins. So whatever was
said while nobody listened comes once, in order. Client-server API, specification v1.19, "Syncing",
``/rooms/{roomId}/messages``.
"""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import structlog

from adapters.matrix.account.batch import Batch, Pdu, Timeline, arrival, pdus, read, stream_token
from adapters.matrix.account.direct import Correspondence
from adapters.matrix.account.invitations import Invitations
from adapters.matrix.account.session import Session
from adapters.matrix.entering import Entering
from adapters.matrix.errors import MatrixError
from adapters.matrix.ids import Namespace
from adapters.matrix.inbound import Change, Outcome, Scene, identifier
from adapters.matrix.rooms import Room, Rooms
from adapters.matrix.sending import Sender
from adapters.matrix.translating import REPLACED, translate
from bridge.contract import Core
from bridge.model.event import Event, State
from bridge.model.result import Receipt

log = structlog.get_logger(__name__)

LONG_POLL = 30.0
"""Seconds the homeserver may wait for something to happen before it answers."""

TIMELINE = 100
PAGE = 250
"""Events of one room in an answer, and in one page of what was left out of it."""

RECENT = 4096
"""Event ids kept in mind."""

PATIENCE = 20.0
"""Seconds for which a page is asked for again."""

_SYNC = "/_matrix/client/v3/sync"
_ROOMS = "/_matrix/client/v3/rooms"
_MEMORY = "since"

_NOTHING: dict[str, list[str]] = {"types": []}
_FILTER = json.dumps(
    {
        "room": {
            "timeline": {"limit": TIMELINE},
            # Who is in a room is asked once, when it is entered: no need to have it told again for a room of thousands.
            "state": {"lazy_load_members": True},
            "ephemeral": _NOTHING,
            "account_data": _NOTHING,
        },
        "presence": _NOTHING,
        "account_data": _NOTHING,
    }
)
_ONLY_NOW = json.dumps(
    {
        "room": {
            "timeline": {"limit": 1, "types": []},
            "state": _NOTHING,
            "ephemeral": _NOTHING,
            "account_data": _NOTHING,
        },
        "presence": _NOTHING,
        "account_data": _NOTHING,
    }
)
"""What is asked for the first time: where now is, and who has invited us. History is not bridged."""


class Reading:
    """The stream of one account, on its way to the core. One task calls it."""

    def __init__(
        self,
        core: Core,
        session: Session,
        ours: Namespace,
        rooms: Rooms,
        entering: Entering,
        sender: Sender,
        correspondence: Correspondence,
        invitations: Invitations,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._core = core
        self._session = session
        self._ours = ours
        self._rooms = rooms
        self._entering = entering
        self._sender = sender
        self._correspondence = correspondence
        self._invitations = invitations
        self._clock = clock
        self._recent: dict[str, None] = {}
        self.forgetting: dict[str, str | None] = {_MEMORY: None}
        """What to tell the core to remember so that reading begins anew."""

    @property
    def _since(self) -> str:
        return self._core.recall(_MEMORY).get(_MEMORY, "")

    async def begin(self) -> None:
        """Before rooms are entered: where nothing was ever read, reading begins now. Raises `MatrixError`."""
        if self._since:
            return
        batch = await self._ask({"filter": _ONLY_NOW, "timeout": "0"})
        await self._core.remember({_MEMORY: batch.token})
        self._invited(batch)

    async def step(self, wait: float = LONG_POLL) -> None:
        """Take in the next answer, for which the homeserver may wait so many seconds. Raises `MatrixError`."""
        since = self._since
        try:
            batch = await self._ask({"filter": _FILTER, "since": since, "timeout": str(int(wait * 1000))})
        except MatrixError as error:
            if error.status == 400 and await self._lost(since):
                log.error("what was said since the last time cannot be read any more", why=str(error))
                await self._core.remember(self.forgetting)
            raise
        self._invited(batch)
        items: list[Event | State] = []
        seen: list[str] = []
        for timeline in batch.timelines:
            async for events in self._whole(timeline, since):
                if items and len(items) > PAGE:
                    await self._core.accept(*items)
                    items.clear()
                new = self._unknown(events)
                seen += [identifier(event.get("event_id")) for event in new]
                items += await self._take(timeline.room_id, new)
        notes = self._correspondence.take_notes()
        await self._core.accept(*items, remember={_MEMORY: batch.token, **notes})
        # Only now: what the core has not taken in has to be read again.
        self._recent.update(dict.fromkeys(filter(None, seen)))
        while len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    async def _lost(self, since: str) -> bool:
        """Whether it is the token that the homeserver does not take: it was restored from an old copy, perhaps."""
        try:
            await self._ask({"since": since, "timeout": "0"})
        except MatrixError as error:
            return error.status == 400
        return False

    async def _ask(self, query: dict[str, str]) -> Batch:
        batch = read(await self._session.request("GET", _SYNC, query=query), self._ours.bot_id)
        if not batch.token:
            raise MatrixError(502, "", "the homeserver's answer to /sync names no next one")
        return batch

    def _invited(self, batch: Batch) -> None:
        for invitation in batch.invitations:
            self._invitations.came(invitation)

    async def _whole(self, timeline: Timeline, since: str) -> AsyncIterator[Sequence[Pdu]]:
        """The timeline in pieces, with what the homeserver left out of it, from our arrival in the room on."""
        came = arrival(timeline.events, self._ours.bot_id)
        if came is not None:
            yield timeline.events[came + 1 :]
            return
        if timeline.limited and timeline.before and self._concerns(timeline.room_id):
            came = arrival(timeline.state, self._ours.bot_id)
            came_by = identifier(timeline.state[came].get("event_id")) if came is not None else ""
            async for page in self._left_out(timeline, since):
                if came_by:
                    ids = [event.get("event_id") for event in page]
                    if came_by not in ids:
                        continue
                    page, came_by = page[ids.index(came_by) + 1 :], ""
                yield page
        yield timeline.state if came is None else ()
        yield timeline.events

    def _concerns(self, room_id: str) -> bool:
        return self._rooms.by_id(room_id) is not None or self._correspondence.by_id(room_id) is not None

    async def _left_out(self, timeline: Timeline, since: str) -> AsyncIterator[Sequence[Pdu]]:
        """What was said after `since` and before the timeline, page by page."""
        query = {"dir": "f", "from": since, "to": timeline.before, "limit": str(PAGE)}
        count = 0
        while True:
            try:
                page = await self._session.request(
                    "GET", _ROOMS, timeline.room_id, "messages", query=query, patience=PATIENCE
                )
            except MatrixError as error:
                if error.temporary:
                    raise
                log.error("a gap in a room cannot be read", room=timeline.room_id, after=count, why=str(error))
                return
            events = pdus(page.get("chunk"))
            count += len(events)
            yield events
            end = stream_token(page.get("end"))
            if not events or not end or end == query["from"]:
                break
            query["from"] = end
        log.info("a gap in a room was read", room=timeline.room_id, events=count)

    def _unknown(self, events: Iterable[Pdu]) -> list[Pdu]:
        """Those not taken in before."""
        new = []
        for event in events:
            event_id = identifier(event.get("event_id"))
            if event_id in self._recent:
                self._core.ignored("event taken in before", event_id)
            else:
                new.append(event)
        return new

    async def _take(self, room_id: str, events: Sequence[Pdu]) -> list[Event | State]:
        room = self._rooms.by_id(room_id)
        if room is not None:
            return [item for event in events for item in self._understood(event, room)]
        if not events:
            return []
        return await self._correspondence.take(room_id, events)

    def _understood(self, pdu: Pdu, room: Room) -> tuple[Event | State, ...]:
        try:
            return self._said(pdu, room)
        except Exception:
            # One event that we stumble over must not keep those behind it away: it would be read again for ever.
            event_id = identifier(pdu.get("event_id"))
            log.exception("event not understood", event_id=event_id, type=str(pdu.get("type"))[:100])
            self._core.ignored("not understood", event_id)
            return ()

    def _said(self, pdu: Pdu, room: Room) -> tuple[Event | State, ...]:
        """Translate one event of a configured room, and note what it changes; returns what the core shall have."""
        event_id = identifier(pdu.get("event_id"))
        scene = Scene(room.place, self._ours, room.people, room.puppets, lambda _: None, self._clock(), room.marks)
        outcome = translate(pdu, scene)
        self._note(outcome, room)
        if outcome.echo and not self._sender.echo(outcome.echo, event_id):
            self._core.confirmed(outcome.echo, Receipt(event_id))
        if outcome.ignored:
            self._core.ignored(outcome.ignored, event_id)
        return outcome.items

    def _note(self, outcome: Outcome, room: Room) -> None:
        if outcome.change is not None:
            room.apply(outcome.change, self._ours)
            if outcome.change == Change(self._ours.bot_id, None):
                # Whoever took the account out, its owner with another client included: it waits for an invitation.
                room.removed.add(self._ours.bot_id)
                self._entering.removed(room.place)
        if outcome.topic is not None:
            room.topic = outcome.topic
        if outcome.encrypted and not room.encrypted:
            room.encrypted = True
            log.warning("messages here are encrypted and cannot be read by the bridge", place=room.place.native)
        if outcome.ignored == REPLACED:
            log.warning("the room was replaced by another: configure the new one", place=room.place.native)
