"""Conversations of two: a Matrix user and a puppet, or the user and the bot, each in a room of its own. Memory only.

Owned by the event loop's one adapter. What is to be kept is returned as notes, for the core to remember.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from adapters.matrix.rooms import Room
from bridge.model.address import Address, AddressError, Place, PlaceKind

log = structlog.get_logger(__name__)

REFUSED_FOR = 12 * 3600.0
"""Seconds for which somebody who refused a conversation is not asked again, unless they write themselves."""

REFUSALS = 10_000
"""Refusals kept in mind; beyond, the oldest are forgotten."""

ROOMS_OF_ONE = 200
"""Rooms that one user may have with us."""

_ROOM = "dm/"
_REFUSED = "refused/"
_MAKING = "making/"
_ENCRYPTED = "encrypted"

Notes = dict[str, str | None]
"""What the core is to remember, by key; None forgets."""


class Stage(StrEnum):
    """How far a conversation is.

    ASKED: the user has invited us, and we have not come yet. OFFERED: we have invited the user, who has neither come
    nor refused. OPEN: both are there.
    """

    ASKED = "asked"
    OFFERED = "offered"
    OPEN = "open"


@dataclass(slots=True, eq=False)
class Conversation:
    """One room of two. `ours` is the user id of the puppet of `address`, or of the bot where there is no address.

    `name` is what the user shows. `since` is seconds since the epoch. `missed`: while we were on our way in, something
    was said that has yet to be read back. `checked`: both were seen in the room since this start.
    """

    room: Room
    user: str
    ours: str
    address: Address | None
    stage: Stage
    since: float
    name: str = ""
    missed: bool = False
    checked: bool = False

    @property
    def ready(self) -> bool:
        """Whether our side can speak in the room."""
        return self.stage is not Stage.ASKED

    @property
    def place(self) -> Place:
        """The place of whoever the conversation is with."""
        return self.room.place


@dataclass(slots=True)
class _Refusal:
    user: str
    address: Address
    when: float


def direct_place(network: str, user: str) -> Place:
    """Where one user is written to."""
    return Place(network, user, PlaceKind.USER)


def _pair_key(user: str, address: Address) -> str:
    return hashlib.sha256(f"{user}\0{address}".encode("utf-8", "replace")).hexdigest()[:32]


@dataclass(slots=True)
class Conversations:
    """All of them, by room and by whom they are between; and who refused one."""

    network: str
    _rooms: dict[str, Conversation] = field(default_factory=dict)
    _pairs: dict[tuple[str, Address | None], list[Conversation]] = field(default_factory=dict)
    _users: dict[str, dict[str, Conversation]] = field(default_factory=dict)
    _ours: dict[str, int] = field(default_factory=dict)
    _refusals: dict[str, _Refusal] = field(default_factory=dict)
    _making: set[str] = field(default_factory=set)

    def __iter__(self) -> Iterator[Conversation]:
        return iter(tuple(self._rooms.values()))

    def by_id(self, room_id: object) -> Conversation | None:
        """The conversation in this room."""
        return self._rooms.get(room_id) if isinstance(room_id, str) else None

    def of(self, user: str, address: Address | None) -> Conversation | None:
        """The room in which the two speak now: of several, the one that was used last. Never an encrypted one: what
        is said there in clear the user could not answer so that we can read it."""
        rooms = reversed(self._pairs.get((user, address), ()))
        return next((conversation for conversation in rooms if not conversation.room.encrypted), None)

    def rooms_of(self, user: str) -> int:
        """How many rooms this user has with us."""
        return len(self._users.get(user, ()))

    def partner(self, user: str) -> str | None:
        """One of ours who shares a room with this user."""
        rooms = self._users.get(user, {}).values()
        return next((conversation.ours for conversation in rooms if conversation.ready), None)

    def has(self, ours: str) -> bool:
        """Whether this user of ours is in any conversation."""
        return ours in self._ours

    def begin(
        self, room_id: str, user: str, ours: str, address: Address | None, stage: Stage, since: float, name: str = ""
    ) -> Conversation:
        """A conversation in a room that has none yet."""
        room = Room(direct_place(self.network, user), room_id)
        conversation = Conversation(room, user, ours, address, stage, since, name)
        self._rooms[room_id] = conversation
        self._pairs.setdefault((user, address), []).append(conversation)
        self._users.setdefault(user, {})[room_id] = conversation
        self._ours[ours] = self._ours.get(ours, 0) + 1
        return conversation

    def use(self, conversation: Conversation) -> None:
        """The user spoke here: this is where to answer."""
        rooms = self._pairs[conversation.user, conversation.address]
        if rooms[-1] is not conversation:
            rooms.remove(conversation)
            rooms.append(conversation)

    def end(self, conversation: Conversation) -> Notes:
        """The conversation is over. Idempotent."""
        room_id = conversation.room.room_id
        if self._rooms.get(room_id) is not conversation:
            return {}
        del self._rooms[room_id]
        pair = (conversation.user, conversation.address)
        self._pairs[pair].remove(conversation)
        if not self._pairs[pair]:
            del self._pairs[pair]
        del self._users[conversation.user][room_id]
        if not self._users[conversation.user]:
            del self._users[conversation.user]
        self._ours[conversation.ours] -= 1
        if not self._ours[conversation.ours]:
            del self._ours[conversation.ours]
        return {_ROOM + room_id: None}

    def note(self, conversation: Conversation) -> Notes:
        """How the conversation stands, to be kept; nothing, where it has ended meanwhile."""
        if self._rooms.get(conversation.room.room_id) is not conversation:
            return {}
        address = "" if conversation.address is None else str(conversation.address)
        value = [conversation.user, conversation.ours, address, conversation.stage, conversation.since]
        more = [_ENCRYPTED] if conversation.room.encrypted else []
        return {_ROOM + conversation.room.room_id: json.dumps([*value, conversation.name, *more])}

    def refused(self, user: str, address: Address, now: float) -> bool:
        """Whether the user does not want to hear from this person."""
        refusal = self._refusals.get(_pair_key(user, address))
        return refusal is not None and now < refusal.when + REFUSED_FOR

    def refuse(self, user: str, address: Address, now: float) -> Notes:
        """The user has refused the conversation."""
        key = _pair_key(user, address)
        self._refusals.pop(key, None)
        self._refusals[key] = _Refusal(user, address, now)
        notes: Notes = {_REFUSED + key: json.dumps([user, str(address), now])}
        while len(self._refusals) > REFUSALS:
            oldest = next(iter(self._refusals))
            del self._refusals[oldest]
            notes[_REFUSED + oldest] = None
        return notes

    def relent(self, user: str, address: Address | None) -> Notes:
        """The user wants to speak with this person after all."""
        if address is None or (key := _pair_key(user, address)) not in self._refusals:
            return {}
        del self._refusals[key]
        return {_REFUSED + key: None}

    def making(self, user: str, address: Address) -> bool:
        """Whether the making of a room for the two was begun, and its end is not known."""
        return _pair_key(user, address) in self._making

    def begin_making(self, user: str, address: Address) -> Notes:
        """A room for the two is about to be made."""
        key = _pair_key(user, address)
        self._making.add(key)
        return {_MAKING + key: ""}

    def end_making(self, user: str, address: Address) -> Notes:
        """It has been made, or certainly has not."""
        key = _pair_key(user, address)
        self._making.discard(key)
        return {_MAKING + key: None}

    def recall(self, memory: Mapping[str, str], now: float) -> Notes:
        """Take up what was kept. Returns what need not be kept any longer."""
        stale: Notes = {}
        for key, value in memory.items():
            if key.startswith(_ROOM):
                self._recall_room(key.removeprefix(_ROOM), value)
            elif key.startswith(_MAKING):
                self._making.add(key.removeprefix(_MAKING))
            elif key.startswith(_REFUSED) and not self._recall_refusal(key.removeprefix(_REFUSED), value, now):
                stale[key] = None
        for rooms in self._pairs.values():
            rooms.sort(key=lambda conversation: conversation.since)
        self._refusals = dict(sorted(self._refusals.items(), key=lambda item: item[1].when))
        return stale

    def _recall_room(self, room_id: str, value: str) -> None:
        try:
            user, ours, written, stage, since, name, *more = json.loads(value)
            address = Address.parse(written) if written else None
            conversation = self.begin(room_id, user, ours, address, Stage(stage), float(since), name)
            conversation.room.encrypted = more == [_ENCRYPTED]
        except (ValueError, TypeError, AddressError):
            log.warning("a remembered conversation cannot be read", room=room_id)

    def _recall_refusal(self, key: str, value: str, now: float) -> bool:
        try:
            user, written, when = json.loads(value)
            refusal = _Refusal(user, Address.parse(written), float(when))
        except (ValueError, TypeError, AddressError):
            return False
        if now >= refusal.when + REFUSED_FOR:
            return False
        self._refusals[key] = refusal
        return True
