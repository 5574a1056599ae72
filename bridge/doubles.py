"""Who is in a room twice: natively, and as the puppet of another gateway that bridges the same room.

Two gateways in one room, or a circle of them over three networks, would show everybody twice, then four times, and send
every message round for ever. Their puppets say whose stand-ins they are (`bridge.contract.Identifying`); whoever is in
the room anyway is not taken in a second time.
"""

from collections.abc import Callable, Iterator, Mapping

from bridge.contract import IDENTITY_BYTES, Adapter, Identifying
from bridge.model.address import Address, Person, Place
from bridge.model.event import Event
from bridge.rosters import Rosters
from bridge.router import Router


class Doubles:
    """Decides, each time anew, who is a double. Asks adapters and rosters; keeps nothing."""

    def __init__(
        self,
        router: Router,
        rosters: Rosters,
        adapters: Mapping[str, Adapter],
        online: Callable[[str], bool] = lambda network: True,
    ) -> None:
        """`online`: can the network be heard now? If not, what a double says is all that can be heard."""
        self._router = router
        self._rosters = rosters
        self._adapters = adapters
        self._online = online

    def identity(self, person: Person) -> str:
        """What a puppet of this person says of whose stand-in it is: of a stand-in, whom that stands for."""
        claim = person.stands_for or self._rosters.claim_of(person.address)
        if is_identity(claim):
            return claim
        adapter = self._adapters.get(person.address.network)
        if adapter is None or not isinstance(adapter, Identifying):
            return ""
        identity = adapter.identity(person.address)
        return identity if is_identity(identity) else ""

    def is_double(self, place: Place, address: Address) -> bool:
        """Whether somebody who is in the place stands for one who is in the room natively, or as a puppet of ours."""
        return any(self._doubled(place, self._rosters.claims(place).get(address, ""), if_unknown=True))

    def says_again(self, event: Event) -> bool:
        """Whether the event comes to us from the network of whom its sender stands for, too."""
        address = event.sender.address
        claim = event.sender.stands_for or self._rosters.claims(event.place).get(address, "")
        return any(self._online(network) for network in self._doubled(event.place, claim, if_unknown=False))

    def _doubled(self, place: Place, identity: str, *, if_unknown: bool) -> Iterator[str]:
        """The networks of the room on which that person is. `if_unknown`: those, too, of whose people nothing is known
        yet: a puppet may wait for that, what somebody says may not."""
        room = self._router.room(place) if is_identity(identity) else None
        for member in room.members if room else ():
            adapter = self._adapters[member.place.network]
            if member.place.network == place.network or not isinstance(adapter, Identifying):
                continue
            # What one of our own stands for there, we bridge ourselves.
            address = adapter.native(identity)
            there = address is not None and (
                address in self._rosters.people(member.place) or (if_unknown and not self._rosters.known(member.place))
            )
            if there or adapter.ours(identity):
                yield member.place.network


def is_identity(text: str) -> bool:
    """Whether this can be an identity: strangers write them, and they go out on the wire again."""
    return bool(text) and text.isprintable() and len(text.encode(errors="replace")) <= IDENTITY_BYTES
