"""The tests of `tests/unit/core/test_permissions.py`, on PostgreSQL."""

import pytest

from tests.networks.store.again import everything_of
from tests.unit.core import test_permissions

globals().update(everything_of(test_permissions))
pytestmark = pytest.mark.usefixtures("on_postgresql")
