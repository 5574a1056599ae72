"""Errands in rooms of two: coming when invited, reading what was said before, speaking, going.

Client-server API, specification v1.19: "Joining rooms", "Leaving rooms", "Getting events for a room".
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from adapters.matrix.client import Client
from adapters.matrix.conversations import Conversation, Conversations, Notes, Stage
from adapters.matrix.errors import MatrixError
from adapters.matrix.ids import Namespace, is_user_id, localpart
from adapters.matrix.inbound import identifier, mapping
from adapters.matrix.members import shown_name
from adapters.matrix.outbound import private_notice
from adapters.matrix.private import EXAMPLE, UNREADABLE, Listener, Saying
from adapters.matrix.puppets import Puppets
from adapters.matrix.tasks import Tasks
from bridge.addressed import usage
from bridge.backoff import HALF, Backoff
from bridge.contract import Core
from bridge.model.address import Address, Person

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Invitations that are being answered at the same time."""

WAITING = 1_000
"""Invitations that may wait for it; beyond, they are left unanswered."""

PATIENCE = 20.0
"""Seconds for which one step is tried again."""

PAGES = 10
PAGE = 100
"""How far back is read what was said before we came: pages, and events on each."""

CROWDED = "Here only two can speak with each other; this room has others in it. I am leaving: invite me to another."
CROWDED_BOT = (
    "I serve rooms that my operator has configured, and rooms in which somebody is alone with me. "
    "This is neither, so I am leaving."
)

_ROOMS = "/_matrix/client/v3/rooms"


