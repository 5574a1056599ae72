"""Trying every configured network, side by side: what `rialto check --online` does, but for the printing."""

import asyncio
import errno
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import structlog
from structlog.typing import EventDict, WrappedLogger

from bridge.config import Config, Listen
from bridge.config.model import Attachment
from bridge.contract import Answering, Finding, Probing

WITHIN = 30.0
"""Seconds one network may take, all its steps together."""

HTTP = "http"
"""What the findings about our own HTTP server are listed under."""

_ASK_WITHIN = 3.0
_MOST_BYTES = 65536
"""Of what ``/readyz`` answers: the names of networks."""

Handler = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Line:
    """One finding, and the network it is about. `good` is None where nothing could be tried."""

    network: str
    good: bool | None
    text: str


Tell = Callable[[Line], None]


async def probe(config: Config, tell: Tell, within: float = WITHIN) -> None:
    """Try all networks side by side, each for at most `within` seconds; `tell` gets every finding as it is made."""
    async with _listening(config, tell) as running:
        await asyncio.gather(
            *(_try(config, attachment, running, within, tell) for attachment in config.networks.values())
        )


@dataclass(frozen=True, slots=True)
class _Running:
    """A Rialto that runs meanwhile, and the networks that it is not online at."""

    offline: frozenset[str]


async def _try(config: Config, attachment: Attachment, running: _Running | None, within: float, tell: Tell) -> None:
    name, factory = attachment.name, attachment.factory
    online = running is not None and name not in running.offline
    if not isinstance(factory, Probing):
        tell(Line(name, None, f"networks of this kind ({attachment.kind}) cannot be tried beforehand"))
        return
    members = [member for room in config.rooms for member in room.members if member.place.network == name]
    try:
        async with asyncio.timeout(within) as limit:
            async for finding in factory.probe(attachment.settings, config.context(name), members):
                tell(_line(name, finding, online=online))
    except Exception as error:  # noqa: BLE001 - an adapter's fault must not hide what the other networks say
        if isinstance(error, TimeoutError) and limit.expired():
            said = f"not all could be tried within {within:.0f} s; what is missing above gave no answer"
        else:
            said = f"an internal error, please report it: {type(error).__name__}: {error}"
        tell(Line(name, False, said))


def _line(network: str, finding: Finding, *, online: bool) -> Line:
    """`online`: a Rialto runs, and is online at the network, so that it is the one who has what another has."""
    if finding.held and not finding.good and online:
        return Line(network, True, f"a running Rialto has {finding.held}; `rialto status` shows its state")
    return Line(network, finding.good, finding.text)


@asynccontextmanager
async def _listening(config: Config, tell: Tell) -> AsyncIterator[_Running | None]:
    """Listen on ``http.listen`` for what the networks ask of us, or find out who does already: a Rialto, or another."""
    # Late: it takes long to import, and a check that touches no network does not need it.
    from aiohttp import web

    from bridge.web.door import Door

    listen, app = config.http.listen, web.Application()
    for name, attachment in config.networks.items():
        factory = attachment.factory
        if isinstance(factory, Answering):
            app.router.add_route(
                "*", f"/{name}/{{tail:.*}}", factory.answering(attachment.settings, config.context(name))
            )
    running = None
    door = Door(app, shutdown_timeout=1.0)
    try:
        try:
            await door.open(listen.host, listen.port)
        except OSError as error:
            running = await _ask(listen) if error.errno == errno.EADDRINUSE else None
            tell(_taken(listen, error, running))
        else:
            tell(Line(HTTP, True, f"{listen} can be listened on"))
        yield running
    finally:
        await door.close()


def _taken(listen: Listen, error: OSError, running: _Running | None) -> Line:
    """Why nobody but a running instance of ours can be reached at ``http.listen``."""
    if running is not None:
        return Line(
            HTTP,
            True,
            f"a running Rialto listens on {listen}: it answers there, and its own connections may be in the way of "
            "those tried here; `rialto status` shows what it says itself",
        )
    if error.errno == errno.EADDRINUSE:
        return Line(
            HTTP, False, f"{listen} is taken by another program: stop that, or write another port for http.listen"
        )
    said = error.strerror or str(error)
    return Line(HTTP, False, f"cannot listen on {listen} ({said}): write an address of this machine for http.listen")


async def _ask(listen: Listen) -> _Running | None:
    """The Rialto that listens there; None if what answers does not speak as `bridge.web.app` does."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=_ASK_WITHIN)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://{listen.reachable}/readyz", allow_redirects=False) as answer,
        ):
            raw = bytearray()
            async for chunk in answer.content.iter_any():
                raw += chunk
                if len(raw) > _MOST_BYTES:
                    return None
        said = json.loads(raw)
    except (aiohttp.ClientError, OSError, ValueError, RecursionError):
        return None
    offline = said.get("offline") if isinstance(said, dict) else None
    if not isinstance(offline, list) or not all(isinstance(name, str) for name in offline):
        return None
    return _Running(frozenset(offline))


@contextmanager
def silenced() -> Iterator[None]:
    """Nothing is logged meanwhile: whatever matters is told as a finding."""
    before, disabled = structlog.get_config(), logging.root.manager.disable
    structlog.configure(processors=[_drop], cache_logger_on_first_use=False)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
        structlog.configure(**before)


def _drop(logger: WrappedLogger, method: str, entry: EventDict) -> NoReturn:
    raise structlog.DropEvent
