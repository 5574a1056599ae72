"""What each of them saw, side by side."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from bridge.demo.clients import Seen, Sight
from bridge.demo.script import Outcome

COLUMNS = {"ana": "Ana (XMPP) saw", "bo": "Bo (Matrix) saw", "kestrel": "Kestrel (IRC) saw"}


def sight(seen: Seen) -> str:
    """As a chat client would show it."""
    match seen.kind:
        case Sight.TEXT | Sight.NOTICE:
            return f"<{seen.who}> {seen.text}"
        case Sight.EMOTE:
            return f"* {seen.who} {seen.text}"
        case Sight.JOIN:
            return f"→ {seen.who} joined"
        case Sight.LEAVE:
            return f"← {seen.who} left" + (f" ({seen.text})" if seen.text else "")
        case Sight.TOPIC:
            return f"topic by {seen.who}: {seen.text}"
        case _:
            return f"{seen.kind} by {seen.who}: {seen.text}"


def cell(outcome: Outcome, name: str) -> Text:
    """What one person saw of one line, and whether that is well."""
    saw = outcome.saw[name]
    if not outcome.good(name):
        what = "NOTHING" if not saw else f"{len(saw)} times: {sight(saw[0])}"
        return Text(what, style="bold red")
    if not saw:
        return Text("(own line)" if name == outcome.step.who else "(was away)", style="dim")
    return Text(sight(saw[0]), style="dim" if name == outcome.step.who else "")


def table(outcomes: Iterable[Outcome], names: Sequence[str] = tuple(COLUMNS)) -> Table:
    """One row a line, one column a person; their own lines dimmed."""
    drawn = Table(box=box.ROUNDED, show_lines=True, expand=True)
    for name in names:
        drawn.add_column(COLUMNS[name], ratio=1, overflow="fold")
    for outcome in outcomes:
        drawn.add_row(*(cell(outcome, name) for name in names))
    return drawn


def faults(outcomes: Iterable[Outcome]) -> list[str]:
    """What went wrong, one line each."""
    return [
        f"{outcome.step.who}'s {outcome.step.kind} {outcome.step.text!r} was seen {len(saw)} times by {name}"
        for outcome in outcomes
        for name, saw in outcome.saw.items()
        if not outcome.good(name)
    ]
