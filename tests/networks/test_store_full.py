"""The store is full while people talk: nobody hears anything, and when there is room again, everybody hears it all."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from bridge.demo.clients import Seen, Sight
from bridge.demo.servers import NgIRCd, Prosody, Synapse
from tests.networks.conftest import appservice
from tests.networks.world import Cast, Stage, cast
from tests.unit.store.trouble import fill, full, impatient, in_trouble, large

LINES = 20


@pytest_asyncio.fixture
async def people(
    prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str
) -> AsyncIterator[Cast]:
    """Three people in a room."""
    async with (
        Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse,
        cast(Stage(new_folder("rialto"), unique, prosody, synapse, ngircd)) as three,
    ):
        yield three


def numbered(word: str, seen: Seen) -> bool:
    return seen.kind is Sight.TEXT and seen.text.startswith(word)


async def test_every_line_said_meanwhile_arrives_once_and_in_order(
    people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    names = {"xmpp": people.xmpp, "matrix": people.matrix, "irc": people.irc}
    async with people.stage.rialto() as service:
        for source in names:
            await people.say(source, f"warm {source}")
            for target, client in names.items():
                if source != target:
                    await client.wait_for(text=f"warm {source}", timeout=30)
        with monkeypatch.context() as patch:
            full(patch)
            await fill(service._store)
            filler = service._store.write(partial(large, key="filler"))
            await in_trouble(service._store)
            for number in range(LINES):
                for source in names:
                    await people.say(source, f"{source} {number}")
            # Said, as their own networks show it; on IRC nobody sees that.
            for source in ("xmpp", "matrix"):
                await names[source].wait_for(text=f"{source} {LINES - 1}", timeout=30)
            for source in names:
                for target, client in names.items():
                    assert source == target or client.matching(partial(numbered, f"{source} ")) == []
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{people.stage.http_port}/readyz") as answer,
            ):
                assert (answer.status, (await answer.json())["store"]) == (503, False)
        await filler
        for source in names:
            for target, client in names.items():
                if source == target:
                    continue
                await client.wait_for(text=f"{source} {LINES - 1}", timeout=60)
                heard = [seen.text for seen in client.matching(partial(numbered, f"{source} "))]
                assert heard == [f"{source} {number}" for number in range(LINES)], (source, target)
        assert service.status()["store"]["failure"] is None
