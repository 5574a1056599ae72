"""`rialto status`: of the gateway; with the id of a message, of that message (`bridge.cli.story`)."""

import asyncio
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.table import Table

from bridge.cli.common import (
    CONFIG_FILE,
    Code,
    ConfigFile,
    NobodyError,
    UnreachableError,
    age,
    cell,
    console,
    counted,
    fail,
    load_or_exit,
    since,
)
from bridge.cli.story import tell
from bridge.config import Config, Listen

TIMEOUT = 10.0
"""Seconds to wait for the answer."""

_MAX_ANSWER = 16_000_000

SLOW = 2.0
"""Seconds on the way into the store beyond which it is worth a word."""


class NetworkStatus(BaseModel):
    """One network; `since` (seconds since the epoch) it has been so.

    `places` holds, for every place that is known of, None if the bot is in it, else why it is not. Older versions say
    nothing of places.
    """

    kind: str
    online: bool
    since: float
    failure: str | None = None
    places: dict[str, str | None] = {}

    @property
    def outside(self) -> dict[str, str]:
        """The places that the bot is not in, and why."""
        return {place: why for place, why in self.places.items() if why is not None}


class LaneStatus(BaseModel):
    """One place's queue; the oldest waiting message was said at `oldest` (seconds since the epoch)."""

    place: str
    waiting: int
    oldest: float | None = None
    retrying: str | None = None


class IntakeStatus(BaseModel):
    """What came from one network and is on its way into the store: how much, and the oldest for how many seconds."""

    pending: int
    age: float


class FailureStatus(BaseModel):
    """A delivery that failed: the message's id, the place it was for, when (seconds since the epoch), and why."""

    id: str
    place: str
    when: float
    why: str


class StoreStatus(BaseModel):
    """Why the store does not work, since then (seconds since the epoch); neither is set if it does."""

    failure: str | None = None
    since: float | None = None


class Status(BaseModel):
    """What a running instance says of itself. `quarantined`: events that could not be recorded, since the store was
    made. Older versions say nothing of the store and the intake."""

    store: StoreStatus = StoreStatus()
    networks: dict[str, NetworkStatus]
    lanes: list[LaneStatus]
    intake: dict[str, IntakeStatus] = {}
    failures: list[FailureStatus] = []
    quarantined: int = 0
    counts: dict[str, int | float]
    version: str


def status(
    message: Annotated[
        str | None,
        typer.Argument(
            metavar="MESSAGE-ID",
            help="Show what became of this message: the id that the log has under msg, or the id of a network.",
        ),
    ] = None,
    config: ConfigFile = CONFIG_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as it came, for programs.")] = False,
) -> None:
    """Show what the running instance is connected to, and what waits.

    Asks the instance that was started with this configuration. The exit code is 1 if it does not answer, if its
    store does not work, if one of its networks is offline, or if it is not in one of its places. With the id of a
    message: where that came from, where it went, and what became of it there, without what it says; 1 if no such
    message is known, or it was not delivered. Where none runs, the store is asked of a message.
    """
    loaded = load_or_exit(config)
    if loaded.http.admin_token is None:
        fail(f"{config.name}: http.admin_token: is not set, so the API is closed; set it, and restart", Code.USAGE)
    listen, token = loaded.http.listen.reachable, loaded.http.admin_token.get_secret_value()
    if message is not None:
        tell(message, partial(_stories, loaded, token, message), as_json=as_json)
        return
    try:
        answer = asyncio.run(fetch(listen, token))
        parsed = Status.model_validate(answer)
    except UnreachableError as error:
        fail(str(error))
    except ValidationError:
        fail(f"what answers at http://{loaded.http.listen.reachable} gives no status that this version knows")
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        show(parsed, console(), time.time)
    works = parsed.store.failure is None
    if not works or not all(network.online and not network.outside for network in parsed.networks.values()):
        raise typer.Exit(Code.FAILED)


