"""Who is in a room: its occupants who are people, and what their coming and going means."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from adapters.xmpp.inbound import Line, RoomPresence
from adapters.xmpp.standing import NOBODY, Mark
from bridge.model.address import Address, Person, Place
from bridge.model.event import Cause, Joined, Left, Renamed, State

KICKED = frozenset({"307", "321", "322"})
"""Status codes of being put out: by hand, by a change of affiliation, by the room becoming members-only."""
BANNED = "301"
NICK_CHANGE = "303"
_TECHNICAL = frozenset({"332", "333"})


def cause_of(presence: RoomPresence) -> Cause:
    """Why an occupant is gone. A kick by the service itself, for an error of theirs (333), is none by hand."""
    if BANNED in presence.codes:
        return Cause.BANNED
    if presence.codes & KICKED and not presence.codes & _TECHNICAL:
        return Cause.KICKED
    return Cause.LEFT


@dataclass(frozen=True, slots=True)
class Occupant:
    """A person in a room, under one nick. A person may be there under several.

    `mark` is what they say of whose stand-in they are. A gateway's bot is listened to, and is nobody's member.
    """

    nick: str
    address: Address
    occupant_id: str | None = None
    mark: Mark = NOBODY

    @property
    def person(self) -> Person:
        """The person as the room shows them."""
        return Person(self.address, self.nick, self.mark.of)


class Occupants:
    """The people in one room, by nick. Answers each change with the states that it makes.

    `stable_ids`: the room can be believed about occupant ids (XEP-0421).
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._by_nick: dict[str, Occupant] = {}
        self.stable_ids = False

    def __contains__(self, nick: str) -> bool:
        return nick in self._by_nick

    def get(self, nick: str) -> Occupant | None:
        """The person under that nick."""
        return self._by_nick.get(nick)

    def find(self, address: Address) -> Occupant | None:
        """Where that person is, under any nick."""
        return next((found for found in self._by_nick.values() if found.address == address), None)

    def people(self) -> tuple[Person, ...]:
        """Everybody who is a member, each once."""
        return tuple({found.address: found.person for found in self._members()}.values())

    def _members(self) -> Iterator[Occupant]:
        return (found for found in self._by_nick.values() if not found.mark.gateway)

    def _member(self, address: Address) -> bool:
        return any(found.address == address for found in self._members())

    def address(self, nick: str, real_jid: str | None, occupant_id: str | None) -> Address:
        """Who that is (design section 5): the real JID if shown, else the occupant id, else room and nick."""
        network, room = self._place.network, self._place.native
        if real_jid:
            return Address(network, real_jid)
        if occupant_id and self.stable_ids:
            return Address(network, f"{room}/{occupant_id}")
        return Address(network, f"{room}/{nick}")

    def speaker(self, line: Line, *, shown: bool) -> Person:
        """Who says the line, even if they have left since. `shown`: the JID beside it is the room's word (XEP-0045
        section 7.2.13), not the sender's."""
        found = self._by_nick.get(line.nick)
        same = found is not None and not (
            self.stable_ids and line.occupant_id and found.occupant_id and line.occupant_id != found.occupant_id
        )
        if found is not None and same:
            person = found.person
        else:
            person = Person(self.address(line.nick, line.real_jid if shown else None, line.occupant_id), line.nick)
        return replace(person, stands_for=line.stands_for) if line.stands_for else person

    def replace(self, presences: dict[str, RoomPresence]) -> None:
        """These are all who are there."""
        self._by_nick = {nick: self._occupant(presence) for nick, presence in presences.items()}

    def arrive(self, presence: RoomPresence) -> list[State]:
        """Somebody is there. Nothing is told of one who was there all along, unless they say now whose stand-in they
        are, or do so no more."""
        known = self._by_nick.get(presence.nick)
        new = self._occupant(presence)
        states: list[State] = []
        if known is not None and known.address == new.address and known.mark.gateway == new.mark.gateway:
            self._by_nick[new.nick] = new
            changed = known.mark.of != new.mark.of and not new.mark.gateway
            return [Joined(self._place, new.person)] if changed else []
        if known is not None:
            states = self.depart(RoomPresence(presence.nick, available=False))
        elsewhere = self._member(new.address)
        self._by_nick[new.nick] = new
        if not elsewhere and not new.mark.gateway:
            states.append(Joined(self._place, new.person))
        return states

    def depart(self, presence: RoomPresence) -> list[State]:
        """Somebody is not there any more, or under another nick now."""
        gone = self._by_nick.pop(presence.nick, None)
        if gone is None:
            return []
        if NICK_CHANGE in presence.codes and presence.new_nick:
            renamed = RoomPresence(
                presence.new_nick,
                available=True,
                real_jid=presence.real_jid,
                occupant_id=presence.occupant_id or gone.occupant_id,
                mark=gone.mark,
            )
            new = self._occupant(renamed)
            if gone.address == self.address(gone.nick, None, None):
                # Known by nick alone: somebody else, for all that can be told.
                self._by_nick[new.nick] = new
                states: list[State] = [Left(self._place, gone.address, Cause.NICK), Joined(self._place, new.person)]
                return [] if gone.mark.gateway else states
            new = replace(new, address=gone.address)
            self._by_nick[new.nick] = new
            return [] if gone.mark.gateway else [Renamed(self._place, new.person)]
        if gone.mark.gateway or self._member(gone.address):
            return []
        return [
            Left(self._place, gone.address, cause_of(presence), presence.reason or presence.status, by=presence.actor)
        ]

    def _occupant(self, presence: RoomPresence) -> Occupant:
        address = self.address(presence.nick, presence.real_jid, presence.occupant_id)
        return Occupant(presence.nick, address, presence.occupant_id, presence.mark)
