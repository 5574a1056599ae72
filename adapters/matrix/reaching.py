"""The first step of a check: does a homeserver answer where the configuration says so, and what time is it there?"""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp

from adapters.matrix import tls
from bridge import clocks
from bridge.contract import Finding

WITHIN = 10.0
"""Seconds the homeserver may take."""

_LARGEST = 65536


@dataclass(frozen=True, slots=True)
class Reached:
    """What there is to say, and whether anything more can be tried."""

    findings: tuple[Finding, ...]
    there: bool


async def reach(homeserver: str, key: str, clock: Callable[[], float] = time.time) -> Reached:
    """Ask for the versions it speaks, which needs no token. `key` is where `homeserver` stands in the configuration.

    Client-server API, specification v1.19, "API Versions". The time is that of the ``Date`` header (RFC 9110 section
    6.6.1), in whole seconds. `clock` gives seconds since the epoch.
    """
    url = f"{homeserver}/_matrix/client/versions"
    timeout = aiohttp.ClientTimeout(total=WITHIN)
    sent = clock()
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            raw = await answer.content.read(_LARGEST)
            received, headers, status = clock(), answer.headers, answer.status
    except (aiohttp.ClientError, OSError) as error:
        return Reached((Finding(False, _why(error, homeserver, key)),), False)
    if status != 200 or not _speaks_matrix(raw):
        text = (
            f"what answers at {homeserver} is no Matrix homeserver (status {status} for /_matrix/client/versions): "
            f"correct {key}, or what passes requests on to the homeserver"
        )
        return Reached((Finding(False, text),), False)
    return Reached((Finding(True, f"a homeserver answers at {homeserver}"), *_time(headers, sent, received)), True)


def _why(error: Exception, homeserver: str, key: str) -> str:
    """Why nothing came back, in words that say what to do."""
    encrypted = homeserver.startswith("https:")
    running = f"is the homeserver running, and is {key} right?"
    match error:
        case aiohttp.ClientSSLError():
            return tls.trouble(error, homeserver, key)
        case aiohttp.ClientConnectorDNSError():
            return f"the host of {homeserver} is not found ({error.os_error.strerror}): check {key}"
        case aiohttp.ClientConnectorError():
            cause = error.os_error
            # asyncio's own words for a refused connection are none for people.
            said = os.strerror(cause.errno) if cause.errno else str(cause)
            return f"no connection to {homeserver} ({said}): {running}"
        case TimeoutError():
            return f"{homeserver} did not answer within {WITHIN:.0f} s: {running}"
        case _ if encrypted:
            return f"{homeserver} broke the connection off ({type(error).__name__}): {running}"
        case _:
            hint = f"write https:// in {key} if the port is for TLS"
            return f"{homeserver} broke the connection off ({type(error).__name__}): {hint}; if not, {running}"


def _speaks_matrix(raw: bytes) -> bool:
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and isinstance(said.get("versions"), list)


def _time(headers: Mapping[str, str], sent: float, received: float) -> tuple[Finding, ...]:
    try:
        theirs = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return ()
    return (clocks.compared("the homeserver", theirs, sent, received, resolution=1.0),)
