"""The Matrix client of the demonstration in private: invitations, answers to them, presence."""

import asyncio

from bridge.demo.clients import MatrixClient, Sight
from bridge.demo.servers import Synapse


async def test_private_rooms_and_presence(synapse: Synapse, unique: str) -> None:
    names = [f"{name}-{unique}" for name in ("ana", "bo")]
    tokens = [await synapse.register(name, "pw") for name in names]
    users = [f"@{name}:localhost" for name in names]
    async with (
        MatrixClient(synapse.url, users[0], tokens[0]) as ana,
        MatrixClient(synapse.url, users[1], tokens[1]) as bo,
    ):
        room = await ana.create_room(invite=[users[1]], is_direct=True)
        refused = (await bo.wait_for(kind=Sight.INVITE, sender=users[0])).place
        assert refused == room
        await bo.decline(room)
        await ana.wait_for(kind=Sight.LEAVE, place=room, sender=users[1])

        position = len(bo.seen)
        await ana.nio.room_invite(room, users[1])
        assert await bo.come(users[0], since=position) == room
        await ana.say(room, "hello")
        await bo.wait_for(text="hello", kind=Sight.TEXT)
        position = len(bo.seen)
        ours, theirs = await asyncio.gather(ana.open_private(users[1]), bo.come(users[0], since=position))
        assert ours == theirs != room
        await bo.show("unavailable", "at tea")
        await ana.wait_for_presence("unavailable at tea", users[1])
        assert ana.presences[users[1]] == "unavailable at tea"
        position = len(ana.seen)
        await bo.show("online")
        await ana.wait_for_presence("online", users[1], since=position)
        assert not ana.matching(kind=Sight.OTHER, who=users[0]), "one's own presence is no news"
