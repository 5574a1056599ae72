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
        self._claims: dict[Place, dict[Address, str]] = {}
        self._known = set(self._people)

    def apply(self, state: State) -> bool:
        """Take in what an adapter said. Returns whether anything changed."""
        match state:
            case Joined(place, person) | Renamed(place, person):
                people = self._people.setdefault(place, {})
                changed = people.get(person.address) != person.name
                people[person.address] = person.name
                return self._claim(place, person, keep=isinstance(state, Renamed)) or changed
            case Left(place=place, address=address):
                self._claims.get(place, {}).pop(address, None)
                return self._people.get(place, {}).pop(address, None) is not None
            case Roster(place, people_there):
                now = {person.address: person.name for person in people_there}
                claims = {person.address: person.stands_for for person in people_there if person.stands_for}
                changed = place not in self._known or self._people.get(place) != now
                changed = changed or self._claims.get(place, {}) != claims
                self._people[place], self._claims[place] = now, claims
                self._known.add(place)
                return changed
            case _:
                return False

    def _claim(self, place: Place, person: Person, *, keep: bool) -> bool:
        claims = self._claims.setdefault(place, {})
        before = claims.get(person.address, "")
        if person.stands_for:
            claims[person.address] = person.stands_for
        elif not keep:
            claims.pop(person.address, None)
        return claims.get(person.address, "") != before

    def claims(self, place: Place) -> Mapping[Address, str]:
        """Those in the place who say that they are another gateway's puppets, and of whom (`Person.stands_for`)."""
        return self._claims.get(place, {})

    def claim_of(self, address: Address) -> str:
        """Whose stand-in the person is by what is said of them in any place; empty for most."""
        found = (claims.get(address, "") for place, claims in self._claims.items() if place.network == address.network)
        return next(filter(None, found), "")

    def known(self, place: Place) -> bool:
        """Whether everybody in the place is known. Before its roster was told, nobody is known to be absent.

        One person who joins makes nothing known of the others: only a `Roster` does, or what the store kept.
        """
        return place in self._known

    def in_any(self, address: Address) -> bool:
        """Whether the person is in any place."""
        return any(address in people for place, people in self._people.items() if place.network == address.network)

    def name_of(self, address: Address) -> str | None:
        """By what name the person is in any place; None if they are in none."""
        found = (people.get(address) for place, people in self._people.items() if place.network == address.network)
        return next(filter(None, found), None)

    def people(self, place: Place) -> Mapping[Address, str]:
        """Who is there, and by what name."""
        return self._people.get(place, {})
