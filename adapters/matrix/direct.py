"""What the homeserver pushes from rooms of two, and from rooms that one of ours is invited to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from adapters.matrix.conversations import ROOMS_OF_ONE, Conversation, Conversations, Notes, Stage
from adapters.matrix.ids import Namespace, is_user_id
from adapters.matrix.inbound import identifier, mapping
from adapters.matrix.members import shown_name
from adapters.matrix.opening import CROWDED, CROWDED_BOT, Opening
from adapters.matrix.pace import Pace
from adapters.matrix.private import UNREADABLE, Listener
from adapters.matrix.puppets import Puppets
from adapters.matrix.standing import STAMP
from bridge.contract import Core
from bridge.model.event import Event

log = structlog.get_logger(__name__)

ASKED_BY = 1_000
"""Messages to the bot whose room is kept in mind, so that what became of them is told there."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the core shall have and remember. `echo` is the part of ours that was seen; `ignored` counts the rest."""

    event: Event | None = None
    notes: Notes = field(default_factory=dict)
    echo: str = ""
    ignored: str = ""


class DirectRooms:
    """Decides what each event means for its conversation, and starts the errands that follow from it."""

    def __init__(
        self,
        core: Core,
        ours: Namespace,
        conversations: Conversations,
        puppets: Puppets,
        listener: Listener,
        opening: Opening,
        strangers: Pace,
        clock: Callable[[], float],
    ) -> None:
        """`strangers` bounds how often invitations of puppets that cannot be are answered."""
        self._core = core
        self._ours = ours
        self._conversations = conversations
        self._puppets = puppets
        self._listener = listener
        self._opening = opening
        self._strangers = strangers
        self._clock = clock
        self._asked: dict[str, Conversation] = {}

    def resume(self) -> None:
        """Answer the invitations that were not answered before this start."""
        for conversation in self._conversations:
            if conversation.stage is Stage.ASKED:
                self._opening.answer(conversation)

    def sees(self, user: str) -> bool:
        """Whether the user has any room with us here."""
        return self._conversations.rooms_of(user) > 0

    def asked_in(self, event_id: str | None) -> Conversation | None:
        """The conversation with the bot in which this was said."""
        return self._asked.get(event_id) if event_id else None

    def take(self, pdu: Mapping[str, Any], event_id: str) -> Taken:
        """Take in one event of a room that is no configured place."""
        conversation = self._conversations.by_id(pdu.get("room_id"))
        if "state_key" not in pdu:
            if conversation is None:
                return Taken(ignored="room not configured")
            return self._said(pdu, event_id, conversation)
        if pdu.get("type") == "m.room.create" and conversation is None:
            return self._made(pdu)
        if pdu.get("type") == "m.room.encryption" and conversation is not None:
            return self._encrypted(pdu, conversation)
        if pdu.get("type") != "m.room.member":
            return Taken(ignored="room not configured" if conversation is None else "state event")
        user_id, sender = pdu.get("state_key"), pdu.get("sender")
        if not event_id or not is_user_id(user_id) or not is_user_id(sender):
            return Taken(ignored="malformed event")
        membership = mapping(pdu.get("content")).get("membership")
        if membership == "invite" and self._ours.owns(user_id):
            if self._ours.owns(sender):
                return Taken(ignored="own membership")
            return self._invited(identifier(pdu.get("room_id")), user_id, sender, conversation)
        if conversation is None:
            return Taken(ignored="room not configured")
        if membership == "join":
            return self._joined(conversation, user_id, mapping(pdu.get("content")))
        if membership in ("leave", "ban"):
            return self._gone(conversation, user_id, sender)
        return Taken(ignored="invitation")

    def _made(self, pdu: Mapping[str, Any]) -> Taken:
        """A room begins. If a puppet made it for a conversation, it is noted here at the latest: what the user says
        in it may come before the homeserver's answer to the puppet, or after a crash without one."""
        room_id, sender = identifier(pdu.get("room_id")), pdu.get("sender")
        user = mapping(mapping(pdu.get("content")).get(STAMP)).get("dm")
        if not room_id or not is_user_id(sender) or not self._ours.is_puppet(sender) or not is_user_id(user):
            return Taken(ignored="room not configured")
        address = self._puppets.address_of(sender)
        if address is None or self._ours.owns(user):
            return Taken(ignored="room not configured")
        conversation = self._conversations.begin(room_id, user, sender, address, Stage.OFFERED, self._clock())
        return Taken(notes=self._conversations.note(conversation), ignored="conversation begun")

    def _encrypted(self, pdu: Mapping[str, Any], conversation: Conversation) -> Taken:
        """From now on the user's words here cannot be read: the two speak elsewhere. Where it was one of ours, the
        homeserver encrypts every room, and another would be no better."""
        label, sender = "encryption turned on", pdu.get("sender")
        if conversation.room.encrypted or pdu.get("state_key") != "":
            return Taken(ignored=label)
        if not is_user_id(sender) or self._ours.owns(sender):
            return Taken(ignored=label)
        conversation.room.encrypted = True
        if conversation.ready:  # else it is told on coming
            log.info("conversation encrypted", room=conversation.room.room_id, user=conversation.user)
            self._opening.say(conversation, UNREADABLE, None)
        return Taken(notes=self._conversations.note(conversation), ignored=label)

    def _said(self, pdu: Mapping[str, Any], event_id: str, conversation: Conversation) -> Taken:
        if not conversation.ready:
            conversation.missed = True
            return Taken(ignored="read when the room is entered")
        saying = self._listener.hear(pdu, conversation)
        self._opening.reply(conversation, saying, event_id)
        if saying.event is None:
            return Taken(echo=saying.outcome.echo, ignored=saying.outcome.ignored)
        self._conversations.use(conversation)
        if conversation.address is None:
            self._asked[event_id] = conversation
            while len(self._asked) > ASKED_BY:
                del self._asked[next(iter(self._asked))]
        return Taken(saying.event, self._conversations.relent(conversation.user, saying.event.to))

    def _invited(self, room_id: str, ours: str, user: str, conversation: Conversation | None) -> Taken:
        counted = "invitation"
        if not room_id:
            return Taken(ignored="malformed event")
        if conversation is not None:
            if ours != conversation.ours:
                self._decline(room_id, ours, "here somebody else is spoken with")
                return Taken(ignored=counted)
            # Whoever can be invited is not in the room, whatever we thought.
            conversation.stage = Stage.ASKED
            self._opening.answer(conversation)
            return Taken(notes=self._conversations.note(conversation), ignored=counted)
        address = None if ours == self._ours.bot_id else self._puppets.address_of(ours)
        if ours != self._ours.bot_id and (
            address is None or address.network == self._core.network or self._puppets.user_id(address) != ours
        ):
            self._decline(room_id, ours, "this user id stands for nobody on any network")
            return Taken(ignored=counted)
        if self._conversations.rooms_of(user) >= ROOMS_OF_ONE:
            log.warning("invitation refused: too many rooms", user=user, room=room_id)
            self._decline(room_id, ours, "you have too many rooms with this bridge: leave some")
            return Taken(ignored=counted)
        if self._opening.busy:
            log.warning("too many invitations, one not answered", room=room_id, user=user)
            return Taken(ignored=counted)
        conversation = self._conversations.begin(room_id, user, ours, address, Stage.ASKED, self._clock())
        self._opening.answer(conversation)
        return Taken(notes=self._conversations.note(conversation), ignored=counted)

    def _decline(self, room_id: str, ours: str, reason: str) -> None:
        if self._strangers.allow():
            self._opening.decline(room_id, ours, reason)
        else:
            log.warning("too many invitations, one not answered", room=room_id)

    def _joined(self, conversation: Conversation, user_id: str, content: Mapping[str, Any]) -> Taken:
        if self._ours.owns(user_id):
            return Taken(ignored="own membership")
        if user_id != conversation.user:
            if not conversation.ready:
                return Taken(ignored="third person")  # whoever is there is seen when we come
            bot = conversation.address is None
            word = CROWDED_BOT if bot else CROWDED
            return Taken(notes=self._opening.end(conversation, "more than two are here", word), ignored="third person")
        before = (conversation.name, conversation.stage)
        conversation.name = shown_name(user_id, content)
        notes: Notes = {}
        if conversation.stage is Stage.OFFERED:
            conversation.stage = Stage.OPEN
            notes |= self._conversations.relent(conversation.user, conversation.address)
        if (conversation.name, conversation.stage) != before:
            notes |= self._conversations.note(conversation)
        return Taken(notes=notes, ignored="membership")

    def _gone(self, conversation: Conversation, user_id: str, sender: str) -> Taken:
        notes: Notes = {}
        if user_id == conversation.user:
            refused = conversation.stage is Stage.OFFERED and not self._ours.owns(sender)
            notes = self._opening.end(conversation)
        elif user_id == conversation.ours:
            # Our own going has ended the conversation before; so somebody put us out.
            refused = not self._ours.owns(sender)
            notes = self._conversations.end(conversation)
        else:
            return Taken(ignored="membership")
        if refused and conversation.address is not None:
            log.info("conversation refused", user=conversation.user, person=str(conversation.address))
            notes |= self._conversations.refuse(conversation.user, conversation.address, self._clock())
        return Taken(notes=notes, ignored="conversation ended")