class Opening:
    """Carries errands out. Changes `Conversations`; the core gets what was said before we came."""

    def __init__(
        self,
        core: Core,
        client: Client,
        ours: Namespace,
        conversations: Conversations,
        puppets: Puppets,
        listener: Listener,
        tasks: Tasks,
        configured: Callable[[str], Awaitable[bool]],
        opened: Callable[[Conversation], None],
    ) -> None:
        """`configured` tells whether a room is a configured place's; `opened` hears of each conversation begun."""
        self._core = core
        self._client = client
        self._ours = ours
        self._conversations = conversations
        self._puppets = puppets
        self._listener = listener
        self._tasks = tasks
        self._configured = configured
        self._opened = opened
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[str, asyncio.Task[None]] = {}

    @property
    def busy(self) -> bool:
        """Whether more invitations wait to be answered than should."""
        return len(self._under_way) >= WAITING

    def answer(self, conversation: Conversation) -> None:
        """We were invited to this room: come, if it is a room of two. Goes on until it is so or cannot be."""
        room_id = conversation.room.room_id
        if room_id in self._under_way:
            return
        task = self._tasks.spawn(self._answering(conversation), f"invitation to {room_id}")
        self._under_way[room_id] = task

        def ended(task: asyncio.Task[None]) -> None:
            del self._under_way[room_id]
            latest = self._conversations.by_id(room_id)
            # Who went and invited us again meanwhile has not been answered by this.
            if not task.cancelled() and latest not in (None, conversation) and self._waits(latest):
                self.answer(latest)

        task.add_done_callback(ended)

    async def settled(self, conversation: Conversation) -> None:
        """Wait until the invitation to the room has been answered, or was given up."""
        task = self._under_way.get(conversation.room.room_id)
        if task is not None:
            await asyncio.wait([task])

    def say(self, conversation: Conversation, text: str, about: str | None) -> None:
        """Tell the user something in the room, and do not wait for it."""
        self._tasks.spawn(self._saying(conversation, text, about), "private notice")

    def reply(self, conversation: Conversation, saying: Saying, about: str | None) -> None:
        """Tell the user what is to be said to that, if anything is, and do not wait for it."""
        if saying.asked:
            self._tasks.spawn(self._obeying(conversation, saying, about), "command")
        elif saying.answer:
            self.say(conversation, saying.answer, about)

    async def notice(self, conversation: Conversation, text: str, about: str | None) -> None:
        """Tell the user something in the room. Raises `MatrixError`."""
        await self._client.request(
            "PUT", _ROOMS, conversation.room.room_id, "send", "m.room.message", f"rialto-{secrets.token_hex(16)}",
            user_id=conversation.ours, body=private_notice(text, about), patience=PATIENCE,
        )  # fmt: skip

    def end(self, conversation: Conversation, reason: str = "", word: str = "") -> Notes:
        """End the conversation: we go, with a `reason`, and before that with a `word` to whoever is there."""
        notes = self._conversations.end(conversation)
        self._tasks.spawn(self._going(conversation, reason, word), f"leaving {conversation.room.room_id}")
        return notes

    def decline(self, room_id: str, ours: str, reason: str) -> None:
        """Do not come to a room that one of ours was invited to."""
        self._tasks.spawn(self._declining(room_id, ours, reason), f"declining {room_id}")

    async def leave(self, room_id: str, ours: str, reason: str = "") -> None:
        """Have one of ours leave a room, or refuse an invitation to it. Raises `MatrixError`."""
        body = {"reason": reason} if reason else {}
        try:
            await self._client.request("POST", _ROOMS, room_id, "leave", user_id=ours, body=body, patience=PATIENCE)
        except MatrixError as error:
            if error.status not in (403, 404):
                raise

    async def encrypted(self, conversation: Conversation) -> bool:
        """Whether somebody turned encryption on in the room. Not, if it was one of ours: the homeserver does so in
        every room then, and another would be no better. Raises `MatrixError`."""
        try:
            found = await self._client.request(
                "GET", _ROOMS, conversation.room.room_id, "state", "m.room.encryption", "",
                user_id=conversation.ours, query={"format": "event"}, patience=PATIENCE,
            )  # fmt: skip
        except MatrixError as error:
            if error.status in (403, 404):
                return False
            raise
        sender = found.get("sender")
        # A homeserver that does not know the parameter tells no sender: a room we are invited to is not ours.
        return not self._ours.owns(sender) if is_user_id(sender) else conversation.stage is Stage.ASKED

    async def _answering(self, conversation: Conversation) -> None:
        backoff = Backoff(2.0, 300.0, least=HALF)
        while self._waits(conversation):
            try:
                async with self._turn:
                    await self._answer(conversation)
                return
            except MatrixError as error:
                log.info("invitation not answered", room=conversation.room.room_id, error=str(error))
                if not error.temporary:
                    # Withdrawn meanwhile, or the homeserver does not let this one in.
                    await self._core.accept(remember=self._conversations.end(conversation))
                    return
            await asyncio.sleep(backoff.next())

    def _waits(self, conversation: Conversation) -> bool:
        known = self._conversations.by_id(conversation.room.room_id) is conversation
        return known and conversation.stage is Stage.ASKED

    async def _answer(self, conversation: Conversation) -> None:
        room_id, ours = conversation.room.room_id, conversation.ours
        if await self._configured(room_id):
            # A place that the bot has yet to enter: who shall be there is decided elsewhere.
            await self._core.accept(remember=self._conversations.end(conversation))
            return
        if conversation.address is not None:
            await self._puppets.ensure(Person(conversation.address, conversation.address.native))
        await self._client.request("POST", _ROOMS, room_id, "join", user_id=ours, body={})
        members = await self._members(conversation)
        if not self._waits(conversation):
            await self.leave(room_id, ours)  # the user went while we came
            return
        if conversation.user not in members:
            await self._core.accept(remember=self.end(conversation, "nobody is here"))
            return
        if set(members) - {ours, conversation.user}:
            word = CROWDED_BOT if conversation.address is None else CROWDED
            await self._core.accept(remember=self.end(conversation, "more than two are here", word))
            return
        conversation.name = members[conversation.user]
        conversation.room.encrypted |= await self.encrypted(conversation)
        sayings = await self._before(conversation)
        if not self._waits(conversation):
            await self.leave(room_id, ours)
            return
        conversation.stage, conversation.checked = Stage.OPEN, True
        notes = self._conversations.note(conversation)
        notes |= self._conversations.relent(conversation.user, conversation.address)
        log.info("conversation opened", room=room_id, ours=ours, user=conversation.user, said_before=len(sayings))
        self._opened(conversation)
        if conversation.room.encrypted:
            if not any(saying.answer for _, saying in sayings):
                self.say(conversation, UNREADABLE, None)
        elif conversation.address is None and not sayings:
            self.say(conversation, usage(EXAMPLE), None)
        for event_id, saying in sayings:
            self.reply(conversation, saying, event_id)
        events = [saying.event for _, saying in sayings if saying.event is not None]
        await self._core.accept(*events, remember=notes)

    async def _members(self, conversation: Conversation) -> dict[str, str]:
        """Who is in the room or invited to it, with the names they show."""
        told = await self._client.request(
            "GET", _ROOMS, conversation.room.room_id, "members", user_id=conversation.ours,
            query={"not_membership": "leave"}, patience=PATIENCE,
        )  # fmt: skip
        chunk, found = told.get("chunk"), {}
        for event in chunk if isinstance(chunk, list) else ():
            user_id, content = mapping(event).get("state_key"), mapping(mapping(event).get("content"))
            if is_user_id(user_id) and content.get("membership") in ("join", "invite"):
                found[user_id] = shown_name(user_id, content)
        return found

    async def _before(self, conversation: Conversation) -> list[tuple[str, Saying]]:
        """What the user said between the invitation and now, oldest first: nobody has pushed it to us, or it was left
        for this. What comes from now on is taken in as it is pushed."""
        while True:
            conversation.missed = False
            found = await self._read_back(conversation)
            if not conversation.missed:
                return found

    async def _read_back(self, conversation: Conversation) -> list[tuple[str, Saying]]:
        senders = [conversation.user]
        query = {"dir": "b", "limit": str(PAGE), "filter": json.dumps({"senders": senders})}
        found: list[tuple[str, Saying]] = []
        for _ in range(PAGES):
            page = await self._client.request(
                "GET", _ROOMS, conversation.room.room_id, "messages",
                user_id=conversation.ours, query=query, patience=PATIENCE,
            )  # fmt: skip
            chunk = page.get("chunk")
            for event in chunk if isinstance(chunk, list) else ():
                pdu = mapping(event)
                if _invites(pdu, conversation.ours):
                    return found[::-1]
                if "state_key" not in pdu:
                    found.append((identifier(pdu.get("event_id")), self._listener.hear(pdu, conversation)))
            end = page.get("end")
            if not isinstance(end, str) or end == query.get("from"):
                break
            query["from"] = end
        return found[::-1]

    async def _obeying(self, conversation: Conversation, saying: Saying, about: str | None) -> None:
        person = Person(Address(self._core.network, conversation.user), conversation.name or conversation.user)
        answer = await self._core.command(person, saying.asked)
        await self._saying(conversation, saying.answer if answer is None else answer, about)

    async def _saying(self, conversation: Conversation, text: str, about: str | None) -> None:
        try:
            await self.notice(conversation, text, about)
        except MatrixError as error:
            log.warning("the user could not be told", room=conversation.room.room_id, error=str(error))

    async def _going(self, conversation: Conversation, reason: str, word: str) -> None:
        if word:
            await self._saying(conversation, word, None)
        try:
            await self.leave(conversation.room.room_id, conversation.ours, reason)
        except MatrixError as error:
            log.warning("room not left", room=conversation.room.room_id, error=str(error))

    async def _declining(self, room_id: str, ours: str, reason: str) -> None:
        try:
            async with self._turn:
                if ours != self._ours.bot_id:
                    # Only a user that is registered can refuse.
                    await self._puppets.register(ours)
                await self.leave(room_id, ours, reason)
        except MatrixError as error:
            log.info("invitation not refused", room=room_id, ours=localpart(ours), error=str(error))


def _invites(pdu: Mapping[str, Any], ours: str) -> bool:
    content = mapping(pdu.get("content"))
    return pdu.get("type") == "m.room.member" and pdu.get("state_key") == ours and content.get("membership") == "invite"
