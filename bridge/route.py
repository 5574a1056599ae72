"""Where an event goes: the router's answer."""

from dataclasses import dataclass

from bridge.model.address import Place
from bridge.model.result import Failure


@dataclass(frozen=True, slots=True)
class Route:
    """Where an event goes. With `refusal`, nowhere, and its sender is told why."""

    targets: tuple[Place, ...] = ()
    refusal: Failure | None = None


NOWHERE = Route()
