"""The configured rooms of one attachment, and the bot's attendance in each for as long as the stream lasts."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog

from adapters.xmpp.attendance import OVERLAP, Attendance
from adapters.xmpp.history import judge
from adapters.xmpp.own import Own
from adapters.xmpp.queries import Queries
from adapters.xmpp.reach import Reach
from adapters.xmpp.rooms import Room
from bridge.contract import Core, Part, SendError
from bridge.gaps import PREFIX as GAPS
from bridge.gaps import Gaps
from bridge.model.address import Place
from bridge.model.event import Event
from bridge.model.result import Reason, Receipt

log = structlog.get_logger(__name__)

HISTORY_WITHIN = 30.0
"""Seconds `Attended.recheck` waits for the bot to have heard a room's history."""
KEPT_WITHIN = 2.0
SUBJECT_WITHIN = 15.0
"""Seconds a room may take to reflect a subject."""


class Attended:
    """`rooms` by bare JID, none yet."""

    def __init__(
        self,
        core: Core,
        queries: Queries,
        nick: str,
        rooms: dict[str, Room],
        taken: Callable[[], Awaitable[None]],
        *,
        put: Callable[[Event], None],
        longest: float,
    ) -> None:
        """`taken` returns when the core has taken in what was reported. `put` gets what was not heard, longer than
        `longest` seconds, as `bridge.gaps.Gaps` has it."""
        places = [member.place for member in core.members()]
        self._gaps = Gaps(places, core.recall(GAPS), put, longest=longest, now=time.time)
        self._reaches = {place.native: Reach(place, self._gaps, core.recall()) for place in places}
        self.rooms = rooms
        self._core = core
        self._queries = queries
        self._nick = nick
        self._taken = taken
        self._attendances: dict[str, Attendance] = {}
        self._attending: list[asyncio.Task[None]] = []

    def find(self, place: Place) -> Room:
        """The room of that place. Raises `SendError`."""
        room = self.rooms.get(place.native)
        if room is None:
            raise SendError.permanent(Reason.ITEM_NOT_FOUND, f"{place} is no configured room")
        return room

    def attendance(self, place: Place) -> Attendance:
        """The bot's attendance there. Raises `SendError`."""
        attendance = self._attendances.get(self.find(place).jid)
        if attendance is None:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "the XMPP server is not connected")
        return attendance

    def begin(self) -> None:
        """There is a stream: the bot goes to its rooms."""
        for jid, room in self.rooms.items():
            attendance = Attendance(
                room,
                self._queries,
                self._nick,
                partial(self._core.last_seen, room.place),
                partial(self._core.inside, room.place),
                self._taken,
            )
            self._attendances[jid] = attendance
            self._attending.append(
                watched(asyncio.create_task(attendance.run(), name=f"attendance {jid}"), self._core.crashed)
            )

    def end(self) -> None:
        """Nobody is kept anywhere any more."""
        for task in self._attending:
            task.cancel()
        self._attending.clear()
        self._attendances.clear()

    def lost(self, reason: Reason, text: str, silent_for: float = 0.0) -> None:
        """The stream is gone, and nothing was heard on it for that many seconds: what waits for the rooms' answers is
        in doubt."""
        for room in self.rooms.values():
            room.reach.lost(silent_for)
            room.lost(reason, text)

    def reach(self, place: Place) -> Reach:
        """How far back that room is heard."""
        return self._reaches[place.native]

    def notes(self) -> dict[str, str | None]:
        """What is to be remembered of our attendance now, so that it is known after a crash."""
        notes = self._gaps.beat()
        for reach in self._reaches.values():
            notes |= reach.notes()
        return notes

    async def keep(self, notes: Mapping[str, str | None]) -> None:
        """Have these remembered at a stop, unless the core takes nothing any more: without, it is only known for some
        seconds less how long the rooms were heard."""
        if not notes:
            return
        try:
            async with asyncio.timeout(KEPT_WITHIN):
                await self._core.accept(remember=notes)
        except TimeoutError:
            log.warning("not noted until when the rooms were heard", network=self._core.network)

    async def note(self, connected: Callable[[], bool]) -> None:
        """Have it remembered, as often as it changes, until cancelled. While not `connected`, nothing is heard."""
        while True:
            await self._gaps.due()
            if connected() and (notes := self.notes()):
                await self._core.accept(remember=notes)

    def leave(self) -> None:
        """Everybody of ours leaves."""
        for room in self.rooms.values():
            for own in room.owns:
                if not own.present:
                    continue
                try:
                    room.leave(own, None)
                except SendError as error:
                    log.info("could not leave", room=room.jid, error=str(error))
                    break

    def expire(self) -> None:
        """Give up on what rooms have not reflected in time."""
        for room in self.rooms.values():
            room.expire()

    async def set_subject(self, room: Room, own: Own, text: str) -> None:
        """Have one of ours set the subject. Raises `SendError`."""
        try:
            async with asyncio.timeout(SUBJECT_WITHIN):
                await room.set_subject(own, text)
        except TimeoutError:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, f"{room.jid} does not answer") from None

    async def recheck(self, parts: Sequence[Part]) -> Mapping[str, Receipt]:
        """See `bridge.contract.Rechecking`. By the room's history: what it reflected, it keeps."""
        if not parts:
            return {}
        attendance = self.attendance(parts[0].place)
        room = attendance.room
        needed = min(part.when for part in parts) - OVERLAP
        await self._history_heard(room)
        if attendance.archived:
            await attendance.look_back(needed)
        elif room.reaches is None or room.reaches > needed:
            await attendance.reenter(needed)
            await self._history_heard(room)
        findings = judge(parts, room.said.get, room.oldest)
        if findings.unproven:
            log.warning(
                "the history does not reach back: sent again, perhaps twice", room=room.jid, parts=findings.unproven
            )
        return findings.arrived

    async def heard(self, parts: Sequence[Part]) -> Mapping[str, Receipt]:
        """Of these parts, all for one room, those that it has reflected, as far as we heard. Raises `SendError`."""
        if not parts:
            return {}
        room = self.attendance(parts[0].place).room
        await self._history_heard(room)
        return {part.id: receipt for part in parts if (receipt := room.said.get(part.id)) is not None}

    async def _history_heard(self, room: Room) -> None:
        try:
            async with asyncio.timeout(HISTORY_WITHIN):
                await room.here.wait()
        except TimeoutError:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, f"the bot is not in {room.jid}") from None


def watched(task: asyncio.Task[None], crashed: Callable[[BaseException], None]) -> asyncio.Task[None]:
    """The task, which runs until it is cancelled: anything else that ends it is a fault of ours, and told at once."""

    def tell(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the adapter died", task=task.get_name(), exc_info=error)
            crashed(error)

    task.add_done_callback(tell)
    return task
