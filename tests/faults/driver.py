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

    `uncertain` counts deliveries whose arrival nobody can know, `failed` those that were given up, `untold` those of
    them whose sender does not know, `reports` what senders saw. `trouble` says what did not settle afterwards; `wrong`
    what was promised and not kept, empty where all is well.
    """

    name: str
    what: str
    counts: list[Count] = field(default_factory=list)
    uncertain: int = 0
    failed: int = 0
    untold: int = 0
    kills: int = 0
    reports: int = 0
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

    def __str__(self) -> str:
        details = "".join(f"\n    {each}" for each in self.counts if each.said)
        wrong = "".join(f"\n    WRONG: {each}" for each in self.wrong)
        kills = f", {self.kills} kills" if self.kills else ""
        kills += f", {self.failed} failed and told in {self.reports} reports" if self.failed else ""
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
    since = dict(scene.talk.numbers)
    before, kills, reports = scene.bridge.states(), scene.bridge.kills, scene.reports()
    async with scene.talk.going():
        await fault.make(scene)
    row.trouble = await scene.quiet(within)
    # A summary of many failures takes its time.
    await settled(lambda: not scene.bridge.untold(), SUMMARY_AFTER * 2)
    row.counts, row.untold = scene.count(since), scene.bridge.untold()
    after = scene.bridge.states()
    row.uncertain, row.failed = (after.get(state, 0) - before.get(state, 0) for state in ("uncertain", "failed"))
    row.kills = scene.bridge.kills - kills
    row.reports = scene.reports() - reports
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
        if each.lost and not row.trouble and not (fault.refuses and each.target == "irc"):
            wrong.append(f"{way}: lost {each.lost}")
        if each.overtaken:
            wrong.append(f"{way}: overtaken {each.overtaken}")
        if each.doubled and not (each.target == "irc" and may_repeat):
            wrong.append(f"{way}: doubled {each.doubled}")
        if (each.unheard or each.unread) and not (fault.crashes or "irc" in fault.cuts):
            wrong.append(f"{way}: not heard {each.unheard + each.unread}")
    if not row.trouble and row.failed != (row.total("lost") if fault.refuses else 0):
        wrong.append(f"{row.failed} deliveries failed, {row.total('lost')} did not arrive")
    if row.untold or bool(row.failed) != bool(row.reports):
        wrong.append(f"{row.failed} deliveries failed, {row.untold} of them untold; {row.reports} reports were seen")
    if row.total("doubled", "irc") > row.uncertain:
        wrong.append(f"{row.total('doubled', 'irc')} lines doubled on IRC, {row.uncertain} marked uncertain")
    return wrong
