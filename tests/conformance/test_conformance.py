"""The conformance page: it says what the markers say, and every rule that claims a test has one."""

from pathlib import Path
from textwrap import dedent

import pytest

from tests.conformance.markers import claims
from tests.conformance.page import PAGE, PARTS, TESTS, problems, render
from tests.conformance.rfc2779 import RFC2779
from tests.conformance.rows import Met, Part, Row


def test_the_page_is_what_would_be_written() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(PARTS, claims(TESTS)), (
        "docs/conformance.md: write .venv/bin/python -m tests.conformance.page"
    )


def test_rows_and_markers_fit() -> None:
    assert problems(PARTS, claims(TESTS)) == []


def test_all_93_requirements_stand_in_their_order() -> None:
    chapters = {
        "2.1": 5, "2.2": 6, "2.3": 7, "2.4": 4, "2.5": 4, "3.1": 6, "3.2": 5, "3.3": 3, "3.4": 1, "4.1": 10,
        "4.2": 1, "4.3": 1, "4.4": 3, "5.1": 18, "5.2": 6, "5.3": 3, "5.4": 10,
    }  # fmt: skip
    wanted = [f"{chapter}.{number}" for chapter, count in chapters.items() for number in range(1, count + 1)]
    assert [row.number for row in RFC2779.rows] == wanted
    assert len(wanted) == 93


@pytest.mark.parametrize(
    ("row", "shown", "says"),
    [
        (Row("A:1", "x"), {}, "claims tests"),
        (Row("A:1", "x", Met.PARTLY, "why"), {}, "claims tests"),
        (Row("A:1", "x", Met.NOT, "why"), {"A:1": ("t",)}, "is marked with it"),
        (Row("A:1", "x", Met.NATIVE), {}, "nobody says why"),
        (Row("A:1", "x"), {"A:1": ("t",), "A:2": ("t",)}, "which is no row"),
    ],
)
def test_what_does_not_fit_is_found(row: Row, shown: dict[str, tuple[str, ...]], says: str) -> None:
    assert any(says in each for each in problems([Part("p", "", [row])], shown))


def test_markers_are_read_from_source(tmp_path: Path) -> None:
    root = tmp_path / "tests"
    root.mkdir()
    (root / "test_it.py").write_text(
        dedent("""
        import pytest
        pytestmark = [pytest.mark.conforms("A:0")]
        @pytest.mark.conforms("A:1", "A:2")
        def test_one(): ...
        @pytest.mark.conforms("A:3")
        class TestMany:
            async def test_two(self): ...
            def help(self): ...
        def help(): ...
        """)
    )
    one, two = "tests/test_it.py::test_one", "tests/test_it.py::TestMany::test_two"
    assert claims(root) == {"A:0": (two, one), "A:1": (one,), "A:2": (one,), "A:3": (two,)}


@pytest.mark.parametrize("line", ["conforms(name)", "conforms()", 'conforms("A", x=1)'])
def test_a_marker_that_says_nothing_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "test_it.py").write_text(f"@pytest.mark.{line}\ndef test_one(): ...\n")
    with pytest.raises(ValueError, match="ids of rules"):
        claims(tmp_path)


def test_a_marker_behind_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text('SHOWS = pytest.mark.conforms("A:1")\n@SHOWS\ndef test_one(): ...\n')
    with pytest.raises(ValueError, match="where nobody looks"):
        claims(tmp_path)


def test_what_is_no_test_shows_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text('@pytest.mark.conforms("A:1")\ndef helper(): ...\n')
    with pytest.raises(ValueError, match="is no test"):
        claims(tmp_path)
