"""The bot's visit to a server for the time of a check: its rooms entered, everything else turned away, and left again.

The same for a component and for an account: whoever has the stream, is told of it here, and decides what it means.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol
from xml.etree.ElementTree import Element

from adapters.xmpp import ids, outbound
from adapters.xmpp.attendance import Attendance
from adapters.xmpp.errors import Refused
from adapters.xmpp.queries import Queries
from adapters.xmpp.rooms import Room
from adapters.xmpp.sanitise import attribute
from bridge import clocks
from bridge.contract import Finding, SendError
from bridge.model.event import Event, State
from bridge.model.result import Failure, Reason, Receipt
from bridge.model.room import Member

ROOMS_WITHIN = 12.0
"""Seconds in which all rooms have to say whether they let the bot in."""
CLOCK_WITHIN = 3.0
LEAVE_WITHIN = 2.0

_BUSY = "this gateway is only being tried; try again in a minute"
_TIME = "urn:xmpp:time"


class Stream(Protocol):
    """What is needed of a stream, a component's or an account's."""

    async def run(self) -> None:
        """Keep it, until cancelled or closed."""

    def write(self, stanza: str) -> None:
        """Give it a stanza. Raises `SendError`."""

    async def close(self) -> None:
        """Say good-bye and let go."""


class Visit:
    """The listener of a stream, and what the rooms act through. `end` has to follow, whatever happens.

    `bot` is our full JID there. `domain` is whose puppets may be in the rooms, nothing for an account.
    """

    def __init__(self, bot: str, domain: str, nick: str) -> None:
        self._bot = bot
        self._domain = domain
        self._nick = nick
        self._stream: Stream | None = None
        self._queries = Queries(self.write)
        self._standing: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()
        self._up = False
        self._rooms: dict[str, Room] = {}
        self._made: set[str] = set()
        self._running: asyncio.Task[None] | None = None
        self._attending: list[asyncio.Task[None]] = []

    async def connect(self, stream: Stream, within: float) -> Failure | None:
        """Have the stream run; None when it can be written to."""
        self._stream = stream
        self._running = asyncio.create_task(stream.run(), name="probe stream")
        try:
            async with asyncio.timeout(within):
                return await self._standing
        except TimeoutError:
            return Failure(Reason.REMOTE_SERVER_TIMEOUT, f"the XMPP server did not answer within {within:.0f} s")

    async def clock(self, host: str, now: Callable[[], float]) -> AsyncIterator[Finding]:
        """Ask a server for its time (XEP-0202); nothing is told where it does not tell it."""
        sent = now()
        try:
            answer = await self._queries.ask(host, partial(_ask_time, self._bot, host), CLOCK_WITHIN)
        except (Refused, SendError):
            return
        theirs = _read_time(answer)
        if theirs is not None:
            # XEP-0082: fractions of a second may be left out.
            yield clocks.compared(host, theirs, sent, now(), resolution=1.0)

    async def rooms(self, members: Sequence[Member]) -> AsyncIterator[Finding]:
        """Have the bot enter all rooms."""
        answers: asyncio.Queue[tuple[Room, Failure | None]] = asyncio.Queue()
        for member in members:
            place = member.place
            room = Room(place, self, bot=self._bot, domain=self._domain, password=member.key)
            self._rooms[room.jid] = room
            told = partial(lambda room, failure: answers.put_nowait((room, failure)), room)
            attendance = Attendance(room, self._queries, self._nick, lambda: None, told, _nothing)
            self._attending.append(asyncio.create_task(attendance.run(), name=f"probe {room.jid}"))
        silent = dict(self._rooms)
        try:
            async with asyncio.timeout(ROOMS_WITHIN):
                while silent:
                    room, failure = await answers.get()
                    if silent.pop(room.jid, None) is not None:
                        yield self._room_words(room, failure)
        except TimeoutError:
            for jid in silent:
                yield Finding(
                    False, f"{jid}: no answer within {ROOMS_WITHIN:.0f} s; is {ids.domain(jid)} a room service?"
                )

    def _room_words(self, room: Room, failure: Failure | None) -> Finding:
        if failure is not None:
            return Finding(False, f"{room.jid}: {failure.text}")
        if room.jid in self._made:
            made = "there was no such room, and `rialto run` will make it: if that is a typing mistake, correct rooms:"
            return Finding(True, f"{room.jid}: {made}")
        return Finding(True, f"{room.jid}: the bot can enter, as {room.owns.bot.nick}")

    async def end(self) -> None:
        """Leave everything as it was."""
        for task in self._attending:
            task.cancel()
        going = []
        for room in self._rooms.values():
            if room.owns.bot.present and self._up:
                if room.jid in self._made:
                    self.write(_destroy(self._bot, room.jid))
                going.append(room.leave(room.owns.bot, None))
        if going:
            await asyncio.wait(going, timeout=LEAVE_WITHIN)
        if self._stream is not None:
            await self._stream.close()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, *self._attending, return_exceptions=True)

    # The stream's listener

    def opened(self) -> None:
        """The server has taken us."""
        self._up = True
        if not self._standing.done():
            self._standing.set_result(None)

    def closed(self, failure: Failure) -> None:
        """It has not, or not any more."""
        self._up = False
        if not self._standing.done():
            self._standing.set_result(failure)
        for room in self._rooms.values():
            room.lost(failure.reason, failure.text)

    def suspended(self, failure: Failure) -> None:
        """The connection is gone, and the session may go on; too late for a check."""
        self.closed(failure)

    def resumed(self) -> None:
        """The session goes on."""

    def received(self, stanza: Element) -> None:
        """What people want of us meanwhile is refused, so that they know; nothing else is acted upon."""
        name, kind = stanza.tag.rpartition("}")[2], stanza.get("type")
        room = self._rooms.get(ids.bare(stanza.get("from", "")))
        if name == "iq" and kind in ("result", "error"):
            self._queries.answered(stanza)
        elif name == "iq":
            self.write(outbound.error(stanza, Reason.SERVICE_UNAVAILABLE))
        elif name == "presence" and room is not None:
            if _was_made(stanza):
                self._made.add(room.jid)
            own = room.owns.get(stanza.get("to", ""))
            if own is not None:
                room.presence(own, stanza)
        elif name == "message" and room is None and _is_said(stanza):
            self.write(outbound.error(stanza, Reason.RECIPIENT_UNAVAILABLE, _BUSY))

    # What rooms do

    def write(self, stanza: str) -> None:
        """Give a stanza to the stream. Raises `SendError`."""
        if self._stream is None:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "the XMPP server is not connected")
        self._stream.write(stanza)

    def emit(self, *items: Event | State) -> None:
        """Nothing is reported."""

    def ignored(self, what: str, native_id: str = "") -> None:
        """Nothing is counted."""

    def reached(self, room: str, line: str) -> None:
        """Nothing is remembered."""

    def confirmed(self, part_id: str, receipt: Receipt) -> None:
        """Nothing waits for it."""


async def _nothing() -> None:
    """Nothing was reported."""


def _is_said(message: Element) -> bool:
    """Whether somebody wrote something, and would otherwise take it for received."""
    direct = message.get("type") not in ("error", "groupchat", "headline")
    return direct and any(child.tag.rpartition("}")[2] in ("body", "encrypted", "openpgp") for child in message)


def _was_made(presence: Element) -> bool:
    """XEP-0045 section 10.1.1: status 201, the room has come into being by our entering it."""
    statuses = presence.iter("{http://jabber.org/protocol/muc#user}status")
    return any(status.get("code") == "201" for status in statuses)


def _destroy(sender: str, room: str) -> str:
    """XEP-0045 section 10.9."""
    query = '<query xmlns="http://jabber.org/protocol/muc#owner"><destroy/></query>'
    return f'<iq from="{attribute(sender)}" to="{attribute(room)}" id="probe-destroy" type="set">{query}</iq>'


def _ask_time(sender: str, to: str, token: str) -> str:
    """XEP-0202."""
    head = f'<iq from="{attribute(sender)}" to="{attribute(to)}" id="{attribute(token)}" type="get">'
    return f'{head}<time xmlns="{_TIME}"/></iq>'


def _read_time(answer: Element) -> float | None:
    """The time in a XEP-0202 result, in seconds since the epoch; None where there is none that can be read."""
    utc = answer.find(f"{{{_TIME}}}time/{{{_TIME}}}utc")
    try:
        return datetime.fromisoformat((utc.text or "").strip()).timestamp() if utc is not None else None
    except (ValueError, OverflowError):
        return None
