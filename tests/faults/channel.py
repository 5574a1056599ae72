"""Faults on the IRC network: what operators and others there do to the bridge's people and in its channel."""

import asyncio
from collections.abc import Awaitable, Callable

from bridge.demo.clients import IrcClient
from tests.faults.faults import calm
from tests.faults.people import settled
from tests.faults.scene import FAST, Scene
from tests.networks.cable import DOWN, UP


async def puppet_killed(scene: Scene) -> None:
    """An operator of the IRC network ends a puppet's connection, twice."""
    client = scene.kestrel.client
    assert client is not None
    client.raw("OPER oper operpw")
    for _ in range(2):
        await calm(scene)
        client.raw(f"KILL {await _puppet_of_ana(scene)} :noise")
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
        puppet = await _puppet_of_ana(scene)
        channel = scene.onlooker.rooms[FAST]
        operator.mode(channel, modes.format(puppet=puppet))
        await asyncio.sleep(2.0)
        operator.mode(channel, undo.format(puppet=puppet))
        await calm(scene)

    return make


async def puppet_not_invited(scene: Scene) -> None:
    """The channel is made invite-only, and a puppet loses its connection: it cannot come in again, the bot is still in.
    Later it is open again."""
    await calm(scene)
    operator, oper = scene.onlooker.client, scene.kestrel.client
    assert operator is not None
    assert oper is not None
    puppet = await _puppet_of_ana(scene)
    operator.mode(scene.onlooker.rooms[FAST], "+i")
    oper.raw("OPER oper operpw")
    oper.raw(f"KILL {puppet} :noise")
    assert await settled(lambda: puppet not in scene.onlooker.bridged(FAST), 10)
    await calm(scene, 4.0)
    assert puppet not in scene.onlooker.bridged(FAST), "the puppet was let in all the same"
    operator.mode(scene.onlooker.rooms[FAST], "-i")
    await _puppet_of_ana(scene)
    await calm(scene)


async def nobody_invited(scene: Scene) -> None:
    """The channel is made invite-only, and all connections are cut: neither the bot nor a puppet can come in again.
    Later it is open again, and they come by themselves."""
    await calm(scene)
    operator = scene.onlooker.client
    assert operator is not None
    operator.mode(scene.onlooker.rooms[FAST], "+i")
    scene.cables["libera"].cut()
    assert await settled(lambda: not scene.onlooker.bridged(FAST), 10), "the connections were not lost"
    await scene.bridge.ready()
    await calm(scene, 3.0)
    assert not scene.onlooker.bridged(FAST), "somebody was let in all the same"
    operator.mode(scene.onlooker.rooms[FAST], "-i")
    assert await settled(lambda: "rialto" in scene.onlooker.bridged(FAST), 120), "the bot did not come back"
    await calm(scene, 3.0)


async def _puppet_of_ana(scene: Scene) -> str:
    """Its nick in the channel; it is waited for, as it may have to come first."""

    def found() -> list[str]:
        return [name for name in scene.onlooker.bridged(FAST) if name.lower().startswith("ana")]

    assert await settled(lambda: bool(found()), 120), "Ana's puppet is not in the channel"
    return found()[0]
