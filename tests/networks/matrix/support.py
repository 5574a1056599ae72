"""The Matrix adapter alone, over a real Synapse: a core that records, a mount, and users by plain HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
from aiohttp import web

from adapters.matrix import ADAPTER
from adapters.matrix.adapter import MatrixAdapter
from adapters.matrix.settings import MatrixSettings
from bridge.contract import Context, Part, Voice
from bridge.model.address import Address, Person, Place
from bridge.model.event import Event, State
from bridge.model.message import Content, MessageKind, Text
from bridge.model.presence import Presence
from bridge.model.result import Failure, Receipt
from bridge.model.room import Member
from bridge.names import Kind, Named, Names
from tests.networks.onlooker import Onlooker

NAMES = Names([Named("home", Kind.MATRIX, True), Named("libera", Kind.IRC), Named("office", Kind.XMPP, True)])
AS_TOKEN, HS_TOKEN = "as-token-of-these-tests", "hs-token-of-these-tests"
WITHIN = 40.0

T = TypeVar("T")


class RecordingCore(Onlooker):
    """A core in memory: keeps what it is told, drops origins it knows, and lets a test wait for something."""

    network = "home"
    names = NAMES

    def __init__(self, *places: str) -> None:
        super().__init__()
        self.places = [Place("home", native) for native in places]
        self.items: list[Event | State] = []
        self.memory: dict[str, str] = {}
        self.is_online = False
        self.onlines = 0
        self.failures: list[Failure] = []
        self.standing: list[tuple[Place, Failure | None]] = []
        self.labels: list[str] = []
        self.late: dict[str, Receipt] = {}
        self.known: set[str] = set()
        self.held: asyncio.Event | None = None
        self._changed = asyncio.Event()

    async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
        await self.remember(remember or {})
        if self.held is not None:
            await self.held.wait()
        for item in items:
            if isinstance(item, Event):
                if item.origin.native_id in self.known:
                    continue
                self.known.add(item.origin.native_id)
            self.items.append(item)
        self._changed.set()

    def presence(self, presence: Presence, *, passing: bool = False) -> None:
        super().presence(presence, passing=passing)
        self._changed.set()

    def online(self) -> None:
        self.is_online = True
        self.onlines += 1
        self._changed.set()

    def offline(self, failure: Failure) -> None:
        self.is_online = False
        self.failures.append(failure)
        self._changed.set()

    def inside(self, place: Place, failure: Failure | None) -> None:
        self.standing.append((place, failure))
        self._changed.set()

    def ignored(self, what: str, native_id: str = "") -> None:
        self.labels.append(what)
        self._changed.set()

    def confirmed(self, part_id: str, receipt: Receipt) -> None:
        self.late[part_id] = receipt
        self._changed.set()

    def recall(self, prefix: str = "") -> Mapping[str, str]:
        return {key: value for key, value in self.memory.items() if key.startswith(prefix)}

    async def remember(self, values: Mapping[str, str | None]) -> None:
        for key, value in values.items():
            if value is None:
                self.memory.pop(key, None)
            else:
                self.memory[key] = value
        self._changed.set()

    def members(self, network: str | None = None) -> Sequence[Member]:
        return [Member(place) for place in self.places]

    def last_seen(self, place: Place) -> float | None:
        return None

    async def until(self, what: Callable[[], T | None], expected: str, within: float = WITHIN) -> T:
        """Wait until `what` gives something true; fails telling what was seen."""
        try:
            async with asyncio.timeout(within):
                while not (found := what()):
                    self._changed.clear()
                    await self._changed.wait()
                return found
        except TimeoutError:
            seen = "\n  ".join(map(repr, self.items[-20:]))
            raise AssertionError(
                f"{expected}: not within {within} s; online {self.is_online}, failures {self.failures[-3:]}, "
                f"ignored {self.labels[-20:]}, late {self.late}, presences {self.shown[-5:]}; seen:\n  {seen}"
            ) from None

    async def until_online(self) -> None:
        await self.until(lambda: self.is_online, "online")

    async def until_offline(self, word: str = "") -> Failure:
        """Wait until the adapter is offline; with a word, until it was for that reason, and perhaps is back already."""

        def offline() -> Failure | None:
            if word:
                return next((failure for failure in reversed(self.failures) if word in str(failure)), None)
            return None if self.is_online or not self.failures else self.failures[-1]

        return await self.until(offline, f"offline with {word!r}")

    def events(self) -> list[Event]:
        return [item for item in self.items if isinstance(item, Event)]

    async def said(self, content: Content) -> Event:
        """Wait for an event of this content."""
        return await self.until(
            lambda: next((event for event in self.events() if event.content == content), None), f"{content}"
        )

    async def state(self, kind: type[T], match: Callable[[T], bool] = lambda _: True) -> T:
        """Wait for a state of this kind."""
        return await self.until(
            lambda: next((item for item in self.items if isinstance(item, kind) and match(item)), None), f"{kind}"
        )

    async def label(self, label: str) -> None:
        await self.until(lambda: label in self.labels, f"ignored {label}")


def settings(homeserver: str, **changes: Any) -> MatrixSettings:
    """The settings of these tests."""
    values = {"homeserver": homeserver, "domain": "localhost", "as_token": AS_TOKEN, "hs_token": HS_TOKEN}
    return MatrixSettings(**values | changes)


def context(port: int) -> Context:
    return Context("home", f"http://127.0.0.1:{port}/home", Path("."))


@asynccontextmanager
async def running(
    core: RecordingCore, homeserver: str, port: int, *, listen: int | None = None, **changes: Any
) -> AsyncIterator[MatrixAdapter]:
    """The adapter mounted as the core mounts it, started, and stopped at the end."""
    adapter = ADAPTER.create(settings(homeserver, **changes), context(port))
    assert isinstance(adapter, MatrixAdapter)
    app = web.Application()
    app.router.add_route("*", "/home/{tail:.*}", adapter.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", listen or port)
    await site.start()
    await adapter.start(core)
    try:
        yield adapter
    finally:
        await adapter.stop()
        await runner.cleanup()
        core.is_online = False


class User:
    """A Matrix user with any client, by plain HTTP."""

    def __init__(self, session: aiohttp.ClientSession, base: str, token: str, user_id: str) -> None:
        self.user_id = user_id
        self._session = session
        self._base = base
        self._token = token
        self._serial = 0

    async def ask(self, method: str, *path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Any:
        """One request, expected to succeed."""
        url = self._base + "/_matrix/client/v3/" + "/".join(quote(piece, safe="") for piece in path)
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.request(method, url, json=body, params=query, headers=headers) as answer:
            told = await answer.json()
            assert answer.status == 200, f"{method} {url}: {answer.status} {told}"
            return told

    async def room(
        self, alias: str = "", *, version: str | None = None, preset: str = "public_chat", **more: Any
    ) -> str:
        body: dict[str, Any] = {"preset": preset} | more
        if alias:
            body["room_alias_name"] = alias
        if version:
            body["room_version"] = version
        return str((await self.ask("POST", "createRoom", body=body))["room_id"])

    async def say(self, room_id: str, body: str, msgtype: str = "m.text", **more: Any) -> str:
        return await self.send(room_id, "m.room.message", {"msgtype": msgtype, "body": body} | more)

    async def send(self, room_id: str, kind: str, content: Mapping[str, Any]) -> str:
        self._serial += 1
        told = await self.ask("PUT", "rooms", room_id, "send", kind, f"t{self._serial}", body=content)
        return str(told["event_id"])

    async def state(self, room_id: str, kind: str, content: Mapping[str, Any], key: str = "") -> str:
        return str((await self.ask("PUT", "rooms", room_id, "state", kind, key, body=content))["event_id"])

    async def act(self, room_id: str, action: str, **body: Any) -> None:
        """join, leave, invite, kick, ban."""
        await self.ask("POST", "rooms", room_id, action, body=body)

    async def members(self, room_id: str) -> dict[str, str | None]:
        joined = (await self.ask("GET", "rooms", room_id, "joined_members"))["joined"]
        return {user_id: profile.get("display_name") for user_id, profile in joined.items()}

    async def messages(self, room_id: str, kind: str = "m.room.message") -> list[dict[str, Any]]:
        """The newest events of a kind, oldest first."""
        query = {"dir": "b", "limit": "100", "filter": json.dumps({"types": [kind]})}
        return list(reversed((await self.ask("GET", "rooms", room_id, "messages", query=query))["chunk"]))

    async def invitations(self) -> list[str]:
        """The rooms that this user is invited to."""
        # Synapse gives the same first /sync again for a while, unless it is asked in other words.
        self._serial += 1
        query = {"timeout": "0", "filter": json.dumps({"presence": {"limit": self._serial}})}
        rooms = (await self.ask("GET", "sync", query=query)).get("rooms", {})
        return list(rooms.get("invite", {}))

    async def invitation(self) -> str:
        """Wait for an invitation; its room."""

        async def one() -> str | None:
            return next(iter(await self.invitations()), None)

        return str(await self.until(one, f"an invitation of {self.user_id}"))

    async def show(self, presence: str, **more: str) -> None:
        """Show a presence."""
        await self.ask("PUT", "presence", self.user_id, "status", body={"presence": presence} | more)

    async def presence_of(self, user_id: str) -> dict[str, Any]:
        """What another user shows."""
        return dict(await self.ask("GET", "presence", user_id, "status"))

    async def until(self, look: Callable[[], Any], expected: str, within: float = WITHIN) -> Any:
        """Ask again, woken by /sync, until `look` gives something true."""
        since = (await self.ask("GET", "sync", query={"timeout": "0"}))["next_batch"]
        deadline = asyncio.get_running_loop().time() + within
        seen: Any = None
        while asyncio.get_running_loop().time() < deadline:
            seen = await look()
            if seen:
                return seen
            since = (await self.ask("GET", "sync", query={"timeout": "1000", "since": since}))["next_batch"]
        raise AssertionError(f"{expected}: not within {within} s; last seen {seen!r}")


def person(nick: str = "kestrel", name: str | None = None, network: str = "libera") -> Person:
    return Person(Address(network, nick), name or nick)


def part(place: Place, text: str, part_id: str, speaker: Person, when: float, **changes: Any) -> Part:
    values: dict[str, Any] = {
        "id": part_id,
        "place": place,
        "speaker": speaker,
        "voice": Voice.PUPPET,
        "kind": MessageKind.TEXT,
        "text": Text(text),
        "when": when,
        "source": f"source of {part_id}",
    }
    return Part(**values | changes)


def bodies(messages: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(message["sender"], message["content"].get("body", "")) for message in messages]
