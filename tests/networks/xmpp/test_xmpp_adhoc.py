"""Ad-hoc commands by a client's own means, through a real Prosody and a whole Rialto."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slixmpp import JID

from bridge.demo.clients import IrcClient, Sight
from bridge.demo.servers import NgIRCd, Prosody, free_ports
from tests.networks.world import FLOOD, port_of, running
from tests.networks.xmpp.xmpp_lab import NewClient

DOMAIN = "bridge6.localhost"
COMMANDS = "http://jabber.org/protocol/commands"


def settings(prosody: Prosody, ngircd: NgIRCd, nick: str) -> dict[str, Any]:
    (port,) = free_ports(1)
    return {
        "store": "sqlite:///rialto.db",
        "http": {"listen": f"127.0.0.1:{port}", "admin_token": "token-of-these-tests"},
        "networks": {
            "office": {
                "kind": "xmpp",
                "server": f"127.0.0.1:{prosody.component_port}",
                "domain": DOMAIN,
                "secret": prosody.components[DOMAIN],
            },
            "libera": {"kind": "irc", "server": f"irc://127.0.0.1:{port_of(ngircd)}", "nick": nick, "flood": FLOOD},
        },
    }


@pytest.mark.conforms("RFC2779:2.3.5", "RFC2779:2.3.7", "RFC2779:5.4.10")
async def test_rules_are_set_by_a_form(
    prosody: Prosody, ngircd: NgIRCd, new_client: NewClient, new_folder: Callable[[str], Path], unique: str
) -> None:
    ana, nick, bot = await new_client(prosody, "ana"), f"kes{unique}", f"r{unique}"
    for plugin in ("xep_0004", "xep_0050"):
        ana.xmpp.register_plugin(plugin)
    adhoc: Any = ana.xmpp.plugin["xep_0050"]  # slixmpp leaves both untyped
    forms: Any = ana.xmpp.plugin["xep_0004"]
    disco = ana.xmpp.plugin["xep_0030"]
    folder, config = new_folder("rialto"), settings(prosody, ngircd, bot)
    address = ana.xmpp.boundjid.bare
    async with IrcClient(nick, port_of(ngircd)) as kestrel:
        async with running(folder, config):
            for to in (DOMAIN, f"rialto@{DOMAIN}"):
                info = await disco.get_info(JID(to), timeout=30, cached=False)
                assert COMMANDS in info["disco_info"]["features"]
                listed = await adhoc.get_commands(JID(to), timeout=30)
                assert {"help", "rules"} <= {node for _, node, _ in listed["disco_items"]["items"]}
            asked = await adhoc.send_command(JID(DOMAIN), "rules", timeout=30)
            assert asked["command"]["status"] == "executing"
            form = asked["command"]["form"]
            assert "You have decided nothing." in form["instructions"]
            filled = forms.make_form(ftype="submit")
            filled.add_field(var="what", value="reject")
            filled.add_field(var="who", value=f"libera:{nick}")
            done = await adhoc.send_command(
                JID(DOMAIN), "rules", action="complete", sessionid=asked["command"]["sessionid"],
                payload=filled, timeout=30,
            )  # fmt: skip
            assert done["command"]["status"] == "completed"
            ((_, note),) = done["command"]["notes"]
            assert note == f"Noted: libera:{nick} may not write to you in private: they will be told so."
            kestrel.say(bot, f"{address} hello?")
            await kestrel.wait_for(lambda seen: seen.kind is Sight.NOTICE and "do not take messages" in seen.text)
        async with running(folder, config):
            position = len(kestrel.seen)
            kestrel.say(bot, f"{address} hello?")
            await kestrel.wait_for(lambda seen: "do not take messages" in seen.text, since=position)
            asked = await adhoc.send_command(JID(DOMAIN), "rules", timeout=30)
            assert f"- reject libera:{nick}" in asked["command"]["form"]["instructions"]
            helped = await adhoc.send_command(JID(f"rialto@{DOMAIN}"), "help", timeout=30)
            assert helped["command"]["status"] == "completed"
            assert "You can say to me:" in helped["command"]["notes"][0][1]
    assert not ana.matching(lambda seen: "hello?" in seen.text)
