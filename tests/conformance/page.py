"""Writes docs/conformance.md: every rule, how it is met, and the tests that show it.

``python -m tests.conformance.page`` writes it anew; a test fails while it is not what would be written.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.conformance.formats import FORMATS
from tests.conformance.markers import claims
from tests.conformance.operations import MESSAGE_SERVICE, PRESENCE_SERVICE
from tests.conformance.rfc2779 import RFC2779
from tests.conformance.rfc3922 import RFC3922
from tests.conformance.rows import Met, Part, Row

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "conformance.md"

PARTS = (RFC2779, MESSAGE_SERVICE, PRESENCE_SERVICE, *FORMATS, RFC3922)

_SHOWN = 4
"""Tests that are named for one rule; how many more there are is told."""

_HEAD = """\
# Conformance

What the IETF's model of presence and instant messaging asks for, rule by rule, and the tests that show that Rialto
does it. This page is made from the tests themselves (`@pytest.mark.conforms`); do not edit it, but write
`.venv/bin/python -m tests.conformance.page`. The rules are told in our own words; the RFCs have the last one.

*Met* and *partly met* name tests, and what is missing. *By the networks*: it is a property of the networks that
Rialto joins, which it leaves as it is. *By documentation*: there is nothing to run.
"""


def problems(parts: Iterable[Part], shown: Mapping[str, tuple[str, ...]]) -> list[str]:
    """What does not fit together: rules without a test that claim one, tests that show what is no rule, and so on."""
    rows = [row for part in parts for row in part.rows]
    found = [f"{each} stands twice" for each, times in Counter(row.id for row in rows).items() if times > 1]
    for row in rows:
        if row.met in (Met.TESTED, Met.PARTLY) and row.id not in shown:
            found.append(f"{row.id} claims tests, and no test is marked with it: {row.text}")
        if row.met in (Met.NOT, Met.WRITTEN) and row.id in shown:
            found.append(f"{row.id} is {row.met.value}, and {shown[row.id][0]} is marked with it")
        if row.met is not Met.TESTED and not row.why:
            found.append(f"{row.id} is {row.met.value}, and nobody says why")
    known = {row.id for row in rows}
    found += [
        f"{tests[0]} is marked with {each}, which is no row" for each, tests in shown.items() if each not in known
    ]
    return found


def render(parts: Iterable[Part], shown: Mapping[str, tuple[str, ...]]) -> str:
    """The page."""
    lines = [_HEAD]
    parts = tuple(parts)
    lines += ["| | " + " | ".join(met.value for met in Met) + " |", "| --- |" + " ---: |" * len(Met)]
    for part in parts:
        counts = Counter(row.met for row in part.rows)
        lines.append(f"| {part.title} | " + " | ".join(str(counts[met] or "") for met in Met) + " |")
    for part in parts:
        lines += ["", f"## {part.title}", "", part.about, "", "| | rule | | shown by |", "| --- | --- | --- | --- |"]
        one = len({row.rfc for row in part.rows}) == 1
        lines += [
            _line(row.number if one else f"{row.rfc} {row.number}", row, shown.get(row.id, ())) for row in part.rows
        ]
    return "\n".join(lines) + "\n"


def _line(number: str, row: Row, tests: tuple[str, ...]) -> str:
    met = row.met.value + (f": {row.why}" if row.why else "")
    return f"| {number} | {row.text} | {met} | {'<br>'.join(_names(tests))} |"


def _names(tests: tuple[str, ...]) -> Iterator[str]:
    for each in tests[:_SHOWN]:
        yield f"`{each.removeprefix('tests/')}`"
    if len(tests) > _SHOWN:
        yield f"and {len(tests) - _SHOWN} more"


def main() -> None:
    """Write the page. Ends with what does not fit, if anything does not."""
    shown = claims(TESTS)
    if wrong := problems(PARTS, shown):
        raise SystemExit("\n".join(wrong))
    PAGE.write_text(render(PARTS, shown), encoding="utf-8")


if __name__ == "__main__":
    main()
