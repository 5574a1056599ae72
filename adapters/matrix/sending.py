"""Parts on their way to the homeserver: sent once, confirmed by the answer or by the event pushed back.

A request whose fate is unknown (no answer, a broken connection, a 5xx) is not simply repeated: Synapse forgets
transaction ids when it restarts. The room is read back for our stamp first.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from adapters.matrix.client import Client
from adapters.matrix.errors import MatrixError, send_error
from adapters.matrix.ids import Namespace, transaction_id
from adapters.matrix.inbound import identifier, mapping
from adapters.matrix.outbound import content_of, notice_for, part_id_of, time_stamp, topic_of
from adapters.matrix.puppets import Puppets
from adapters.matrix.rooms import Room
from adapters.matrix.tasks import Tasks
from bridge.contract import Handover, NoPuppetError, Part, SendError, Voice
from bridge.model.address import Person
from bridge.model.result import Reason, Receipt

log = structlog.get_logger(__name__)

PATIENCE = 30.0
"""Seconds for which a part is tried again here, before the lane is told and waits itself."""

DOUBTFUL = 10_000
"""Parts of unknown fate that are kept in mind; beyond, the oldest are forgotten."""

PAGES = 20
PAGE = 100
"""How far a room is read back: pages, and events of our puppets on each."""

_ROOMS = "/_matrix/client/v3/rooms"

Mend = Callable[[Room, Person], Awaitable[None]]
"""Called when the homeserver says that a puppet may not speak: mends it, so that the part is sent once more, or raises
`SendError`, `MatrixError` or `NoPuppetError`."""


@dataclass(slots=True)
class _Waiting:
    """A part under way. `event_id` is what its echo said."""

    confirmation: asyncio.Future[Receipt]
    event_id: str = ""


class Sender:
    """Sends parts, notices and topics."""

    def __init__(
        self,
        client: Client,
        ours: Namespace,
        puppets: Puppets,
        tasks: Tasks,
        identity: Callable[[Person], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`identity` is `Core.identity`."""
        self._client = client
        self._ours = ours
        self._puppets = puppets
        self._tasks = tasks
        self._identity = identity
        self._clock = clock
        self._waiting: dict[str, _Waiting] = {}
        self._doubtful: dict[str, None] = {}

    def send(self, part: Part, room: Room, mend: Mend | None = None) -> Handover:
        """Start sending. Raises `SendError` (permanent) for what can never be sent."""
        content = content_of(part, self._identity(part.speaker))
        if part.id in self._waiting:
            self._doubt(part.id)  # an earlier attempt has not ended yet
        waiting = _Waiting(asyncio.get_running_loop().create_future())
        self._waiting[part.id] = waiting
        task = self._tasks.spawn(
            self._deliver(part, room, content, waiting, mend or self._puppets.revive), f"send {part.id}"
        )

        def given_up(confirmation: asyncio.Future[Receipt]) -> None:
            if confirmation.cancelled():
                self._doubt(part.id)
                task.cancel()

        waiting.confirmation.add_done_callback(given_up)
        return Handover(waiting.confirmation)

    def echo(self, part_id: str, event_id: str) -> bool:
        """The homeserver pushed a part of ours back. Whether somebody was waiting for it."""
        waiting = self._waiting.get(part_id)
        if waiting is None:
            return False
        waiting.event_id = event_id
        if not waiting.confirmation.done():
            waiting.confirmation.set_result(Receipt(event_id))
        return True

    async def look_back(self, room: Room, parts: Sequence[Part], pages: int = PAGES) -> dict[str, Receipt]:
        """Which of these parts are in the room, read from its end. Raises `MatrixError`."""
        wanted = {part.id for part in parts}
        senders = sorted({self._speaker(part) for part in parts})
        choice: dict[str, object] = {"types": ["m.room.message"]}
        if len(senders) <= 100:
            choice["senders"] = senders
        query = {"dir": "b", "limit": str(PAGE), "filter": json.dumps(choice)}
        found: dict[str, Receipt] = {}
        # The bot reads, if it is in the room; else one of those who spoke.
        reader = None if room.entered else senders[0]
        for _ in range(pages):
            page = await self._client.request(
                "GET", _ROOMS, room.room_id, "messages", user_id=reader, query=query, patience=PATIENCE
            )
            chunk = page.get("chunk")
            for event in chunk if isinstance(chunk, list) else ():
                pdu = mapping(event)
                part_id, event_id = part_id_of(mapping(pdu.get("content"))), identifier(pdu.get("event_id"))
                if part_id in wanted and event_id and self._ours.owns(str(pdu.get("sender"))):
                    found[part_id] = Receipt(event_id)
            end = page.get("end")
            if len(found) == len(wanted) or not isinstance(end, str) or end == query.get("from"):
                break
            query["from"] = end
        return found

    async def notice(self, room: Room, person: Person, text: str, about: str | None) -> None:
        """Say something to one person, as the bot. Raises `SendError`."""
        content = notice_for(person.address.native, person.name, text, about)
        try:
            await self._client.request(
                "PUT", _ROOMS, room.room_id, "send", "m.room.message", f"rialto-{secrets.token_hex(16)}",
                body=content, patience=PATIENCE,
            )  # fmt: skip
        except MatrixError as error:
            raise send_error(error, "the bot's notice") from error

    async def topic(self, room: Room, text: str) -> None:
        """Set the topic, as the bot. Raises `SendError`."""
        content = topic_of(text)
        if room.topic == content["topic"]:
            return
        try:
            await self._client.request(
                "PUT", _ROOMS, room.room_id, "state", "m.room.topic", "", body=content, patience=PATIENCE
            )
        except MatrixError as error:
            if error.status == 403:
                raise SendError.permanent(
                    Reason.FORBIDDEN,
                    f"the bot may not set the topic of {room.place.native} ({error.text}): give {self._ours.bot_id} "
                    "the power level that m.room.topic needs there (50, where nobody changed it)",
                ) from error
            raise send_error(error, "the topic") from error

    def _speaker(self, part: Part) -> str:
        return self._ours.bot_id if part.voice is Voice.BOT else self._puppets.user_id(part.speaker.address)

    async def _deliver(self, part: Part, room: Room, content: Mapping[str, Any], waiting: _Waiting, mend: Mend) -> None:
        confirmation = waiting.confirmation
        try:
            event_id = await self._put_or_mend(part, room, content, waiting, mend)
        except asyncio.CancelledError:
            self._doubt(part.id)
            confirmation.cancel()
            raise
        except MatrixError as error:
            if error.ambiguous:
                self._doubt(part.id)
            if not confirmation.done():
                confirmation.set_exception(send_error(error, "the message"))
        except SendError as error:
            if not confirmation.done():
                confirmation.set_exception(error)
        except NoPuppetError as error:
            if not confirmation.done():
                confirmation.set_exception(SendError.permanent(Reason.FORBIDDEN, str(error)))
        else:
            self._doubtful.pop(part.id, None)
            if not confirmation.done():
                confirmation.set_result(Receipt(event_id))
        finally:
            if self._waiting.get(part.id) is waiting:
                del self._waiting[part.id]

    async def _put_or_mend(
        self, part: Part, room: Room, content: Mapping[str, Any], waiting: _Waiting, mend: Mend
    ) -> str:
        if part.id in self._doubtful and (found := await self.look_back(room, [part])):
            return str(found[part.id].native_id)
        try:
            return await self._put(part, room, content, waiting)
        except MatrixError as error:
            if error.status != 403 or part.voice is Voice.BOT:
                raise
            await mend(room, part.speaker)
        return await self._put(part, room, content, waiting)

    async def _put(self, part: Part, room: Room, content: Mapping[str, Any], waiting: _Waiting) -> str:
        async def before_again(error: MatrixError) -> Mapping[str, Any] | None:
            if error.ambiguous:
                self._doubt(part.id)
            if waiting.event_id:
                return {"event_id": waiting.event_id}
            if part.id in self._doubtful and (found := await self.look_back(room, [part])):
                return {"event_id": found[part.id].native_id}
            return None

        speaker = self._speaker(part)
        answer = await self._client.request(
            "PUT",
            _ROOMS,
            room.room_id,
            "send",
            "m.room.message",
            transaction_id(part, speaker, room.room_id),
            user_id=speaker,
            ts=time_stamp(part, self._clock()),
            body=content,
            patience=PATIENCE,
            before_again=before_again,
        )
        event_id = identifier(answer.get("event_id"))
        if not event_id:
            raise MatrixError(502, "", "the homeserver named no event", ambiguous=True)
        return event_id

    def _doubt(self, part_id: str) -> None:
        self._doubtful[part_id] = None
        while len(self._doubtful) > DOUBTFUL:
            del self._doubtful[next(iter(self._doubtful))]
