"""``GET /presence/{pres-uri}``: RFC 3859's fetch, and ``/watchers`` below it: watcher information (RFC 3858).

Each answer is for whoever asks, and made anew for each request: rules hold from one to the next. To somebody who is
politely blocked everything here answers as of one who is offline: the same code goes the same way.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Final

from aiohttp import web

from bridge.looks import Fetched
from bridge.model import pidf, rfc3339, watcherinfo
from bridge.model.elements import Extension
from bridge.model.result import Failure, Reason
from bridge.model.subscription import SubscriptionState
from bridge.model.uri import Uri
from bridge.views import closed
from bridge.watchers import Watcher, WatcherInfo
from bridge.web.programs import PRIVATE, Programs, RefusedError, UnauthorisedError, asked, caller, resolved

STALE: Final = "org.rialto.bridge:presence"
"""The namespace of ``stale``, in the document of somebody of whom nothing is known now, but was until ``since``."""

ANONYMOUS: Final = "pres:anonymous@anonymous.invalid"
"""Who looked without saying who they are (the form of RFC 3323 section 4.1.1.3)."""

_STATUS: Final[Mapping[Reason, int]] = {Reason.ITEM_NOT_FOUND: 404, Reason.POLICY_VIOLATION: 429}

REFUSED: Final = "they do not let you see when they are there, or not without a token"


async def show_presence(programs: Programs, request: web.Request) -> web.StreamResponse:
    """Answer a GET or HEAD. Raises `RefusedError`."""
    who = caller(programs, request)
    uri = asked(request, "pres")
    target = resolved(programs, uri)
    found = await programs.presence.fetch(who, target)
    if isinstance(found, Failure):
        if who is None:
            # In one voice: whoever does not say who they are learns of nobody whether they are there to be asked for.
            raise UnauthorisedError(REFUSED)
        raise RefusedError(_STATUS.get(found.reason, 403), found.text)
    if not found.presence.tuples and not found.stale:
        raise RefusedError(404, "nothing is known of them")
    body = document(found, str(uri))
    headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}
    if found.since is not None:
        headers["Last-Modified"] = formatdate(found.since, usegmt=True)
    return _answer(request, body, pidf.MEDIA_TYPE, headers)


def document(found: Fetched, entity: str) -> bytes:
    """What somebody may see, under the URI by which they asked."""
    if found.presence.tuples:
        return pidf.dumps(pidf.Document.of(found.presence, entity))
    since = f' since="{rfc3339.write(found.since)}"' if found.since is not None else ""
    last = pidf.Document.of(closed(found.presence.presentity), entity)
    return pidf.dumps(replace(last, extensions=(Extension(f'<stale xmlns="{STALE}"{since}/>'),)))


async def show_watchers(programs: Programs, request: web.Request) -> web.StreamResponse:
    """Answer a GET or HEAD. Raises `RefusedError`."""
    who = caller(programs, request)
    if who is None:
        raise UnauthorisedError("who watches somebody is told to those with a token")
    uri = asked(request, "pres")
    told = await programs.presence.watcher_info(resolved(programs, uri), who)
    if isinstance(told, Failure):
        raise RefusedError(403, told.text)
    body = watcherinfo.dumps(watcher_info(told, uri, programs.clock()))
    # Weak: how long a subscription has lasted is another number in each document, and no news.
    return _answer(request, body, watcherinfo.MEDIA_TYPE, {"ETag": f'W/"{told.version}"'})


def watcher_info(told: WatcherInfo, uri: Uri, now: float) -> watcherinfo.WatcherInfo:
    """The document, whole."""
    watchers = tuple(_watcher(each, now) for each in told.watchers)
    return watcherinfo.WatcherInfo(told.version, True, (watcherinfo.WatcherList(str(uri), watchers),))


def _watcher(each: Watcher, now: float) -> watcherinfo.Watcher:
    over = each.state is SubscriptionState.TERMINATED
    until = each.expires if over and each.expires is not None else now
    return watcherinfo.Watcher(
        ANONYMOUS if each.who is None else each.who.uri("pres"),
        each.id,
        watcherinfo.Status(each.state),
        watcherinfo.Event(each.event),
        expiration=None if over or each.expires is None else max(0, int(each.expires - now)),
        duration=max(0, int(until - each.since)),
    )


def _answer(request: web.Request, body: bytes, media_type: str, headers: dict[str, str]) -> web.Response:
    """The document, or that it is the one that the asker has (RFC 9110 section 13.1.2)."""
    tag = headers["ETag"].removeprefix("W/").strip('"')
    if any(each.value in (tag, "*") for each in request.if_none_match or ()):
        return web.Response(status=304, headers={**PRIVATE, **headers})
    return web.Response(body=body, content_type=media_type, headers={**PRIVATE, **headers})
