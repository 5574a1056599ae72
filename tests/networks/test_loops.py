"""Several bridges over the same rooms: nobody is there twice, and no message goes round for ever."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.demo.clients import Client, IrcClient, MatrixClient, Sight, XmppClient
from bridge.demo.servers import InspIRCd, NgIRCd, Prosody, Server, Synapse, free_ports
from bridge.service import Service
from tests.networks.conftest import appservice
from tests.networks.world import FLOOD, port_of, running, settled

NewFolder = Callable[[str], Path]


@asynccontextmanager
async def rialto(folder: Path, networks: dict[str, Any], room: dict[str, str], **more: Any) -> AsyncIterator[Service]:
    """One gateway with one room, in this process."""
    (port,) = free_ports(1)
    settings = {
        "store": "sqlite:///rialto.db",
        "http": {"listen": f"127.0.0.1:{port}"},
        "networks": networks,
        "rooms": {"tea": room},
    }
    async with running(folder, settings | more) as service:
        yield service


def component(prosody: Prosody, number: int) -> dict[str, Any]:
    domain = f"bridge{number}.localhost"
    return {
        "kind": "xmpp",
        "server": f"127.0.0.1:{prosody.component_port}",
        "domain": domain,
        "secret": prosody.components[domain],
        "nick": f"rialto{number}",
    }


def irc(server: Server, number: int) -> dict[str, Any]:
    return {"kind": "irc", "server": f"irc://127.0.0.1:{port_of(server)}", "nick": f"rialto{number}", "flood": FLOOD}


def times(client: Client, text: str) -> int:
    """How often the client saw this text, its own aside."""
    return len(client.matching(lambda seen: seen.kind is Sight.TEXT and text in seen.text and not seen.own))


@asynccontextmanager
async def two_people(prosody: Prosody, ircd: Server, word: str) -> AsyncIterator[tuple[XmppClient, IrcClient]]:
    async with AsyncExitStack() as stack:
        jid = await prosody.register(f"ana{word}", "password")
        ana = await stack.enter_async_context(XmppClient(jid, "password", prosody.c2s_port))
        kestrel = await stack.enter_async_context(IrcClient(f"kestrel{word}", port_of(ircd)))
        await ana.join(f"{word}@{prosody.muc}", f"ana{word}", config={"muc#roomconfig_whois": "anyone"})
        await kestrel.join(f"#{word}")
        yield ana, kestrel


@pytest.mark.parametrize("network", ["ngircd", "inspircd"])
async def test_two_gateways_over_the_same_two_rooms_show_nobody_four_times(
    prosody: Prosody, ngircd: NgIRCd, inspircd: InspIRCd, new_folder: NewFolder, unique: str, network: str
) -> None:
    ircd = ngircd if network == "ngircd" else inspircd
    muc, channel = f"{unique}@{prosody.muc}", f"#{unique}"
    room = {"office": muc, "libera": channel}
    async with two_people(prosody, ircd, unique) as (ana, kestrel), AsyncExitStack() as stack:
        for number in (1, 2):
            networks = {"office": component(prosody, number), "libera": irc(ircd, number)}
            await stack.enter_async_context(rialto(new_folder("rialto"), networks, room))
        # One puppet by each gateway of each person, and not one more: two people, two bots, two puppets.
        await kestrel.wait_for(lambda seen: seen.kind is Sight.JOIN and seen.who.startswith("ana"))
        for number in range(5):
            ana.say(muc, f"from xmpp {unique} {number}")
            kestrel.say(channel, f"from irc {unique} {number}")
        await kestrel.wait_for(lambda seen: seen.text == f"from xmpp {unique} 4")
        await ana.wait_for(lambda seen: seen.text == f"from irc {unique} 4")
        # Whatever would go round has gone round several times when this has come by both gateways and both ways.
        ana.say(muc, f"fence {unique}")
        await kestrel.wait_for(lambda seen: seen.text == f"fence {unique}")
        kestrel.say(channel, f"fence back {unique}")
        await ana.wait_for(lambda seen: seen.text == f"fence back {unique}")
        for number in range(5):
            # Two gateways do the same work, and where one learns only a moment later who the other's puppet is
            # (ngIRCd tells no real names on JOIN), a line may come once more. Round it does not go.
            assert 1 <= times(kestrel, f"from xmpp {unique} {number}") <= 3, kestrel.report()
            assert 1 <= times(ana, f"from irc {unique} {number}") <= 3, ana.report()
        # Two people, two bots, and a puppet of each person by each gateway at most: no puppets of puppets.
        await settled(lambda: len(ana.occupants[muc]) <= 6, lambda: sorted(ana.occupants[muc]))
        await settled(lambda: len(kestrel.names[channel]) <= 6, lambda: sorted(kestrel.names[channel]))


async def test_a_circle_of_three_gateways_over_three_networks_is_not_closed(
    prosody: Prosody, inspircd: InspIRCd, new_folder: NewFolder, unique: str
) -> None:
    muc, channel, alias = f"{unique}@{prosody.muc}", f"#{unique}", f"#{unique}:localhost"
    first = appservice(path="/home")
    second = appservice(
        path="/home",
        id="second",
        as_token="second-as-token",
        hs_token="second-hs-token",
        sender_localpart="rialto2",
        prefix="_second_",
    )
    folder = new_folder("synapse")
    registration = new_folder("registration") / "second.yaml"
    registration.write_text(second.registration("localhost"))
    async with Synapse(folder, appservice=first, registrations=[registration]) as synapse, AsyncExitStack() as stack:
        ana, kestrel = await stack.enter_async_context(two_people(prosody, inspircd, unique))
        token = await synapse.register(f"bo{unique}", "password")
        bo = await stack.enter_async_context(MatrixClient(synapse.url, f"@bo{unique}:localhost", token))
        matrix_room = await bo.create_room(unique)

        def home(service: Any) -> dict[str, Any]:
            return {
                "kind": "matrix",
                "homeserver": synapse.url,
                "domain": "localhost",
                "id": service.id,
                "as_token": service.as_token,
                "hs_token": service.hs_token,
                "bot": service.sender_localpart,
                "prefix": service.prefix,
            }

        for networks, room, port in (
            ({"office": component(prosody, 1), "home": home(first)}, {"office": muc, "home": alias}, first.port),
            ({"home": home(second), "libera": irc(inspircd, 2)}, {"home": alias, "libera": channel}, second.port),
            ({"libera": irc(inspircd, 3), "office": component(prosody, 3)}, {"libera": channel, "office": muc}, None),
        ):
            more = {"http": {"listen": f"127.0.0.1:{port}"}} if port else {}
            await stack.enter_async_context(rialto(new_folder("rialto"), networks, room, **more))
        for number in range(3):
            ana.say(muc, f"from ana {unique} {number}")
            kestrel.say(channel, f"from kestrel {unique} {number}")
            await bo.say(matrix_room, f"from bo {unique} {number}")
        everybody: list[tuple[Client, str]] = [(ana, "ana"), (kestrel, "kestrel"), (bo, "bo")]
        for client, name in everybody:
            for _, other in everybody:
                if other != name:
                    await client.wait_for(lambda seen, other=other: f"from {other} {unique} 2" in seen.text)  # type: ignore[misc]  # bound now
        ana.say(muc, f"fence {unique}")
        for client, _ in everybody[1:]:
            await client.wait_for(lambda seen: f"fence {unique}" in seen.text)
        for client, name in everybody:
            for _, other in everybody:
                for number in range(3):
                    if other != name:
                        assert 1 <= times(client, f"from {other} {unique} {number}") <= 2, client.report()


class Relay:
    """Somebody else's bridge, as plain as they come: says `<who> text` on the other side, and knows nothing."""

    def __init__(self, xmpp: XmppClient, irc_client: IrcClient, muc: str, channel: str) -> None:
        self._sides = (
            (xmpp, lambda text: irc_client.say(channel, text)),
            (irc_client, lambda text: xmpp.say(muc, text)),
        )
        self._nicks = {irc_client.nick, "relay"}
        self.relayed = 0

    async def run(self) -> None:
        done = {id(client): 0 for client, _ in self._sides}
        while True:
            for client, say in self._sides:
                for seen in client.seen[done[id(client)] :]:
                    if seen.kind is Sight.TEXT and not seen.own and seen.place and not seen.history:
                        say(f"<{seen.who}> {seen.text}"[:300])
                        self.relayed += 1
                done[id(client)] = len(client.seen)
            await asyncio.sleep(0.01)  # a bad relay polls


