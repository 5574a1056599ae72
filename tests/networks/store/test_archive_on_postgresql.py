"""The tests of `tests/unit/core/test_archive.py`, on PostgreSQL."""

import pytest

from tests.networks.store.again import everything_of
from tests.unit.core import test_archive

globals().update(everything_of(test_archive))
pytestmark = pytest.mark.usefixtures("on_postgresql")
