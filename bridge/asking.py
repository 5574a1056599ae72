"""Asking people, by the bot and in private, whether somebody may see when they are there."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bridge.model.address import Address
from bridge.model.rule import Rule, RuleKind
from bridge.permissions import Permissions

HOUR: Final = 3600.0

AT_MOST: Final = 10
"""Questions put to one person within an hour; then they are told once that there are more."""

REMEMBERED: Final = 10_000
"""People of whom it is remembered how often they were asked."""


@dataclass(slots=True)
class _Asked:
    since: float
    times: int = 0


class Asking:
    """Owns how often somebody was asked. Called on the event loop."""

    def __init__(
        self,
        permissions: Permissions,
        *,
        say: Callable[[Address, str], None],
        written: Callable[[Address], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`say` something to a person, by the bot; `written`: how people write an address; `clock`: seconds."""
        self._permissions = permissions
        self._say = say
        self._written = written
        self._clock = clock
        self._asked: OrderedDict[Address, _Asked] = OrderedDict()

    def ask(self, watcher: Address, target: Address) -> None:
        """Ask the second whether the first may see them."""
        now = self._clock()
        asked = self._asked.pop(target, None)
        if asked is None or asked.since + HOUR <= now:
            asked = _Asked(now)
        self._asked[target] = asked
        if len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        asked.times += 1
        if asked.times <= AT_MOST:
            self._say(target, f"{self._written(watcher)} {self.question(watcher, target)}")
        elif asked.times == AT_MOST + 1:
            self._say(target, 'More people would like to see when you are there; say "pending" to learn who')

    def question(self, watcher: Address, target: Address) -> str:
        """What is asked, and what can be answered.

        Of rules the most generous holds: an own one to confirm holds against one to block, and not against one to
        block politely.
        """
        who = self._written(watcher)
        by = self._permissions.effect(target, RuleKind.ACCESS, watcher).by
        no = "polite-block" if any(isinstance(rule, Rule) for rule in by) else "block"
        return f"would like to see when you are there; answer allow {who} or {no} {who}"
