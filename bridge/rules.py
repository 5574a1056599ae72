"""Who may use the bridge, and what the operator decided for people: patterns over people. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from bridge.model.address import NETWORK_NAME, Address
from bridge.model.rule import Decision, RuleKind

MAX_PATTERN = 512
"""How long a pattern may be, in characters."""

_RFC1459 = str.maketrans("[]\\~", "{}|^")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Matches people by what their network calls them; ``*`` stands for any text, every other sign for itself.

    It is held against the native id (``*@example.org``, ``@*:example.org``) and against the network-qualified address
    (``libera:*``), whole, and without regard to case. An id without ``@`` is a nick, for which ``[]\\~`` are also
    ``{}|^``, as IRC has it (RFC 2812 section 2.2).
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check a pattern. Raises `ValueError` saying what to write instead."""
        if not text or len(text) > MAX_PATTERN:
            raise ValueError(f"write a pattern of 1 to {MAX_PATTERN} characters, for example *@example.org")
        if not text.isprintable() or " " in text:
            raise ValueError("write a pattern without spaces and control characters, for example *@example.org")
        return cls(text)

    @property
    def network(self) -> str | None:
        """The network the pattern is limited to, as ``libera`` in ``libera:*``; None where it holds for all."""
        network, colon, _ = self.text.partition(":")
        return network if colon and NETWORK_NAME.fullmatch(network) else None

    def matches(self, address: Address) -> bool:
        """Whether this is one of the people meant."""
        pattern, native = self.text.casefold(), address.native.casefold()
        if "@" not in native:
            pattern, native = pattern.translate(_RFC1459), native.translate(_RFC1459)
        return _glob(pattern, native) or _glob(pattern, f"{address.network}:{native}")

    def covers(self, other: "Pattern") -> bool:
        """Whether it is known to match everybody whom `other` matches. False where it cannot be told."""
        return _glob(self.text.casefold(), other.text.casefold())


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decided for those people whom `of` matches, about those whom `who` matches: a pattern, or
    `bridge.model.rule.ANONYMOUS`. It holds where the people have no rule of their own that matches."""

    of: Pattern
    kind: RuleKind
    who: str
    decision: Decision


DM_PER_HOUR = 20
"""Conversations one person may start within an hour, unless the operator says otherwise."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's access rules. `use` and `dm` are None where none was written: then the defaults hold.

    `bots` are bridges and bots of others, of which nothing is bridged at all. `dm_per_hour` is how many conversations
    one person may start within an hour. `people` is what the operator decided for people.
    """

    use: tuple[Pattern, ...] | None = None
    deny: tuple[Pattern, ...] = ()
    dm: tuple[Pattern, ...] | None = None
    bots: tuple[Pattern, ...] = ()
    dm_per_hour: int = DM_PER_HOUR
    people: tuple[Policy, ...] = ()

    def may_use(self, address: Address, *, known: bool) -> bool:
        """Whether what this person says and does is bridged.

        `known`: they are in a place that the operator bridged by name, or belong to a server that the operator
        attached. By default these may use the bridge, and nobody else may. `deny` goes before `use`.
        """
        if self.denies(address):
            return False
        if self.use is None:
            return known
        return _any(self.use, address)

    def may_start(self, address: Address) -> bool:
        """Whether this person, who may use the bridge, may also start conversations; by default everybody may."""
        return self.dm is None or _any(self.dm, address)

    def denies(self, address: Address) -> bool:
        """Whether this person is never bridged, as somebody who writes or is written to."""
        return _any(self.deny, address) or self.is_bot(address)

    def is_bot(self, address: Address) -> bool:
        """Whether this is one of the declared bots."""
        return _any(self.bots, address)


def _any(patterns: Iterable[Pattern], address: Address) -> bool:
    return any(pattern.matches(address) for pattern in patterns)


def _glob(pattern: str, text: str) -> bool:
    """Whether the whole text fits. In time proportional to both lengths: ids are made by strangers."""
    if "*" not in pattern:
        return text == pattern
    first, *middle, last = pattern.split("*")
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
