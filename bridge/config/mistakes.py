"""What is wrong with a configuration, in words that say where it is and what to write instead."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

ENVIRONMENT = "environment"
"""What `Mistake.source` says where the file is not to blame."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to mend. `key` is the path of the key within the file, or the name of the environment variable.

    Never holds the value that was written: it may be a secret.
    """

    source: str
    key: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.key, self.text) if part)


class ConfigError(Exception):
    """The configuration cannot be used. `mistakes` holds all that were found."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes: tuple[Mistake, ...] = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that was most likely meant, None where nothing is near."""
    folded = {name.lower().replace("-", "_"): name for name in known}
    matches = get_close_matches(word.lower().replace("-", "_"), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def listed(words: Iterable[str]) -> str:
    """Words in a row, in alphabetical order: ``a, b, c``."""
    return ", ".join(sorted(words))


def guess(word: str, known: Sequence[str], label: str) -> str:
    """The end of a sentence about an unknown word: the nearest known one, or all of them after `label`."""
    near = nearest(word, known)
    if near is not None:
        return f"did you mean {near!r}?"
    return f"{label}: {listed(known)}" if known else f"{label}: none"
