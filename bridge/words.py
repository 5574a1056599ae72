"""What people say to the bot about rules, and what it answers: ``block bo@example.org``. Pure.

A command begins with its name, a plain word. An address has an ``@`` or a ``:``, so neither is taken for the other.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType

from bridge.addressed import command_name
from bridge.model.address import Address, AddressError
from bridge.model.rule import ANONYMOUS, Decision, Rule, RuleKind
from bridge.rules import Pattern, Policy

VERBS: Mapping[str, tuple[RuleKind, Decision]] = MappingProxyType(
    {
        "allow": (RuleKind.ACCESS, Decision.ALLOW),
        "confirm": (RuleKind.ACCESS, Decision.CONFIRM),
        "polite-block": (RuleKind.ACCESS, Decision.POLITE_BLOCK),
        "block": (RuleKind.ACCESS, Decision.BLOCK),
        "accept": (RuleKind.DELIVERY, Decision.ALLOW),
        "reject": (RuleKind.DELIVERY, Decision.BLOCK),
        "show": (RuleKind.VISIBILITY, Decision.ALLOW),
        "hide": (RuleKind.VISIBILITY, Decision.BLOCK),
    }
)
"""What sets a rule, and which."""

BEFORE_WHO: Mapping[str, str] = MappingProxyType({"show": "to ", "hide": "from "})
"""The word between a verb and whom it is about; it may be left out."""

ABOUT: Mapping[RuleKind, str] = MappingProxyType(
    {
        RuleKind.ACCESS: "whether they see your presence",
        RuleKind.DELIVERY: "whether they may write to you in private",
        RuleKind.VISIBILITY: "whether they may know that you watch them",
    }
)

WHO = (
    "WHO is a person (bo@example.org, @ana:example.org, NETWORK:NICK), many by a pattern (*@example.org, NETWORK:*), "
    f"or {ANONYMOUS}: those who do not say who they are."
)

SHOWN = 20
"""So many people are named in one line; of more, their number."""

_EFFECTS: Mapping[tuple[RuleKind, Decision], str] = MappingProxyType(
    {
        (RuleKind.ACCESS, Decision.ALLOW): "may see your presence",
        (RuleKind.ACCESS, Decision.CONFIRM): "will see your presence once you have agreed",
        (RuleKind.ACCESS, Decision.POLITE_BLOCK): "will find you offline, whether you are or not",
        (RuleKind.ACCESS, Decision.BLOCK): "may not see your presence: they will be told so",
        (RuleKind.DELIVERY, Decision.ALLOW): "may write to you in private",
        (RuleKind.DELIVERY, Decision.BLOCK): "may not write to you in private: they will be told so",
        (RuleKind.VISIBILITY, Decision.ALLOW): "may know that you watch them",
        (RuleKind.VISIBILITY, Decision.BLOCK): "may not know that you watch them",
    }
)

Written = Callable[[Address], str]


def split(text: str) -> tuple[str, str]:
    """The name of the command that a line may be, and what stands behind it."""
    words = text.strip().split(maxsplit=1)
    return command_name(text), (words[1] if len(words) > 1 else "")


def who(text: str, find: Callable[[str], Address], networks: Collection[str]) -> str:
    """Whom a rule is to be about, as in `Rule.who`. Raises `ValueError` saying what to write instead."""
    if text.lower() == ANONYMOUS:
        return ANONYMOUS
    if "*" not in text:
        return str(find(text))
    pattern = Pattern.parse(text.casefold())
    if pattern.network is not None and pattern.network not in networks:
        raise ValueError(f"no network is called {pattern.network!r}; networks are: {', '.join(networks)}")
    return pattern.text


def person(who: str) -> Address | None:
    """The one person a rule is about; None where it is about many, or nobody known."""
    if "*" in who or who == ANONYMOUS:
        return None
    try:
        return Address.parse(who)
    except AddressError:
        return None


def named(who: str, written: Written) -> str:
    """Whom a rule is about, as it can be written again. `written` is `Directory.written`."""
    one = person(who)
    return who if one is None else written(one)


def verb(rule: Rule | Policy) -> str:
    """The verb that sets the rule."""
    return next(word for word, meant in VERBS.items() if meant == (rule.kind, rule.decision))


def quoted(rule: Rule | Policy, written: Written) -> str:
    """The command that sets the rule, in quotes."""
    word = verb(rule)
    return f'"{word} {BEFORE_WHO.get(word, "")}{named(rule.who, written)}"'


def effect(kind: RuleKind, decision: Decision, who: str, written: Written) -> str:
    """What a decision means for those whom a rule is about, as a sentence."""
    means = _EFFECTS[kind, decision]
    if who == ANONYMOUS and decision is Decision.CONFIRM:
        means = "may not see your presence: you cannot be asked about them"
    if who == "*":
        return f"nobody {means.replace('not ', '', 1)}." if means.startswith("may not ") else f"everybody {means}."
    return f"{'whoever does not say who they are' if who == ANONYMOUS else named(who, written)} {means}."


def explained(word: str) -> str:
    """What a verb does."""
    return f"They {_EFFECTS[VERBS[word]]}."


def listed(rules: Iterable[Rule | Policy], written: Written) -> list[str]:
    """Rules as lines, one for each verb."""
    by_verb: dict[str, list[str]] = {word: [] for word in VERBS}
    for rule in rules:
        by_verb[verb(rule)].append(named(rule.who, written))
    lines = []
    for word, people in by_verb.items():
        if people:
            more = f" and {len(people) - SHOWN} more" if len(people) > SHOWN else ""
            lines.append(f"{word} {BEFORE_WHO.get(word, '')}{', '.join(people[:SHOWN])}{more}")
    return lines
