"""docs/reliability.md, from what was seen. A run takes long: what each one saw is kept beside the proof, row by row."""

import json
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from bridge.crashpoints import Point
from bridge.demo.servers import synapse_python
from bridge.service import VERSION
from tests.faults.driver import Row
from tests.faults.soak import MARGIN, Soak

FILE = Path(__file__).parents[2] / "docs" / "reliability.md"
SEEN = Path(__file__).parent / "seen"
"""A file for each `Setting`, and one for the soak."""


class Setting(StrEnum):
    """What the whole table is run with."""

    PLAIN = "plain"
    KEEPER = "keeper"
    ECHO = "echo"


_TITLES = {
    Setting.PLAIN: "Without a keeper, and an IRC server that confirms nothing (ngIRCd)",
    Setting.KEEPER: "With a keeper",
    Setting.ECHO: "With a keeper, and an IRC server that confirms each line (InspIRCd)",
}

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
is unheard, nothing comes twice. What cannot be delivered is told to its sender, once.

An IRC server that confirms each line (`echo-message`) does so only while the connection lasts. What was in flight when
that broke is in doubt there as well, for neither side can know: it is sent once more, and marked `uncertain`. The aim
is that nothing comes twice there; what did is called broken in its table.

*Unheard* below is what was said on IRC while no connection of the bridge was in the channel, as somebody else in the
channel saw them come and go: plain IRC keeps nothing. *Unread* is what the server had written to a connection whose
owner died before it was read. The rooms of this proof remember 5,000 lines; Prosody's own default is 20.

## How it is measured

Real clients say numbered messages: 20 a second each way between XMPP and IRC in one room, and 3 a second from each of
XMPP, Matrix and IRC in a room of all three. A message counts as said when its own network showed it to others. The
bridge is a process of its own, and every connection of it goes through a proxy that can be cut, made deaf, or made to
lose answers. Afterwards, when no lane has anything left and one more message has come through in every direction, each
number is looked for at every receiver, and whoever said what could not be delivered must have been told of exactly as
many messages. The bridge's clock, and how many pages its store may have, are set from outside while it runs
(`tests/faults/handles.py`).

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


_SLOWER = "¹"
"""Marks a row in which less was said than the page tells."""


def note(setting: Setting, rows: Sequence[Row], pace: float) -> None:
    """Keep what was seen in these rows, in the place of what was seen in them before. `pace` times as much was said as
    the page tells."""
    file = SEEN / f"{setting}.json"
    kept = _read(file)
    versions = _versions("inspircd" if setting is Setting.ECHO else "ngircd")
    kept |= {row.name: _cells(row) | {"on": _today(), "versions": versions, "pace": pace} for row in rows}
    _write(file, kept)


def note_soak(soaked: Soak, pace: float) -> None:
    """The same, for the soak."""
    first, last = soaked.memory(soaked.window)
    seen = _cells(soaked.row) | {
        "on": _today(),
        "minutes": soaked.seconds / 60,
        "warm_up": soaked.warm_up / 60,
        "pace": pace,
        "window": soaked.window / 60,
        "first": first,
        "last": last,
        "tasks": [soaked.tasks_before, soaked.tasks_after],
        "wrong": soaked.wrong,
    }
    _write(SEEN / "soak.json", seen)


def page(names: dict[str, str]) -> str:
    """The whole page; `names` are the rows there are, in their order, and what each does."""
    text = _HEAD + "".join(f"| `{point}` | {what} |\n" for point, what in _POINTS.items())
    text += "\n## What was seen\n"
    for setting, title in _TITLES.items():
        kept = _read(SEEN / f"{setting}.json")
        text += f"\n### {title}\n\n" + _table([kept[name] for name in names if name in kept])
        if left := [what for name, what in names.items() if name not in kept]:
            text += "\nNot run: " + "; ".join(left) + ".\n"
    soaked = _read(SEEN / "soak.json")
    return text + "\n## The soak\n\n" + (_soaked(soaked) if soaked else "It was not run.\n")


