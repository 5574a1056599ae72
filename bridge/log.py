"""Logging: structlog for our own entries, the libraries' entries from WARNING on, all to standard error in one form."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bridge.config.schema import Log

REDACTED = "[not shown]"

_SECRET = re.compile(r"secret|token|passw|authorization|api_?key|cookie", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def redact(logger: WrappedLogger, method: str, entry: EventDict) -> EventDict:
    """No value is shown whose key names a secret: the last resort, for nobody is to log one in the first place."""
    for key in entry:
        if _SECRET.search(key):
            entry[key] = REDACTED
    return entry


def escape(logger: WrappedLogger, method: str, entry: EventDict) -> EventDict:
    """Control and direction characters are written out: a nick must not be able to forge a line or steer a terminal."""
    for key, value in entry.items():
        if key != "exception" and isinstance(value, str):
            entry[key] = printable(value)
        elif not isinstance(value, str | int | float | bool | None) and key not in (
            "exc_info",
            "stack_info",
            "_record",
        ):
            entry[key] = printable(str(value))
    return entry


def printable(text: str) -> str:
    """The text with every character written out that could steer a terminal or begin a line of its own."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _without_record(logger: WrappedLogger, method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    entry.pop("_record", None)
    entry.pop("_from_structlog", None)
    return entry


def set_up(log: Log, stream: TextIO | None = None) -> None:
    """Write entries to `stream` (standard error unless given) from now on. May be called again."""
    out = sys.stderr if stream is None else stream
    level = getattr(logging, log.level.upper())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
    ]
    if log.format == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer: Processor = structlog.processors.JSONRenderer()
    else:
        # Local variables are never shown with a traceback: they hold bodies and secrets.
        renderer = structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
        )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[_without_record, redact, escape, renderer]
        )
    )
    root = logging.getLogger()
    for old in [known for known in root.handlers if isinstance(known.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))
    for ours in ("bridge", "adapters"):
        logging.getLogger(ours).setLevel(level)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
