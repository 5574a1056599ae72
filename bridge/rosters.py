"""Who is natively where: what the adapters last said, by place. In memory, owned by the event loop."""

from collections.abc import Iterable, Mapping

from bridge.model.address import Address, Person, Place
from bridge.model.event import Joined, Left, Renamed, Roster, State


class Rosters:
    """The people of each place who are there by themselves, not as puppets."""

    def __init__(self, known: Mapping[Place, Iterable[Person]] | None = None) -> None:
        """`known`: what the store kept of networks that do not say it again."""
        self._people: dict[Place, dict[Address, str]] = {
            place: {person.address: person.name for person in people} for place, people in (known or {}).items()
        }
        self._known = set(self._people)

    def apply(self, state: State) -> bool:
        """Take in what an adapter said. Returns whether anything changed."""
        match state:
            case Joined(place, person) | Renamed(place, person):
                people = self._people.setdefault(place, {})
                changed = people.get(person.address) != person.name
                people[person.address] = person.name
                return changed
            case Left(place=place, address=address):
                return self._people.get(place, {}).pop(address, None) is not None
            case Roster(place, people_there):
                now = {person.address: person.name for person in people_there}
                changed = place not in self._known or self._people.get(place) != now
                self._people[place] = now
                self._known.add(place)
                return changed
            case _:
                return False

    def known(self, place: Place) -> bool:
        """Whether everybody in the place is known. Before its roster was told, nobody is known to be absent.

        One person who joins makes nothing known of the others: only a `Roster` does, or what the store kept.
        """
        return place in self._known

    def people(self, place: Place) -> Mapping[Address, str]:
        """Who is there, and by what name."""
        return self._people.get(place, {})
