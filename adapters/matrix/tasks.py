"""Small errands beside the main task, of which none may be lost from sight."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)

_T = TypeVar("_T")


class Tasks:
    """The running tasks of one adapter; they end with it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def spawn(
        self, errand: Coroutine[Any, Any, _T], name: str, died: Callable[[BaseException], None] | None = None
    ) -> "asyncio.Task[_T]":
        """Start it. An exception that nobody expected is logged with its trace, and told to `died`, where the rest
        cannot do without this one."""
        task = asyncio.create_task(errand, name=name)
        self._running.add(task)
        task.add_done_callback(partial(self._ended, died))
        return task

    async def stop(self) -> None:
        """Cancel all, and wait until they have ended."""
        tasks = tuple(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, died: Callable[[BaseException], None] | None, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an errand failed", task=task.get_name(), exc_info=error)
            if died is not None:
                died(error)
