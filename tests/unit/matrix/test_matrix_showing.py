"""The budget of presence, by a clock of the test's own over a small homeserver in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from adapters.matrix.pace import Pace
from adapters.matrix.showing import PUSHED_WITHIN, Showing
from bridge.model.address import Address, Person
from bridge.model.presence import Activity, Basic, Presence, Tuple
from tests.unit.matrix.homeserver import Homeserver, homeserver
from tests.unit.matrix.parlour import Parlour, parlour
from tests.unit.matrix.scenes import OURS

HERE = (Tuple("x", Basic.OPEN),)
AWAY = (Tuple("x", Basic.OPEN, frozenset({Activity.AWAY})),)
GONE = (Tuple("x", Basic.CLOSED),)


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def nick(number: int) -> Address:
    return Address("libera", f"n{number}")


def puppet(number: int) -> str:
    return f"@_rialto_libera_n{number}:example.org"


@asynccontextmanager
async def showing(people: int) -> AsyncIterator[tuple[Homeserver, Showing, Clock, set[str]]]:
    """With so many puppets, all of them somewhere; driven by `_once`, not by its task."""
    async with homeserver() as (server, client):
        parts: Parlour = parlour(client=client)
        for number in range(people):
            await parts.puppets.ensure(Person(nick(number), f"n{number}"))
        clock, hidden = Clock(), set[str]()
        shown = Showing(
            parts.core, client, OURS, parts.puppets, parts.heard, lambda puppet: puppet not in hidden,
            parts.conversations.partner,
            registration="rialto registration home", rate=1.0, refresh=20.0, clock=clock,
        )  # fmt: skip
        server.asked.clear()
        yield server, shown, clock, hidden
        await parts.tasks.stop()


async def pass_time(shown: Showing, clock: Clock, seconds: int) -> None:
    """One look a second, as its task has them."""
    for _ in range(seconds):
        clock.now += 1.0
        if shown._next(clock.now) is not None:
            await shown._once()


async def test_a_presence_is_told_and_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with showing(2) as (server, shown, clock, _):
        shown.show(Presence(nick(0), HERE))
        shown.show(Presence(nick(1), GONE))
        shown.show(Presence(nick(5), HERE))
        await pass_time(shown, clock, 65)
        # Three times in a minute; who is gone needs it once, and of strangers nobody hears.
        assert server.count("/status", puppet(0)) == 4
        assert server.count("/status", puppet(1)) == 1
        assert len(server.asked) == 5
        shown.show(Presence(nick(0), AWAY))
        shown.show(Presence(nick(0), HERE))
        await pass_time(shown, clock, 5)
        assert len(server.asked) == 5, "what changed and changed back is not told"
        shown.active(nick(0))
        shown.show(Presence(nick(0)))
        await pass_time(shown, clock, 60)
        assert server.asked[-1] == (puppet(0), f"presence/{puppet(0)}/status", {"presence": "offline"})
        assert len(server.asked) == 6


async def test_the_budget_holds_and_goes_to_the_active(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.matrix.showing.KEPT_UP", 10)
    async with showing(40) as (server, shown, clock, _):
        for number in range(40):
            shown.show(Presence(nick(number), HERE))
        clock.now += 1.0
        shown.active(nick(7))
        await pass_time(shown, clock, 1)
        assert server.asked[0][0] == puppet(7)
        await pass_time(shown, clock, 39)
        assert len(server.asked) <= 41, "one request a second"
        assert {user for user, _, _ in server.asked} == {puppet(number) for number in range(40)}
        clock.now += 30
        for number in range(10):
            shown.active(nick(number))
        server.asked.clear()
        await pass_time(shown, clock, 60)
        assert {user for user, _, _ in server.asked} == {puppet(number) for number in range(10)}
        assert {server.count("/status", puppet(number)) for number in range(10)} == {3}
        server.asked.clear()
        shown.show(Presence(nick(39), AWAY))
        await pass_time(shown, clock, 1)
        assert server.asked[0][0] == puppet(39), "a change comes before what is about to lapse"


async def test_who_is_nowhere_is_let_go() -> None:
    async with showing(2) as (server, shown, clock, hidden):
        for number in range(2):
            shown.show(Presence(nick(number), HERE))
        hidden.add(puppet(1))
        await pass_time(shown, clock, 5)
        hidden.add(puppet(0))
        await pass_time(shown, clock, 60)
        assert [(user, body) for user, _, body in server.asked] == [
            (puppet(0), {"presence": "online"}), (puppet(0), {"presence": "offline"})
        ]  # fmt: skip
        assert not shown._shown


async def test_a_refusal_is_of_one_puppet() -> None:
    async with showing(2) as (server, shown, clock, _):
        server.refuse[f"{puppet(0)}/status"] = (403, {"errcode": "M_FORBIDDEN"})
        for number in range(2):
            shown.show(Presence(nick(number), HERE))
        await pass_time(shown, clock, 50)
        assert server.count("/status", puppet(0)) == 1
        assert server.count("/status", puppet(1)) == 3


@pytest.mark.parametrize(("status", "errcode"), [(403, "M_FORBIDDEN"), (404, "M_UNRECOGNIZED"), (404, "M_NOT_FOUND")])
async def test_a_homeserver_that_forbids_presence(status: int, errcode: str) -> None:
    async with showing(1) as (server, shown, _, _):
        server.refuse["/status"] = (status, {"errcode": errcode})
        task = asyncio.create_task(shown.run())
        shown.online([], [])
        shown.show(Presence(nick(0), HERE))
        shown.follow("@ana:matrix.org", wanted=True)
        async with asyncio.timeout(5):
            await server.came.wait()
        await asyncio.sleep(0.3)
        assert len(server.asked) == 1
        assert not shown.able
        task.cancel()


def test_a_pace() -> None:
    clock = Clock()
    pace = Pace(2.0, 4, clock)
    assert [pace.allow() for _ in range(6)] == [True] * 4 + [False] * 2
    assert pace.wait() == pytest.approx(0.5)
    clock.now += 1.0
    assert [pace.allow() for _ in range(3)] == [True, True, False]
    clock.now += 1000.0
    assert [pace.allow() for _ in range(6)] == [True] * 4 + [False] * 2


async def test_that_nothing_is_pushed_is_told_only_when_it_was_given_another_chance() -> None:
    async with showing(0) as (server, shown, clock, _):
        assert await shown._try()
        changes = server.count("/status", "@rialto:example.org")
        with capture_logs() as logs:

            def warnings() -> int:
                return sum("pushes no presence" in entry["event"] for entry in logs)

            clock.now += PUSHED_WITHIN - 1
            await shown._once()
            assert server.count("/status", "@rialto:example.org") - changes == 1, "it is kept from lapsing"
            clock.now += 2
            await shown._once()
            assert server.count("/status", "@rialto:example.org") - changes >= 3, "it is changed again"
            clock.now += PUSHED_WITHIN - 1
            await shown._once()
            assert warnings() == 0
            clock.now += 2
            await shown._once()
            await shown._once()
            assert warnings() == 1
