"""What a row of the conformance page is: one rule of one RFC, in our own words, and how it is met."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Met(StrEnum):
    """How a rule is met. Only `TESTED` and `PARTLY` claim tests, and must have them."""

    TESTED = "met"
    PARTLY = "partly met"
    NATIVE = "by the networks"
    WRITTEN = "by documentation"
    NOT = "not met"


@dataclass(frozen=True, slots=True)
class Row:
    """`id` is ``RFC2779:2.1.1``: the RFC, and its own number or section of the rule. `text` paraphrases the rule.

    `why` says what is not met and why not, or where it is met without a test.
    """

    id: str
    text: str
    met: Met = Met.TESTED
    why: str = ""

    @property
    def rfc(self) -> str:
        """The RFC of the rule, as ``RFC 2779``."""
        return f"RFC {self.id.partition(':')[0].removeprefix('RFC')}"

    @property
    def number(self) -> str:
        """The rule's number within its RFC."""
        return self.id.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that belong together: a chapter of the page."""

    title: str
    about: str
    rows: Sequence[Row]
