"""What people decided for themselves: who may see them, write to them, know that they watch (RFC 2778 section 2.4).

An owner's rules that match somebody grant the most generous of their decisions (RFC 5025). Where none of them matches,
what the operator wrote holds, combined in the same way; where that does not match either, the default: whoever may
write may see, nobody anonymous may, and nobody is hidden.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

import structlog

from bridge.model.address import Address
from bridge.model.result import Failure, Reason
from bridge.model.rule import ANONYMOUS, Decision, Rule, RuleKind, combined
from bridge.rules import Pattern, Policy
from bridge.store import Store, rules

log = structlog.get_logger(__name__)

MOST = 200
"""Rules one person may have."""

REMEMBERED = 20_000
"""Answers kept in mind, so that asking again costs nothing."""

NOT_WANTED = Failure(Reason.FORBIDDEN, "they do not take messages from you")
"""What somebody is told who may not write to somebody."""

Changed = Callable[[Address], None]


class RuleError(ValueError):
    """The rule cannot be set. The text says why, and what to do, to its owner."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an owner's rules, or the operator's for them, come to for somebody.

    `by` are those that decided it; none where it is the default.
    """

    decision: Decision
    by: tuple[Rule | Policy, ...] = ()


class Permissions:
    """Owns all rules of people. Called on the event loop; answers from memory."""

    def __init__(self, store: Store, known: Iterable[Rule] = (), policies: Iterable[Policy] = ()) -> None:
        """`known`: what the store kept. `policies`: the operator's."""
        self._store = store
        self._policies = tuple(policies)
        self._own: dict[Address, dict[tuple[RuleKind, str], Rule]] = {}
        for rule in known:
            self._own.setdefault(rule.owner, {})[rule.kind, rule.who] = rule
        self._listeners: list[Changed] = []
        self._policies_of = lru_cache(REMEMBERED)(self._find_policies)
        self._effect = lru_cache(REMEMBERED)(self._decide)

    def access(self, owner: Address, watcher: Address | None) -> Decision:
        """What `watcher` may see of the owner's presence. None is whoever does not say who they are."""
        return self.effect(owner, RuleKind.ACCESS, watcher).decision

    def delivers(self, owner: Address, sender: Address) -> bool:
        """Whether what `sender` writes to the owner in private is to be brought to them."""
        return self.effect(owner, RuleKind.DELIVERY, sender).decision is Decision.ALLOW

    def hides(self, watcher: Address, target: Address) -> bool:
        """Whether `target` may not know that `watcher` watches them."""
        return self.effect(watcher, RuleKind.VISIBILITY, target).decision is not Decision.ALLOW

    def effect(self, owner: Address, kind: RuleKind, other: Address | None) -> Effect:
        """What the rules of one kind come to for somebody, and by which of them."""
        # To the owner of whom they may not be known, a watcher is nobody known.
        hidden = kind is RuleKind.ACCESS and other is not None and self.hides(other, owner)
        return self._effect(owner, kind, other, hidden)

    def rules_of(self, owner: Address) -> tuple[Rule, ...]:
        """The owner's own rules, in the order in which they were set."""
        return tuple(self._own.get(owner, {}).values())

    def policies_of(self, owner: Address) -> tuple[Policy, ...]:
        """What the operator decided for this person."""
        return self._policies_of(owner)

    def voiding(self, rule: Rule) -> tuple[Rule, ...]:
        """The owner's more generous rules that match all whom this one matches: beside them it decides nothing."""
        if rule.who == ANONYMOUS:
            return ()
        pattern = Pattern(rule.who)
        return tuple(
            other
            for other in self.rules_of(rule.owner)
            if other.kind is rule.kind
            and other.who not in (ANONYMOUS, rule.who)
            and other.decision > rule.decision
            and Pattern(other.who).covers(pattern)
        )

    def listen(self, changed: Changed) -> None:
        """`changed` is to be called with the owner whenever somebody's rules have changed, once that is durable."""
        self._listeners.append(changed)

    async def set(self, rule: Rule) -> None:
        """Keep a rule, in place of the one of its kind about the same people. Durable when it returns.

        Raises `RuleError`; `sqlalchemy.exc.SQLAlchemyError` or `bridge.store.StoreError` where it could not be kept.
        """
        _check(rule)
        if not await self._store.write(partial(rules.put, wanted=rule, most=MOST)):
            raise RuleError(f"you have {MOST} rules, which is the limit; forget some, or write patterns with *")
        own = self._own.setdefault(rule.owner, {})
        own.pop((rule.kind, rule.who), None)
        own[rule.kind, rule.who] = rule
        log.debug("rule", owner=str(rule.owner), kind=rule.kind, who=rule.who, decision=rule.decision.word)
        self._tell(rule.owner)

    async def remove(self, owner: Address, who: str, kind: RuleKind | None = None) -> tuple[Rule, ...]:
        """Forget the owner's rules about `who`, of one kind or of all; returns them. Durable when it returns.

        Raises `sqlalchemy.exc.SQLAlchemyError` or `bridge.store.StoreError` where they could not be forgotten.
        """
        found = tuple(rule for rule in self.rules_of(owner) if rule.who == who and kind in (None, rule.kind))
        if found:
            # All of them or none: in between, they would be forgotten in the store and held here.
            await self._store.write(partial(rules.remove, gone=found))
        for rule in found:
            own = self._own.get(owner, {})
            own.pop((rule.kind, who), None)
            if not own:
                self._own.pop(owner, None)
            log.debug("no rule any more", owner=str(owner), kind=rule.kind, who=who)
        if found:
            self._tell(owner)
        return found

    def _tell(self, owner: Address) -> None:
        self._effect.cache_clear()
        for changed in self._listeners:
            changed(owner)

    def _find_policies(self, owner: Address) -> tuple[Policy, ...]:
        return tuple(policy for policy in self._policies if policy.of.matches(owner))

    def _decide(self, owner: Address, kind: RuleKind, other: Address | None, hidden: bool) -> Effect:
        own: Mapping[tuple[RuleKind, str], Rule] = self._own.get(owner, {})
        for level in (own.values(), self._policies_of(owner)):
            matching = [each for each in level if each.kind is kind and _matches(each.who, other, hidden=hidden)]
            if matching:
                decision = combined((each.decision for each in matching), Decision.BLOCK)
                return Effect(decision, tuple(each for each in matching if each.decision is decision))
        return Effect(Decision.BLOCK if other is None else Decision.ALLOW)


def _matches(who: str, other: Address | None, *, hidden: bool) -> bool:
    if who == ANONYMOUS:
        return other is None or hidden
    return other is not None and Pattern(who).matches(other)


def _check(rule: Rule) -> None:
    """Raises `RuleError` where it is no rule that can be followed."""
    if rule.kind is not RuleKind.ACCESS:
        if rule.who == ANONYMOUS:
            raise RuleError("only who may see you can be decided about anonymous: nobody writes anonymously")
        if rule.decision not in (Decision.BLOCK, Decision.ALLOW):
            raise RuleError(f"{rule.decision.word} is about who may see you only")
    if rule.who != ANONYMOUS:
        try:
            Pattern.parse(rule.who)
        except ValueError as error:
            raise RuleError(str(error)) from error
