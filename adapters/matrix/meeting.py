"""Rooms of two that we make: for a foreign person who writes to a user of the homeserver, or of one it federates with.

A room is made by the puppet, once, and kept in mind before anything is said in it. What became of a creation whose
answer was lost, the puppet finds out by the mark in the room's ``m.room.create``. Client-server API, specification
v1.19: "Creation", "Direct messaging", "Profiles".
"""

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from adapters.matrix.client import Client
from adapters.matrix.conversations import REFUSED_FOR, Conversation, Conversations, Stage
from adapters.matrix.errors import MatrixError, send_error
from adapters.matrix.ids import Namespace, is_user_id
from adapters.matrix.inbound import identifier, mapping
from adapters.matrix.opening import PATIENCE, Opening
from adapters.matrix.puppets import Puppets
from adapters.matrix.rooms import Room, Rooms
from adapters.matrix.standing import STAMP
from adapters.matrix.tasks import Tasks
from bridge.contract import Core, Notice, Part, SendError, Voice
from bridge.model.address import Address, Person, Place
from bridge.model.result import Reason

log = structlog.get_logger(__name__)

SEARCHED = 100
"""Rooms of a puppet that are looked at for one that it made."""

AGAIN_AFTER = 300.0
"""Seconds for which a room that the homeserver would not make is not asked for again."""

FAILURES = 1_000
"""Such rooms that are kept in mind."""

_ROOMS = "/_matrix/client/v3/rooms"
_GONE = "the conversation's room is gone; it is made anew"