def _stories(config: Config, token: str, message: str) -> Any:
    """What the running instance knows of the message; where none runs, what the store does. Raises
    `UnreachableError`."""
    try:
        return asyncio.run(fetch(config.http.listen.reachable, token, "messages", id=message))
    except NobodyError as nobody:
        from bridge.store import StoreError, story  # late: it takes long to import
        from bridge.store.looking import look

        try:
            found = look(config.store, partial(story.stories, wanted=message, networks=sorted(config.networks)))
        except StoreError as error:
            raise UnreachableError(f"{nobody}\n{error}") from error
        typer.echo(f"nothing listens on {config.http.listen.reachable}: this is what the store says", err=True)
        return found


async def fetch(listen: Listen, token: str, what: str = "status", **query: str) -> Any:
    """Ask for the status, or for `what` else there is below ``/api/``. Raises `UnreachableError`."""
    import aiohttp  # late: it takes long to import, and the other commands do not need it

    url = f"http://{listen}/api/{what}"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(
                url, params=query, headers={"Authorization": f"Bearer {token}"}, allow_redirects=False
            ) as response,
        ):
            if response.status in (401, 403):
                raise UnreachableError(
                    f"{url} does not accept http.admin_token; was it changed since Rialto was started?"
                )
            if response.status != 200:
                raise UnreachableError(f"{url} answers {response.status}; is it Rialto that listens there?")
            body = bytearray()
            async for chunk in response.content.iter_chunked(65_536):
                body += chunk
                if len(body) > _MAX_ANSWER:
                    raise UnreachableError(f"{url} answers without end; is it Rialto that listens there?")
            return json.loads(body)
    except aiohttp.ClientConnectorError:
        raise NobodyError(f"nothing listens on {listen}; start it with `rialto run`") from None
    except TimeoutError:
        raise UnreachableError(f"{url} did not answer within {TIMEOUT:.0f} seconds") from None
    except (aiohttp.ClientError, ValueError):
        raise UnreachableError(f"{url} gives no status; is it Rialto that listens there?") from None


def show(status: Status, out: Console, clock: Callable[[], float]) -> None:
    """Print it for a person."""
    now = clock()
    out.print(cell(f"rialto {status.version}"))
    if status.store.failure is not None:
        waits = "the store does not work, so nothing is taken in or sent"
        began = "" if status.store.since is None else f" since {since(status.store.since, now)}"
        out.print(cell(f"{waits}{began}: {status.store.failure}", "bold red"))
    networks = Table("network", "kind", "state", "since", "why")
    for name, network in status.networks.items():
        state = cell("online", "green") if network.online else cell("offline", "bold red")
        networks.add_row(
            cell(name), cell(network.kind), state, cell(since(network.since, now)), cell(network.failure or "")
        )
    out.print(networks)
    outside = [
        (name, place, why) for name, network in status.networks.items() for place, why in network.outside.items()
    ]
    if outside:
        places = Table("network", "not in this place", "why")
        for name, place, why in outside:
            places.add_row(cell(name), cell(place, "bold red"), cell(why))
        out.print(places)
    for name, intake in status.intake.items():
        if intake.age > SLOW:
            came = f"{counted(intake.pending, 'thing')} that came from {name} cannot be recorded yet"
            out.print(cell(f"{came}, the oldest for {age(intake.age)}", "bold red"))
    busy = [lane for lane in status.lanes if lane.waiting or lane.retrying]
    if busy:
        lanes = Table("place", "waiting", "oldest said", "retrying because")
        for lane in sorted(busy, key=lambda lane: lane.waiting, reverse=True):
            oldest = "" if lane.oldest is None else f"{age(now - lane.oldest)} ago"
            lanes.add_row(cell(lane.place), str(lane.waiting), cell(oldest), cell(lane.retrying or ""))
        out.print(lanes)
    else:
        out.print(cell(f"{counted(len(status.lanes), 'lane')}; nothing waits"))
    if status.failures:
        failures = Table("failed", "to", "when", "why")
        for failure in reversed(status.failures):
            failures.add_row(
                cell(failure.id), cell(failure.place), cell(f"{age(now - failure.when)} ago"), cell(failure.why)
            )
        out.print(failures)
    if status.quarantined:
        out.print(cell(f"{counted(status.quarantined, 'event')} could not be recorded; see the log", "bold red"))
    if status.counts:
        counts = Table("counted since start", "number")
        for what, number in sorted(status.counts.items()):
            counts.add_row(cell(what), cell(f"{number:g}" if isinstance(number, float) else str(number)))
        out.print(counts)
