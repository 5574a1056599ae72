"""The tests of `tests/unit/core/test_spine.py`, on PostgreSQL."""

import pytest

from tests.networks.store.again import everything_of
from tests.unit.core import test_spine

globals().update(everything_of(test_spine))
pytestmark = pytest.mark.usefixtures("on_postgresql")
