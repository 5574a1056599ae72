"""The application: adapters' routes below their networks' names, health, metrics, the API for `rialto status`, and what
programs may ask for people; and a smaller one, with the last of these alone."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from bridge.contract import Adapter, Routed
from bridge.web import messages, presence
from bridge.web.bearer import NoTokenError, authorised
from bridge.web.programs import Programs, RefusedError

LONGEST_ID = 1000
"""Characters of the id of a message; a Matrix event id has at most 255 bytes."""

MOST_BYTES = 64 * 1024 * 1024
"""Of a request's body, before any adapter looks at it. Adapters set lower limits of their own."""


Answer = Callable[[Programs, web.Request], Awaitable[web.StreamResponse]]


class Gateway(Protocol):
    """What can be asked of the running gateway."""

    def status(self) -> dict[str, Any]:
        """What ``/api/status`` shows."""

    async def story(self, wanted: str) -> list[dict[str, Any]]:
        """What is known of the messages with this id, ours or a network's."""

    async def healthy(self) -> bool:
        """Whether the store's thread answers in time, or is known to wait for its database."""


def build(
    adapters: Mapping[str, Adapter],
    registry: CollectorRegistry,
    gateway: Gateway,
    admin_token: str | None,
    programs: Programs,
) -> web.Application:
    """All there is. Without an `admin_token`, what lies below ``/api/`` answers 403 to everybody."""
    app = web.Application(client_max_size=MOST_BYTES)

    async def health(_: web.Request) -> web.Response:
        # The store's thread answers, and this loop turns. Whether the networks and the database do, /readyz says: to
        # restart us would not mend these.
        if await gateway.healthy():
            return web.json_response({"status": "ok"})
        return web.json_response({"status": "the store does not answer"}, status=503)

    async def ready(_: web.Request) -> web.Response:
        # A network is online while it answers: each adapter asks for an answer where it hears nothing.
        answers = await gateway.healthy()
        found = gateway.status()
        offline = sorted(name for name, network in found["networks"].items() if not network["online"])
        # Why it is so is for the operator, who has the token: it may name accounts, and what lies where.
        store = answers and found["store"]["failure"] is None
        return web.json_response({"offline": offline, "store": store}, status=200 if store and not offline else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def show_status(request: web.Request) -> web.Response:
        _authorise(request, admin_token)
        await gateway.healthy()
        return web.json_response(gateway.status())

    async def show_story(request: web.Request) -> web.Response:
        _authorise(request, admin_token)
        wanted = request.query.get("id", "")
        if not 0 < len(wanted) <= LONGEST_ID:
            raise web.HTTPBadRequest(
                text=json.dumps({"error": "ask with ?id= and the id of a message"}), content_type="application/json"
            )
        return web.json_response(await gateway.story(wanted))

    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/api/status", show_status)
    app.router.add_get("/api/messages", show_story)
    _add(app, programs)
    for network, adapter in adapters.items():
        if isinstance(adapter, Routed):
            app.router.add_route("*", f"/{network}/{{tail:.*}}", _to(adapter))
    return app


def public(programs: Programs) -> web.Application:
    """What programs may ask for people, and nothing else."""
    app = web.Application(client_max_size=messages.LARGEST)
    _add(app, programs)
    return app


def _add(app: web.Application, programs: Programs) -> None:
    """The routes for programs. HEAD is answered as GET is, without the body."""

    def answering(answer: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await answer(programs, request)
            except RefusedError as refused:
                return refused.answer

        return handle

    app.router.add_get("/presence/{uri:[^/]+}", answering(presence.show_presence))
    app.router.add_get("/presence/{uri:[^/]+}/watchers", answering(presence.show_watchers))
    app.router.add_post("/im/{uri:[^/]+}", answering(messages.take))


def _to(adapter: Routed) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        # Looked up for each request: another adapter may have taken the place of one that crashed.
        answer: web.StreamResponse = await adapter.handle(request)
        return answer

    return handle


def _authorise(request: web.Request, admin_token: str | None) -> None:
    """Raises `web.HTTPForbidden` where the request does not carry the token."""
    try:
        allowed = admin_token is not None and authorised(request, admin_token)
    except NoTokenError:
        allowed = False
    if not allowed:
        raise web.HTTPForbidden(
            text=json.dumps({"error": "send http.admin_token as a Bearer token"}), content_type="application/json"
        )
