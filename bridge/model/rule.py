"""Rules that people set for themselves (RFC 2778 section 2.4): who may see them, write to them, know they watch."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Self

from bridge.model.address import Address

ANONYMOUS = "anonymous"
"""In place of a pattern: whoever is not authenticated, or does not say who they are (RFC 2779 5.1.3, 5.1.14)."""


class RuleKind(StrEnum):
    """What a rule is about. Access: who may see the owner's presence. Delivery: who may write to the owner.
    Visibility: who may know that the owner watches them."""

    ACCESS = "access"
    DELIVERY = "delivery"
    VISIBILITY = "visibility"


class Decision(IntEnum):
    """What a rule decides, in the order of RFC 5025 section 3.2.1 (its ``sub-handling`` values).

    CONFIRM has the owner asked. POLITE_BLOCK looks like ALLOW to somebody who finds the owner offline. Rules of
    delivery and of visibility know BLOCK and ALLOW only.
    """

    BLOCK = 0
    CONFIRM = 10
    POLITE_BLOCK = 20
    ALLOW = 30

    @property
    def word(self) -> str:
        """As people write it: ``polite-block``."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def parse(cls, word: str) -> Self:
        """Read what `word` wrote. Raises `ValueError`."""
        for decision in cls:
            if decision.word == word:
                return decision
        raise ValueError(f"{word!r} is none of {', '.join(decision.word for decision in cls)}")


@dataclass(frozen=True, slots=True)
class Rule:
    """What `owner` decided about those whom `who` matches: a pattern (`bridge.rules.Pattern`), or `ANONYMOUS`."""

    owner: Address
    kind: RuleKind
    who: str
    decision: Decision


def combined(decisions: Iterable[Decision], default: Decision) -> Decision:
    """What several rules that match one person come to: the most generous one (RFC 5025 section 5, RFC 4745 section
    10.2: rules only ever grant). `default` where none matches."""
    return max(decisions, default=default)
