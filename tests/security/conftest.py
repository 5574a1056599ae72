"""What these tests share."""

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Logging is the process's: whoever sets it up anew, finds it put back afterwards."""
    root = logging.getLogger()
    handlers, level, configured = list(root.handlers), root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("bridge", "adapters"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.configure(**configured)
