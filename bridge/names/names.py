"""The naming schemes over the configured networks."""

from collections.abc import Iterable, Iterator

from bridge.model.address import NETWORK_NAME, Address, Person, Place
from bridge.names import matrix, xmpp
from bridge.names.irc import nicks
from bridge.names.scheme import Kind, Named, digest, subject


class Names:
    """The naming schemes over one set of configured networks.

    A name that would be too long becomes a hash, which cannot be read back by itself: for these *the store is the
    authority*. Names keeps those it has made, and `learn` tells it those that were made before a restart.
    """

    def __init__(self, networks: Iterable[Named]) -> None:
        """Raises `ValueError` for a name no network may have, one used twice, or two owners of bare domains."""
        self._networks: dict[str, Named] = {}
        self._hashed: dict[str, Address | Place] = {}
        owners: set[Kind] = set()
        for named in networks:
            if not NETWORK_NAME.fullmatch(named.network):
                raise ValueError(f"{named.network!r} cannot be the name of a network")
            if named.network in self._networks:
                raise ValueError(f"there are two networks called {named.network}")
            if named.default and named.kind in owners:
                raise ValueError(f"two networks of kind {named.kind} own the bare domains")
            if named.default:
                owners.add(named.kind)
            self._networks[named.network] = named

    @property
    def networks(self) -> tuple[Named, ...]:
        """The networks, in the order they were given."""
        return tuple(self._networks.values())

    def learn(self, who: Address | Place) -> None:
        """Know this person or room by the hash form of its name too.

        Called at start for everyone in the store. Keeps only those whose name may have been too long somewhere. Raises
        `ValueError` as `xmpp_local` does.
        """
        who = subject(who)
        if len(matrix.encode(who, self._named(who))) > len(matrix.shorten(who)):
            self._hashed[digest(who)] = who

    def xmpp_local(self, who: Address | Place) -> str:
        """The localpart of a puppet's, or a foreign room's, JID (escaped already: ready for the wire).

        At most 1023 bytes. A conversation with one user has that user's name. Raises `ValueError` if the network is
        not configured, or the native id empty or no well-formed Unicode.
        """
        who = subject(who)
        local = xmpp.encode(who, self._named(who))
        if len(local.encode()) <= xmpp.LONGEST:
            return local
        self.learn(who)
        return xmpp.shorten(who)

    def from_xmpp_local(self, local: str) -> Address | Place:
        """Who or what the localpart names. Raises `ValueError` for what `xmpp_local` cannot have made, and for a
        hash form that was not learnt."""
        if len(local) > xmpp.LONGEST:
            raise ValueError("longer than a localpart may be")
        hashed = xmpp.shortened(local)
        who = xmpp.decode(local, self._networks) if hashed is None else self._learnt(hashed)
        if self.xmpp_local(who) != local:
            raise ValueError(f"{local!r} is no name of ours")
        return who

    def matrix_local(self, who: Address | Place, prefix: str, room_for: int) -> str:
        """The localpart of a puppet's user id or a foreign room's alias, at most `room_for` bytes long.

        `prefix` is the gateway's, such as ``_rialto_``. Raises `ValueError` as `xmpp_local` does, and if not even
        the hash form has room (the prefix, the network's name and 35 bytes).
        """
        who = subject(who)
        local = prefix + matrix.encode(who, self._named(who))
        if len(local) <= room_for:
            return local
        self.learn(who)
        local = prefix + matrix.shorten(who)
        if len(local) > room_for:
            raise ValueError(f"a name needs {len(local)} bytes, and there is room for {room_for}")
        return local

    def from_matrix_local(self, local: str, prefix: str) -> Address | Place:
        """Who or what the localpart names. Raises `ValueError` for what `matrix_local` cannot have made with this
        prefix, and for a hash form that was not learnt."""
        if not local.startswith(prefix):
            raise ValueError(f"{local!r} does not begin with {prefix}")
        rest = local.removeprefix(prefix)
        hashed = matrix.shortened(rest)
        if hashed is not None:
            network, code = hashed
            who = self._learnt(code)
            if who.network != network:
                raise ValueError(f"{local!r} is no name of ours")
            return who
        who = subject(matrix.decode(rest, self._networks))
        if matrix.encode(who, self._named(who)) != rest:
            raise ValueError(f"{local!r} is no name of ours")
        return who

    def irc_nicks(self, person: Person, length: int, chantypes: str = "#&+!") -> Iterator[str]:
        """An endless sequence of distinct candidates, best first, each a legal nick of at most `length` bytes.

        The same for the same person at every call. Distinct also for a server that folds case as RFC 1459 does. Which
        of them a person gets is the adapter's to decide and to keep. Raises `ValueError` for a length below 5 and
        for a person of a network that is not configured.
        """
        return nicks(person, self._named(person.address).kind, length, chantypes)

    def _named(self, who: Address | Place) -> Named:
        named = self._networks.get(who.network)
        if named is None:
            raise ValueError(f"{who.network!r} is not a configured network")
        return named

    def _learnt(self, code: str) -> Address | Place:
        who = self._hashed.get(code)
        if who is None:
            raise ValueError("this short form of a long name is not known")
        return who
