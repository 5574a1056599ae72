"""Which person an ``im:`` or a ``pres:`` URI means: RFC 3860's and RFC 3859's step of resolving."""

from collections.abc import Callable, Collection

from bridge.directory import Directory
from bridge.model.address import Address
from bridge.model.uri import Uri, UriError


class UnresolvedError(LookupError):
    """The URI is well-formed, and names nobody whom we could reach."""


class Inboxes:
    """Resolves URIs. Pure: whether there is such a person, no network is asked."""

    def __init__(
        self,
        directory: Directory,
        networks: Collection[str],
        *,
        exists: Callable[[Address], bool],
        at_home: Callable[[Address], bool],
    ) -> None:
        """`exists`: can there be such a person? `at_home`: does the person belong to an attached server itself?"""
        self._directory = directory
        self._networks = networks
        self._exists = exists
        self._at_home = at_home

    def find(self, uri: Uri) -> Address:
        """The person meant. At a network's name, as `Address.uri` writes it, it is the native id; at a domain of an
        attached server, the local part of one.

        Raises `UnresolvedError`.
        """
        if uri.domain in self._networks:
            return self._native(uri)
        found = {address for text in _spellings(uri) if (address := self._homely(text)) is not None}
        if len(found) != 1:
            why = "names people of several networks" if found else "is of no network here"
            raise UnresolvedError(f"{uri.bare} {why}; write the id percent-encoded, an @, and the network's name")
        return found.pop()

    def _native(self, uri: Uri) -> Address:
        try:
            return self._directory.find(f"{uri.domain}:{uri.local}")
        except ValueError as error:
            # Whoever is known by what they are called in a room only, nobody can spell but their network.
            address = Address(uri.domain, uri.local)
            if self._exists(address):
                return address
            raise UnresolvedError(str(error)) from error

    def _homely(self, text: str) -> Address | None:
        try:
            address = self._directory.find(text)
        except ValueError:
            return None
        return address if self._at_home(address) else None


def _spellings(uri: Uri) -> list[str]:
    """The URI's bare ids on networks that have domains."""
    matrix = f"@{uri.local}:{uri.domain}"
    try:
        return [uri.jid(), matrix]
    except UriError:
        return [matrix]
