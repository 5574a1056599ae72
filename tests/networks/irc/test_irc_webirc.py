"""Puppets that come from a host and an address of their own: WEBIRC, on real servers."""

from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.irc.protocol.webirc import Gateway
from bridge.contract import NoPuppetError
from bridge.demo.servers import InspIRCd, NgIRCd
from tests.networks.irc.irc_lab import ANA, BO, Crowd, confirmed, member, part, running, until

WRONG = {InspIRCd: r"\(WEBIRC\): check `webirc.password`", NgIRCd: r"\(464\): .*of puppets: `webirc`"}


@pytest_asyncio.fixture(params=[InspIRCd, NgIRCd])
async def server(request: pytest.FixtureRequest, new_folder: Callable[[str], Path]) -> AsyncIterator[InspIRCd | NgIRCd]:
    """A server that takes WEBIRC from loopback, password ``gate``."""
    async with request.param(new_folder("webirc"), webirc="gate") as running_server:
        yield running_server


@pytest.mark.conforms("RFC2779:5.1.17", "RFC2779:5.1.18", "RFC2779:5.2.5", "RFC2779:5.2.6", "RFC2779:5.4.5")
async def test_each_person_has_a_host_of_their_own(server: InspIRCd | NgIRCd, crowd: Crowd) -> None:
    kim = await crowd.connect(server.port, "kim", "#tea")
    await kim.oper()
    place = member("#tea")
    settings = {"password": "gate", "domain": "gateway.example.org", "addresses": "10.20.0.0/16"}
    for _ in range(2):
        kim.lines.clear()
        async with running(server.port, place, webirc=settings) as (adapter, _):
            for person in (ANA, BO):
                await adapter.join(place.place, person)
                await confirmed(adapter.send(part(place.place, person, f"{person.name} was here")))
                said = await kim.hear(f"{person.name} was here")
                assert said.source is not None
                gateway = Gateway("gate", "rialto", "gateway.example.org", ip_network("10.20.0.0/16"))
                wanted = gateway.identity(person.address)
                # InspIRCd believes the address alone, and would look its name up.
                assert said.source.host == (wanted.ip if isinstance(server, InspIRCd) else wanted.host)
            joined = {line.source for line in kim.lines if line.command == "JOIN"}
            assert len({source.host for source in joined if source is not None}) == 3, joined
        # The nicks must be free again.
        await until(lambda: sum(line.command == "QUIT" for line in kim.lines) == 3, "three farewells", kim.tail)


async def test_a_wrong_password_costs_the_puppets_alone(server: InspIRCd | NgIRCd, crowd: Crowd) -> None:
    place = member("#tea")
    async with running(server.port, place, webirc={"password": "wrong"}) as (adapter, core):
        with pytest.raises(NoPuppetError, match=WRONG[type(server)]):
            await adapter.join(place.place, ANA)
        assert core.is_online
