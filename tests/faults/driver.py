"""Running one row of the table, and judging it by what was promised."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from bridge.reports import SUMMARY_AFTER
from tests.faults.faults import Fault
from tests.faults.people import settled
from tests.faults.scene import Scene
from tests.faults.tally import Count


@dataclass(slots=True)
class Row:
    """One fault, and what was seen.

    `uncertain` counts deliveries whose arrival nobody can know, `failed` the messages that were given up, `untold` the
    deliveries whose sender does not know of it by the store, `told` of how many messages senders were told, and
    `to_be_told` of how many they should have been, both by the senders' network. `trouble` says what did not settle
    afterwards; `wrong` what was promised and not kept, empty where all is well.
    """

    name: str
    what: str
    counts: list[Count] = field(default_factory=list)
    uncertain: int = 0
    untold: int = 0
    kills: int = 0
    told: dict[str, int] = field(default_factory=dict)
    to_be_told: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    trouble: str = ""
    wrong: list[str] = field(default_factory=list)

    def total(self, what: str, target: str = "") -> int:
        """How many messages were lost, doubled, ..., toward a network or in all."""
        return sum(len(getattr(each, what)) for each in self.counts if target in ("", each.target))

    @property
    def said(self) -> int:
        """Messages said, each once."""
        return sum({(each.room, each.source): each.said for each in self.counts}.values())

    @property
    def failed(self) -> int:
        """Messages that the bridge gave up, as often as they were to go somewhere."""
        return self.total("refused") + self.total("belied")

    def __str__(self) -> str:
        details = "".join(f"\n    {each}" for each in self.counts if each.said)
        wrong = "".join(f"\n    WRONG: {each}" for each in self.wrong)
        kills = f", {self.kills} kills" if self.kills else ""
        kills += f", {self.failed} failed, senders told of {sum(self.told.values())}" if self.failed else ""
        return (
            f"{self.name}: {'FAILED' if self.wrong else 'kept'} in {self.seconds:.0f} s, {self.uncertain} uncertain"
            f"{kills}{details}{wrong}"
        )

    def as_dict(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)


async def run(fault: Fault, scene: Scene, *, echo: bool = False, within: float = 120.0) -> Row:
    """Have people talk, make the fault, wait until all is quiet, count. `echo`: the IRC server confirms each line."""
    began = time.monotonic()
    row = Row(fault.name, fault.what)
    row.trouble = await scene.with_handles(fault.handles)
    since = dict(scene.talk.numbers)
    before, kills, told = scene.bridge.states(), scene.bridge.kills, scene.told()
    async with scene.talk.going():
        try:
            await fault.make(scene)
        except AssertionError as error:
            row.trouble = f"not as it should go: {error}"
    if scene.bridge.handles is not None:
        scene.bridge.handles.let_go()
    row.trouble = row.trouble or await scene.quiet(max(within, fault.within))
    # A summary of many failures takes its time.
    await settled(lambda: not scene.bridge.untold(), SUMMARY_AFTER * 2)
    await settled(lambda: scene.told() - told == scene.to_be_told(since), 10)
    row.counts, row.untold = scene.count(since), scene.bridge.untold()
    row.uncertain = scene.bridge.states().get("uncertain", 0) - before.get("uncertain", 0)
    row.kills = scene.bridge.kills - kills
    row.told, row.to_be_told = dict(scene.told() - told), dict(scene.to_be_told(since))
    row.seconds = time.monotonic() - began
    row.wrong = judge(fault, row, echo=echo)
    return row


def judge(fault: Fault, row: Row, *, echo: bool) -> list[str]:
    """What was promised and not kept. See docs/reliability.md, which says the same in words."""
    wrong = [row.trouble] if row.trouble else []
    may_repeat = (fault.crashes or "irc" in fault.cuts) and not echo
    if fault.refuses and not row.failed:
        wrong.append("nothing was refused: the fault was not made")
    for each in row.counts:
        way = f"{each.room} {each.source}->{each.target}"
        # Where it did not settle, what is missing may only be late.
        if each.lost and not row.trouble:
            wrong.append(f"{way}: lost {each.lost}")
        if each.refused and not (fault.refuses and each.target == "irc"):
            wrong.append(f"{way}: refused {each.refused}")
        if each.belied:
            wrong.append(f"{way}: said to be undelivered, and arrived {each.belied}")
        if each.overtaken:
            wrong.append(f"{way}: overtaken {each.overtaken}")
        if each.doubled and not (each.target == "irc" and may_repeat):
            wrong.append(f"{way}: doubled {each.doubled}")
        if (each.unheard or each.unread) and not (fault.crashes or "irc" in fault.cuts):
            wrong.append(f"{way}: not heard {each.unheard + each.unread}")
    if row.untold or row.told != row.to_be_told:
        wrong.append(f"senders were told of {row.told}, and should have been of {row.to_be_told}; {row.untold} untold")
    if row.total("doubled", "irc") > row.uncertain:
        wrong.append(f"{row.total('doubled', 'irc')} lines doubled on IRC, {row.uncertain} marked uncertain")
    return wrong
