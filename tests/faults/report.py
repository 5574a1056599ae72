"""docs/reliability.md, from what was seen."""

import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bridge.crashpoints import Point
from bridge.demo.servers import synapse_python
from bridge.service import VERSION
from tests.faults.driver import Row
from tests.faults.soak import MARGIN, Soak

FILE = Path(__file__).parents[2] / "docs" / "reliability.md"

_HEAD = """\
# Reliability

What was accepted is delivered once and in order, or its sender is told. This page says what that promise means, and
what was seen when everything around a running bridge was broken. It is written by `scripts/prove`; do not edit it.

## States

A delivery is one message on its way to one place, sent in parts; a part is a line, or a message.

```
queued ── noted as being sent ──> sending ──> confirmed   the network said that it is there
                                     │  └───> uncertain   nobody can say; sent once more, perhaps there twice
                                     ├──────> failed      it cannot be delivered: the sender is told why
                                     └──────> expired     a day has passed: the sender is told
```

Whatever is `sending` when the bridge dies or a connection breaks is in doubt. Before it is sent again, the network is
asked what arrived: Matrix by the room's own events, an XMPP room by its history, an IRC channel by the history that its
server keeps, where it does. Plain IRC cannot say: there the part is sent once more and counted as uncertain, unless a
keeper saw to it that it was sent once.

## What is promised, without a keeper of the sockets

| | lost | twice | overtaken |
| --- | --- | --- | --- |
| toward Matrix and XMPP rooms | none | none | none, in a place |
| toward IRC | none | at most what was in flight at a crash or a lost connection: `uncertain` | none, per speaker |
| from Matrix and XMPP rooms | none, as far as the room's history reaches | | |
| from IRC | none while a connection of the bridge is in the channel | | |

With a keeper (`keeper: true`, the default) a crash or an upgrade of the bridge alone costs nothing of all this: nothing
is unheard, nothing comes twice. `scripts/prove --keeper` shows it; the table below is without one.

*Unheard* below is what was said on IRC while no connection of the bridge was in the channel, as somebody else in the
channel saw them come and go: plain IRC keeps nothing. *Unread* is what the server had written to a connection whose
owner died before it was read. The rooms of this proof remember 5,000 lines; Prosody's own default is 20.

## How it is measured

Real clients say numbered messages: 20 a second each way between XMPP and IRC in one room, and 3 a second from each of
XMPP, Matrix and IRC in a room of all three. A message counts as said when its own network showed it to others. The
bridge is a process of its own, and every connection of it goes through a proxy that can be cut, made deaf, or made to
lose answers. Afterwards, when no lane has anything left and one more message has come through in every direction, each
number is looked for at every receiver.

Synapse forgets what it was about to hand over when it is killed, and lets rest what it writes down in the moment of its
recovery. So for half a minute after an outage the bridge reads the rooms themselves.

The bridge can be told to end itself at named points (`RIALTO_CRASH_AT`, see `bridge/crashpoints.py`):

| point | |
| --- | --- |
"""

_POINTS = {
    Point.JOURNALED: "event and deliveries are committed; the source has no answer, and no lane knows of them",
    Point.NOTED: "it is noted that parts are being sent; none is handed over",
    Point.HANDED: "a part was handed to the connection; nothing has confirmed it",
    Point.CONFIRMED: "a part was confirmed; that is not noted",
    Point.ENDED: "a delivery has ended; that is not noted",
}


def page(rows: Sequence[Row], soaked: Soak | None, ircd: str, left: Sequence[str]) -> str:
    """The whole page; `left` are faults that were not made this time."""
    text = _HEAD + "".join(f"| `{point}` | {what} |\n" for point, what in _POINTS.items())
    text += f"\n## What was seen\n\n{datetime.now(UTC):%d %B %Y}, Rialto {VERSION}, {_versions(ircd)}.\n\n"
    text += (
        "| fault | said | lost | failed, and told | twice on XMPP, Matrix | twice on IRC | uncertain | overtaken "
        "| unheard | unread | promise |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    )
    for row in rows:
        cells = (
            row.what,
            row.said,
            row.total("lost") - row.failed if not row.trouble else "not settled",
            row.failed,
            row.total("doubled", "xmpp") + row.total("doubled", "matrix"),
            row.total("doubled", "irc"),
            row.uncertain,
            row.total("overtaken"),
            row.total("unheard", "xmpp"),
            row.total("unread", "xmpp"),
            "kept" if not row.wrong else "**broken**",
        )
        text += "| " + " | ".join(map(str, cells)) + " |\n"
    broken = [row for row in rows if row.wrong]
    if broken:
        text += "\nBroken promises, as they were seen:\n\n"
        text += "".join(f"* {row.what}: {_shortened(wrong)}\n" for row in broken for wrong in row.wrong)
    if left:
        text += "\nNot run this time: " + "; ".join(left) + ".\n"
    return text + ("\nThe soak was not run this time.\n" if soaked is None else _soaked(soaked))


def _soaked(soaked: Soak) -> str:
    first, last = soaked.memory(soaked.window)
    row = soaked.row
    return (
        f"\n## The soak\n\n{soaked.seconds / 60:.0f} minutes of talk, with people who come, go and correct themselves, "
        f"and broken connections: {row.said} messages said, {row.total('lost')} lost, {row.total('doubled')} twice "
        f"({row.uncertain} uncertain), {row.total('overtaken')} overtaken. Resident memory was {first:.1f} MiB in the "
        f"first {soaked.window / 60:.0f} minutes and {last:.1f} MiB in the last "
        f"({(last / first - 1) * 100:+.1f} %, {MARGIN * 100:.0f} % allowed); tasks {soaked.tasks_before} before and "
        f"{soaked.tasks_after} after.\n"
    )


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "..."


def _versions(ircd: str) -> str:
    synapse = _said(str(synapse_python()), "-c", "import synapse; print(synapse.__version__.split()[0])")
    packages = " and ".join(
        f"{name} {_said('dpkg-query', '-W', '-f', '${Version}', name)}" for name in ("prosody", ircd)
    )
    return f"Python {platform.python_version()}, {packages} of Debian, Synapse {synapse}"


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "of unknown version"
