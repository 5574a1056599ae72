"""Whom somebody means who writes an address: a bare id as its network spells it, or one with the network before it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from bridge.model.address import NETWORK_NAME, Address, AddressError
from bridge.names import Kind

HINT = "write for example bo@example.org, @ana:example.org or NETWORK:NICK"


class Canon(Protocol):
    """Makes what somebody wrote the canonical native id. Raises `ValueError` saying what to write instead."""

    def __call__(self, text: str, /) -> str: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A network as far as finding people goes. `default`: bare ids of its kind are of this network."""

    network: str
    kind: Kind
    canon: Canon
    default: bool


class Directory:
    """Reads and writes addresses as people do. Pure: no network is asked whether there is such a person."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = {entry.network: entry for entry in entries}
        kinds = [entry.kind for entry in self._entries.values()]
        # The only network of a kind needs no name before its ids, whether it is the default or not. A bare nick is
        # never an address: any word could be one, and a sentence would go to a stranger.
        self._bare: dict[Kind, Entry] = {
            entry.kind: entry
            for entry in self._entries.values()
            if entry.kind is not Kind.IRC and (entry.default or kinds.count(entry.kind) == 1)
        }

    def find(self, text: str) -> Address:
        """The person meant. Raises `ValueError` saying what to write instead."""
        text = text.strip()
        network, colon, native = text.partition(":")
        if colon and network in self._entries:
            return self._address(self._entries[network], native)
        entry = self._bare.get(_kind(text))
        if entry is None:
            if colon and NETWORK_NAME.fullmatch(network) and "@" not in text:
                names = ", ".join(self._entries)
                raise ValueError(f"no network is called {network!r}; networks are: {names}")
            raise ValueError(f"{text[:60]!r} does not say on which network; {HINT}")
        return self._address(entry, text)

    def is_canonical(self, address: Address) -> bool:
        """Whether the native id is spelt as its network's adapter spells it, so that rules see who it is."""
        entry = self._entries.get(address.network)
        try:
            return entry is not None and entry.canon(address.native) == address.native
        except ValueError:
            return False

    def written(self, address: Address) -> str:
        """The shortest form that `find` understands."""
        try:
            if self.find(address.native) == address:
                return address.native
        except ValueError:
            pass
        return str(address)

    @staticmethod
    def _address(entry: Entry, native: str) -> Address:
        try:
            return Address.parse(f"{entry.network}:{entry.canon(native)}")
        except AddressError as error:
            raise ValueError(f"{native[:60]!r} names nobody; {HINT}") from error


def _kind(text: str) -> Kind:
    """Of which kind of network a bare id is, by its shape."""
    if text.startswith("@") and ":" in text:
        return Kind.MATRIX
    return Kind.XMPP if "@" in text else Kind.IRC
