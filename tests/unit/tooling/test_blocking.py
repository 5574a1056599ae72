"""The detector of blocking calls detects."""

import time
from types import CodeType

import pytest
from blockbuster import BlockingError

import bridge


def _as_if_in(path: str) -> CodeType:
    return compile("import time\ntime.sleep(0.001)\n", path, "exec")


async def test_a_blocking_call_of_ours_raises() -> None:
    with pytest.raises(BlockingError, match=r"time\.sleep"):
        exec(_as_if_in(f"{bridge.__path__[0]}/lanes.py"))


async def test_others_may_block() -> None:
    time.sleep(0.001)  # noqa: ASYNC251  this is what is tested
    exec(_as_if_in(f"{bridge.__path__[0]}/demo/run.py"))


def test_without_a_loop_anything_may_block() -> None:
    exec(_as_if_in(f"{bridge.__path__[0]}/lanes.py"))
