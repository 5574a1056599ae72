"""The tests of `tests/unit/core/test_lane.py`, on PostgreSQL."""

import pytest

from tests.networks.store.again import everything_of
from tests.unit.core import test_lane

globals().update(everything_of(test_lane))
pytestmark = pytest.mark.usefixtures("on_postgresql")