async def test_a_plain_relay_beside_rialto_is_stopped_by_the_breaker(
    prosody: Prosody, ngircd: NgIRCd, new_folder: NewFolder, unique: str
) -> None:
    muc, channel = f"{unique}@{prosody.muc}", f"#{unique}"
    networks = {"office": component(prosody, 4), "libera": irc(ngircd, 4)}
    async with two_people(prosody, ngircd, unique) as (ana, kestrel), AsyncExitStack() as stack:
        jid = await prosody.register(f"relay{unique}", "password")
        left = await stack.enter_async_context(XmppClient(jid, "password", prosody.c2s_port))
        right = await stack.enter_async_context(IrcClient(f"relay{unique}", port_of(ngircd)))
        await left.join(muc, f"relay{unique}")
        await right.join(channel)
        service = await stack.enter_async_context(
            rialto(
                new_folder("rialto"), networks, {"office": muc, "libera": channel}, admins=[f"ana{unique}@localhost"]
            )
        )
        await ana.wait_for(lambda seen: seen.kind is Sight.JOIN and seen.who == f"kestrel{unique}")
        relay = Relay(left, right, muc, channel)
        running = asyncio.create_task(relay.run())
        try:
            kestrel.say(channel, f"round and round {unique}")
            told = await ana.wait_for(lambda seen: "in circles" in seen.text and not seen.place)
            assert f"relay{unique}" in told.text.lower()
            places = [
                place for network in service.status()["networks"].values() for place in network["places"].values()
            ]
            assert any(place and "in circles" in place for place in places)
            before = relay.relayed
            kestrel.say(channel, f"afterwards {unique}")
            await ana.wait_for(lambda seen: f"afterwards {unique}" in seen.text)
            assert relay.relayed - before < 20
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert times(ana, f"round and round {unique}") < 20, ana.report()
