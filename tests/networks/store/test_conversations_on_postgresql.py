"""The tests of `tests/unit/core/test_conversations.py`, on PostgreSQL."""

import pytest

from tests.networks.store.again import everything_of
from tests.unit.core import test_conversations

globals().update(everything_of(test_conversations))
pytestmark = pytest.mark.usefixtures("on_postgresql")
