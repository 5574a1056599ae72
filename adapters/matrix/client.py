"""The homeserver as this application service asks it: one HTTP session, masquerading, patience.

Client-server API and application service API, specification v1.19. The token goes into the Authorization header only
(query tokens are deprecated since v1.11), never into a URL or a log.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import aiohttp
import structlog
from yarl import URL

from adapters.matrix import tls
from adapters.matrix.errors import MatrixError
from adapters.matrix.ids import segment
from adapters.matrix.reading import read
from bridge.backoff import HALF, Backoff

log = structlog.get_logger(__name__)

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that are read: the members of a very large room fit."""

_REDIRECTIONS = frozenset({301, 302, 303, 307, 308})

Before = Callable[[MatrixError], Awaitable[Mapping[str, Any] | None]]
"""Asked before a request is made again; an answer found by other means makes the repetition unnecessary."""


class BrokenConnectionError(aiohttp.ClientError):
    """The connection ended before the answer."""


async def _told_at_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a PUT by itself when the connection breaks under it: the homeserver may have done
    what was asked, and forgotten the transaction id by the time of the repetition. Whether to ask again is ours."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise BrokenConnectionError(str(error)) from error


async def _not_elsewhere(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Follow no redirection: it would carry token, password and people's words to wherever it points."""
    answer = await handler(request)
    if answer.status in _REDIRECTIONS:
        answer.close()
        where = answer.headers.get("Location", "")[:200]
        raise MatrixError(answer.status, "", f"redirected to {where!r}: write the URL that answers itself")
    return answer


class Client:
    """Requests to one homeserver in the application service's name."""

    privileged: ClassVar[bool] = True
    """Whether `request` may speak as others, and of the past; where not, its `user_id` and `ts` do not go out."""

    def __init__(
        self,
        homeserver: str,
        token: str,
        *,
        first_wait: float = 0.5,
        longest_wait: float = 30.0,
        timeout: float = 60.0,
    ) -> None:
        self._base = homeserver.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "rialto"}
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self.on_trouble: Callable[[MatrixError], None] | None = None
        """Called when the homeserver failed to answer twice in a row, or does not know the token."""
        self.requests = 0
        """Requests made so far, repetitions included."""

    def open(self) -> None:
        """Open the session. Called once, on the event loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64),
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=10),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_told_at_once, _not_elsewhere),
        )

    def use(self, token: str) -> None:
        """From now on, be known by this token."""
        self._headers["Authorization"] = f"Bearer {token}"

    async def close(self) -> None:
        """Let go of every connection."""
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        *path: str,
        user_id: str | None = None,
        ts: int | None = None,
        query: Mapping[str, str | Sequence[str]] | None = None,
        body: Mapping[str, Any] | None = None,
        patience: float = 0.0,
        before_again: Before | None = None,
    ) -> Mapping[str, Any]:
        """Ask, and ask again for up to `patience` seconds while the failure may pass.

        `path` is the fixed beginning (``/_matrix/client/v3/rooms``) and then segments, which are percent-encoded here.
        `user_id` is whom to speak as (the bot if None), `ts` the time in milliseconds the event shall carry. A 429 is
        waited out as its ``Retry-After`` says, else its ``retry_after_ms``; everything else that may pass with
        growing, jittered waits. Every request made here may safely be repeated: it is idempotent, or carries a
        transaction id. Raises `MatrixError`.
        """
        params: dict[str, str | Sequence[str]] = dict(query or {})
        if user_id is not None and self.privileged:
            params["user_id"] = user_id
        if ts is not None and self.privileged:
            params["ts"] = str(ts)
        target = path[0] + "".join(f"/{segment(piece)}" for piece in path[1:])
        url = URL(self._base + target, encoded=True).update_query(params)
        until = time.monotonic() + patience
        backoff = Backoff(self._first_wait, self._longest_wait, least=HALF)
        failures = 0
        while True:
            try:
                return await self._once(method, url, body)
            except MatrixError as error:
                failures = failures + 1 if error.unreachable else 0
                wait = error.retry_after if error.retry_after is not None else backoff.next()
                again = error.temporary and not error.unknown_token and time.monotonic() + wait <= until
                if self.on_trouble is not None and (
                    error.unknown_token or (error.unreachable and (failures > 1 or not again))
                ):
                    self.on_trouble(error)
                if not again:
                    raise
                log.debug("request will be repeated", method=method, error=str(error), wait=round(wait, 2))
                await asyncio.sleep(wait)
                if before_again is not None and (found := await before_again(error)) is not None:
                    return found

    async def _once(self, method: str, url: URL, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if self._session is None or self._session.closed:
            raise MatrixError(0, "", "the connection is closed")
        self.requests += 1
        data = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        headers = self._headers if data is None else {**self._headers, "Content-Type": "application/json"}
        try:
            async with await self._exchange(self._session, method, url, data, headers) as answer:
                raw = await _read(answer)
                return _evaluate(answer.status, answer.headers, raw)
        except aiohttp.ClientSSLError as error:
            raise MatrixError(0, tls.ERRCODE, tls.trouble(error, self._base, "`homeserver`")) from error
        except aiohttp.ClientConnectorError as error:
            raise MatrixError(0, "", f"no connection to {self._base}: {error.os_error.strerror or error}") from error
        except TimeoutError as error:
            raise MatrixError(0, "", f"{self._base} did not answer in time", ambiguous=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise MatrixError(0, "", f"the connection broke: {type(error).__name__}", ambiguous=True) from error

    async def _exchange(
        self, session: aiohttp.ClientSession, method: str, url: URL, data: bytes | None, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """One request on the wire. Raises what aiohttp raises."""
        return await session.request(method, url, data=data, headers=headers, allow_redirects=False)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    chunks = bytearray()
    async for chunk in answer.content.iter_any():
        chunks += chunk
        if len(chunks) > LARGEST_ANSWER:
            raise MatrixError(answer.status, "M_TOO_LARGE", "the answer is larger than we take", ambiguous=True)
    return bytes(chunks)


def _evaluate(status: int, headers: Mapping[str, str], raw: bytes) -> Mapping[str, Any]:
    """The JSON object of a 2xx answer; else raises the `MatrixError` that the answer stands for."""
    try:
        parsed = read(raw) if raw else {}
    except ValueError:
        parsed = None
    value: dict[str, Any] = parsed if isinstance(parsed, dict) else {}
    if 200 <= status < 300:
        if not isinstance(parsed, dict):
            # A proxy in between, most likely; whether the homeserver saw the request nobody knows.
            raise MatrixError(502, "M_NOT_JSON", "the answer is no JSON object", ambiguous=True)
        return value
    errcode = value.get("errcode")
    text = value.get("error")
    detail = value.get("status")
    raise MatrixError(
        status,
        errcode if isinstance(errcode, str) else "",
        text[:500] if isinstance(text, str) and text else f"HTTP status {status}",
        retry_after=_retry_after(headers, value) if status in (429, 503) else None,
        ambiguous=status >= 500,
        detail=detail if isinstance(detail, int) else None,
    )


def _retry_after(headers: Mapping[str, str], value: Mapping[str, Any]) -> float | None:
    """Seconds to wait: the ``Retry-After`` header (RFC 9110 section 10.2.3), else the deprecated ``retry_after_ms``."""
    told = headers.get("Retry-After", "").strip()
    if told:
        try:
            seconds = float(told) if told[0].isdigit() else parsedate_to_datetime(told).timestamp() - time.time()
        except (ValueError, OverflowError):
            seconds = None
        if seconds is not None:
            return max(0.0, min(seconds, 86400.0))
    milliseconds = value.get("retry_after_ms")
    if isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool):
        return max(0.0, min(float(min(milliseconds, 86_400_000)) / 1000, 86400.0))
    return None
