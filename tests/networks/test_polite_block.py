"""Polite blocking on real servers: what a blocked watcher receives is, stanza for stanza, what one of somebody offline
does."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slixmpp import JID

from bridge.demo.clients import IrcClient, XmppClient
from bridge.demo.servers import InspIRCd, Prosody
from tests.networks.pair import Pair, puppet


class Transcript:
    """All that reaches a watcher and has to do with one puppet, but for names, ids and resources."""

    def __init__(self, watcher: str, nick: str) -> None:
        self._watcher = watcher
        self._nick = nick
        self.stanzas: list[str] = []

    def note(self, stanza: Any) -> None:
        text = str(stanza)
        if puppet(self._nick) not in text:
            return
        text = text.replace(self._nick, "NICK").replace(self._watcher, "WATCHER")
        text = re.sub(r' (id|ver)="[^"]*"', "", text)
        self.stanzas.append(re.sub(r"WATCHER@localhost/[^\"<]+", "WATCHER@localhost/RESOURCE", text))


async def follow(client: XmppClient, nick: str) -> None:
    """Add the puppet to the roster, and let it see us, as it asks."""
    client.subscribe(puppet(nick))
    await client.wait_for_presence("subscribe", puppet(nick))
    client.approve(puppet(nick))


async def look(client: XmppClient, nick: str) -> None:
    """Ask whether it is there, in every way that a client has, and wait for all answers."""
    position = len(client.seen)
    client.present("probe", to=puppet(nick))
    await client.wait_for_presence("unavailable", puppet(nick), since=position)
    for jid in (puppet(nick), f"{puppet(nick)}/rialto"):
        assert await client.xmpp.plugin["xep_0199"].ping(JID(jid), timeout=30) is not None
    await client.xmpp.plugin["xep_0030"].get_info(jid=JID(puppet(nick)), timeout=30)


@pytest.mark.conforms("RFC2779:5.1.15")
async def test_it_cannot_be_told_from_somebody_offline(
    prosody: Prosody, inspircd: InspIRCd, new_folder: Callable[[str], Path], unique: str
) -> None:
    offline, online = f"falcon{unique}", f"osprey{unique}"
    rule = {"of": f"libera:{online}", "who": "blocked*@localhost", "access": "polite-block"}
    pair = Pair(new_folder("rialto"), prosody, inspircd, [rule, {"of": "*", "who": "friend*", "access": "allow"}])
    scripts: list[list[str]] = []

    async def life(name: str, nick: str, friend: XmppClient, owner: IrcClient) -> None:
        """One watcher from the first subscribe to the last unsubscribe, while the owner comes and goes."""
        transcript = Transcript(name, nick)
        async with pair.rialto():
            async with pair.on_xmpp(name, transcript.note) as watcher:
                await follow(watcher, nick)
                await look(watcher, nick)
                for word in ("tea", "cake"):
                    owner.raw(f"AWAY :{word}")
                    await friend.wait_for_presence(f"available away {word}", puppet(online))
                    await look(watcher, nick)
                # Their server asks for them once more when they come back.
            async with pair.on_xmpp(name, transcript.note) as watcher:
                await watcher.wait_for_presence("unavailable", puppet(nick))
                position = len(friend.seen)
                owner.raw("AWAY")
                await friend.wait_for_presence("available", puppet(online), since=position)
                await look(watcher, nick)
        async with pair.on_xmpp(name, transcript.note) as watcher, pair.rialto():
            await watcher.wait_for_presence("unavailable", puppet(nick))
            await friend.wait_for_presence("available", puppet(online), since=len(friend.seen) - 1)
            await look(watcher, nick)
            position = len(watcher.seen)
            watcher.present("unsubscribe", to=puppet(nick))
            await watcher.wait_for_presence("unavailable", puppet(nick), since=position)
            assert await watcher.xmpp.plugin["xep_0199"].ping(JID("localhost"), timeout=30) is not None
        scripts.append(transcript.stanzas)

    async with pair.on_irc(online) as owner, pair.on_xmpp(f"friend{unique}") as friend:
        async with pair.rialto():
            await follow(friend, online)
            await friend.wait_for_presence("available", puppet(online))
        await life(f"blocked{unique}", online, friend, owner)
        await life(f"watcher{unique}", offline, friend, owner)
    blocked, control = scripts
    assert blocked == control
    text = "\n".join(blocked)
    # It was granted, and said often enough that they are not there.
    assert text.count('type="subscribed"') == 1
    assert text.count('type="unavailable"') >= 6
    assert not re.search(r"<presence (?![^>]*type=)", text)
