"""A channel for which hundreds of lines wait behind flood control holds up no other channel of the same connection."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from bridge.demo.clients import IrcClient, Seen, Sight, XmppClient
from bridge.demo.servers import NgIRCd, Prosody, free_ports
from tests.networks.world import end_keeper, running, settled

DOMAIN = "bridge3.localhost"
BUSY = 300
HELD_BACK = 50
"""Lines that flood control holds back when something is said in the quiet channel."""
FEW = 4
"""Turns: one each, and what is on its way meanwhile at five lines a second."""


def in_place(place: str, each: Seen) -> bool:
    return each.kind is Sight.TEXT and each.place == place


async def test_the_bot_gives_each_channel_its_turn(
    prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str
) -> None:
    folder, busy, quiet = new_folder("rialto"), f"busy{unique}", f"quiet{unique}"
    settings = {
        "store": "sqlite:///rialto.db",
        "networks": {
            "office": {
                "kind": "xmpp",
                "server": f"127.0.0.1:{prosody.component_port}",
                "domain": DOMAIN,
                "secret": prosody.components[DOMAIN],
            },
            "libera": {
                "kind": "irc",
                "server": f"irc://127.0.0.1:{ngircd.port}",
                "nick": f"r{unique}",
                "puppets": 0,
                "flood": {"burst": 5, "per_second": 5},
            },
        },
        "rooms": {room: {"office": f"{room}@{prosody.muc}", "libera": f"#{room}"} for room in (busy, quiet)},
        "http": {"listen": f"127.0.0.1:{free_ports(1)[0]}"},
    }
    async with AsyncExitStack() as stack:
        stack.push_async_callback(end_keeper, folder)
        jid = await prosody.register(f"ana{unique}", "password")
        ana = await stack.enter_async_context(XmppClient(jid, "password", prosody.c2s_port))
        kestrel = await stack.enter_async_context(IrcClient(f"kestrel{unique}", ngircd.port))
        for room in (busy, quiet):
            await ana.join(f"{room}@{prosody.muc}", f"Ana{unique}")
            await kestrel.join(f"#{room}")
        service = await stack.enter_async_context(running(folder, settings))
        said = [partial(in_place, f"#{room}") for room in (busy, quiet)]

        def accepted() -> int:
            return int(service.status()["counts"].get("rialto_events_accepted_total{network=office}", 0))

        for number in range(BUSY):
            ana.say(f"{busy}@{prosody.muc}", f"busy {number}")
        await settled(lambda: accepted() == BUSY, accepted)
        outbox = service._supervisors["libera"]._adapter._bot.connection.session._outbox  # type: ignore[attr-defined]  # an IRC adapter's own
        await settled(lambda: len(outbox) >= HELD_BACK, lambda: len(outbox))
        ana.say(f"{quiet}@{prosody.muc}", "a quiet word")
        await settled(lambda: accepted() == BUSY + 1, accepted)
        before = len(kestrel.matching(said[0]))
        await kestrel.wait_for(said[1], timeout=60)
        passed = len(kestrel.matching(said[0])) - before
        assert passed <= FEW
        assert before + passed < BUSY // 2, "the busy one still waits"
        order = [each.text.rpartition(" ")[2] for each in kestrel.matching(said[0])]
        assert order == [str(number) for number in range(len(order))]
