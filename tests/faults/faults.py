"""The faults: what is done to a scene while its people talk. Each is a row of the table."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from bridge.crashpoints import Point
from bridge.demo.clients import IrcClient
from tests.faults.people import settled
from tests.faults.relay import Trouble
from tests.faults.scene import FAST, SLOW, Scene
from tests.networks.cable import DOWN, UP

RNG = Random(2778)  # the same moments each time, as far as a machine can
_SEND = r"^PUT /_matrix/client/v3/rooms/[^/]+/send/"
_PUSH = r"^PUT /home/_matrix/app/v1/transactions/"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row. `make` is run while people talk, and returns when the trouble is over.

    `crashes`: the bridge is killed, so that lines in flight to an IRC server that confirms nothing may come twice, and
    what was said on IRC while it was away is not heard. `cuts` names networks whose connection to the bridge breaks,
    for which the same holds. `server` names one that is killed itself, with what it alone knew. `refuses`: the IRC
    channel takes nothing for a while, and who said it is told.
    """

    name: str
    what: str
    make: Callable[[Scene], Awaitable[None]]
    crashes: bool = False
    cuts: frozenset[str] = frozenset()
    server: str = ""
    refuses: bool = False


def kept(fault: Fault) -> Fault:
    """The same where a keeper holds the connections: a crash of the bridge is no excuse for anything."""
    return replace(fault, crashes=False)


async def calm(scene: Scene, seconds: float = 1.5) -> None:
    """Some talk with no trouble."""
    await asyncio.sleep(seconds)


async def nothing(scene: Scene) -> None:
    await calm(scene, 5.0)


async def kills(scene: Scene, times: int) -> None:
    """Kill the bridge at random moments, also while it starts."""
    for _ in range(times):
        await asyncio.sleep(RNG.uniform(0.2, 2.5))
        await scene.bridge.kill()
        await scene.bridge.start()
        if RNG.random() < 0.7:
            await scene.bridge.ready()
    await scene.bridge.ready()


def crash(point: Point, network: str) -> Callable[[Scene], Awaitable[None]]:
    """The bridge ends itself at that point, and is started again."""

    async def make(scene: Scene) -> None:
        await scene.bridge.kill()
        await scene.bridge.start(f"{point}@{network}:{5 if network == 'home' else 25}")
        assert await scene.bridge.ended(60), f"the point {point} was not passed\n{scene.bridge.log()}"
        await scene.bridge.start()
        await scene.bridge.ready()
        await calm(scene)

    return make


async def restart_prosody(scene: Scene) -> None:
    await _restart(scene, "prosody")


async def restart_ircd(scene: Scene) -> None:
    await _restart(scene, "ircd")


async def restart_synapse(scene: Scene) -> None:
    await _restart(scene, "synapse")


async def _restart(scene: Scene, name: str, away: float = 2.0) -> None:
    server = {"prosody": scene.prosody, "ircd": scene.ircd, "synapse": scene.synapse}[name]
    await calm(scene)
    await server.kill()
    await asyncio.sleep(away)
    await server.start()
    await scene.bridge.ready()
    await calm(scene, 3.0)


def cut(network: str, times: int = 3) -> Callable[[Scene], Awaitable[None]]:
    """Cut all connections with a reset."""

    async def make(scene: Scene) -> None:
        for _ in range(times):
            await calm(scene)
            scene.cables[network].cut()
            await asyncio.sleep(0.5)
            await scene.bridge.ready()
        await calm(scene)

    return make


def half_open(network: str, *ways: str) -> Callable[[Scene], Awaitable[None]]:
    """What is sent is swallowed for a while, then the connection is found to be broken."""

    async def make(scene: Scene) -> None:
        await calm(scene)
        scene.cables[network].swallow(*ways)
        await asyncio.sleep(3.0)
        scene.cables[network].cut()
        await asyncio.sleep(0.5)
        await scene.bridge.ready()
        await calm(scene)

    return make


def slow(network: str) -> Callable[[Scene], Awaitable[None]]:
    """Everything takes a third of a second longer."""

    async def make(scene: Scene) -> None:
        await calm(scene)
        scene.cables[network].slow(0.3)
        await asyncio.sleep(5.0)
        scene.cables[network].slow(0.0)
        await calm(scene)

    return make


