"""Who people of this network are to other gateways, and who ours are. Asks the rooms; keeps nothing."""

from collections.abc import Callable, Mapping
from typing import Final

from adapters.xmpp import ids
from adapters.xmpp.rooms import Room
from adapters.xmpp.standing import usable
from bridge.model.address import Address

_SCHEME: Final = "xmpp:"


class Identities:
    """`rooms` by bare JID; they may come later. `within` tells whether a canonical bare JID is none of a person's,
    `is_ours` whether it is a puppet's or the bot's."""

    def __init__(
        self, network: str, rooms: Mapping[str, Room], within: Callable[[str], bool], is_ours: Callable[[str], bool]
    ) -> None:
        self._network = network
        self._rooms = rooms
        self._within = within
        self._is_ours = is_ours

    def identity(self, address: Address) -> str:
        """As `bridge.contract.Identifying.identity`.

        The bare JID; of an occupant who does not show it, room and occupant id (XEP-0421), or room and nick where the
        room gives no ids. That is the same for every gateway in that room which is shown as much as we are.
        """
        return usable(_SCHEME + address.native)

    def native(self, identity: str) -> Address | None:
        """As `bridge.contract.Identifying.native`."""
        bare, occupant = _read(identity)
        if not bare or self._within(bare):
            return None
        if not occupant:
            return Address(self._network, bare)
        return Address(self._network, f"{bare}/{occupant}") if bare in self._rooms else None

    def ours(self, identity: str) -> bool:
        """As `bridge.contract.Identifying.ours`. In a room that hides who we are, by what it shows of us."""
        bare, occupant = _read(identity)
        if not occupant:
            return bool(bare) and self._is_ours(bare)
        room = self._rooms.get(bare)
        return room is not None and (
            room.owns.called(occupant) is not None or any(own.occupant_id == occupant for own in room.owns)
        )


def _read(identity: str) -> tuple[str, str]:
    """The canonical bare JID, and which occupant of that room is meant; the first is empty if it is no identity here.

    An occupant id is not made canonical: it means something to the room alone.
    """
    if not identity.startswith(_SCHEME) or not usable(identity):
        return "", ""
    bare, slash, occupant = identity.removeprefix(_SCHEME).partition("/")
    try:
        parsed = ids.jid(bare)
    except ValueError:
        return "", ""
    return (str(parsed.bare), occupant) if parsed.local and bool(slash) is bool(occupant) else ("", "")
