"""Two real servers that lose each other: who was on the other one is not seen to go and come."""

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.irc.netsplit import HOLD, SPREAD
from bridge.model.address import Address
from bridge.model.event import Cause, Joined, Left, Roster
from bridge.model.message import MessageKind
from bridge.model.presence import Basic
from tests.networks.irc.irc_lab import Crowd, member, running, until
from tests.networks.irc.linked import pair


@pytest.mark.parametrize("kind", ["ngircd", "inspircd"])
async def test_a_netsplit(kind: str, new_folder: Callable[[str], Path], crowd: Crowd) -> None:
    here = member("#tea")
    async with pair(kind, new_folder, crowd) as servers:
        far = [await crowd.connect(servers.two.port, f"far{number}", "#tea") for number in range(5)]
        kim = await crowd.connect(servers.one.port, "kim", "#tea")
        async with running(servers.one.port, here) as (adapter, core):
            everybody = {"kim", *(human.nick for human in far)}
            roster = core.all(Roster)[0]
            assert {person.name for person in roster.people} == everybody
            await until(lambda: len(core.shown) == 6, "six presences", lambda: core.shown)

            await servers.cut()
            await kim.see(lambda line: line.command == "QUIT" and str(line.source).startswith("far4!"), "QUIT of far4")
            kim.say("#tea", "where are they?")
            await until(core.said, "a line", lambda: core.items)
            assert not core.all(Left)
            # Whoever wants to know learns at once that they cannot be had; rooms are told nothing.
            assert core.shown[6:] == core.passing
            assert {shown.presentity.native for shown in core.passing} == {human.nick for human in far}
            assert {shown.tuples[0].basic for shown in core.passing} == {Basic.CLOSED}
            await servers.tie()
            for human in far:
                await kim.see(
                    lambda line, nick=human.nick: (  # type: ignore[misc]  # bound now
                        line.command == "JOIN" and str(line.source).startswith(f"{nick}!")
                    ),
                    f"JOIN of {human.nick}",
                )
            far[0].say("#tea", "here we are")
            await until(lambda: len(core.said()) == 2, "the far line", lambda: core.items)
            assert core.said()[1] == ("far0", MessageKind.TEXT, "here we are")
            assert not core.all(Left)
            assert not core.all(Joined)
            assert len(core.shown) == 6 + 2 * len(far)
            assert {shown.tuples[0].basic for shown in core.shown[6 + len(far) :]} == {Basic.OPEN}
            assert not len(adapter._splits)

            # Once more, and two of them do not come back.
            await servers.cut()
            await until(lambda: len(adapter._splits) == 5, "five held back", lambda: core.items)
            for human in far[:2]:
                human.send("QUIT")
                await until(lambda human=human: human.closed, "end of a connection")  # type: ignore[misc]  # bound now
            await servers.tie()
            await until(lambda: len(adapter._splits) == 2, "two held back", lambda: core.items)
            assert not core.all(Left)
            before = len(core.shown)
            for part_of in (adapter._splits, adapter._whereabouts):
                clock = part_of._clock
                part_of._clock = lambda clock=clock: clock() + HOLD + SPREAD + 1  # type: ignore[misc]  # bound now
                part_of.tick()
            gone = {Address("libera", human.nick) for human in far[:2]}
            await until(lambda: len(core.all(Left)) == 2, "two departures", lambda: core.items)
            assert {left.address for left in core.all(Left)} == gone
            assert {left.cause for left in core.all(Left)} == {Cause.QUIT}
            closed = {shown.presentity for shown in core.shown[before:] if shown.tuples[0].basic is Basic.CLOSED}
            assert closed == gone
