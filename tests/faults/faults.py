"""The faults: what is done to a scene while its people talk. Each is a row of the table."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from bridge.crashpoints import Point
from tests.faults.people import settled
from tests.faults.relay import Trouble
from tests.faults.scene import Scene

RNG = Random(2778)  # the same moments each time, as far as a machine can
_SEND = r"^PUT /_matrix/client/v3/rooms/[^/]+/send/"
_PUSH = r"^PUT /home/_matrix/app/v1/transactions/"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row. `make` is run while people talk, and returns when the trouble is over.

    `crashes`: the bridge is killed, so that lines in flight to an IRC server that confirms nothing may come twice, and
    what was said on IRC while it was away is not heard. `cuts` names networks whose connection to the bridge breaks,
    for which the same holds. `server` names one that is killed itself, with what it alone knew. `refuses`: some of what
    goes to IRC cannot be delivered, and who said it is told. `handles`: the bridge is started with them. `within` is
    how many seconds it may take, where it may take long, until all has arrived.
    """

    name: str
    what: str
    make: Callable[[Scene], Awaitable[None]]
    crashes: bool = False
    cuts: frozenset[str] = frozenset()
    server: str = ""
    refuses: bool = False
    handles: bool = False
    within: float = 0.0


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
    await (scene.start_ircd() if server is scene.ircd else server.start())
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
        await (scene.start_ircd() if server is scene.ircd else server.start())
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
