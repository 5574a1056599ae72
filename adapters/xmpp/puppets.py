"""Puppets coming to rooms, leaving them, and being renamed there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import chain

import structlog

from adapters.xmpp import ids, memory
from adapters.xmpp.attendance import ENTER_WITHIN, Attendance
from adapters.xmpp.errors import Refused, join_refused
from adapters.xmpp.memory import Remembered
from adapters.xmpp.nicks import candidates
from adapters.xmpp.own import Own
from adapters.xmpp.presence import in_room
from adapters.xmpp.rooms import Room
from adapters.xmpp.standing import Mark
from bridge.contract import Core, NoPuppetError, SendError
from bridge.model.address import Address, Person
from bridge.model.event import Cause, PuppetGone
from bridge.model.result import Reason

log = structlog.get_logger(__name__)

LEAVE_WITHIN = 5.0
"""Seconds to wait for a room to confirm that a puppet left."""


class Puppets:
    """What the core asks of puppets, done one thing after the other for each puppet in each room."""

    def __init__(self, core: Core, domain: str) -> None:
        self._core = core
        self._domain = domain
        self._busy: dict[tuple[str, Address], asyncio.Task[None]] = {}

    def jid(self, address: Address) -> str:
        """The full JID of that person's puppet. Raises `NoPuppetError`."""
        try:
            return ids.own_jid(self._core.names.xmpp_local(address), self._domain)
        except ValueError as error:
            raise NoPuppetError(f"{address} has no name here: {error}") from None

    async def join(self, attendance: Attendance, person: Person) -> None:
        """As `bridge.contract.Puppeteer.join`."""
        await self._in_turn(attendance.room, person.address, lambda: self._join(attendance, person))

    async def leave(self, room: Room, address: Address, reason: str | None) -> None:
        """As `bridge.contract.Puppeteer.leave`."""
        await self._in_turn(room, address, lambda: self._leave(room, address, reason))

    async def rename(self, attendance: Attendance, person: Person) -> None:
        """As `bridge.contract.Puppeteer.rename`."""
        await self._in_turn(attendance.room, person.address, lambda: self._join(attendance, person))

    async def _in_turn(self, room: Room, address: Address, work: Callable[[], Awaitable[None]]) -> None:
        key = room.jid, address
        before = self._busy.get(key)

        async def turn() -> None:
            if before is not None:
                await asyncio.wait({before})
            await work()

        task = self._busy[key] = asyncio.create_task(turn(), name=f"puppet {address} in {room.jid}")

        def done(_: object) -> None:
            if self._busy.get(key) is task:
                del self._busy[key]
            if not task.cancelled():
                task.exception()

        task.add_done_callback(done)
        # A caller that stops waiting does not leave a half-made puppet: what was begun is brought to its end.
        await asyncio.shield(task)

    async def _join(self, attendance: Attendance, person: Person) -> None:
        room = attendance.room
        try:
            async with asyncio.timeout(ENTER_WITHIN):
                await attendance.attempted.wait()
        except TimeoutError:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, f"{room.jid} does not answer") from None
        known = room.owns.of(person.address)
        own = known or room.owns.puppet(person.address, self.jid(person.address))
        room.owns.mark(own, Mark(of=self._core.identity(person)))
        if own.present and own.name == person.name:
            # Whose stand-in it is may have become known since: IRC servers say what they are called later.
            room.appear(own, own.wears)
            return
        room.owns.wear(own, in_room(self._core.presence_of(person.address)))
        for nick in dict.fromkeys(chain(self._remembered(room, person), candidates(person))):
            if room.taken(nick, own):
                continue
            if own.present and own.nick == nick:
                room.appear(own, own.wears)
                break
            if await self._ask(room, own, nick):
                break
        else:
            raise NoPuppetError(f"every nick for {person} is taken in {room.jid}")
        own.name = person.name
        await self._remember(room, own, person)

    async def _ask(self, room: Room, own: Own, nick: str) -> bool:
        """Ask for the nick; false if somebody has it."""
        try:
            async with asyncio.timeout(ENTER_WITHIN):
                await (room.change_nick(own, nick) if own.present else room.enter(own, nick))
        except Refused as refused:
            reason = refused.error.reason
            if reason in (Reason.CONFLICT, Reason.JID_MALFORMED):
                return False
            if reason is Reason.FORBIDDEN and not own.present and own.address is not None:
                # Not by our doing, and not to be undone: as if it had been put out before our eyes.
                gone = PuppetGone(room.place, own.address, Cause.BANNED, refused.error.text or None)
                await self._core.accept(gone)
            raise join_refused(refused.error) from None
        except TimeoutError:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, f"{room.jid} does not answer") from None
        return True

    async def _leave(self, room: Room, address: Address, reason: str | None) -> None:
        own = room.owns.of(address)
        if own is None or not own.present:
            return
        gone = room.leave(own, reason)
        try:
            async with asyncio.timeout(LEAVE_WITHIN):
                await gone
        except TimeoutError:
            log.warning("the room has not confirmed that a puppet left", room=room.jid, puppet=own.jid)
            room.abandon(own)

    def _remembered(self, room: Room, person: Person) -> Iterable[str]:
        """The nick that the puppet had last under this name."""
        key = memory.key(room.jid, person.address)
        value = self._core.recall(key).get(key)
        known = memory.read_one(person.address, value) if value is not None else None
        return (known.nick,) if known is not None and known.name == person.name else ()

    async def _remember(self, room: Room, own: Own, person: Person) -> None:
        key = memory.key(room.jid, person.address)
        value = memory.write(Remembered(person.address, own.nick, person.name, own.occupant_id))
        if self._core.recall(key).get(key) != value:
            await self._core.remember({key: value})
