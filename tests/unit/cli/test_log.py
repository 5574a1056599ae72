"""What entries look like, and what never gets into them."""

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bridge.config import Log
from bridge.log import REDACTED, printable, set_up


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is the process's: it is put back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("bridge", "adapters"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


def entries(log: Log) -> tuple[StringIO, structlog.stdlib.BoundLogger]:
    out = StringIO()
    set_up(log, out)
    return out, structlog.get_logger("bridge.test")


def test_json_entries() -> None:
    out, logger = entries(Log(format="json"))
    logger.info("joined", network="libera", place="#tea", waited=1.5, puppet=True, why=None)
    logger.debug("not at this level")
    (line,) = out.getvalue().splitlines()
    entry = json.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "joined", "level": "info", "logger": "bridge.test", "network": "libera", "place": "#tea",
        "waited": 1.5, "puppet": True, "why": None,
    }  # fmt: skip


def test_console_entries_are_one_line_without_colour_where_nobody_watches() -> None:
    out, logger = entries(Log())
    logger.warning("joined", network="libera")
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()
    assert "network=libera" in out.getvalue()


@pytest.mark.parametrize("form", ["console", "json"])
def test_libraries_are_heard_from_warnings_on(form: str) -> None:
    out, _ = entries(Log.model_validate({"format": form, "level": "debug"}))
    for name in ("slixmpp.stream", "aiohttp.server", "asyncio"):
        logging.getLogger(name).info("<message><body>private</body></message>")
        logging.getLogger(name).warning("trouble with %s", name)
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert "private" not in out.getvalue()
    assert "trouble with aiohttp.server" in lines[1]


def test_the_level_can_be_above_warning() -> None:
    out, logger = entries(Log(level="error"))
    logger.warning("x")
    logging.getLogger("slixmpp").warning("x")
    assert out.getvalue() == ""


def test_secrets_are_not_shown() -> None:
    out, logger = entries(Log(format="json"))
    logger.info("x", as_token="s3cr3t", secret="s3cr3t", Authorization="s3cr3t", password="s3cr3t")
    entry = json.loads(out.getvalue())
    assert "s3cr3t" not in out.getvalue()
    assert entry["secret"] == REDACTED


@pytest.mark.parametrize("form", ["console", "json"])
def test_local_variables_are_not_shown_with_a_traceback(form: str) -> None:
    out, logger = entries(Log.model_validate({"format": form}))

    def fails(body: str) -> None:
        raise OSError("the disk is full")

    private = " ".join(["a", "private", "body"])  # so that no line of source that is shown holds it
    try:
        fails(private)
    except OSError:
        logger.exception("went wrong")
    assert "the disk is full" in out.getvalue()
    assert "fails" in out.getvalue()
    assert private not in out.getvalue()


def test_setting_up_again_replaces() -> None:
    first, _ = entries(Log())
    second, logger = entries(Log(format="json"))
    logger.info("x")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1


@given(st.text())
def test_what_is_printed_stays_on_its_line_and_steers_nothing(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(character in shown for character in "\x1b\x07\x9b\u202e\u2066")
    if text.isprintable() and text.isascii():
        assert shown == text


def test_a_nick_cannot_forge_an_entry() -> None:
    out, logger = entries(Log())
    logger.info("joined", nick="eve\n2026-01-01 [error] \x1b[2J")
    assert len(out.getvalue().splitlines()) == 1
    assert "2026-01-01" in out.getvalue()
    assert "\x1b" not in out.getvalue()
