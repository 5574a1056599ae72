"""Lines that were sent and not yet confirmed, in the order they were sent.

Where the server labels its answers, a label settles its line. Everywhere, a PONG settles all lines sent before its
PING: the server reads and answers in order, so a line that was refused has been refused by then.
"""

from dataclasses import dataclass
from typing import Final

from adapters.irc.protocol import numerics

PATIENCE: Final = 10.0
"""Seconds a labelled line may go without an answer before a PING asks whether the server has passed it over."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A line under way. `target` is folded; `number` counts the lines of the connection."""

    token: int
    command: str
    target: str
    number: int
    at: float


class Pending:
    """The lines under way of one connection."""

    def __init__(self, mark: str = "") -> None:
        """`mark` tells our PINGs from those that another process sent on this connection before us."""
        self._mark = mark
        self._sent: dict[int, Sent] = {}
        self._count = 0
        self._fences: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._sent)

    @property
    def fenced(self) -> bool:
        """Whether a PING is under way."""
        return bool(self._fences)

    @property
    def unfenced(self) -> bool:
        """Whether a line was sent since the last PING."""
        return bool(self._sent) and next(reversed(self._sent.values())).number > max(self._fences.values(), default=-1)

    @property
    def impatient_at(self) -> float | None:
        """When the oldest line will have waited too long."""
        return next(iter(self._sent.values())).at + PATIENCE if self._sent else None

    def add(self, token: int, command: str, target: str, now: float) -> None:
        """The line was given to the connection."""
        self._count += 1
        self._sent[token] = Sent(token, command, target, self._count, now)

    def fence(self) -> str:
        """The text of a PING that is sent now."""
        text = f"fence-{self._mark}{self._count}-{len(self._fences)}"
        self._fences[text] = self._count
        return text

    def is_fence(self, text: str) -> bool:
        """Whether that is the text of a PING that is under way."""
        return text in self._fences

    def pong(self, text: str) -> list[int]:
        """A PONG came: the tokens of the lines it confirms."""
        number = self._fences.pop(text, None)
        if number is None:
            return []
        self._fences = {key: fence for key, fence in self._fences.items() if fence > number}
        confirmed = [sent.token for sent in self._sent.values() if sent.number <= number]
        for token in confirmed:
            del self._sent[token]
        return confirmed

    def settle(self, label: str) -> int | None:
        """The answer labelled so came: the token of its line."""
        token = int(label) if label.isascii() and label.isdigit() and len(label) < 18 else None
        return token if token is not None and self._sent.pop(token, None) is not None else None

    def asked(self, command: str, label: str, target: str, *, labels: bool) -> int | None:
        """What an answer belongs to that is not the last: the token of the line of that command, by its label, or
        where there are no `labels` of the earliest to the target."""
        for sent in self._sent.values():
            if sent.command == command and (str(sent.token) == label if labels else sent.target == target):
                return sent.token
        return None

    def refuse(self, numeric: str, subject: str) -> int | None:
        """An error without a label came: the token of the earliest line it can be about. `subject` is its first
        parameter, folded; of ``FAIL`` (IRCv3 standard-replies), which is taken for one, its command."""
        for sent in self._sent.values():
            if numeric in numerics.UNTARGETED:
                matches = True
            elif numeric in numerics.BY_COMMAND or numeric == "FAIL":
                matches = sent.command.lower() == subject.lower()
            else:
                matches = sent.target == subject
            if matches:
                del self._sent[sent.token]
                return sent.token
        return None

    def clear(self) -> list[int]:
        """The connection is gone: the tokens of which nobody knows."""
        tokens = list(self._sent)
        self._sent.clear()
        self._fences.clear()
        return tokens
