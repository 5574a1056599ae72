"""Who is let in: the operator's rules, the private conversations that are open, and the breaker, asked as one."""

from bridge.breaker import Breaker
from bridge.conversations import Conversations
from bridge.model.address import Address
from bridge.model.event import Event
from bridge.model.result import Failure
from bridge.model.room import Room
from bridge.route import Route
from bridge.rules import Rules


class Admission:
    """What the router asks of each event before it goes anywhere."""

    def __init__(self, rules: Rules, conversations: Conversations, breaker: Breaker) -> None:
        self._rules = rules
        self._conversations = conversations
        self._breaker = breaker

    def may_use(self, address: Address) -> bool:
        """Whether what this person, who is in a configured place, says and does is bridged."""
        return self._rules.may_use(address, known=True)

    def is_bot(self, address: Address) -> bool:
        """Whether this is one of the declared bots, of which nothing is bridged."""
        return self._rules.is_bot(address)

    def private(self, event: Event) -> Route:
        """Where a private message goes."""
        return self._conversations.route(event)

    def looping(self, event: Event, room: Room) -> Failure | None:
        """Why a message said in a room is not taken in though its sender may speak; None if it is."""
        return self._breaker.check(event, room)
