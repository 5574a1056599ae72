"""What is said in a room of two, as values of the common model. Pure, and never raises.

In a room with a puppet everything the user says is for the person behind the puppet. In a room with the bot, lines
begin with the address of whom they are for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from adapters.matrix.conversations import Conversation
from adapters.matrix.ids import Namespace
from adapters.matrix.inbound import Outcome, Scene, message_event
from bridge.addressed import addressed, usage
from bridge.model.address import Address
from bridge.model.event import Event
from bridge.model.message import Message, MessageKind, Text

ENCRYPTED = (
    "This message is encrypted, and the bridge cannot read it: it was not delivered. "
    "Write to me in a room that is not encrypted; encryption cannot be turned off in this one."
)
UNREADABLE = (
    "This room is encrypted, and the bridge cannot read it: what you write here is not delivered. "
    "Please write to me in a room without encryption; it cannot be turned off in this one."
)
EXAMPLE = "bo@example.org"
NOTHING = Outcome()


@dataclass(frozen=True, slots=True)
class Saying:
    """What one PDU means: an `event` for the core, or an `answer` that the user gets in reply to it, or neither.

    `asked` is what the user said to the bot itself; where it is a command, the answer is the core's.
    """

    event: Event | None = None
    answer: str = ""
    asked: str = ""
    outcome: Outcome = NOTHING


@dataclass(frozen=True, slots=True)
class Listener:
    """What translating needs to know beside the conversation. `find` is `Core.find`; `own` is the network's name."""

    own: str
    ours: Namespace
    address_of: Callable[[str], Address | None]
    find: Callable[[str], Address]
    now: Callable[[], float]

    def hear(self, pdu: Mapping[str, Any], conversation: Conversation) -> Saying:
        """Translate a PDU that is no state event."""
        scene = Scene(
            conversation.place,
            self.ours,
            {conversation.user: conversation.name} if conversation.name else {},
            {},
            self.address_of,
            self.now(),
        )
        outcome = message_event(pdu, scene)
        event = next((item for item in outcome.items if isinstance(item, Event)), None)
        if event is None:
            return Saying(outcome=outcome)
        if event.sender.address.native != conversation.user:
            return Saying(outcome=Outcome(ignored="third person"))
        if outcome.encrypted:
            return Saying(answer=ENCRYPTED, outcome=replace(outcome, items=(), ignored="encrypted message"))
        if conversation.address is not None:
            return Saying(replace(event, to=conversation.address), outcome=outcome)
        return self._line(event)

    def _line(self, event: Event) -> Saying:
        """A line to the bot. What bots announce is not answered, lest two bots go on for ever."""
        content = event.content
        if not isinstance(content, Message):
            return Saying(outcome=Outcome(ignored="not for anybody"))
        quiet = content.kind is MessageKind.NOTICE
        whom, text = addressed(content.body.text)
        answer = usage(EXAMPLE)
        if whom and text:
            try:
                address = self.find(whom)
            except ValueError as error:
                answer = _sentence(str(error)) if "@" in whom or ":" in whom else answer
            else:
                if address.network != self.own:
                    said = replace(content, body=Text(text, language=content.body.language))
                    return Saying(replace(event, content=said, to=address))
                answer = f"{address.native} is on Matrix, as you are: write to them without me."
        if quiet:
            return Saying(outcome=Outcome(ignored="not for anybody"))
        return Saying(answer=answer, asked=content.body.text, outcome=Outcome(ignored="not for anybody"))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