def _table(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return "Not run.\n"
    days = sorted({row["on"] for row in rows})
    when = _day(days[0]) if len(days) == 1 else f"From {_day(days[0])} to {_day(days[-1])}"
    text = f"{when}, {'; '.join(sorted({row['versions'] for row in rows}))}.\n\n"
    text += (
        "| fault | said | lost | failed, and told | twice on XMPP, Matrix | twice on IRC | uncertain | overtaken "
        "| unheard | unread | promise |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    )
    columns = ("said", "lost", "refused", "doubled", "doubled_irc", "uncertain", "overtaken", "unheard", "unread")
    for row in rows:
        cells = (
            row["what"] + _SLOWER * (row.get("pace", 1) < 1),
            *(row[each] for each in columns),
            "**broken**" if row["wrong"] else "kept",
        )
        text += "| " + " | ".join(map(str, cells)) + " |\n"
    if slower := sorted({row["pace"] for row in rows if row.get("pace", 1) < 1}):
        text += (
            f"\n{_SLOWER} On a machine that was busy otherwise: {' or '.join(f'{pace:g}' for pace in slower)} times "
        )
        text += "as much was said.\n"
    if any(row["wrong"] for row in rows):
        text += "\nBroken promises, as they were seen:\n\n"
        text += "".join(f"* {row['what']}: {_shortened(wrong)}\n" for row in rows for wrong in row["wrong"])
    return text


def _soaked(seen: dict[str, Any]) -> str:
    first, last, (before, after) = seen["first"], seen["last"], seen["tasks"]
    broken = "".join(f"\n* broken: {_shortened(wrong)}" for wrong in seen["wrong"])
    twice = seen["doubled"] + seen["doubled_irc"]
    pace = f", at {seen['pace']:g} times the pace above" if seen["pace"] != 1 else ""
    return (
        f"{_day(seen['on'])}: {seen['minutes']:.0f} minutes of talk{pace}, after {seen['warm_up']:.0f} in which what "
        "is remembered of each room's latest lines filled up, with people who come, go and correct themselves, and "
        f"broken connections: {seen['said']} messages said, {seen['lost']} lost, {twice} twice "
        f"({seen['uncertain']} uncertain), {seen['overtaken']} overtaken. Resident memory was {first:.1f} MiB in the "
        f"first {seen['window']:.0f} minutes and {last:.1f} MiB in the last ({(last / first - 1) * 100:+.1f} %, "
        f"{MARGIN * 100:.0f} % allowed); tasks {before} before and {after} after.\n{broken}"
    )


def _cells(row: Row) -> dict[str, Any]:
    return {
        "what": row.what,
        "said": row.said,
        "lost": row.total("lost") if not row.trouble else "not settled",
        "refused": row.total("refused"),
        "doubled": row.total("doubled", "xmpp") + row.total("doubled", "matrix"),
        "doubled_irc": row.total("doubled", "irc"),
        "uncertain": row.uncertain,
        "overtaken": row.total("overtaken"),
        "unheard": row.total("unheard", "xmpp"),
        "unread": row.total("unread", "xmpp"),
        "wrong": row.wrong,
    }


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def _write(file: Path, seen: dict[str, Any]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(seen, indent=1, ensure_ascii=False) + "\n")


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _day(text: str) -> str:
    return f"{date.fromisoformat(text):%d %B %Y}".lstrip("0")


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "..."


def _versions(ircd: str) -> str:
    synapse = _said(str(synapse_python()), "-c", "import synapse; print(synapse.__version__.split()[0])")
    packages = " and ".join(
        f"{name} {_said('dpkg-query', '-W', '-f', '${Version}', name)}" for name in ("prosody", ircd)
    )
    return f"Rialto {VERSION}, Python {platform.python_version()}, {packages} of Debian, Synapse {synapse}"


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "of unknown version"
