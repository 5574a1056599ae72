"""What programs may ask for people over HTTP, and what is the same of all of it: who asks, whom they mean, no for an
answer."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from aiohttp import web

from bridge.inboxes import Inboxes, UnresolvedError
from bridge.model.address import Address
from bridge.model.uri import Scheme, Uri, UriError
from bridge.presence_service import PresenceService
from bridge.submissions import Submissions
from bridge.tokens import Tokens
from bridge.web.bearer import NoTokenError, given

PRIVATE: Mapping[str, str] = {"Cache-Control": "private, max-age=0, must-revalidate", "Vary": "Authorization"}
"""Whoever asks next may be somebody else, and the rules may be others (RFC 2779 3.3.3): a copy is asked about each
time."""


@dataclass(frozen=True, slots=True)
class Programs:
    """What of the core they need. `may_use`: may the person use the bridge? `name_of`: what they are called. `clock`:
    seconds since the epoch."""

    tokens: Tokens
    inboxes: Inboxes
    presence: PresenceService
    submissions: Submissions
    may_use: Callable[[Address], bool]
    name_of: Callable[[Address], str]
    clock: Callable[[], float] = time.time


class RefusedError(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, text: str, **more: str) -> None:
        """`more` are fields beside ``error``."""
        super().__init__(text)
        self.answer = web.json_response({"error": text, **more}, status=status, headers=PRIVATE)


class UnauthorisedError(RefusedError):
    """Who asks is not known, and has to be (RFC 6750 section 3)."""

    def __init__(self, text: str, challenge: str = "Bearer") -> None:
        super().__init__(401, text)
        self.answer.headers["WWW-Authenticate"] = challenge


def caller(programs: Programs, request: web.Request) -> Address | None:
    """For whom the request is made; None where it does not say. Raises `RefusedError`."""
    if "Authorization" not in request.headers:
        return None
    try:
        owner = programs.tokens.owner(given(request))
    except NoTokenError:
        owner = None
    if owner is None:
        raise UnauthorisedError("that token is nobody's", 'Bearer error="invalid_token"')
    if not programs.may_use(owner):
        raise RefusedError(403, "you may not use this bridge")
    return owner


def asked(request: web.Request, scheme: Scheme) -> Uri:
    """The URI in the request's path. Raises `RefusedError`.

    A URI is percent-encoded once more to stand in a path. One that stands there as it is, is taken, too.
    """
    raw = request.rel_url.raw_path.split("/")[2]
    for text in (unquote(raw, errors="surrogateescape"), raw):
        try:
            uri = Uri.parse(text)
        except UriError:
            continue
        if uri.scheme == scheme:
            return uri.bare
    raise RefusedError(400, f"the path names no {scheme}: URI; percent-encode it: /.../{scheme}%3Abo%40example.org")


def resolved(programs: Programs, uri: Uri) -> Address:
    """The person meant. Raises `RefusedError`."""
    try:
        return programs.inboxes.find(uri)
    except UnresolvedError as error:
        raise RefusedError(404, str(error)) from error
