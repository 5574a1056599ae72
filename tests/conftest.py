"""What holds for all tests: nothing of ours may block the event loop."""

import asyncio
import inspect
import os
from collections.abc import Callable, Iterator, Mapping

import pytest
import structlog
import uvloop
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings

# Tests of the core are imported as modules by others, not collected: what they assert is shown in full all the same.
pytest.register_assert_rewrite("tests.unit.core", "tests.unit.store")

# What is called while a loop runs in tests only.
_NOT_ON_THE_LOOP = [
    "bridge.demo",  # starts and stops processes, and stands still while it does: no part of the gateway
    "bridge.config",  # reads files: `rialto run` does so before there is a loop
    "bridge.registry",  # the same: it looks for the adapters
    "bridge.cli",  # the same
]


# A shared machine may stand still for a moment, so nothing is timed. In CI the same examples are tried every time: new
# ones are to be found at a desk, where they can be looked at, and not in somebody else's change.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
        # The fancy form opens the source files of a traceback, which blocks.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that `rialto run` uses: what passes on asyncio's own may fail on this one, and has."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def no_blocking_calls(request: pytest.FixtureRequest) -> Iterator[BlockBuster | None]:
    """Makes a blocking call (a file, a lock that is held, `time.sleep`, SQLite, ...) out of our code raise
    `blockbuster.BlockingError` while an event loop runs, in every asynchronous test."""
    function = getattr(request.node, "function", None)
    if not inspect.iscoroutinefunction(inspect.unwrap(function) if function is not None else None):
        yield None
        return
    with blockbuster_ctx(["bridge", "adapters"], excluded_modules=_NOT_ON_THE_LOOP) as detector:
        # A traceback in the log quotes its lines of source: once for each fault, and worth the wait.
        for function in detector.functions.values():
            function.can_block_in("linecache.py", {"checkcache", "updatecache"})
        yield detector
