"""The tests of `tests/unit/core/test_looks.py`, on PostgreSQL."""

import pytest

from tests.networks.store.again import everything_of
from tests.unit.core import test_looks

globals().update(everything_of(test_looks))
pytestmark = pytest.mark.usefixtures("on_postgresql")
