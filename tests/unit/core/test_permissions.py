"""What people decided for themselves: how rules combine, that they are kept, and that they hold at once."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from time import process_time
from typing import TypeVar

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.address import Address
from bridge.model.rule import ANONYMOUS, Decision, Rule, RuleKind, combined
from bridge.permissions import MOST, Effect, Permissions, RuleError
from bridge.rules import Pattern, Policy
from bridge.store import Store, StoreError, rules
from bridge.store.database import Operation
from tests.unit.stores import store_url

ANA, EVE = Address("home", "@ana:example.org"), Address("home", "@eve:evil.example")
BO, KESTREL = Address("office", "bo@example.org"), Address("libera", "kestrel")
ACCESS, DELIVERY, VISIBILITY = RuleKind.ACCESS, RuleKind.DELIVERY, RuleKind.VISIBILITY
BLOCK, CONFIRM, POLITE, ALLOW = Decision.BLOCK, Decision.CONFIRM, Decision.POLITE_BLOCK, Decision.ALLOW

T = TypeVar("T")

PEOPLE = st.sampled_from([ANA, EVE, BO, KESTREL])
PATTERNS = st.sampled_from(["*", "*@example.org", "@*:example.org", "libera:*", "office:bo@example.org", "*e*", "x*"])


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(store_url(tmp_path))
    await store.open()
    yield store
    await store.close()


def of(*known: Rule, policies: Iterable[Policy] = ()) -> Permissions:
    """Permissions that are only asked. Nothing is written to that store, which is not open."""
    return Permissions(Store("sqlite:///never-opened"), known, policies)


def access(who: str, decision: Decision, owner: Address = ANA) -> Rule:
    return Rule(owner, ACCESS, who, decision)


def test_without_a_rule_people_see_and_write_and_nobody_anonymous_does() -> None:
    nobody = of()
    assert nobody.effect(ANA, ACCESS, BO) == Effect(ALLOW)
    assert nobody.access(ANA, None) is BLOCK
    assert nobody.delivers(ANA, BO)
    assert not nobody.hides(ANA, BO)


@pytest.mark.conforms("RFC2779:2.3.1", "RFC2779:5.1.13")
def test_one_person_is_blocked_and_no_other() -> None:
    rules = of(access("office:bo@example.org", BLOCK), access("office:bo@example.org", ALLOW, owner=KESTREL))
    assert (rules.access(ANA, BO), rules.access(ANA, EVE)) == (BLOCK, ALLOW)
    assert (rules.access(KESTREL, BO), rules.access(EVE, BO)) == (ALLOW, ALLOW)


@pytest.mark.conforms("RFC2779:5.1.3", "RFC2779:5.1.14")
def test_a_star_is_about_people_and_anonymous_about_those_who_do_not_say_who_they_are() -> None:
    assert of(access("*", ALLOW)).access(ANA, None) is BLOCK
    assert of(access(ANONYMOUS, ALLOW)).access(ANA, None) is ALLOW
    assert of(access(ANONYMOUS, ALLOW), access("*", BLOCK)).access(ANA, BO) is BLOCK
    # A nick that is spelt like the word is a person.
    assert of(access(ANONYMOUS, BLOCK)).access(ANA, Address("libera", "anonymous")) is ALLOW


@pytest.mark.conforms("RFC2779:5.1.14")
def test_who_hides_from_the_owner_is_anonymous_to_them() -> None:
    hiding = Rule(BO, VISIBILITY, str(ANA), BLOCK)
    assert of(hiding).hides(BO, ANA)
    assert not of(hiding).hides(BO, KESTREL)
    assert of(hiding).access(ANA, BO) is ALLOW
    assert of(hiding, access(ANONYMOUS, BLOCK)).access(ANA, BO) is BLOCK
    assert of(access(ANONYMOUS, BLOCK)).access(ANA, BO) is ALLOW
    # Whoever is named may come hidden, too: rules grant, and never take away.
    assert of(hiding, access(ANONYMOUS, BLOCK), access("*@example.org", POLITE)).access(ANA, BO) is POLITE


@given(st.lists(st.tuples(PATTERNS, st.sampled_from(Decision)), max_size=8), PEOPLE)
def test_of_the_rules_that_match_the_most_generous_holds(written: list[tuple[str, Decision]], other: Address) -> None:
    permissions = of(*(access(who, decision) for who, decision in written))
    last = dict(written)  # the same pattern again is the same rule
    expected = combined((each for who, each in last.items() if Pattern(who).matches(other)), ALLOW)
    effect = permissions.effect(ANA, ACCESS, other)
    assert effect.decision is expected
    assert {rule.who for rule in effect.by} == {
        who for who, each in last.items() if Pattern(who).matches(other) and each is expected
    }


@given(st.lists(st.sampled_from(Decision)), st.sampled_from(Decision), st.sampled_from(Decision))
def test_combining_is_a_maximum_and_another_rule_never_takes_away(
    decisions: list[Decision], more: Decision, default: Decision
) -> None:
    assert combined(decisions, default) == (max(decisions) if decisions else default)
    if decisions:
        assert combined([*decisions, more], default) >= combined(decisions, default)


@given(st.lists(st.tuples(PATTERNS, st.sampled_from(Decision)), max_size=6), PATTERNS, st.sampled_from(Decision))
def test_a_rule_is_called_void_only_if_it_decides_for_nobody(
    written: list[tuple[str, Decision]], who: str, decision: Decision
) -> None:
    rule = access(who, decision)
    permissions = of(*(access(each, wanted) for each, wanted in written), rule)
    if permissions.voiding(rule):
        for other in (ANA, EVE, BO, KESTREL):
            if Pattern(who).matches(other):
                assert permissions.access(ANA, other) > decision


def test_a_broader_rule_makes_void_and_a_narrower_one_is_an_exception() -> None:
    everybody, one = access("*", ALLOW), access(str(BO), BLOCK)
    assert of(everybody, one).voiding(one) == (everybody,)
    assert of(access("*", BLOCK), access(str(BO), ALLOW)).voiding(access("*", BLOCK)) == ()
    assert of(access("*@example.org", ALLOW)).voiding(access("office:b*@example.org", POLITE))
    assert not of(access(ANONYMOUS, ALLOW)).voiding(access(str(BO), BLOCK))
    assert not of(everybody).voiding(access(ANONYMOUS, BLOCK))


def test_what_the_operator_wrote_holds_until_the_owner_decides() -> None:
    policies = (
        Policy(Pattern("@*:example.org"), ACCESS, "*", BLOCK),
        Policy(Pattern("@*:example.org"), ACCESS, "*@example.org", CONFIRM),
        Policy(Pattern("libera:*"), DELIVERY, "*", BLOCK),
        Policy(Pattern("*"), ACCESS, ANONYMOUS, ALLOW),
    )
    permissions = of(access(str(BO), POLITE), policies=policies)
    assert permissions.effect(EVE, ACCESS, BO) == Effect(ALLOW)
    assert permissions.effect(ANA, ACCESS, KESTREL) == Effect(BLOCK, policies[:1])
    assert permissions.effect(ANA, ACCESS, Address("office", "cy@example.org")) == Effect(CONFIRM, policies[1:2])
    assert permissions.access(ANA, BO) is POLITE
    assert permissions.access(ANA, None) is ALLOW
    assert not permissions.delivers(KESTREL, BO)
    assert permissions.delivers(ANA, BO)
    assert permissions.policies_of(KESTREL) == policies[2:]


@pytest.mark.conforms("RFC2779:5.4.10")
async def test_rules_outlive_a_restart(store: Store, tmp_path: Path) -> None:
    permissions = Permissions(store)
    await permissions.set(access("*", BLOCK))
    await permissions.set(access(str(BO), POLITE))
    await permissions.set(Rule(KESTREL, DELIVERY, str(EVE), BLOCK))
    await permissions.set(Rule(KESTREL, VISIBILITY, "*", BLOCK))
    await permissions.set(access("*", CONFIRM))
    assert await permissions.remove(KESTREL, "*", VISIBILITY) == (Rule(KESTREL, VISIBILITY, "*", BLOCK),)
    await store.close()
    again = Store(store_url(tmp_path))
    await again.open()
    try:
        known = Permissions(again, await again.read(rules.known))
        assert set(known.rules_of(ANA)) == {access("*", CONFIRM), access(str(BO), POLITE)}
        assert known.rules_of(KESTREL) == (Rule(KESTREL, DELIVERY, str(EVE), BLOCK),)
        assert (known.access(ANA, BO), known.access(ANA, EVE)) == (POLITE, CONFIRM)
        assert not known.delivers(KESTREL, EVE)
        assert not known.hides(KESTREL, EVE)
    finally:
        await again.close()


async def test_a_change_holds_at_once_and_is_told_when_it_is_durable(store: Store) -> None:
    permissions = Permissions(store)
    told: list[tuple[Address, Decision, int]] = []
    durable: list[Rule] = []

    def changed(owner: Address) -> None:
        told.append((owner, permissions.access(ANA, BO), len(permissions.rules_of(ANA))))

    permissions.listen(changed)
    assert permissions.access(ANA, BO) is ALLOW
    await permissions.set(access(str(BO), BLOCK))
    durable += await store.read(rules.known)
    assert await permissions.remove(ANA, str(EVE)) == ()
    await permissions.set(access(str(BO), POLITE))
    assert await permissions.remove(ANA, str(BO)) == (access(str(BO), POLITE),)
    assert told == [(ANA, BLOCK, 1), (ANA, POLITE, 1), (ANA, ALLOW, 0)]
    assert durable == [access(str(BO), BLOCK)]
    assert await store.read(rules.known) == []


async def test_a_person_has_so_many_rules_and_another_as_many(store: Store) -> None:
    permissions = Permissions(store)
    for number in range(MOST):
        await permissions.set(access(f"*@{number}.example", BLOCK))
    with pytest.raises(RuleError, match=f"you have {MOST} rules, which is the limit; forget some"):
        await permissions.set(access(str(BO), BLOCK))
    assert permissions.access(ANA, BO) is ALLOW
    await permissions.set(access("*@0.example", POLITE))
    await permissions.set(access(str(BO), BLOCK, owner=EVE))
    await permissions.remove(ANA, "*@1.example")
    await permissions.set(access(str(BO), BLOCK))
    assert len(permissions.rules_of(ANA)) == len([r for r in await store.read(rules.known) if r.owner == ANA]) == MOST


@pytest.mark.parametrize(
    "rule",
    [
        Rule(ANA, DELIVERY, ANONYMOUS, BLOCK),
        Rule(ANA, VISIBILITY, ANONYMOUS, BLOCK),
        Rule(ANA, DELIVERY, "*", CONFIRM),
        Rule(ANA, VISIBILITY, "*", POLITE),
        Rule(ANA, ACCESS, "", BLOCK),
        Rule(ANA, ACCESS, "a b", BLOCK),
        Rule(ANA, ACCESS, "x" * 513, BLOCK),
    ],
)
async def test_what_cannot_be_followed_is_not_kept(store: Store, rule: Rule) -> None:
    permissions = Permissions(store)
    with pytest.raises(RuleError):
        await permissions.set(rule)
    assert permissions.rules_of(ANA) == ()
    assert await store.read(rules.known) == []


def test_many_rules_take_no_time_worth_speaking_of() -> None:
    permissions = of(*(access(f"office:*one{number}*@{number}.example", BLOCK) for number in range(MOST)))
    people = [Address("office", f"{number}@example.org") for number in range(1000)]
    started = process_time()
    for _ in range(10):
        for each in people:
            assert permissions.access(ANA, each) is ALLOW
    assert process_time() - started < 5


class Failing(Store):
    """A store that writes `works` more times."""

    works = 1000

    def write(self, operation: Operation[T]) -> asyncio.Future[T]:
        if not self.works:
            raise StoreError("no more")
        self.works -= 1
        return super().write(operation)


async def test_rules_about_somebody_are_forgotten_all_or_none(tmp_path: Path) -> None:
    failing = Failing(store_url(tmp_path))
    await failing.open()
    permissions, told = Permissions(failing), list[Address]()
    await permissions.set(access(str(BO), BLOCK))
    await permissions.set(Rule(ANA, DELIVERY, str(BO), BLOCK))
    permissions.listen(told.append)
    failing.works = 0
    with pytest.raises(StoreError):
        await permissions.remove(ANA, str(BO))
    assert (permissions.access(ANA, BO), permissions.delivers(ANA, BO), told) == (BLOCK, False, [])
    failing.works = 1
    assert len(await permissions.remove(ANA, str(BO))) == 2
    assert (permissions.access(ANA, BO), permissions.delivers(ANA, BO), told) == (ALLOW, True, [ANA])
    failing.works = 1
    assert await failing.write(rules.known) == []
    await failing.close()
