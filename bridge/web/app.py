"""The application: adapters' routes below their networks' names, health, metrics, and the API for `rialto status`."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from bridge.contract import Adapter, Routed
from bridge.web.bearer import NoTokenError, authorised

MOST_BYTES = 64 * 1024 * 1024
"""Of a request's body, before any adapter looks at it. Adapters set lower limits of their own."""


def build(
    adapters: Mapping[str, Adapter],
    registry: CollectorRegistry,
    status: Callable[[], dict[str, Any]],
    admin_token: str | None,
) -> web.Application:
    """`status` gives what ``/api/status`` shows. Without an `admin_token` that path answers 403 to everybody."""
    app = web.Application(client_max_size=MOST_BYTES)

    async def health(_: web.Request) -> web.Response:
        # The process answers. Whether its networks do is what /readyz says.
        return web.json_response({"status": "ok"})

    async def ready(_: web.Request) -> web.Response:
        networks = status()["networks"]
        offline = sorted(name for name, network in networks.items() if not network["online"])
        return web.json_response({"offline": offline}, status=503 if offline else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def show_status(request: web.Request) -> web.Response:
        if not _authorised(request, admin_token):
            raise web.HTTPForbidden(
                text=json.dumps({"error": "send http.admin_token as a Bearer token"}), content_type="application/json"
            )
        return web.json_response(status())

    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/api/status", show_status)
    for network, adapter in adapters.items():
        if isinstance(adapter, Routed):
            app.router.add_route("*", f"/{network}/{{tail:.*}}", adapter.handle)
    return app


def _authorised(request: web.Request, admin_token: str | None) -> bool:
    try:
        return admin_token is not None and authorised(request, admin_token)
    except NoTokenError:
        return False
