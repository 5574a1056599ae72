"""A room that the gateway itself makes: what is said there is known again after a restart, and what is ours, too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.demo.clients import IrcClient, Sight, XmppClient
from bridge.demo.servers import NgIRCd, Prosody, free_ports
from bridge.model.event import Event
from tests.networks.world import FLOOD, port_of, running
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, part, person, say
from tests.networks.xmpp.xmpp_lab import running as attached

NewFolder = Callable[[str], Path]


@pytest.mark.parametrize("locking", [True, False])
async def test_in_a_room_that_we_made_nothing_is_taken_in_twice(
    new_prosody: Any, new_client: NewClient, locking: bool
) -> None:
    server = await new_prosody(locking=locking)
    room = f"hall@{server.muc}"
    first = RecordingCore(room)
    place, kestrel = first.places[0], person("Kestrel")
    async with attached(server, "bridge1.localhost", first) as adapter:
        ana = await new_client(server, "ana")
        await ana.join(room, "Ana")
        await adapter.join(place, kestrel)
        ana.say(room, "a person's")
        event = await first.heard("a person's")
        spoken = part(place, kestrel, "a puppet's")
        receipt = await say(adapter, spoken)
        ana.say(room, "the last")
        await first.heard("the last")
    second = RecordingCore(room, before=first)
    async with attached(server, "bridge1.localhost", second):
        ana.say(room, "a fence")
        await second.heard("a fence")
        # The history has been heard before it, with all three lines.
        assert second.texts() == ["a fence"]
        assert {item.origin.native_id for item in second.repeated} >= {event.origin.native_id}
        assert second.receipts == {spoken.id: receipt}
        fence = next(item for item in second.items if isinstance(item, Event))
        assert fence.sender.address == event.sender.address
    (known,) = [value for key, value in first.memory.items() if "kestrel" in key]
    assert "null" not in known, "the puppet's occupant id is remembered"


async def test_a_puppet_remembered_without_its_occupant_id_is_no_stranger(
    prosody: Prosody, room: str, new_client: NewClient
) -> None:
    """As they were remembered by the version that took a new room for one that offers nothing."""
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    first = RecordingCore(room)
    place, kestrel = first.places[0], person("Kestrel")
    async with attached(prosody, "bridge3.localhost", first) as adapter:
        await adapter.join(place, kestrel)
        spoken = part(place, kestrel, "a puppet's")
        receipt = await say(adapter, spoken)
        ana.say(room, "a person's")
        await first.heard("a person's")
    (key,) = [key for key in first.memory if "kestrel" in key]
    first.memory[key] = '["Kestrel", "Kestrel", null]'
    second = RecordingCore(room, before=first)
    async with attached(prosody, "bridge3.localhost", second):
        ana.say(room, "a fence")
        await second.heard("a fence")
    assert second.texts() == ["a fence"]
    assert second.receipts == {spoken.id: receipt}


async def test_a_new_room_and_a_channel_hear_everything_once_over_a_restart(
    prosody: Prosody, ngircd: NgIRCd, new_folder: NewFolder, unique: str
) -> None:
    room, channel = f"{unique}@{prosody.muc}", f"#{unique}"
    folder, (port,) = new_folder("rialto"), free_ports(1)
    settings = {
        "store": "sqlite:///rialto.db",
        "http": {"listen": f"127.0.0.1:{port}"},
        "networks": {
            "office": {
                "kind": "xmpp",
                "server": f"127.0.0.1:{prosody.component_port}",
                "domain": "bridge3.localhost",
                "secret": prosody.components["bridge3.localhost"],
            },
            "libera": {"kind": "irc", "server": f"irc://127.0.0.1:{port_of(ngircd)}", "nick": unique, "flood": FLOOD},
        },
        "rooms": {"tea": {"office": room, "libera": channel}},
    }
    jid = await prosody.register(f"ana{unique}", "password")
    async with (
        XmppClient(jid, "password", prosody.c2s_port) as ana,
        IrcClient(f"kestrel{unique}", port_of(ngircd)) as bo,
    ):
        await bo.join(channel)
        async with running(folder, settings):
            await ana.join(room, f"Ana{unique}")
            for number in range(3):
                ana.say(room, f"xmpp {number}")
                await bo.wait_for(text=f"xmpp {number}")
                bo.say(channel, f"irc {number}")
                await ana.wait_for(text=f"irc {number}")
        async with running(folder, settings):
            ana.say(room, "xmpp fence")
            await bo.wait_for(text="xmpp fence")
            bo.say(channel, "irc fence")
            await ana.wait_for(text="irc fence")
        heard = [seen.text for seen in bo.matching(kind=Sight.TEXT) if not seen.own]
        assert heard == ["xmpp 0", "xmpp 1", "xmpp 2", "xmpp fence"], bo.report()
        heard = [seen.text for seen in ana.matching(kind=Sight.TEXT) if not seen.own]
        assert heard == ["irc 0", "irc 1", "irc 2", "irc fence"], ana.report()
