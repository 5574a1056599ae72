"""The tests of other modules, to be run once more: on PostgreSQL, by the fixtures of this folder."""

from inspect import iscoroutinefunction
from types import ModuleType


def everything_of(module: ModuleType) -> dict[str, object]:
    """Asynchronous tests, fixtures and all they use: the other tests use no store."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("__") and (not name.startswith("test_") or iscoroutinefunction(value))
    }
