"""What clients hear when they ask the component, the bot and the puppets what they are."""

from typing import Literal
from xml.etree.ElementTree import Element

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError

from bridge.demo.clients import XmppClient
from bridge.demo.servers import Prosody
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, person, running

DOMAIN = "bridge6.localhost"
PUPPET = f"kestrel%libera@{DOMAIN}"


async def info(client: XmppClient, to: str) -> tuple[str, str, str]:
    """Category, type and name of what is there. Raises `IqError`."""
    answer = await client.xmpp.plugin["xep_0030"].get_info(JID(to), timeout=30, cached=False)
    ((category, kind, _, name),) = answer["disco_info"]["identities"]
    assert "urn:xmpp:ping" in answer["disco_info"]["features"]
    return category, kind, name


async def condition(
    client: XmppClient, to: str, payload: str = "urn:xmpp:ping", kind: Literal["get", "set"] = "get"
) -> str:
    """The error condition a request meets, empty if it succeeds."""
    request = client.xmpp.make_iq(ito=to, itype=kind)
    name = "ping" if payload == "urn:xmpp:ping" else "query"
    request.append(Element(f"{{{payload}}}{name}"))
    try:
        await request.send(timeout=30)  # type: ignore[no-untyped-call]  # slixmpp leaves it untyped
    except IqError as error:
        return str(error.condition)
    return ""


async def test_disco_ping_and_version(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    async with running(prosody, DOMAIN, core) as adapter:
        await adapter.join(core.places[0], person("Kestrel"))
        assert await info(ana, DOMAIN) == ("component", "generic", "Rialto")
        assert (await info(ana, f"rialto@{DOMAIN}"))[:2] == ("client", "bot")
        assert await info(ana, PUPPET) == ("account", "registered", "libera:kestrel")
        assert await info(ana, f"{PUPPET}/rialto") == ("client", "pc", "libera:kestrel")
        assert await info(ana, f"{room}/Kestrel") == ("client", "pc", "libera:kestrel")
        items = await ana.xmpp.plugin["xep_0030"].get_items(JID(DOMAIN), timeout=30)
        assert not items["disco_items"]["items"]

        for there in (DOMAIN, f"rialto@{DOMAIN}/rialto", f"{PUPPET}/rialto", f"{room}/Kestrel", f"{room}/rialto"):
            assert await condition(ana, there) == "", there
            assert await condition(ana, there, "jabber:iq:version") == "", there
            assert await condition(ana, there, "jabber:iq:last") == "service-unavailable", there
            assert await condition(ana, there, "urn:x", "set") == "service-unavailable", there
        for nobody, why in {
            f"merlin%libera@{DOMAIN}/rialto": "service-unavailable",
            f"{PUPPET}/elsewhere": "service-unavailable",
            f"nobody@{DOMAIN}": "item-not-found",
            f"#tea%libera@{DOMAIN}": "item-not-found",
        }.items():
            assert await condition(ana, nobody) == why, nobody

        await adapter.leave(core.places[0], person("Kestrel").address, None)
        assert await condition(ana, f"{PUPPET}/rialto") == "service-unavailable"
        with pytest.raises(IqError):
            await info(ana, f"{room}/Kestrel")


async def test_the_bot_notices_that_a_room_has_forgotten_it(
    prosody: Prosody, room: str, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart of the room's service alone (XEP-0410): nothing is told, only asking shows."""
    monkeypatch.setattr("adapters.xmpp.attendance.SWEEPS", (0.05, 0.05))
    monkeypatch.setattr("adapters.xmpp.attendance.SELF_PING", 0.2)
    monkeypatch.setattr("adapters.xmpp.attendance.PAUSES", (0.1, 1.0))
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    async with running(prosody, DOMAIN, core) as adapter:
        found = adapter._find(core.places[0])
        # The bot goes, but what the room says of it is not listened to.
        listen = found.presence
        monkeypatch.setattr(found, "presence", lambda own, stanza: None)
        found._link.write(f'<presence from="rialto@{DOMAIN}/rialto" to="{room}/rialto" type="unavailable"/>')
        await ana.wait_for(who="rialto", kind="leave")
        monkeypatch.setattr(found, "presence", listen)
        await ana.wait_for(lambda seen: seen.who == "rialto" and seen.kind == "join", since=len(ana.seen) - 1)
        await core.until("in the room", found.here.is_set)
        ana.say(room, "here again")
        await core.heard("here again")
