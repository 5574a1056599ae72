"""Connections that stand and carry nothing: /readyz means a round trip, not a socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio

from bridge.demo.clients import Seen
from bridge.demo.servers import NgIRCd, Prosody, Synapse
from tests.networks.cable import DOWN, UP, Cable
from tests.networks.conftest import appservice
from tests.networks.world import Cast, Stage, cast, until_ready

SILENCE = 2.0
"""Seconds; by default it is a minute or two."""

WITHIN = 45.0
"""Seconds in which it has to be noticed on a loaded machine: less than the defaults would take."""


def ending(text: str) -> Callable[[Seen], bool]:
    """Whether a line ends so."""
    return lambda seen: seen.text.endswith(text)


@dataclass
class Scene:
    """A room on three networks, each reached by a cable."""

    people: Cast
    cables: Mapping[str, Cable]

    async def ask(self, what: str) -> tuple[int, dict[str, object]]:
        """As a load balancer asks."""
        url = f"http://127.0.0.1:{self.people.stage.http_port}/{what}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, json.loads(await answer.text())

    async def until_ready(
        self, wanted: tuple[int, dict[str, object]], meanwhile: Callable[[], Awaitable[None]]
    ) -> None:
        """Until /readyz answers so."""
        seen = None
        try:
            async with asyncio.timeout(WITHIN):
                while (seen := await self.ask("readyz")) != wanted:
                    await meanwhile()
                    await asyncio.sleep(0.1)  # it is asked again: nothing tells when it will be right
        except TimeoutError:
            raise AssertionError(f"/readyz answers {seen}, not {wanted}\n{self.people.stage.log()}") from None


@pytest_asyncio.fixture
async def scene(
    prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str
) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        synapse = await stack.enter_async_context(Synapse(new_folder("synapse"), appservice=appservice(path="/home")))
        http = urlsplit(synapse.url).port
        assert http is not None
        cables = {
            name: await stack.enter_async_context(Cable(port))
            for name, port in (("office", prosody.component_port), ("home", http), ("libera", ngircd.port))
        }
        extra = {
            "office": {"server": f"127.0.0.1:{cables['office'].port}", "silence": SILENCE},
            "home": {"homeserver": f"http://127.0.0.1:{cables['home'].port}", "silence": SILENCE},
            "libera": {"server": f"irc://127.0.0.1:{cables['libera'].port}", "silence": SILENCE},
        }
        stage = Stage(new_folder("rialto"), unique, prosody, synapse, ngircd, extra=extra)
        yield Scene(await stack.enter_async_context(cast(stage)), cables)


@pytest.mark.conforms("RFC2779:3.2.4", "RFC2779:3.2.5")
@pytest.mark.parametrize("ways", [(UP, DOWN), (UP,)])
async def test_a_connection_that_carries_nothing_is_not_ready_and_is_again_when_it_does(
    scene: Scene, ways: tuple[str, ...]
) -> None:
    ready = (200, {"offline": [], "store": True})
    speakers = {"office": "xmpp", "home": "matrix", "libera": "irc"}

    async def nothing() -> None:
        """Nobody speaks."""

    stage = scene.people.stage
    async with stage.process() as process:
        for network, cable in scene.cables.items():
            await scene.until_ready(ready, nothing)
            count = iter(range(10_000))

            async def chatter(network: str = network, count: Iterator[int] = count) -> None:
                """What others say comes all the time, where only our way is dead."""
                if ways == (UP,):
                    await scene.people.say(speakers[network], f"chatter {next(count)}")

            before = cable.connections
            cable.swallow(*ways)
            assert cable.connections == before, "nobody was told"
            await scene.until_ready((503, {"offline": [network], "store": True}), chatter)
            status, health = await scene.ask("healthz")
            assert (status, health) == (200, {"status": "ok"}), "to restart us would not mend it"
            cable.cut()
            await scene.until_ready(ready, nothing)
        await until_ready(process, stage.http_port, stage.admin_token, stage.log)
        people = {"xmpp": scene.people.xmpp, "matrix": scene.people.matrix, "irc": scene.people.irc}
        for who in people:
            text = f"all is well with {who}"
            await scene.people.say(who, text)
            for other, client in people.items():
                if other != who:
                    # By a puppet, or by the bot for one that is not back yet.
                    await client.wait_for(ending(text), timeout=30)
