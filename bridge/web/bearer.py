"""Bearer tokens (RFC 6750 section 2.1): only in their header, and compared without telling how far they fit."""

import hmac

from aiohttp import web


class NoTokenError(Exception):
    """The request carries no Bearer token, or more than one of whatever kind."""


def given(request: web.BaseRequest) -> str:
    """The token that the request carries. Raises `NoTokenError` where it carries none."""
    told = request.headers.getall("Authorization", ())
    # Of two, whoever stands before us may have looked at the other one.
    scheme, _, token = told[0].partition(" ") if len(told) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise NoTokenError
    return token.strip()


def authorised(request: web.BaseRequest, token: str) -> bool:
    """Whether the request carries this very token. Raises `NoTokenError` where it carries none."""
    # A header may hold any bytes; those that are no UTF-8 come as surrogates.
    return hmac.compare_digest(given(request).encode("utf-8", "surrogateescape"), token.encode())