class Meeting:
    """Makes rooms of two and finds them again."""

    def __init__(
        self,
        core: Core,
        client: Client,
        ours: Namespace,
        conversations: Conversations,
        puppets: Puppets,
        rooms: Rooms,
        opening: Opening,
        tasks: Tasks,
        opened: Callable[[Conversation], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._core = core
        self._client = client
        self._ours = ours
        self._conversations = conversations
        self._puppets = puppets
        self._rooms = rooms
        self._opening = opening
        self._tasks = tasks
        self._opened = opened
        self._clock = clock
        self._under_way: dict[tuple[str, Address], asyncio.Task[SendError | None]] = {}
        self._failed: dict[tuple[str, Address], tuple[float, SendError]] = {}

    async def meet(self, place: Place, person: Person) -> Voice:
        """Have a room in which the puppet can speak to the user. Raises `SendError`."""
        user = place.native
        if not is_user_id(user) or self._ours.owns(user):
            raise SendError.permanent(Reason.ITEM_NOT_FOUND, f"{user} is nobody's user id on Matrix")
        try:
            self._puppets.user_id(person.address)
        except ValueError as error:
            raise SendError.permanent(Reason.JID_MALFORMED, f"{person.address} cannot be named on Matrix") from error
        conversation = self._conversations.of(user, person.address)
        at_hand = conversation is not None and conversation.ready and conversation.checked
        if at_hand and self._puppets.introduced(person):
            return Voice.PUPPET
        pair = (user, person.address)
        task = self._under_way.get(pair)
        if task is None:
            task = self._tasks.spawn(self._prepare(user, person), f"meeting of {user} and {person.address}")
            self._under_way[pair] = task
            task.add_done_callback(lambda _: self._under_way.pop(pair, None))
        # Whoever waits may give up; the room is made all the same.
        failure = await asyncio.shield(task)
        if failure is not None:
            raise _again(failure)
        return Voice.PUPPET

    def room(self, place: Place, address: Address) -> Room:
        """Where the person's puppet speaks to the user of the place. Raises `SendError` (temporary)."""
        conversation = self._conversations.of(place.native, address)
        if conversation is None or not conversation.ready:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, _GONE)
        return conversation.room

    async def lost(self, room: Room, person: Person) -> None:
        """The homeserver says that the puppet may not speak in the room. Raises `SendError`, always."""
        conversation = self._conversations.by_id(room.room_id)
        if conversation is not None:
            log.info("conversation lost", room=room.room_id, user=conversation.user, person=str(person.address))
            await self._core.accept(remember=self._conversations.end(conversation))
        raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, _GONE, retry_after=1.0)

    async def tell(self, notice: Notice, conversation: Conversation | None) -> None:
        """Say something in the room in which the user wrote. Raises `SendError`."""
        conversation = conversation or self._conversations.of(notice.person.address.native, notice.to)
        if conversation is None or not conversation.ready:
            raise SendError.permanent(Reason.ITEM_NOT_FOUND, "the conversation is over: there is no room to tell it in")
        try:
            await self._opening.notice(conversation, notice.text, notice.about)
        except MatrixError as error:
            raise send_error(error, "the notice") from error

    def by_room(self, parts: Sequence[Part]) -> list[tuple[Room, list[Part]]]:
        """Parts for one user, by the room in which each was sent, as far as there is one still."""
        found: dict[str, tuple[Room, list[Part]]] = {}
        for part in parts:
            conversation = self._conversations.of(part.place.native, part.speaker.address)
            if conversation is not None:
                found.setdefault(conversation.room.room_id, (conversation.room, []))[1].append(part)
        return list(found.values())

    async def _prepare(self, user: str, person: Person) -> SendError | None:
        try:
            await self._have_room(user, person)
        except MatrixError as error:
            return send_error(error, "the conversation")
        except SendError as error:
            return error
        return None

    async def _have_room(self, user: str, person: Person) -> None:
        address = person.address
        self._check_failed(user, address)
        ours = await self._puppets.introduce(person)
        while (conversation := self._conversations.of(user, address)) is not None:
            if not conversation.ready:
                await self._opening.settled(conversation)
                if self._conversations.of(user, address) is conversation and not conversation.ready:
                    raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, "the room cannot be entered yet")
            elif conversation.checked or await self._still(conversation):
                conversation.checked = True
                return
        if self._conversations.refused(user, address, self._clock()):
            raise self._declined(user)
        await self._look_up(user)
        found = await self._find(user, ours) if self._conversations.making(user, address) else None
        if found is None:
            found = await self._create(user, person, ours)
        room_id, stage = found
        # The homeserver may have pushed the room's beginning before it answered, and the user may have come already.
        conversation = self._conversations.by_id(room_id)
        if conversation is None:
            conversation = self._conversations.begin(room_id, user, ours, address, stage, self._clock())
        conversation.checked = True
        log.info("conversation made", room=room_id, ours=ours, user=user)
        notes = self._conversations.note(conversation) | self._conversations.end_making(user, address)
        if declined := self._conversations.refused(user, address, self._clock()):
            notes |= self._opening.end(conversation)
        await self._core.accept(remember=notes)
        if declined:
            raise self._declined(user)
        self._opened(conversation)

    @staticmethod
    def _declined(user: str) -> SendError:
        hours = f"{REFUSED_FOR / 3600:.0f} hours"
        return SendError.permanent(
            Reason.FORBIDDEN, f"{user} has declined this conversation, and is not asked again within {hours}"
        )

    async def _still(self, conversation: Conversation) -> bool:
        """Whether both are in the room, or the user is still invited; else the conversation is ended. Nor is it where
        they speak, once encryption was turned on."""
        member = await self._membership(conversation.room.room_id, conversation.ours, conversation.user)
        if member in ("join", "invite"):
            if await self._opening.encrypted(conversation):
                conversation.room.encrypted = True
                await self._core.accept(remember=self._conversations.note(conversation))
            return not conversation.room.encrypted
        notes = self._opening.end(conversation)
        if member and conversation.stage is Stage.OFFERED and conversation.address is not None:
            notes |= self._conversations.refuse(conversation.user, conversation.address, self._clock())
        await self._core.accept(remember=notes)
        return False

    async def _membership(self, room_id: str, ours: str, user: str) -> str:
        """The user's membership of the room; "" where our own user may not know it."""
        try:
            content = await self._client.request(
                "GET", _ROOMS, room_id, "state", "m.room.member", user, user_id=ours, patience=PATIENCE
            )
        except MatrixError as error:
            if error.status in (403, 404):
                return ""
            raise
        return str(content.get("membership"))

    async def _look_up(self, user: str) -> None:
        """Whether there is such a user, before a room is made for them. Raises `SendError`, `MatrixError`."""
        try:
            await self._client.request("GET", "/_matrix/client/v3/profile", user)
        except MatrixError as error:
            # Synapse says M_UNKNOWN of its own users; M_UNRECOGNIZED would be a homeserver without profiles.
            if error.status == 404 and error.errcode != "M_UNRECOGNIZED":
                raise SendError.permanent(Reason.ITEM_NOT_FOUND, f"there is no user {user} on Matrix") from error
            if error.unreachable and error.status and not user.endswith(f":{self._ours.domain}"):
                server = user.partition(":")[2]
                text = f"the homeserver cannot reach {server} now: {error.text}"
                raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, text) from error
            if error.temporary:
                raise
            # Some homeservers show profiles to nobody, or not to us: that does not mean that nobody is there.
            log.debug("profile not shown", user=user, error=str(error))

    async def _create(self, user: str, person: Person, ours: str) -> tuple[str, Stage]:
        """Make the room. Raises `MatrixError`, `SendError`."""
        await self._core.accept(remember=self._conversations.begin_making(user, person.address))
        body = {
            "preset": "trusted_private_chat",
            "is_direct": True,
            "invite": [user],
            "creation_content": {STAMP: {"dm": user}},
        }
        try:
            answer = await self._client.request("POST", "/_matrix/client/v3/createRoom", user_id=ours, body=body)
        except MatrixError as error:
            if error.temporary:
                raise
            await self._clear_away(user, person.address, ours)
            failure = send_error(error, "the invitation")
            self._remember_failure(user, person.address, failure)
            raise failure from error
        room_id = identifier(answer.get("room_id"))
        if not room_id.startswith("!"):
            raise MatrixError(502, "", "the homeserver named no room", ambiguous=True)
        return room_id, Stage.OFFERED

    async def _clear_away(self, user: str, address: Address, ours: str) -> None:
        """A homeserver may have made the room all the same, and only failed to invite: nobody will ever be there."""
        while (conversation := self._conversations.of(user, address)) is not None and conversation.ready:
            await self._core.accept(remember=self._opening.end(conversation))
        for room_id in await self._made(user, ours):
            await self._opening.leave(room_id, ours)
        await self._core.accept(remember=self._conversations.end_making(user, address))

    async def _find(self, user: str, ours: str) -> tuple[str, Stage] | None:
        """The room that was made before a crash or an answer that got lost; others like it are left."""
        for room_id in await self._made(user, ours):
            member = await self._membership(room_id, ours, user)
            if member in ("invite", "join"):
                log.info("a room made before was found", room=room_id, user=user)
                return room_id, Stage.OPEN if member == "join" else Stage.OFFERED
            await self._opening.leave(room_id, ours)
        return None

    async def _made(self, user: str, ours: str) -> list[str]:
        """The rooms that bear our mark for this user, among those the puppet is in and we know nothing of."""
        joined = (await self._client.request("GET", "/_matrix/client/v3/joined_rooms", user_id=ours)).get(
            "joined_rooms"
        )
        found = []
        unknown = [
            room_id
            for room_id in (joined if isinstance(joined, list) else ())
            if identifier(room_id) and not self._rooms.by_id(room_id) and not self._conversations.by_id(room_id)
        ]
        for room_id in unknown[:SEARCHED]:
            try:
                content = await self._client.request(
                    "GET", _ROOMS, room_id, "state", "m.room.create", "", user_id=ours, patience=PATIENCE
                )
            except MatrixError as error:
                if error.temporary:
                    raise
                continue
            if mapping(content.get(STAMP)).get("dm") == user:
                found.append(room_id)
        return found

    def _check_failed(self, user: str, address: Address) -> None:
        when, failure = self._failed.get((user, address), (0.0, None))
        if failure is not None and self._clock() < when + AGAIN_AFTER:
            raise _again(failure)

    def _remember_failure(self, user: str, address: Address, failure: SendError) -> None:
        self._failed[user, address] = (self._clock(), failure)
        while len(self._failed) > FAILURES:
            del self._failed[next(iter(self._failed))]


def _again(error: SendError) -> SendError:
    """The same, to be raised to another: an exception carries the trace of one."""
    return SendError(error.failure, temporary=error.temporary, retry_after=error.retry_after)
