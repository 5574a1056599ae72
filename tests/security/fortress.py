"""Our HTTP server as it is in the gateway, over loopback: what an attacker meets. Spoken to in bytes, for no client
library can be made to send what is sent here."""

import asyncio
import hashlib
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from adapters.matrix.server import Server
from adapters.matrix.tasks import Tasks
from bridge.demo.servers import free_ports
from bridge.directory import Directory, Entry
from bridge.inboxes import Inboxes
from bridge.model.address import Address, Place, PlaceKind, local_part
from bridge.model.event import Event
from bridge.model.presence import Basic, Presence, Tuple
from bridge.names import Kind
from bridge.permissions import Permissions
from bridge.presence_service import PresenceService
from bridge.route import Route
from bridge.store import Store
from bridge.submissions import Submissions
from bridge.tokens import Tokens
from bridge.web.app import build, public
from bridge.web.door import Door
from bridge.web.programs import Programs
from tests.unit.core.loopback import Loopback

HS_TOKEN = "hs-token-of-these-tests"
ADMIN_TOKEN = "admin-token-of-these-tests"
PROGRAMS_TOKEN = "rialto_" + "bo-s-token-of-these-tests-" + "x" * 6
PUSH = "/home/_matrix/app/v1/transactions/1"
OF_KESTREL = "/presence/pres:kestrel@libera"
TO_KESTREL = "/im/im:kestrel@libera"
BO, KESTREL = Address("office", "bo@example.org"), Address("libera", "kestrel")
WITHIN = 20.0


class Matrix(Loopback):
    """A network whose routes are those of the application service; keeps what they would hand on."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[Mapping[str, Any]] = []
        self.asked: list[str] = []
        self.tasks = Tasks()
        self.server = Server(HS_TOKEN, self._take, self._user, self._ready, self.tasks)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        return await self.server.handle(request)

    async def _take(self, body: Mapping[str, Any]) -> None:
        self.bodies.append(body)

    async def _user(self, user_id: str) -> bool:
        self.asked.append(user_id)
        return False

    async def _ready(self) -> bool:
        return True

    @property
    def untouched(self) -> bool:
        """Nothing got through."""
        return not self.bodies and not self.asked


class Hall:
    """What programs reach: Kestrel, who lets nobody anonymous see that he is there, and Bo, who has a token."""

    def __init__(self, store: Store, token: str, networks: Mapping[str, Loopback]) -> None:
        self.token = token
        self.taken: list[Event] = []
        permissions = Permissions(store)
        self.presence = PresenceService(
            store,
            networks,
            permissions,
            self,
            exists=lambda address: True,
            denies=lambda address: False,
            is_online=lambda network: True,
            say=lambda address, text: None,
            written=str,
        )
        self.presence.heard(Presence(KESTREL, (Tuple("irc", Basic.OPEN),)))
        entries = [Entry("office", Kind.XMPP, str, default=True), Entry("libera", Kind.IRC, str, default=False)]

        def everybody(address: Address) -> bool:
            return True

        self.programs = Programs(
            Tokens(store, {hashlib.sha256(token.encode()).hexdigest(): BO}, may_use=everybody),
            Inboxes(Directory(entries), ["office", "libera"], exists=everybody, at_home=everybody),
            self.presence,
            Submissions(store, route=self._route, accept=self._accept, within=0.1),
            may_use=everybody,
            name_of=local_part,
        )

    def may_watch(self, watcher: Address, watched: Address) -> bool:
        return True

    def may_still_watch(self, watcher: Address, watched: Address) -> bool:
        return True

    @staticmethod
    def _route(event: Event) -> Route:
        return Route((Place("libera", KESTREL.native, PlaceKind.USER),))

    async def _accept(self, event: Event) -> None:
        self.taken.append(event)


class Fortress:
    """The running server."""

    def __init__(self, port: int, matrix: Matrix, hall: Hall) -> None:
        self.port = port
        self.matrix = matrix
        self.hall = hall

    async def send(self, data: bytes) -> tuple[int, bytes]:
        """Send bytes, and read until the server closes. The status of the first answer (0: none) and all bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            answer = b""
            async with asyncio.timeout(WITHIN):
                try:
                    while chunk := await reader.read(65536):
                        answer += chunk
                except ConnectionResetError:
                    pass  # it closed over something that it did not want to read
        finally:
            writer.close()
        answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0
        return status, answer

    async def ask(
        self,
        method: str,
        target: str,
        *headers: str,
        body: bytes = b"",
        token: str | None = None,
        length: bool = True,
    ) -> int:
        """One request by its target as it stands; the status of the answer."""
        lines = [f"{method} {target} HTTP/1.1", "Host: bridge.example.org", "Connection: close", *headers]
        lines += [f"Authorization: Bearer {token}"] if token else []
        lines += [f"Content-Length: {len(body)}"] if length else []
        head = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n"
        status, _ = await self.send(head + body)
        return status

    async def push(self, *events: Mapping[str, Any]) -> int:
        """What the homeserver does: it works whatever happened before."""
        return await self.ask("PUT", PUSH, token=HS_TOKEN, body=json.dumps({"events": list(events)}).encode())


class Idle:
    """A gateway that does nothing."""

    def status(self) -> dict[str, Any]:
        return {"networks": {}, "lanes": []}

    async def story(self, wanted: str) -> list[dict[str, Any]]:
        return []

    async def healthy(self) -> bool:
        return True


@asynccontextmanager
async def fortress(matrix: Matrix | None = None, *, is_public: bool = False) -> AsyncIterator[Fortress]:
    """One with a Matrix network called home, and an admin token; or the one that is for programs alone. It works at the
    end as it did in the beginning."""
    (port,) = free_ports(1)
    matrix = matrix or Matrix()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/rialto.db")
        await store.open()
        hall = Hall(store, PROGRAMS_TOKEN, {"office": Loopback(), "libera": Loopback()})
        if is_public:
            app = public(hall.programs)
        else:
            app = build({"home": matrix}, CollectorRegistry(), Idle(), ADMIN_TOKEN, hall.programs)
        door = Door(app, shutdown_timeout=0.5)
        try:
            await door.open("127.0.0.1", port)
            standing = Fortress(port, matrix, hall)
            yield standing
            assert await standing.ask("GET", OF_KESTREL, token=PROGRAMS_TOKEN) == 200, "programs are served"
            if not is_public:
                assert await standing.push({"type": "m.last"}) == 200, "the homeserver is served whatever others did"
        finally:
            await door.close()
            await matrix.tasks.stop()
            await store.close()
