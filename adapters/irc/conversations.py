"""Who speaks with whom in private, so that words meant for one person do not reach the next bearer of their nick.

On IRC a nick is all the address there is, and it changes hands. What can be known is what our connections see: that
its bearer changed nick or left, and by what user, host and account they were known. Pure.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from adapters.irc.people import Identity
from bridge.model.address import Address

One = TypeVar("One")
Other = TypeVar("Other")

READING: Final = 5.0
"""Seconds for which what somebody writes cannot yet be an answer to their having been told."""

LIMIT: Final = 5000
"""Conversations remembered at once; the one that was silent longest makes room."""


@dataclass(slots=True)
class Conversation:
    """What is known of one. `identity` is the partner's when last spoken with, None where nothing told.

    `ended` is set when they let the nick go: under which one they go now, or empty if they left. `taught`: they were
    told how to answer through the bot; `greeted`: they were told that what they write to the bot is brought. What was
    said before `stale` (seconds since the epoch) was meant for the `former` bearer of the nick, and is refused with
    `why` while another bears it.
    """

    identity: Identity | None = None
    ended: str | None = None
    taught: bool = False
    greeted: bool = False
    former: Identity | None = None
    stale: float = -math.inf
    why: str = ""


class _Index(Generic[One, Other]):
    """With whom each one speaks, the most recent last."""

    def __init__(self) -> None:
        self._others: dict[One, OrderedDict[Other, None]] = {}

    def of(self, one: One) -> tuple[Other, ...]:
        return tuple(self._others.get(one, ()))

    def put(self, one: One, other: Other) -> None:
        others = self._others.setdefault(one, OrderedDict())
        others[other] = None
        others.move_to_end(other)

    def drop(self, one: One, other: Other) -> None:
        others = self._others[one]
        del others[other]
        if not others:
            del self._others[one]


class Conversations:
    """Conversations between people of other networks and nicks. `fold` gives a nick's canonical form; `now` is the time
    in seconds since the epoch."""

    def __init__(self, fold: Callable[[str], str], now: Callable[[], float], limit: int = LIMIT) -> None:
        self._fold = fold
        self._now = now
        self._limit = limit
        self._all: OrderedDict[tuple[str, Address], Conversation] = OrderedDict()
        self._with: _Index[str, Address] = _Index()
        self._of: _Index[Address, str] = _Index()

    def __len__(self) -> int:
        return len(self._all)

    def touch(self, address: Address, nick: str) -> Conversation:
        """Somebody elsewhere and the bearer of the nick speak with each other."""
        key = (self._fold(nick), address)
        conversation = self._all.get(key)
        if conversation is None:
            if len(self._all) >= self._limit:
                self._drop(next(iter(self._all)))
            self._all[key] = conversation = Conversation()
        self._all.move_to_end(key)
        self._with.put(key[0], address)
        self._of.put(address, key[0])
        return conversation

    def heard(self, address: Address, nick: str, identity: Identity | None) -> Conversation:
        """The bearer of the nick, who is this, wrote to somebody elsewhere: they are who the answer is for."""
        conversation = self.touch(address, nick)
        if conversation.identity is not None and identity is not None and conversation.identity.differs(identity):
            self._changed(conversation, _another(nick), self._now())
        self._is_back(conversation, identity)
        conversation.identity, conversation.ended = identity, None
        return conversation

    def ended(self, nick: str, now: str = "") -> None:
        """The bearer let the nick go: they go by another `now`, or left the network."""
        folded = self._fold(nick)
        for address in self._with.of(folded):
            conversation = self._all[folded, address]
            # MONITOR tells that the nick is free after NICK has told why.
            conversation.ended = now or conversation.ended or ""

    def why_not(self, address: Address, nick: str, identity: Identity | None, said: float) -> str | None:
        """Why the bearer of the nick, who is this as far as is known, is not whom somebody elsewhere spoke with.

        None if they are, or if nothing tells. `said` is when the words were said, in seconds since the epoch: who
        writes again after having been told means whoever bears the nick then.
        """
        conversation = self._all.get((self._fold(nick), address))
        if conversation is None:
            return None
        self._is_back(conversation, identity)
        if said <= conversation.stale:
            return conversation.why
        ended = conversation.ended
        if not self.with_another(address, nick, identity):
            conversation.identity, conversation.ended = identity or conversation.identity, None
            return None
        if ended:
            why = f"{nick} goes by {ended} now; write there, or write again to reach whoever is {nick} now"
        elif identity is None:
            why = f"{nick} has left since you last spoke; write again to reach whoever is {nick} now"
        else:
            why = _another(nick)
        self._changed(conversation, why, self._now() + READING)
        conversation.identity, conversation.ended = identity, None
        return why

    def with_another(self, address: Address, nick: str, identity: Identity | None) -> bool:
        """Whether somebody elsewhere spoke with another bearer of the nick than this one, as far as is known."""
        conversation = self._all.get((self._fold(nick), address))
        if conversation is None:
            return False
        if conversation.identity is None or identity is None:
            return conversation.ended is not None
        return conversation.identity.differs(identity)

    def forget(self, address: Address, nick: str) -> None:
        """There is no such conversation: nobody bears the nick."""
        key = (self._fold(nick), address)
        conversation = self._all.get(key)
        if conversation is not None and conversation.why:
            conversation.identity = conversation.ended = None
        elif conversation is not None:
            self._drop(key)

    def partners(self, address: Address) -> tuple[str, ...]:
        """The nicks, folded, that somebody elsewhere speaks with; the most recent last."""
        return self._of.of(address)

    def addresses(self, nick: str) -> tuple[Address, ...]:
        """All with whom the bearer of the nick speaks."""
        return self._with.of(self._fold(nick))

    @staticmethod
    def _changed(conversation: Conversation, why: str, stale: float) -> None:
        """Another bears the nick, who knows nothing of what the one before was told."""
        conversation.taught = conversation.greeted = False
        conversation.why, conversation.stale = why, stale
        conversation.former = conversation.former or conversation.identity

    @staticmethod
    def _is_back(conversation: Conversation, identity: Identity | None) -> None:
        """If it is the former bearer again, what was meant for them may reach them."""
        former = conversation.former
        if former is not None and identity is not None and not former.differs(identity):
            conversation.former, conversation.stale = None, -math.inf
            conversation.identity, conversation.ended = identity, None

    def _drop(self, key: tuple[str, Address]) -> None:
        nick, address = key
        del self._all[key]
        self._with.drop(nick, address)
        self._of.drop(address, nick)


def _another(nick: str) -> str:
    return f"{nick} is somebody else now, as far as can be seen; write again to reach them"
