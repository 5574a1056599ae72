"""Which names are the same name: the CASEMAPPING of a network, and a mapping with such keys."""

import unicodedata
from collections.abc import Iterator, MutableMapping
from enum import StrEnum
from string import ascii_lowercase, ascii_uppercase
from typing import Final, TypeVar

V = TypeVar("V")


class Casemapping(StrEnum):
    """The rules servers announce. RFC 1459 section 2.2 holds ``{}|^`` for the lower case of ``[]\\~``."""

    ASCII = "ascii"
    RFC1459 = "rfc1459"
    STRICT = "strict-rfc1459"
    UNICODE = "rfc8265"

    @classmethod
    def of(cls, token: str) -> "Casemapping":
        """The mapping a CASEMAPPING token names. An unknown one is read as ASCII, which never joins two people."""
        return _TOKENS.get(token.lower(), cls.ASCII)

    def fold(self, name: str) -> str:
        """The form under which all spellings of a name are equal."""
        if self is Casemapping.UNICODE:
            return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())
        return name.translate(_TABLES[self])


_TOKENS: Final = {
    "ascii": Casemapping.ASCII,
    "rfc1459": Casemapping.RFC1459,
    "strict-rfc1459": Casemapping.STRICT,
    "rfc1459-strict": Casemapping.STRICT,
    "rfc8265": Casemapping.UNICODE,
    "precis": Casemapping.UNICODE,
}
_TABLES: Final = {
    Casemapping.ASCII: str.maketrans(ascii_uppercase, ascii_lowercase),
    Casemapping.RFC1459: str.maketrans(ascii_uppercase + "[]\\~", ascii_lowercase + "{}|^"),
    Casemapping.STRICT: str.maketrans(ascii_uppercase + "[]\\", ascii_lowercase + "{}|"),
}


class CaseMap(MutableMapping[str, V]):
    """A mapping whose keys are names: found in any spelling, listed as last spelled."""

    def __init__(self, casemapping: Casemapping = Casemapping.RFC1459) -> None:
        self._casemapping = casemapping
        self._items: dict[str, tuple[str, V]] = {}

    def rekey(self, casemapping: Casemapping) -> None:
        """Go over to another mapping. Of names that become one, the one put in last stays."""
        if casemapping is not self._casemapping:
            self._casemapping = casemapping
            self._items = {casemapping.fold(name): (name, value) for name, value in self._items.values()}

    def __getitem__(self, name: str) -> V:
        return self._items[self._casemapping.fold(name)][1]

    def __setitem__(self, name: str, value: V) -> None:
        self._items[self._casemapping.fold(name)] = (name, value)

    def __delitem__(self, name: str) -> None:
        del self._items[self._casemapping.fold(name)]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._items.values()])

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._casemapping.fold(name) in self._items
