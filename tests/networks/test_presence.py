"""Presence between people on real servers: online, away and its text, in every direction."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.demo.clients import Sight
from bridge.demo.servers import InspIRCd, Prosody, Synapse
from tests.networks.conftest import appservice
from tests.networks.world import DOMAIN, Cast, Stage, cast

WORD = "away"
KESTREL_ON_XMPP = f"kestrel{WORD}%libera@{DOMAIN}"
BO_ON_XMPP = f"bo{WORD}%localhost%home@{DOMAIN}"
KESTREL_ON_MATRIX = f"@_rialto_libera_kestrel{WORD}:localhost"


@pytest_asyncio.fixture(scope="module")
async def people(prosody: Prosody, inspircd: InspIRCd, new_folder: Callable[[str], Path]) -> AsyncIterator[Cast]:
    """Three people in one room, over one Rialto that runs for all tests of this module."""
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        stage = Stage(new_folder("rialto"), WORD, prosody, synapse, inspircd)
        async with cast(stage) as three, stage.rialto():
            three.irc.raw("CAP REQ :away-notify")
            for name in (f"bo{WORD}", f"Ana{WORD}"):
                await three.irc.wait_for(kind=Sight.JOIN, who=name)
            yield three


async def away_on_irc(people: Cast, nick: str, text: str) -> None:
    """Wait until the nick is away with that text, as other people on the channel see it."""
    try:
        async with asyncio.timeout(60):
            while not any(  # noqa: ASYNC110 - raw lines wake nobody
                line.startswith(f":{nick}!") and line.endswith(f" AWAY :{text}") for line in people.irc.lines
            ):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError("\n".join(people.irc.lines[-40:])) from None


@pytest.mark.conforms("RFC2779:2.4.1", "RFC2779:2.4.2")
async def test_away_on_irc_shows_on_a_roster_and_on_matrix(people: Cast) -> None:
    people.xmpp.subscribe(KESTREL_ON_XMPP)
    await people.xmpp.wait_for_presence("available", KESTREL_ON_XMPP)
    people.irc.raw("AWAY :making tea")
    await people.xmpp.wait_for_presence("available away making tea", KESTREL_ON_XMPP)
    await people.matrix.wait_for_presence("unavailable making tea", KESTREL_ON_MATRIX)
    since = len(people.xmpp.seen)
    people.irc.raw("AWAY")
    await people.xmpp.wait_for_presence("available", KESTREL_ON_XMPP, since=since)


async def test_away_on_xmpp_shows_on_irc_and_matrix(people: Cast) -> None:
    people.xmpp.present(to=f"{people.stage.muc()}/Ana{WORD}", show="away", status="at lunch")
    await away_on_irc(people, f"Ana{WORD}", "at lunch")
    # The room hides addresses, so that on Matrix her puppet is named after her occupant id.
    await people.matrix.wait_for(kind=Sight.OTHER, text="unavailable at lunch")


async def test_away_on_matrix_shows_on_xmpp_and_irc(people: Cast) -> None:
    people.xmpp.subscribe(BO_ON_XMPP)
    await people.xmpp.wait_for_presence("available", BO_ON_XMPP)
    await people.matrix.show("unavailable", "reading")
    await people.xmpp.wait_for_presence("available away reading", BO_ON_XMPP)
    await away_on_irc(people, f"bo{WORD}", "reading")


@pytest.mark.conforms("RFC2779:4.4.2")
async def test_who_leaves_the_network_goes_offline(people: Cast) -> None:
    since = len(people.xmpp.seen)
    await people.irc.quit("good night")
    await people.xmpp.wait_for_presence("unavailable", KESTREL_ON_XMPP, since=since)
