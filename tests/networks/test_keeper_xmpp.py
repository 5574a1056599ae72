"""A Rialto that is killed and started again while a keeper holds its component stream: no stanza is lost or bounced."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio

from bridge.demo.clients import IrcClient, Sight, XmppClient
from bridge.demo.servers import NgIRCd, Prosody
from tests.networks.test_keeper import HEARD_WITHIN, READY_WITHIN, Gateway, irc

DOMAIN = "bridge2.localhost"


@dataclass
class People:
    """Ana on XMPP and Kestrel on IRC, in the room."""

    ana: XmppClient
    kestrel: IrcClient
    muc: str
    channel: str

    def comings(self, since: int) -> list[str]:
        """Who of all others Ana saw come, go, or take another nick."""
        kinds = {Sight.JOIN, Sight.LEAVE, Sight.KICK, Sight.RENAME}
        return [str(seen) for seen in self.ana.seen[since:] if seen.kind in kinds and not seen.own]

    def puppet(self) -> str:
        return f"{self.kestrel.nick}%libera@{DOMAIN}"


@pytest_asyncio.fixture
async def gateway(
    prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str
) -> AsyncIterator[Gateway]:
    networks = {
        "office": {
            "kind": "xmpp",
            "server": f"127.0.0.1:{prosody.component_port}",
            "domain": DOMAIN,
            "secret": prosody.components[DOMAIN],
        },
        "libera": irc(ngircd.port, f"ri{unique}"),
    }
    places = {"office": f"{unique}@{prosody.muc}", "libera": f"#{unique}"}
    made = Gateway(new_folder("keeper"), networks, places)
    yield made
    await made.end()


@asynccontextmanager
async def talking(gateway: Gateway, prosody: Prosody, ngircd: NgIRCd, unique: str) -> AsyncIterator[People]:
    jid = await prosody.register(f"ana{unique}", "password")
    async with (
        XmppClient(jid, "password", prosody.c2s_port) as ana,
        IrcClient(f"kestrel{unique}", ngircd.port) as kestrel,
    ):
        people = People(ana, kestrel, gateway.places["office"], gateway.places["libera"])
        await ana.join(people.muc, f"Ana{unique}")
        await kestrel.join(people.channel)
        await gateway.start()
        await gateway.ready()
        ana.say(people.muc, "warm xmpp")
        await kestrel.wait_for(text="warm xmpp", timeout=HEARD_WITHIN)
        kestrel.say(people.channel, "warm irc")
        await ana.wait_for(text="warm irc", timeout=HEARD_WITHIN)
        yield people


async def say(tell: Callable[[str], object], texts: Sequence[str]) -> None:
    for text in texts:
        tell(text)
        await asyncio.sleep(0.02)  # people do not type faster


async def test_killed_amid_traffic_every_line_arrives_once_in_order_and_nobody_leaves(
    gateway: Gateway, prosody: Prosody, ngircd: NgIRCd, unique: str
) -> None:
    async with talking(gateway, prosody, ngircd, unique) as people:
        since = len(people.ana.seen)
        said = {name: [f"{name} {number}" for number in range(200)] for name in ("ana", "kestrel")}
        talk = asyncio.gather(
            say(lambda text: people.ana.say(people.muc, text), said["ana"]),
            say(lambda text: people.kestrel.say(people.channel, text), said["kestrel"]),
        )
        for number in (20, 80):
            await people.kestrel.wait_for(text=f"ana {number}", timeout=HEARD_WITHIN)
            await gateway.kill()
            await gateway.start()
            await gateway.ready()
        await talk
        with suppress(AssertionError):
            await people.kestrel.wait_for(text=said["ana"][-1], timeout=HEARD_WITHIN)
        with suppress(AssertionError):
            await people.ana.wait_for(text=said["kestrel"][-1], timeout=HEARD_WITHIN)
        people.ana.say(people.muc, "fence ana")
        await people.kestrel.wait_for(text="fence ana", timeout=HEARD_WITHIN)
        people.kestrel.say(people.channel, "fence kestrel")
        await people.ana.wait_for(text="fence kestrel", timeout=HEARD_WITHIN)
        heard = [seen.text for seen in people.kestrel.matching(lambda seen: seen.text in said["ana"])]
        assert heard == said["ana"], gateway.log()
        heard = [seen.text for seen in people.ana.matching(lambda seen: seen.text in said["kestrel"])]
        assert heard == said["kestrel"], gateway.log()
        assert people.comings(since) == [], gateway.log()


async def test_more_than_the_rooms_history_said_meanwhile_arrives(
    gateway: Gateway, prosody: Prosody, ngircd: NgIRCd, unique: str
) -> None:
    async with talking(gateway, prosody, ngircd, unique) as people:
        since = len(people.ana.seen)
        await gateway.kill()
        texts = [f"nobody there {number}" for number in range(120)]  # the room keeps 50
        for text in texts:
            people.ana.say(people.muc, text)
        await people.ana.wait_for(text=texts[-1], timeout=HEARD_WITHIN)
        await gateway.start()
        with suppress(AssertionError):
            await people.kestrel.wait_for(text=texts[-1], timeout=READY_WITHIN)
        people.ana.say(people.muc, "fence")
        await people.kestrel.wait_for(text="fence", timeout=HEARD_WITHIN)
        heard = [seen.text for seen in people.kestrel.matching(lambda seen: seen.text in texts)]
        assert heard == texts, gateway.log()
        assert people.comings(since) == [], gateway.log()


async def test_a_private_message_meanwhile_is_not_bounced_and_arrives_once(
    gateway: Gateway, prosody: Prosody, ngircd: NgIRCd, unique: str
) -> None:
    async with talking(gateway, prosody, ngircd, unique) as people:
        people.ana.tell(people.puppet(), "before")
        await people.kestrel.wait_for(text="before", timeout=HEARD_WITHIN)
        since = len(people.ana.seen)
        await gateway.kill()
        texts = [f"meanwhile {number}" for number in range(5)]
        for text in texts:
            people.ana.tell(people.puppet(), text)
        # What the server routes in order, it has routed before it answers this.
        people.ana.say(people.muc, "routed")
        await people.ana.wait_for(text="routed", timeout=HEARD_WITHIN)
        await gateway.start()
        await people.kestrel.wait_for(text=texts[-1], timeout=READY_WITHIN)
        people.ana.tell(people.puppet(), "fence")
        await people.kestrel.wait_for(text="fence", timeout=HEARD_WITHIN)
        heard = [seen.text for seen in people.kestrel.matching(lambda seen: seen.text in texts)]
        assert heard == texts, gateway.log()
        assert people.ana.matching(kind=Sight.ERROR, since=since) == [], people.ana.report()


async def test_stopped_it_leaves_the_room(gateway: Gateway, prosody: Prosody, ngircd: NgIRCd, unique: str) -> None:
    async with talking(gateway, prosody, ngircd, unique) as people:
        since = len(people.ana.seen)
        await gateway.stop()
        await people.ana.wait_for(kind=Sight.LEAVE, who=people.kestrel.nick, since=since, timeout=HEARD_WITHIN)
