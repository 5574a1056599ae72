"""Presence on real servers: away both ways, MONITOR and ISON, who is who, and what is not said twice."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from adapters.irc.adapter import IrcAdapter
from bridge.contract import SendError
from bridge.demo.servers import HybridIrcd, InspIRCd, NgIRCd
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.presence import Activity, Basic, Presence, Tuple
from tests.networks.irc.irc_lab import Crowd, Human, RecordingCore, confirmed, member, part, running, until

IrcServer = NgIRCd | InspIRCd | HybridIrcd
AWAY = frozenset({Activity.AWAY})


@pytest_asyncio.fixture(params=["ngircd", "inspircd", "hybrid"])
async def server(
    request: pytest.FixtureRequest, ngircd: NgIRCd, inspircd: InspIRCd, hybrid: HybridIrcd
) -> AsyncIterator[IrcServer]:
    servers: dict[str, IrcServer] = {"ngircd": ngircd, "inspircd": inspircd, "hybrid": hybrid}
    yield servers[request.param]


def person(name: str, unique: str) -> Person:
    return Person(Address("office", f"{name}{unique}@example.org"), name.title())


def address(human: Human) -> Address:
    return Address("libera", human.nick.lower())


def shown(core: RecordingCore, human: Human) -> Callable[[], list[tuple[Tuple, ...]]]:
    """All that was told of somebody, in order."""
    return lambda: [each.tuples for each in core.shown if each.presentity == address(human)]


def online(*activities: Activity, note: str = "") -> tuple[Tuple, ...]:
    return (Tuple("irc", Basic.OPEN, frozenset(activities), (("", note),) if note else ()),)


OFFLINE = (Tuple("irc", Basic.CLOSED),)


def rewind(adapter: IrcAdapter, seconds: float) -> None:
    """Let the adapter's own clock for people run ahead."""
    clock = adapter._whereabouts._clock
    adapter._whereabouts._clock = lambda: clock() + seconds
    adapter._whereabouts.tick()


async def test_people_in_a_channel(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"Kim{unique}", here.place.native)
    cy = await crowd.connect(server.port, f"cy{unique}", here.place.native)
    cy.send("AWAY :lunch")
    await cy.round_trip()
    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        await until(lambda: shown(core, kim)() and shown(core, cy)(), "both", lambda: core.shown)
        assert shown(core, kim)() == [online()]
        # WHO tells that somebody is away, and not why.
        assert shown(core, cy)() == [online(Activity.AWAY)]
        known = adapter._whereabouts.people.get(kim.nick.upper())
        assert known is not None
        assert (known.nick, known.realname, known.host) == (kim.nick, kim.nick, "127.0.0.1")
        assert known.user is not None

        kim.send("AWAY :tea \x02time\x02")
        cy.send("AWAY")
        await kim.round_trip()
        await cy.round_trip()
        if isinstance(server, NgIRCd):
            # It does not tell by itself: the adapter asks again after a while, and hears why when it writes to Kim.
            rewind(adapter, 301)
            await until(lambda: shown(core, kim)()[-1:] == [online(Activity.AWAY)], "away", shown(core, kim))
            ana = person("ana", unique)
            place = Place("libera", kim.nick.lower(), PlaceKind.USER)
            await adapter.meet(place, ana)
            await confirmed(adapter.send(part(place, ana, "are you there?")))
        await until(
            lambda: shown(core, kim)()[-1:] == [online(Activity.AWAY, note="tea time")], "tea", shown(core, kim)
        )
        await until(lambda: shown(core, cy)()[-1:] == [online()], "return", shown(core, cy))
        kim.send("QUIT :bye")
        await until(lambda: shown(core, kim)()[-1:] == [OFFLINE], "leaving", shown(core, kim))
        cy.send(f"PART {here.place.native}")
        await until(lambda: shown(core, cy)()[-1:] == [()], "cy out of sight", shown(core, cy))
        told = shown(core, cy)()
        assert told == [online(Activity.AWAY), online(), ()]
        # Whom nobody follows is unknown after a while, rather than offline for ever.
        rewind(adapter, 4000)
        assert shown(core, kim)()[-1] == ()
        assert not len(adapter._whereabouts.people)


