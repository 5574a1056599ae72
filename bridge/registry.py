"""Finding adapters: every installed package may offer kinds of network through the entry point group."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from bridge.contract import ENTRY_POINTS, Factory


class RegistryError(Exception):
    """An installed adapter cannot be used. The text names its package and says why."""


class Installed(Mapping[str, Factory]):
    """The installed kinds of network. A factory is imported when it is first asked for, not before."""

    def __init__(self) -> None:
        self._points: dict[str, EntryPoint] = {}
        for point in entry_points(group=ENTRY_POINTS):
            known = self._points.setdefault(point.name, point)
            if known.value != point.value:
                raise RegistryError(f"two packages offer networks of kind {point.name!r}: {known.value}, {point.value}")
        self._factories: dict[str, Factory] = {}

    def __getitem__(self, kind: str) -> Factory:
        """The factory of that kind. Raises `KeyError` where none is installed, `RegistryError` where it is broken."""
        if kind not in self._factories:
            self._factories[kind] = _load(self._points[kind])
        return self._factories[kind]

    def __contains__(self, kind: object) -> bool:
        return kind in self._points

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._points))

    def __len__(self) -> int:
        return len(self._points)


def _load(point: EntryPoint) -> Factory:
    package = point.dist.name if point.dist else point.value
    try:
        factory = point.load()
    except (ImportError, AttributeError) as error:
        raise RegistryError(f"the adapter {point.name!r} of {package} cannot be loaded: {error}") from error
    if getattr(factory, "kind", None) != point.name:
        raise RegistryError(f"the adapter {point.name!r} of {package} says that its kind is {factory.kind!r}")
    return cast(Factory, factory)


@cache
def installed() -> Installed:
    """The kinds of network that are installed here; found once per process. Raises `RegistryError`."""
    return Installed()
