"""Conversations of the account with people, each in a room of two: found or made, and left when a third one comes.

The account speaks for everybody there, by name, and people say for whom their lines are (`bridge.addressed`).
Client-server API, specification v1.19: "Direct Messaging", "Room membership", "Creation".
"""

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from adapters.matrix.account.batch import Pdu
from adapters.matrix.account.calls import Calls
from adapters.matrix.conversations import Conversation, Conversations, Notes, Stage
from adapters.matrix.errors import MatrixError, send_error
from adapters.matrix.ids import Namespace
from adapters.matrix.inbound import identifier, mapping
from adapters.matrix.members import shown_name
from adapters.matrix.private import UNREADABLE, Listener, Saying
from adapters.matrix.rooms import Rooms
from adapters.matrix.sending import Sender
from adapters.matrix.tasks import Tasks
from bridge.addressed import how_to_answer
from bridge.contract import Core, SendError
from bridge.model.address import Address, Person
from bridge.model.event import Event, State
from bridge.model.result import Reason, Receipt

log = structlog.get_logger(__name__)

OTHERS = 4096
"""Rooms kept in mind that are neither configured nor conversations; beyond, the oldest are looked at anew."""

TOLD = 10_000
"""Pairs of people kept in mind of whom one has been told how to answer the other."""

CANDIDATES = 5
"""Rooms of a person in the account data of which one may be the conversation."""

_THIRD = "a third person came, who must not read what is said to one"