async def test_a_change_of_nick(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", here.place.native)
    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        await until(shown(core, kim), "Kim", lambda: core.shown)
        kim.send(f"NICK KIM{unique}")
        await until(lambda: adapter._whereabouts.spelled(kim.nick) == f"KIM{unique}", "another spelling")
        assert shown(core, kim)() == [online()]
        kim.send(f"NICK kes{unique}")
        kes = Human(f"kes{unique}")
        await until(shown(core, kes), "the new nick", lambda: core.shown)
        assert shown(core, kim)() == [online(), OFFLINE]
        assert shown(core, kes)() == [online()]


async def test_whom_others_follow(server: IrcServer, crowd: Crowd, unique: str) -> None:
    """MONITOR on InspIRCd, ISON on ngIRCd; nobody shares a channel with us."""
    kim = await crowd.connect(server.port, f"Kim{unique}")
    ghost = Human(f"ghost{unique}")
    kim.send("AWAY :tea")
    await kim.round_trip()
    async with running(server.port, nick=f"r{unique}") as (adapter, core):
        for human in (kim, ghost):
            adapter.watch(address(human), wanted=True)
        adapter._whereabouts.tick()
        await until(lambda: Activity.AWAY in str(shown(core, kim)()), "Kim away", lambda: core.shown)
        await until(shown(core, ghost), "nobody", lambda: core.shown)
        assert shown(core, ghost)() == [OFFLINE]
        kim.send("QUIT")
        await until(lambda: kim.closed, "end of Kim's connection")
        rewind(adapter, 61)
        await until(lambda: shown(core, kim)()[-1] == OFFLINE, "Kim offline", shown(core, kim))
        again = await crowd.connect(server.port, kim.nick)
        rewind(adapter, 61)
        await until(lambda: shown(core, kim)()[-1] == online(), "Kim online", shown(core, kim))
        adapter.watch(address(kim), wanted=False)
        assert shown(core, kim)()[-1] == ()
        again.send("QUIT")
        await until(lambda: again.closed, "end of Kim's connection")
        before = len(core.shown)
        rewind(adapter, 61)
        again = await crowd.connect(server.port, kim.nick)
        rewind(adapter, 61)
        await again.round_trip()
        adapter.watch(address(ghost), wanted=False)
        assert [each.presentity for each in core.shown[before:]] == [address(ghost)]


async def test_more_than_monitor_takes(inspircd: InspIRCd, crowd: Crowd, unique: str) -> None:
    people = [await crowd.connect(inspircd.port, f"m{number}{unique}") for number in range(40)]
    async with running(inspircd.port, nick=f"r{unique}") as (adapter, core):
        for human in people:
            adapter.watch(address(human), wanted=True)
        adapter._whereabouts.tick()
        await until(
            lambda: {each.presentity for each in core.shown} >= {address(human) for human in people},
            "all forty",
            lambda: len(core.shown),
        )
        assert {each.tuples for each in core.shown} == {online()}


async def test_puppets_are_away_as_their_owners(server: IrcServer, crowd: Crowd, unique: str) -> None:
    here = member(f"#{unique}")
    kim = await crowd.connect(server.port, f"kim{unique}", here.place.native)
    ana = person("ana", unique)

    def presence(*activities: Activity, note: str = "", basic: Basic = Basic.OPEN) -> Presence:
        return Presence(ana.address, (Tuple("x", basic, frozenset(activities), (("", note),) if note else ()),))

    async def away() -> str | None:
        """What Kim is told on asking, if Ana is away."""
        seen = len(kim.lines)
        kim.send(f"WHOIS ana{unique}")
        await until(lambda: [line for line in kim.lines[seen:] if line.command == "318"], "end of WHOIS", kim.tail)
        return next((line.param(2) for line in kim.lines[seen:] if line.command == "301"), None)

    async def told() -> None:
        """What the puppet has said before this, the server has heard."""
        await confirmed(adapter.send(part(here.place, ana, "still here")))

    async with running(server.port, here, nick=f"r{unique}") as (adapter, core):
        adapter.show(presence(Activity.AWAY, note="nobody there yet"))
        core.presences[ana.address] = presence(Activity.AWAY, note="tea\r\nQUIT")
        await adapter.join(here.place, ana)
        await told()
        assert await away() == "tea QUIT"
        puppet = adapter._puppets.get(ana.address)
        assert puppet is not None
        # At most once in half a minute: what was wanted between is never said.
        adapter.show(presence(Activity.BUSY))
        adapter.show(presence())
        await told()
        assert await away() == "tea QUIT"
        puppet._away._next = 0
        adapter.show(presence())
        assert puppet._away._timer is not None
        puppet._away._timer.cancel()
        puppet._away._show()
        await told()
        assert await away() is None
        puppet._away._next = 0
        adapter.show(presence(basic=Basic.CLOSED))
        await told()
        assert await away() == "offline"
        before = puppet._away._next
        puppet._away._next = 0
        adapter.show(presence(basic=Basic.CLOSED))
        assert puppet._away._next == 0 != before
        adapter.show(presence(Activity.AWAY, note="é" * 300))
        await told()
        cut = await away()
        assert cut is not None
        assert set(cut) == {"é"}


async def test_being_away_is_no_error(server: IrcServer, crowd: Crowd, unique: str) -> None:
    kim = await crowd.connect(server.port, f"kim{unique}")
    kim.send("AWAY :tea")
    await kim.round_trip()
    ana, place = person("ana", unique), Place("libera", f"kim{unique}", PlaceKind.USER)
    async with running(server.port, nick=f"r{unique}") as (adapter, core):
        await adapter.meet(place, ana)
        await confirmed(adapter.send(part(place, ana, "hello")))
        await kim.hear("hello")
        expected = [online(Activity.AWAY, note="tea")]
        await until(lambda: shown(core, kim)()[-1:] == expected, "Kim away", lambda: core.shown)
        with pytest.raises(SendError):
            await confirmed(adapter.send(part(Place("libera", f"no{unique}", PlaceKind.USER), ana, "hello")))
