"""Who is in a room: its occupants who are people, and what their coming and going means."""

from dataclasses import dataclass

from adapters.xmpp.inbound import Line, RoomPresence
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
    """A person in a room, under one nick. A person may be there under several."""

    nick: str
    address: Address
    occupant_id: str | None = None

    @property
    def person(self) -> Person:
        """The person as the room shows them."""
        return Person(self.address, self.nick)


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
        """Everybody, each once."""
        return tuple({found.address: found.person for found in self._by_nick.values()}.values())

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
            return found.person
        return Person(self.address(line.nick, line.real_jid if shown else None, line.occupant_id), line.nick)

    def replace(self, presences: dict[str, RoomPresence]) -> None:
        """These are all who are there."""
        self._by_nick = {nick: self._occupant(presence) for nick, presence in presences.items()}

    def arrive(self, presence: RoomPresence) -> list[State]:
        """Somebody is there. Nothing is told of one who was there all along."""
        known = self._by_nick.get(presence.nick)
        new = self._occupant(presence)
        if known is not None and known.address == new.address:
            return []
        states: list[State] = self.depart(RoomPresence(presence.nick, available=False)) if known is not None else []
        elsewhere = self.find(new.address)
        self._by_nick[new.nick] = new
        if elsewhere is None:
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
            )
            new = self._occupant(renamed)
            if gone.address == self.address(gone.nick, None, None):
                # Known by nick alone: somebody else, for all that can be told.
                self._by_nick[new.nick] = new
                return [Left(self._place, gone.address, Cause.NICK), Joined(self._place, new.person)]
            new = Occupant(new.nick, gone.address, new.occupant_id)
            self._by_nick[new.nick] = new
            return [Renamed(self._place, new.person)]
        if self.find(gone.address) is not None:
            return []
        return [
            Left(self._place, gone.address, cause_of(presence), presence.reason or presence.status, by=presence.actor)
        ]

    def _occupant(self, presence: RoomPresence) -> Occupant:
        address = self.address(presence.nick, presence.real_jid, presence.occupant_id)
        return Occupant(presence.nick, address, presence.occupant_id)
