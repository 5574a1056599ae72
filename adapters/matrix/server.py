"""The application service's routes, which the homeserver calls.

Application service API, specification v1.19, "Pushing events", "Querying", "Third-party networks"; the paths without
``/_matrix/app/v1`` and those below ``/_matrix/app/unstable`` are those of old homeservers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog
from aiohttp import web

from adapters.matrix.errors import MatrixError
from adapters.matrix.reading import read
from adapters.matrix.tasks import Tasks
from bridge.web.bearer import NoTokenError, authorised

log = structlog.get_logger(__name__)

LARGEST_TRANSACTION = 32 * 1024 * 1024
"""Bytes of a transaction: a hundred events of the largest size take some 6.5 MB, and ephemeral events come on top."""

BODY_WITHIN = 60.0
"""Seconds in which a transaction has to have come whole; Synapse does not wait longer for the answer itself."""

TURN_WITHIN = 50.0
"""Seconds a transaction waits for the one before it: shorter than Synapse waits for an answer (60)."""

LATE = 30.0
"""Seconds a transaction may take: after more, the homeserver may have hung up, and rest for minutes before it asks
again."""

_ROOTS = ("_matrix/app/v1/", "_matrix/app/unstable/", "")
_ROUTES = {"transactions": "PUT", "ping": "POST", "users": "GET", "rooms": "GET", "thirdparty": "GET"}


class RefusalError(Exception):
    """The request is answered with an error of the Matrix form."""

    def __init__(self, status: int, errcode: str, text: str) -> None:
        super().__init__(text)
        self.answer = web.json_response({"errcode": errcode, "error": text}, status=status)


class Server:
    """Answers the homeserver.

    `take` takes in a transaction and returns when it is durable; `user` tells whether a user id exists by now; `ready`
    waits until transactions can be told apart, and says whether they can. `late` is called when one took long.

    One transaction is taken in at a time, and no other is read before: a homeserver that does not wait for the answer
    must not fill our memory with repetitions.
    """

    def __init__(
        self,
        token: str,
        take: Callable[[Mapping[str, Any]], Coroutine[Any, Any, None]],
        user: Callable[[str], Awaitable[bool]],
        ready: Callable[[], Awaitable[bool]],
        tasks: Tasks,
        late: Callable[[], None] = lambda: None,
    ) -> None:
        self._late = late
        self._taking: asyncio.Task[MatrixError | None] | None = None
        self._token = token
        self._take = take
        self._user = user
        self._ready = ready
        self._tasks = tasks

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; the path below the network's own prefix is in ``match_info["tail"]``."""
        try:
            return web.json_response(await self._answer(request))
        except RefusalError as refusal:
            return refusal.answer

    async def _answer(self, request: web.Request) -> dict[str, Any]:
        route, argument = _route(request.match_info.get("tail", ""))
        if route is None:
            raise RefusalError(404, "M_UNRECOGNIZED", "there is nothing at this path")
        if request.method != _ROUTES[route]:
            raise RefusalError(405, "M_UNRECOGNIZED", f"this path is for {_ROUTES[route]}")
        self._authorize(request)
        if route == "transactions":
            return await self._transaction(request)
        if route == "ping":
            return {}
        if route == "users" and await self._user(argument):
            return {}
        raise RefusalError(404, "M_NOT_FOUND", "there is no such user, room or network here")

    def _authorize(self, request: web.Request) -> None:
        try:
            right = authorised(request, self._token)
        except NoTokenError:
            raise RefusalError(401, "M_UNAUTHORIZED", "the homeserver's token is missing") from None
        if not right:
            log.warning("request with a wrong hs_token", remote=request.remote)
            raise RefusalError(403, "M_FORBIDDEN", "the token is not the homeserver's")

    async def _transaction(self, request: web.Request) -> dict[str, Any]:
        await self._turn()
        raw = await _body(request)
        try:
            body = read(raw)
        except ValueError:
            raise RefusalError(400, "M_NOT_JSON", "the transaction is not JSON") from None
        if not isinstance(body, dict) or not isinstance(body.get("events"), list):
            raise RefusalError(400, "M_BAD_JSON", "a transaction is an object with a list of events")
        if not await self._ready():
            # The homeserver keeps the transaction, and brings it again.
            raise RefusalError(503, "M_UNKNOWN", "not ready yet")
        # In a task of its own: if the homeserver hangs up meanwhile, what was begun is finished.
        await self._turn()
        task = self._taking = self._tasks.spawn(self._taken(body), "transaction")
        try:
            error = await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise RefusalError(503, "M_UNKNOWN", "not running any more") from None
            raise
        if error is not None:
            raise RefusalError(503, "M_UNKNOWN", f"what was said before it cannot be read yet: {error}")
        return {}

    async def _turn(self) -> None:
        """Wait until no transaction is being taken in. Raises `RefusalError` if that is long."""
        deadline = asyncio.get_running_loop().time() + TURN_WITHIN
        while (task := self._taking) is not None and not task.done():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                # The homeserver keeps the transaction, and brings it again.
                raise RefusalError(503, "M_UNKNOWN", "the transaction before is still being taken in")
            await asyncio.wait({task}, timeout=left)

    async def _taken(self, body: Mapping[str, Any]) -> MatrixError | None:
        """Take it in; returns why that cannot be done now."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await self._take(body)
        except MatrixError as error:
            log.info("a transaction is to come again", error=str(error))
            return error
        if loop.time() - began > LATE:
            self._late()
        return None


def _route(tail: str) -> tuple[str | None, str]:
    """The route a path means, and the rest of the path."""
    tail = tail.lstrip("/")
    for root in _ROOTS:
        if tail.startswith(root):
            name, slash, argument = tail[len(root) :].partition("/")
            needs_argument = name in ("transactions", "users", "rooms")
            if name == "thirdparty" or (name in _ROUTES and needs_argument == bool(slash and argument)):
                return name, argument
            break
    return None, ""


async def _body(request: web.Request) -> bytes:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        # A few kilobytes can be made to hold gigabytes, and no homeserver sends any so.
        raise RefusalError(415, "M_UNKNOWN", "send the transaction as it is, not compressed")
    if request.content_length is not None and request.content_length > LARGEST_TRANSACTION:
        raise RefusalError(413, "M_TOO_LARGE", "the transaction is too large")
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.content.iter_any():
                raw += chunk
                if len(raw) > LARGEST_TRANSACTION:
                    raise RefusalError(413, "M_TOO_LARGE", "the transaction is too large")
    except TimeoutError:
        raise RefusalError(408, "M_UNKNOWN", "the transaction did not come in time") from None
    return bytes(raw)