def trouble(kind: Trouble, times: int, seconds: float = 1.0) -> Callable[[Scene], Awaitable[None]]:
    """What the homeserver answers to the bridge's sends."""

    async def make(scene: Scene) -> None:
        await calm(scene)
        scene.to_home.order(kind, _SEND, times, seconds)
        assert await settled(lambda: scene.to_home.done, 90), f"the homeserver was not asked often enough for {kind}"
        await calm(scene)

    return make


def pushes(kind: Trouble, times: int, seconds: float = 1.0) -> Callable[[Scene], Awaitable[None]]:
    """What becomes of transactions on their way to the bridge."""

    async def make(scene: Scene) -> None:
        await calm(scene)
        scene.from_home.order(kind, _PUSH, times, seconds)
        assert await settled(lambda: scene.from_home.done, 90), f"nothing was pushed often enough for {kind}"
        await calm(scene)

    return make


async def puppet_killed(scene: Scene) -> None:
    """An operator of the IRC network ends a puppet's connection, twice."""
    client = scene.kestrel.client
    assert client is not None
    client.raw("OPER oper operpw")
    for _ in range(2):
        await calm(scene)
        name = next(name for name in scene.onlooker.bridged(FAST) if name.lower().startswith("ana"))
        client.raw(f"KILL {name} :noise")
    await calm(scene, 4.0)


async def nick_taken(scene: Scene) -> None:
    """The bot's connection is lost, and somebody else has its nick when it comes back."""
    await calm(scene)
    scene.cables["libera"].hold(UP)
    scene.cables["libera"].hold(DOWN)
    oper = scene.kestrel.client
    assert oper is not None
    oper.raw("OPER oper operpw")
    oper.raw("KILL rialto :mine")
    await settled(lambda: "rialto" not in scene.onlooker.bridged(FAST), 10)
    async with IrcClient("rialto", scene.ircd.port):
        scene.cables["libera"].cut()
        await asyncio.sleep(0.5)
        await scene.bridge.ready()
        await calm(scene, 3.0)
    await settled(lambda: "rialto" in scene.onlooker.bridged(FAST), 60)
    await calm(scene)


def mode(modes: str, *, undo: str) -> Callable[[Scene], Awaitable[None]]:
    """The channel's operator sets modes for a while, on the puppet that speaks where ``{puppet}`` stands."""

    async def make(scene: Scene) -> None:
        await calm(scene)
        operator = scene.onlooker.client
        assert operator is not None
        puppet = next(name for name in scene.onlooker.bridged(FAST) if name.lower().startswith("ana"))
        channel = scene.onlooker.rooms[FAST]
        operator.mode(channel, modes.format(puppet=puppet))
        await asyncio.sleep(2.0)
        operator.mode(channel, undo.format(puppet=puppet))
        await calm(scene)

    return make


async def component_kicked(scene: Scene) -> None:
    """The XMPP server says good-bye to the component with a stream error, by being restarted in order."""
    await calm(scene)
    await scene.prosody.restart()
    await scene.bridge.ready()
    await calm(scene, 3.0)


def waiting(network: str, room: str, count: int) -> Callable[[Scene], Awaitable[None]]:
    """So many messages wait for a network that is away, and then comes back."""

    async def make(scene: Scene) -> None:
        await calm(scene)
        server = {"xmpp": scene.prosody, "irc": scene.ircd, "matrix": scene.synapse}[network]
        source = "irc" if network == "xmpp" else "xmpp"
        await server.kill()
        for number in range(count):
            await scene.talk.say(room, source)
            if number % 50 == 0:
                await asyncio.sleep(0.05)  # let the clients write
        await asyncio.sleep(2.0)
        await server.start()
        await scene.bridge.ready()
        await calm(scene, 3.0)

    return make


def mix(seconds: float) -> Callable[[Scene], Awaitable[None]]:
    """One trouble after another, for so long: kills, broken connections, and a homeserver that fails in its ways."""
    return in_turn(seconds, ("kill", "lose", "office", "limit", "kill", "libera", "push", "fail"), pause=(0.5, 2.0))


def in_turn(seconds: float, kinds: Sequence[str], pause: tuple[float, float]) -> Callable[[Scene], Awaitable[None]]:
    """These troubles, one after another and again from the first, with a pause of some seconds after each."""

    async def make(scene: Scene) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        for kind in itertools.cycle(kinds):
            await asyncio.sleep(RNG.uniform(*pause))
            if loop.time() > end:
                break
            await _one_trouble(scene, kind)
        scene.to_home.good()
        scene.from_home.good()

    return make


