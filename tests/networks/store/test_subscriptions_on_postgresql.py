"""The tests of `tests/unit/core/test_subscriptions.py`, on PostgreSQL."""

import pytest

from tests.networks.store.again import everything_of
from tests.unit.core import test_subscriptions

globals().update(everything_of(test_subscriptions))
pytestmark = pytest.mark.usefixtures("on_postgresql")