class Correspondence:
    """The account's conversations. Requests are made as they are needed; what to keep is noted for the core."""

    def __init__(
        self,
        core: Core,
        calls: Calls,
        ours: Namespace,
        rooms: Rooms,
        sender: Sender,
        tasks: Tasks,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._core = core
        self._calls = calls
        self._ours = ours
        self._rooms = rooms
        self._sender = sender
        self._tasks = tasks
        self._clock = clock
        self._conversations = Conversations(core.network)
        self._listener = Listener(core.network, ours, lambda _: None, core.find, clock)
        self._finding: dict[str, asyncio.Task[Conversation | SendError]] = {}
        self._others: dict[str, None] = {}
        self._told: dict[tuple[str, Address], None] = {}
        self._myself = Address(core.network, ours.bot_id)
        self._notes: Notes = self._conversations.recall(core.recall(), clock())
        for conversation in self._conversations:
            if conversation.ours != ours.bot_id:
                # Of another account, or of an application service's puppet: still theirs, and nothing to us.
                self._conversations.end(conversation)

    def by_id(self, room_id: str) -> Conversation | None:
        """The conversation in this room."""
        return self._conversations.by_id(room_id)

    def current(self, user: str) -> Conversation | None:
        """The conversation with this user, if there is one that can be spoken in."""
        conversation = self._conversations.of(user, None)
        return conversation if conversation is not None and conversation.ready else None

    def rooms_of(self, user: str) -> int:
        """How many rooms this user has with the account."""
        return self._conversations.rooms_of(user)

    async def begin(self, room_id: str, user: str, name: str) -> None:
        """The account has followed the user, who shows this name, into a room of two."""
        conversation = await self._begin(room_id, user, Stage.OPEN, name)
        await self._calls.list_direct(user, room_id)
        if conversation.room.encrypted:
            self._answer(conversation, UNREADABLE, None)

    def take_notes(self) -> Notes:
        """What is to be remembered, and has not been handed out yet."""
        notes, self._notes = self._notes, {}
        return notes

    async def find(self, user: str) -> Conversation:
        """The conversation with this user: the one there is, else a new one. Raises `SendError`."""
        current = self.current(user)
        if current is not None and current.checked:
            return current
        task = self._finding.get(user)
        if task is None:
            task = self._finding[user] = self._tasks.spawn(self._found(user), f"conversation with {user}")
            task.add_done_callback(lambda _: self._finding.pop(user, None))
        # Shielded: one who waits no longer must not leave a room half made behind.
        found = await asyncio.shield(task)
        if isinstance(found, SendError):
            raise found
        return found

    async def take(self, room_id: str, events: Sequence[Pdu]) -> list[Event | State]:
        """Events of a room that is not configured. Raises `MatrixError`."""
        conversation = self.by_id(room_id)
        if conversation is None:
            conversation = await self._recognise(room_id, events)
        items: list[Event | State] = []
        for pdu in events:
            event_id = identifier(pdu.get("event_id"))
            if conversation is None or self.by_id(room_id) is None:
                self._core.ignored("room not configured", event_id)
                continue
            try:
                items += self._one(pdu, conversation, event_id)
            except Exception:
                # One event that we stumble over must not keep those behind it away: it would be read again for ever.
                log.exception("event not understood", event_id=event_id, type=str(pdu.get("type"))[:100])
                self._core.ignored("not understood", event_id)
        return items

    def _one(self, pdu: Pdu, conversation: Conversation, event_id: str) -> list[Event | State]:
        if "state_key" not in pdu:
            return self._said(pdu, conversation)
        if pdu.get("type") == "m.room.member":
            self._member(pdu, conversation)
        else:
            self._encrypted(pdu, conversation)
            self._core.ignored("state event", event_id)
        return []

    async def say(self, user: str, text: str, about: str | None) -> None:
        """Tell the user something, in reply to what they said. Raises `SendError`."""
        conversation = await self.find(user)
        try:
            await self._calls.tell(conversation.room.room_id, text, about)
        except MatrixError as error:
            raise send_error(error, "the notice") from error

    def explain(self, user: str, speaker: Person) -> None:
        """The account has brought the user something the speaker said: once, tell them how to answer."""
        pair = (user, speaker.address)
        if pair in self._told:
            return
        self._told[pair] = None
        while len(self._told) > TOLD:
            del self._told[next(iter(self._told))]
        text = how_to_answer(speaker.name, self._core.written(speaker.address))
        self._tasks.spawn(self._quietly(user, text, None), f"word to {user}")

    async def _found(self, user: str) -> Conversation | SendError:
        """What came of it, for as many as wait."""
        try:
            return await self._find(user)
        except MatrixError as error:
            return send_error(error, f"a conversation with {user}")
        except SendError as error:
            return error

    async def _find(self, user: str) -> Conversation:
        known = self._conversations.of(user, None)
        while known is not None:
            if known.ready and await self._stands(known.room.room_id, user):
                known.checked = True
                return known
            self._notes |= self._conversations.end(known)
            known = self._conversations.of(user, None)
        if self._conversations.refused(user, self._myself, self._clock()):
            text = (
                f"{user} has declined to be written to through this bridge; they may write to {self._ours.bot_id} first"
            )
            raise SendError.permanent(Reason.FORBIDDEN, text)
        direct = await self._calls.direct_rooms()
        for room_id in reversed(direct.get(user, [])[-CANDIDATES:]):
            if self._rooms.by_id(room_id) is None and await self._stands(room_id, user, encrypted=False):
                return await self._begin(room_id, user, Stage.OPEN)
        await self._exists(user)
        conversation = await self._make(user)
        await self._calls.list_direct(user, conversation.room.room_id)
        return conversation

    async def _make(self, user: str) -> Conversation:
        """A room for the two. The invitation goes out by itself, so that a room it fails for can be left again."""
        room_id = await self._calls.create()
        conversation = await self._begin(room_id, user, Stage.OFFERED)
        try:
            await self._calls.invite(room_id, user)
        except MatrixError:
            await self._core.remember(self._conversations.end(conversation))
            self._tasks.spawn(self._calls.leave(room_id, "the invitation failed"), "leaving")
            raise
        return conversation

    async def _begin(self, room_id: str, user: str, stage: Stage, name: str = "") -> Conversation:
        encrypted = stage is Stage.OPEN and bool(await self._calls.state(room_id, "m.room.encryption"))
        conversation = self._conversations.by_id(room_id) or self._conversations.begin(
            room_id, user, self._ours.bot_id, None, stage, self._clock(), name
        )
        conversation.room.encrypted |= encrypted
        conversation.checked = True
        conversation.room.entered = True
        relented = self._conversations.relent(user, self._myself) if stage is Stage.OPEN else {}
        self._others.pop(room_id, None)
        await self._core.remember(self._conversations.note(conversation) | relented)
        log.info("conversation", user=user, room=room_id, stage=stage)
        return conversation

    async def _exists(self, user: str) -> None:
        """Raises `SendError` where nobody is called so; a homeserver may well not tell (403)."""
        try:
            await self._calls.profile(user)
        except MatrixError as error:
            if error.status == 404:
                raise SendError.permanent(Reason.ITEM_NOT_FOUND, f"there is no {user} on Matrix") from error
            if error.status in (502, 504):
                text = f"the homeserver of {user} cannot be reached: {error.text}"
                raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, text, 60.0) from error
            if error.temporary:
                raise

    async def _stands(self, room_id: str, user: str, *, encrypted: bool = True) -> bool:
        """Whether the room is one of the account and the user alone, who is in it or has yet to come."""
        try:
            members = await self._calls.members(room_id)
            if not {*members} <= {user, self._ours.bot_id}:
                return False
            if user not in members:
                state = await self._calls.state(room_id, "m.room.member", user)
                if state.get("membership") != "invite":
                    return False
            return encrypted or not await self._calls.state(room_id, "m.room.encryption")
        except MatrixError as error:
            if error.temporary:
                raise
            return False

    async def _recognise(self, room_id: str, events: Sequence[Pdu]) -> Conversation | None:
        """Whether a room the account is in, of which nothing is known, is a conversation with somebody who speaks."""
        spoken = any("state_key" not in pdu and pdu.get("sender") != self._ours.bot_id for pdu in events)
        if room_id in self._others or not spoken:
            return None
        try:
            members = await self._calls.members(room_id)
        except MatrixError as error:
            if error.temporary:
                raise
            members = {}
        others = [user for user in members if user != self._ours.bot_id]
        if len(members) == 2 and len(others) == 1:
            return await self._begin(room_id, others[0], Stage.OPEN, members[others[0]])
        self._others[room_id] = None
        while len(self._others) > OTHERS:
            del self._others[next(iter(self._others))]
        return None

    def _member(self, pdu: Pdu, conversation: Conversation) -> None:
        """Somebody came to the conversation or went."""
        user, content = pdu.get("state_key"), mapping(pdu.get("content"))
        membership = content.get("membership")
        if user in (conversation.user, self._ours.bot_id):
            if membership in ("leave", "ban"):
                self._notes |= self._conversations.end(conversation)
                if user == conversation.user and conversation.stage is Stage.OFFERED:
                    self._notes |= self._conversations.refuse(user, self._myself, self._clock())
            elif membership == "join" and user == conversation.user:
                conversation.stage, conversation.name = Stage.OPEN, shown_name(conversation.user, content)
                self._notes |= self._conversations.note(conversation)
        elif membership == "join":
            # What is said in private must not be read by a third person.
            self._notes |= self._conversations.end(conversation)
            self._tasks.spawn(self._calls.leave(conversation.room.room_id, _THIRD), "leaving")
        self._core.ignored("membership of a conversation", identifier(pdu.get("event_id")))

    def _said(self, pdu: Pdu, conversation: Conversation) -> list[Event | State]:
        event_id = identifier(pdu.get("event_id"))
        saying = self._listener.hear(pdu, conversation)
        echo = saying.outcome.echo
        if echo and not self._sender.echo(echo, event_id):
            self._core.confirmed(echo, Receipt(event_id))
        if saying.event is not None:
            self._conversations.use(conversation)
            return [saying.event]
        if saying.outcome.ignored:
            self._core.ignored(saying.outcome.ignored, event_id)
        if saying.asked:
            self._tasks.spawn(self._obeying(conversation, saying, event_id), f"command of {conversation.user}")
        elif saying.answer:
            self._answer(conversation, saying.answer, event_id)
        return []

    async def _obeying(self, conversation: Conversation, saying: Saying, about: str) -> None:
        person = Person(Address(self._core.network, conversation.user), conversation.name or conversation.user)
        answer = await self._core.command(person, saying.asked)
        await self._answering(conversation, saying.answer if answer is None else answer, about)

    def _encrypted(self, pdu: Pdu, conversation: Conversation) -> None:
        """Where the user has turned encryption on, the two speak no longer: the account could not read the answers.
        Where it was the account, the homeserver encrypts every room, and another would be no better."""
        if pdu.get("type") != "m.room.encryption" or pdu.get("sender") == self._ours.bot_id:
            return
        if not conversation.room.encrypted:
            conversation.room.encrypted = True
            self._notes |= self._conversations.note(conversation)
            self._answer(conversation, UNREADABLE, None)

    def _answer(self, conversation: Conversation, text: str, about: str | None) -> None:
        """Tell the user something in this very room."""
        self._tasks.spawn(self._answering(conversation, text, about), f"word to {conversation.user}")

    async def _answering(self, conversation: Conversation, text: str, about: str | None) -> None:
        try:
            await self._calls.tell(conversation.room.room_id, text, about)
        except MatrixError as error:
            log.info("not told", user=conversation.user, error=str(error))

    async def _quietly(self, user: str, text: str, about: str | None) -> None:
        try:
            await self.say(user, text, about)
        except SendError as error:
            log.info("not told", user=user, error=str(error))
