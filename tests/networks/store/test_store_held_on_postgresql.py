"""The tests of `tests/unit/store/test_store_held.py`, on PostgreSQL."""

import pytest

from tests.networks.store.again import everything_of
from tests.unit.store import test_store_held

globals().update(everything_of(test_store_held))
pytestmark = pytest.mark.usefixtures("on_postgresql")
