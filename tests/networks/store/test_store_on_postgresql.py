"""The tests of `tests/unit/store/test_store.py`, on PostgreSQL."""

import pytest

from tests.networks.store.again import everything_of
from tests.unit.store import test_store

globals().update(everything_of(test_store))
pytestmark = pytest.mark.usefixtures("on_postgresql")
