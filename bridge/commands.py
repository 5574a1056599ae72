"""Commands: what people tell the bot to do for them, from any network, and what it answers.

The table begins with the rules that people set for themselves; others add theirs with `Commands.add`, one entry each.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial

import structlog

from bridge import words
from bridge.directory import Directory
from bridge.model.address import Address, Person
from bridge.model.command import Offer
from bridge.model.rule import Rule, RuleKind
from bridge.permissions import Permissions

log = structlog.get_logger(__name__)

AN_HOUR = 3600.0
MOST = 300
"""Commands of one person within an hour. Nobody needs more; two programs that answer each other do."""

REMEMBERED = 10_000
"""People whose latest commands are remembered."""

LONGEST = 2_000
"""Characters of a command."""

Run = Callable[[Person, str], Awaitable[str]]


class Commands:
    """The table, and who may use it."""

    def __init__(
        self,
        permissions: Permissions,
        directory: Directory,
        *,
        may: Callable[[Address], bool],
        networks: Collection[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`may`: is the person one whom the bot obeys? `networks`: the names of all of them."""
        self._permissions = permissions
        self._directory = directory
        self._may = may
        self._networks = networks
        self._clock = clock
        self._latest: OrderedDict[Address, deque[float]] = OrderedDict()
        self._offers: dict[str, Offer] = {}
        self._runs: dict[str, Run] = {}
        self.add(Offer("help", "", "what I can do"), self._help)
        self.add(Offer("rules", "[WHO]", "what you have decided, and what holds for WHO"), self._rules)
        for name, (kind, _) in words.VERBS.items():
            before = words.BEFORE_WHO.get(name, "")
            self.add(Offer(name, f"{before}WHO", words.ABOUT[kind]), partial(self._decide, name))
        self.add(Offer("forget", "WHO", "no rule about them any more"), self._forget)

    def add(self, offer: Offer, run: Run) -> None:
        """Take a command into the table. The help shows those that are about the same in one line.

        `run` is given who speaks and what stands behind the name, and returns the answer, in a few lines, of which
        none begins with the name of a command. It raises `ValueError` with a text for the person.
        """
        self._offers[offer.name], self._runs[offer.name] = offer, run

    @property
    def offers(self) -> Mapping[str, Offer]:
        """All commands by name, in the order in which they were added."""
        return self._offers

    async def run(self, person: Person, text: str) -> str | None:
        """Do what somebody says to the bot alone, and return the answer; None if it is no command."""
        name, arguments = words.split(text)
        run = self._runs.get(name)
        if run is None or len(text) > LONGEST or self._too_many(person.address):
            return None
        if not self._may(person.address):
            return "You may not use this bridge, and so there is nothing that I could do for you."
        try:
            return await run(person, arguments)
        except ValueError as error:
            return _sentence(str(error))
        except Exception:
            # Whoever wrote is to get an answer, and the adapter that asks for them is not to end of it.
            log.exception("a command failed", command=name, person=str(person.address))
            return "That did not work, and nothing was changed; the operator can see why."

    def _too_many(self, address: Address) -> bool:
        now = self._clock()
        latest = self._latest.setdefault(address, deque())
        self._latest.move_to_end(address)
        while len(self._latest) > REMEMBERED:
            self._latest.popitem(last=False)
        while latest and latest[0] <= now - AN_HOUR:
            latest.popleft()
        if len(latest) >= MOST:
            return True
        latest.append(now)
        return False

    # The entries of this table's own

    async def _help(self, person: Person, arguments: str) -> str:
        offer = self._offers.get(arguments.lower())
        if offer is not None:
            more = f" {words.explained(offer.name)}" if offer.name in words.VERBS else ""
            return f'"{offer.usage}": {offer.about}.{more}'
        by_about: dict[str, list[str]] = {}
        for each in self._offers.values():
            by_about.setdefault(each.about, []).append(each.usage)
        lines = [f"- {', '.join(usages)}: {about}" for about, usages in by_about.items()]
        return "\n".join(["You can say to me:", *lines, words.WHO])

    async def _rules(self, person: Person, arguments: str) -> str:
        owner = person.address
        if arguments:
            who = self._who(arguments)
            one = words.person(who)
            if one is None:
                raise ValueError("say of which person you want to know what holds: rules bo@example.org")
            return "\n".join(f"- {self._effect(owner, kind, one)}" for kind in RuleKind)
        own, operators = self._permissions.rules_of(owner), self._permissions.policies_of(owner)
        lines = [f"- {line}" for line in words.listed(own, self._directory.written)]
        lines = ["You decided:", *lines] if lines else ["You have decided nothing."]
        others = [f"- {line}" for line in words.listed(operators, self._directory.written)]
        if others:
            lines += [f"{'Where none of that matches, the' if own else 'The'} operator decided:", *others]
        if not own:
            lines.append('Say "help" for what you can decide.')
        return "\n".join(lines)

    async def _decide(self, name: str, person: Person, arguments: str) -> str:
        owner, (kind, decision) = person.address, words.VERBS[name]
        before = words.BEFORE_WHO.get(name, "")
        if before and f"{arguments} ".lower().startswith(before):
            arguments = arguments[len(before) :]
        who = self._who(arguments.strip(), f"{name} {before}WHO")
        if who == str(owner):
            raise ValueError("that is yourself")
        rule = Rule(owner, kind, who, decision)
        await self._permissions.set(rule)
        void = self._permissions.voiding(rule)
        written = self._directory.written
        if void:
            these = " and ".join(words.quoted(each, written) for each in void)
            undo = " and ".join(f'"forget {each}"' for each in dict.fromkeys(words.named(r.who, written) for r in void))
            holds = "is more generous, and holds" if len(void) == 1 else "are more generous, and hold"
            return f"Noted, but it changes nothing: {these} {holds} for them, too. To undo that, say {undo}."
        answer = f"Noted: {words.effect(kind, decision, who, written)}"
        one = words.person(who)
        if one is not None and one.network == owner.network:
            answer += " Within your own network, this bridge has no say."
        return answer

    async def _forget(self, person: Person, arguments: str) -> str:
        owner, written = person.address, self._directory.written
        who = self._who(arguments, "forget WHO")
        forgotten = await self._permissions.remove(owner, who)
        one = words.person(who)
        if forgotten:
            answer = f"Forgotten: {', '.join(words.quoted(rule, written) for rule in forgotten)}."
            if one is not None:
                answer += "".join(f" {self._effect(owner, rule.kind, one)}" for rule in forgotten)
            return answer
        answer = f"You have no rule about {words.named(who, written)} by that name."
        if one is not None:
            effects = (self._permissions.effect(owner, kind, one) for kind in RuleKind)
            broader = [words.quoted(rule, written) for each in effects for rule in each.by if isinstance(rule, Rule)]
            if broader:
                answer += f" But about them, too, is {' and '.join(broader)}."
        return answer

    def _effect(self, owner: Address, kind: RuleKind, one: Address) -> str:
        """What holds now for one person, and by which rules."""
        found, written = self._permissions.effect(owner, kind, one), self._directory.written
        sentence = words.effect(kind, found.decision, str(one), written)
        by = [
            f"{words.quoted(rule, written)}{'' if isinstance(rule, Rule) else ' by the operator'}" for rule in found.by
        ]
        return f"{sentence[:-1]} ({' and '.join(by)})." if by else sentence

    def _who(self, text: str, usage: str = "") -> str:
        """Raises `ValueError` saying what to write."""
        if not text:
            raise ValueError(f'say whom you mean: "{usage}". {words.WHO}')
        return words.who(text, self._directory.find, self._networks)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
