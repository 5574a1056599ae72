"""A fault that nobody foresaw in one adapter, over real servers: that one is started again, and nothing is lost."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from adapters.irc.puppets import Puppets
from adapters.matrix.link import Link
from adapters.xmpp.attendance import Attendance
from bridge.demo.clients import Client
from bridge.service import Service
from tests.networks.test_restarts import met, people, times
from tests.networks.world import Cast, settled

__all__ = ["people"]


class FaultError(Exception):
    """Nobody foresaw it."""


def tripping(real: Callable[..., Any], trip: asyncio.Event) -> Callable[..., Any]:
    """As `real`, but whoever is in it when `trip` is set dies of it, once."""

    async def work(*args: Any, **named: Any) -> Any:
        running = asyncio.ensure_future(real(*args, **named))
        tripped = asyncio.ensure_future(trip.wait())
        try:
            await asyncio.wait((running, tripped), return_when=asyncio.FIRST_COMPLETED)
            if trip.is_set():
                trip.clear()
                raise FaultError("nobody foresaw this")
            return await running
        finally:
            running.cancel()
            tripped.cancel()

    return work


FAULTS: dict[str, tuple[type, str]] = {
    "xmpp": (Attendance, "run"),
    "matrix": (Link, "run"),
    "irc": (Puppets, "keep"),
}
NAMES = {"xmpp": "office", "matrix": "home", "irc": "libera"}


async def test_each_adapter_crashes_in_the_middle_of_a_conversation(
    people: Cast,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trips = {kind: asyncio.Event() for kind in FAULTS}
    for kind, (owner, method) in FAULTS.items():
        monkeypatch.setattr(owner, method, tripping(getattr(owner, method), trips[kind]))
    monkeypatch.setattr("adapters.irc.adapter.HOUSEKEEPING", 0.1)
    monkeypatch.setattr("bridge.supervisor.PAUSES", (0.2, 1.0))
    async with people.stage.rialto() as service:
        await met(people)
        for kind in FAULTS:
            await crash(kind, trips[kind], people, service)


async def crash(kind: str, trip: asyncio.Event, people: Cast, service: Service) -> None:
    """While the others speak, this one crashes; everybody hears everything."""

    def crashes() -> dict[str, int]:
        counts = service.status()["counts"]
        return {
            name: int(counts.get(f"rialto_adapter_crashes_total{{network={network}}}", 0))
            for name, network in NAMES.items()
        }

    before = crashes()
    others = [name for name in FAULTS if name != kind]
    lines = {name: [f"{name} line {number} while {kind} crashes" for number in range(12)] for name in others}
    for number in range(12):
        for name in others:
            await people.say(name, lines[name][number])
        if number == 5:
            trip.set()
            await settled(lambda: crashes() != before, service.status)
    clients: dict[str, Client] = {"xmpp": people.xmpp, "matrix": people.matrix, "irc": people.irc}
    for name in others:
        for line in lines[name]:
            for client in (clients[other] for other in FAULTS if other != name):
                await client.wait_for(text=line, timeout=40)
    for name in others:
        (bystander,) = [clients[other] for other in others if other != name]
        assert heard(bystander, lines[name]) == lines[name], "the others notice nothing"
        received = heard(clients[kind], lines[name])
        # Plain IRC cannot say what arrived before the connection broke: there a line may come twice.
        assert (list(dict.fromkeys(received)) if kind == "irc" else received) == lines[name]
    back = f"{kind} is here again"
    await people.say(kind, back)
    for name in others:
        await clients[name].wait_for(text=back, timeout=40)
        assert times(clients[name], back) == 1
    assert crashes() == before | {kind: before[kind] + 1}


def heard(client: Client, lines: list[str]) -> list[str]:
    """Which of these lines the client has heard, in its order."""
    return [seen.text for seen in client.matching(lambda seen: seen.text in lines)]
