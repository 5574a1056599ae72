"""The tests of `tests/unit/core/test_topics.py`, on PostgreSQL."""

import pytest

from tests.networks.store.again import everything_of
from tests.unit.core import test_topics

globals().update(everything_of(test_topics))
pytestmark = pytest.mark.usefixtures("on_postgresql")
