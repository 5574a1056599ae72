"""The conversation: who does what, and what everybody else has to see of it."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bridge.demo.clients import Seen, Sight
from bridge.demo.stage import Cast, Progress, Stage

PATIENCE = 30.0
"""Seconds a line may take to reach somebody, before it counts as lost."""


@dataclass(frozen=True, slots=True)
class Step:
    """`who` does something, once; everybody in the room sees `kind` with `text`, done by `who`.

    A topic may be set by anybody in the name of `who`. `kept` are those who are not there to see it.
    """

    who: str
    kind: Sight
    text: str = ""
    kept: frozenset[str] = frozenset()

    def matches(self, seen: Seen) -> bool:
        """Whether this is what had to be seen."""
        if seen.kind is not self.kind or seen.history:
            return False
        if self.kind is Sight.TOPIC:
            return seen.text == self.text
        if self.kind in (Sight.JOIN, Sight.LEAVE):
            return seen.who == self.who
        return seen.who == self.who and seen.text == self.text


@dataclass(slots=True)
class Outcome:
    """What each person saw of a step, by their name. `due` are those who must see it, once; the others never may."""

    step: Step
    due: frozenset[str]
    saw: dict[str, list[Seen]] = field(default_factory=dict)

    def good(self, name: str) -> bool:
        """Whether the person saw it as they had to."""
        return len(self.saw[name]) == (1 if name in self.due else 0)


OUT = frozenset({"kestrel"})
STEPS = (
    Step("ana", Sight.TEXT, "What news on the Rialto?"),
    Step("bo", Sight.TEXT, "A ship of rich lading, they say. Is that so, kestrel?"),
    Step("kestrel", Sight.TEXT, "I saw three from up here: ☕, 🍵 and one I cannot spell"),
    Step("ana", Sight.EMOTE, "pours three cups"),
    Step("bo", Sight.EMOTE, "takes the green one"),
    Step("kestrel", Sight.EMOTE, "hovers over the sugar"),
    Step("bo", Sight.TOPIC, "Tea on three networks"),
    Step("kestrel", Sight.LEAVE, "off to look at the ships"),
    Step("ana", Sight.TEXT, "Gone already? Then we speak of kestrel.", kept=OUT),
    Step("kestrel", Sight.JOIN),
    Step("kestrel", Sight.TEXT, "I heard nothing, I swear."),
)


async def arrive(cast: Cast, progress: Progress) -> list[Outcome]:
    """Wait until everybody sees the two others in the room."""
    progress("waiting for everybody to see everybody")
    outcomes = [Outcome(Step(name, Sight.JOIN), frozenset(cast.clients)) for name in cast.clients]
    await _watched(outcomes, cast, dict.fromkeys(cast.clients, 0))
    return outcomes


async def converse(stage: Stage, cast: Cast, progress: Progress) -> list[Outcome]:
    """Play the conversation, line by line; a line that does not arrive does not end it."""
    acts = _acts(stage, cast)
    outcomes = []
    since: dict[Step, dict[str, int]] = {}
    for number, step in enumerate(STEPS, 1):
        progress(f"line {number} of {len(STEPS)}")
        since[step] = {name: len(client.seen) for name, client in cast.clients.items()}
        await acts[step.who, step.kind](step.text)
        outcomes.append(Outcome(step, _due(step, cast)))
        await _watched(outcomes[-1:], cast, since[step])
    # Only now: a second copy may come late, but not after what was said later has come.
    for outcome in outcomes:
        for name, client in cast.clients.items():
            outcome.saw[name] = client.matching(outcome.step.matches, since=since[outcome.step][name])
    return outcomes


def _due(step: Step, cast: Cast) -> frozenset[str]:
    """Who must see it: all who are there, but for a speaker whose network does not give back what they say."""
    silent = {step.who} if step.kind in (Sight.TEXT, Sight.EMOTE) and not cast.clients[step.who].echo else set()
    return frozenset(cast.clients) - step.kept - silent


async def _watched(outcomes: list[Outcome], cast: Cast, since: Mapping[str, int]) -> None:
    for outcome in outcomes:
        for name, client in cast.clients.items():
            if name in outcome.due:
                # Where nothing comes, the outcome tells: nothing was seen.
                with contextlib.suppress(AssertionError):
                    await client.wait_for(outcome.step.matches, timeout=PATIENCE, since=since[name])
            outcome.saw[name] = client.matching(outcome.step.matches, since=since[name])


Act = Callable[[str], Awaitable[object]]


def _acts(stage: Stage, cast: Cast) -> dict[tuple[str, Sight], Act]:
    """What each of them does for each kind of step."""

    async def ana_says(text: str) -> None:
        cast.ana.say(stage.muc, text)

    async def ana_does(text: str) -> None:
        cast.ana.emote(stage.muc, text)

    async def kestrel_says(text: str) -> None:
        cast.kestrel.say(stage.channel, text)

    async def kestrel_does(text: str) -> None:
        cast.kestrel.emote(stage.channel, text)

    return {
        ("ana", Sight.TEXT): ana_says,
        ("ana", Sight.EMOTE): ana_does,
        ("bo", Sight.TEXT): lambda text: cast.bo.say(cast.bo_room, text),
        ("bo", Sight.EMOTE): lambda text: cast.bo.emote(cast.bo_room, text),
        ("bo", Sight.TOPIC): lambda text: cast.bo.set_topic(cast.bo_room, text),
        ("kestrel", Sight.TEXT): kestrel_says,
        ("kestrel", Sight.EMOTE): kestrel_does,
        ("kestrel", Sight.LEAVE): lambda text: cast.kestrel.part(stage.channel, text),
        ("kestrel", Sight.JOIN): lambda _: cast.kestrel.join(stage.channel),
    }
