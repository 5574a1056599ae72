"""What a foreign person or room is called on each kind of network: pure, deterministic, reversible (design section 5).

Names on XMPP and Matrix can be read back; nicks on IRC are candidates only, of which the adapter keeps the winner.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bridge.model.address import Address, Person, Place


class Kind(StrEnum):
    """The kinds of network that have a naming scheme."""

    XMPP = "xmpp"
    MATRIX = "matrix"
    IRC = "irc"


@dataclass(frozen=True, slots=True)
class Named:
    """A configured network as far as names go. `default`: it owns the bare domains of its kind for ever."""

    network: str
    kind: Kind
    default: bool = False


class Names:
    """The naming schemes over one set of configured networks."""

    def __init__(self, networks: Iterable[Named]) -> None:
        self._networks = {named.network: named for named in networks}

    def xmpp_local(self, who: Address | Place) -> str:
        """The localpart of a puppet's, or a foreign room's, JID (unescaped by nothing: ready for the wire)."""
        raise NotImplementedError

    def from_xmpp_local(self, local: str) -> Address | Place:
        """Who or what the localpart names. Raises `ValueError` for what `xmpp_local` cannot have made."""
        raise NotImplementedError

    def matrix_local(self, who: Address | Place, prefix: str, room_for: int) -> str:
        """The localpart of a puppet's user id or a foreign room's alias, at most `room_for` bytes long."""
        raise NotImplementedError

    def from_matrix_local(self, local: str, prefix: str) -> Address | Place:
        """Who or what the localpart names. Raises `ValueError`."""
        raise NotImplementedError

    def irc_nicks(self, person: Person, length: int, chantypes: str = "#&+!") -> Iterator[str]:
        """An endless sequence of distinct candidates, best first, each a legal nick of at most `length` bytes."""
        raise NotImplementedError
