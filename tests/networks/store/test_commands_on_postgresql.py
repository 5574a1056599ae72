"""The tests of `tests/unit/core/test_commands.py`, on PostgreSQL."""

import pytest

from tests.networks.store.again import everything_of
from tests.unit.core import test_commands

globals().update(everything_of(test_commands))
pytestmark = pytest.mark.usefixtures("on_postgresql")