async def _one_trouble(scene: Scene, kind: str) -> None:
    match kind:
        case "kill":
            await scene.bridge.kill()
            await scene.bridge.start()
            await scene.bridge.ready()
        case "office" | "libera":
            scene.cables[kind].cut()
        case "lose":
            scene.to_home.order(Trouble.LOSE, _SEND, 3)
        case "limit":
            scene.to_home.order(Trouble.LIMIT, _SEND, 3)
        case "fail":
            scene.to_home.order(Trouble.FAIL, _SEND, 3)
        case "push":
            scene.from_home.order(Trouble.REPEAT, _PUSH, 5)
        case _:
            raise ValueError(kind)


def table(*, sizes: int = 10_000, kill_times: int = 20) -> list[Fault]:
    """The whole table. `sizes` is how many messages wait in the rows that have them wait (a tenth toward Matrix)."""
    irc = frozenset({"irc"})
    xmpp = frozenset({"xmpp"})
    rows = [
        Fault("none", "nothing happens", nothing),
        # Before the IRC server is killed: who comes first after that is the channel's operator.
        Fault("moderated", "+m on the IRC channel for 2 s", mode("+m", undo="-m"), refuses=True),
        Fault("banned", "+b on a puppet for 2 s", mode("+b {puppet}!*@*", undo="-b {puppet}!*@*"), refuses=True),
    ]
    rows += [
        Fault(f"crash-{point}-{network}", f"the bridge dies at `{point}` ({network})", crash(point, network), True)
        for point in Point
        for network in ("office", "home", "libera")
    ]
    rows += [
        Fault("kills", f"`kill -9` of the bridge, {kill_times} times", lambda scene: kills(scene, kill_times), True),
        Fault("prosody-killed", "`kill -9` of Prosody, back after 2 s", restart_prosody, cuts=xmpp, server="xmpp"),
        Fault("ircd-killed", "`kill -9` of the IRC server, back after 2 s", restart_ircd, cuts=irc, server="irc"),
        Fault("synapse-killed", "`kill -9` of Synapse, back after 2 s", restart_synapse, server="matrix"),
        Fault("component-kicked", "Prosody restarts, and says good-bye", component_kicked, cuts=xmpp, server="xmpp"),
        Fault("xmpp-cut", "TCP to Prosody reset, 3 times", cut("office"), cuts=xmpp),
        Fault("irc-cut", "TCP to the IRC server reset, 3 times", cut("libera"), cuts=irc),
        Fault("xmpp-half-open", "bytes to Prosody swallowed for 3 s", half_open("office", UP), cuts=xmpp),
        Fault("xmpp-deaf", "bytes to and from Prosody swallowed", half_open("office", UP, DOWN), cuts=xmpp),
        Fault("irc-half-open", "bytes to the IRC server swallowed for 3 s", half_open("libera", UP), cuts=irc),
        Fault("xmpp-slow", "Prosody slow", slow("office")),
        Fault("irc-slow", "the IRC server slow", slow("libera")),
        Fault("matrix-429", "429 with Retry-After, 10 times", trouble(Trouble.LIMIT, 10)),
        Fault("matrix-500", "500, 10 times", trouble(Trouble.FAIL, 10)),
        Fault("matrix-hang", "no answer, and no send, twice", trouble(Trouble.HANG, 2, 5.0)),
        Fault("matrix-lost-answers", "10 sends succeed, their answers are lost", trouble(Trouble.LOSE, 10)),
        Fault("push-repeated", "10 transactions twice at the same time", pushes(Trouble.REPEAT, 10)),
        Fault("push-lost-answers", "the answers to 5 transactions are lost", pushes(Trouble.LOSE, 5)),
        Fault("push-failed", "5 transactions do not arrive", pushes(Trouble.FAIL, 5)),
        Fault("puppet-killed", "a puppet's IRC connection ended by an operator", puppet_killed, cuts=irc),
        Fault("nick-taken", "the bot killed, and its nick taken", nick_taken, cuts=irc),
        Fault("waiting-xmpp", f"{sizes} messages wait for Prosody", waiting("xmpp", FAST, sizes), False, xmpp, "xmpp"),
        Fault("waiting-irc", f"{sizes} messages wait for IRC", waiting("irc", FAST, sizes), False, irc, "irc"),
        Fault(
            "waiting-matrix",
            f"{sizes // 10} messages wait for Synapse",
            waiting("matrix", SLOW, sizes // 10),
            server="matrix",
        ),
    ]
    return rows
