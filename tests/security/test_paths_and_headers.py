"""Path and header tricks: no spelling of an address, no header and no method comes round the tokens."""

import pytest

from tests.security.fortress import ADMIN_TOKEN, HS_TOKEN, PUSH, fortress

STATUS = [
    "/api/status",
    "//api/status",
    "/api//status",
    "/api/./status",
    "/api/x/../status",
    "/healthz/../api/status",
    "/home/../api/status",
    "/home/..%2fapi/status",
    "/home/%2e%2e/api/status",
    "/api%2fstatus",
    "/%61pi/status",
    "/api/status/",
    "/api/status;x=y",
    "/api/status%00",
    "/api/status%0d%0aX: y",
    "/API/STATUS",
    "/api/status?x",
    "/api/status#x",
    "http://127.0.0.1/api/status",
    "http://user:pass@bridge.example.org/api/status",
]


@pytest.mark.parametrize("target", STATUS)
async def test_no_spelling_comes_round_the_admin_token(target: str) -> None:
    async with fortress() as standing:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "get"):
            assert await standing.ask(method, target) in (400, 401, 403, 404, 405), method
        assert await standing.ask("GET", "/api/status", token=ADMIN_TOKEN) == 200
        assert standing.matrix.untouched


@pytest.mark.parametrize(
    "header",
    [
        "Host: localhost",
        "Host: 127.0.0.1",
        "Host: ",
        "Host: bridge.example.org:99999",
        "Host: bridge.example.org/home",
        "X-Forwarded-For: 127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "X-Original-URL: /healthz",
        "X-Rewrite-URL: /healthz",
        "X-HTTP-Method-Override: GET",
        "Upgrade: websocket",
        "Expect: 100-continue",
        "Transfer-Encoding: identity",
    ],
)
async def test_no_header_comes_round_the_tokens(header: str) -> None:
    async with fortress() as standing:
        assert await standing.ask("GET", "/api/status", header) in (400, 403, 417)
        assert await standing.ask("PUT", PUSH, header, body=b'{"events": []}') in (400, 401, 417)
        assert standing.matrix.untouched


@pytest.mark.parametrize(
    "target",
    [
        PUSH.replace("/home", "/home/home"),
        PUSH.replace("_matrix", "_matri%78"),
        PUSH.replace("/v1/", "/v1/../v1/"),
        PUSH.replace("/home/", "/home//"),
        "/home/..%2fhome/_matrix/app/v1/transactions/1",
        "/home/_matrix/app/v1/transactions/..%2f..%2f1",
        "/home/_matrix/app/v1/transactions/%00",
        "/home%2f_matrix/app/v1/transactions/1",
        "/other/_matrix/app/v1/transactions/1",
        "/_matrix/app/v1/transactions/1",
    ],
)
async def test_a_push_needs_its_token_however_it_is_addressed(target: str) -> None:
    async with fortress() as standing:
        assert await standing.ask("PUT", target, body=b'{"events": []}') in (400, 401, 404)
        assert standing.matrix.untouched
        status = await standing.ask("PUT", target, token=HS_TOKEN, body=b'{"events": []}')
        assert status in (200, 400, 404)
        assert (status == 200) == bool(standing.matrix.bodies)


@pytest.mark.parametrize(
    "target",
    [
        "/presence/",
        "/presence//",
        "/presence/..",
        "/presence/%2e%2e",
        "/presence/%2e%2e%2fapi%2fstatus",
        "/presence/../api/status",
        "/presence/pres:kestrel@libera/",
        "/presence/pres:kestrel@libera/..",
        "/presence/pres:kestrel@libera/../pres:bo%40example.org@office",
        "/presence/pres:kestrel@libera/watchers/",
        "/presence//pres:kestrel@libera",
        "/presence%2fpres:kestrel@libera",
        "/PRESENCE/pres:kestrel@libera",
        "/presence/pres:kestrel@libera%00",
        "/presence/pres:kestrel@libera%0d%0aX: y",
        "/presence/%",
        "/presence/%ff%fe",
        "/presence/" + "a" * 5000,
        "/presence/pres:" + "%25" * 2000 + "40@libera",
        "/im/im:kestrel@libera",
        "/im/../metrics",
    ],
)
async def test_no_spelling_shows_presence_to_a_stranger(target: str) -> None:
    async with fortress() as standing:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"):
            assert await standing.ask(method, target) in (400, 401, 403, 404, 405), method
        assert not standing.hall.taken


@pytest.mark.parametrize("target", [*STATUS, "/metrics", "/healthz", "/readyz", PUSH, "/presence/../metrics", "/"])
async def test_nothing_of_the_operators_is_on_the_public_listener(target: str) -> None:
    async with fortress(is_public=True) as standing:
        for token in (None, ADMIN_TOKEN, HS_TOKEN):
            for method in ("GET", "POST", "PUT"):
                assert await standing.ask(method, target, token=token) in (400, 401, 404, 405), (method, token)
        assert standing.matrix.untouched


@pytest.mark.parametrize(
    "user", ["..%2f..%2f", "%00", "%ff%fe", "@x:y/z", "@%0d%0a:example.org", "@" + "a" * 4000, "%E2%80%AE"]
)
async def test_a_query_for_any_user_is_answered(user: str) -> None:
    async with fortress() as standing:
        target = f"/home/_matrix/app/v1/users/{user}"
        assert await standing.ask("GET", target) in (400, 401, 404)
        assert standing.matrix.untouched
        assert await standing.ask("GET", target, token=HS_TOKEN) in (400, 404)


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 0x5",
        " Content-Length: 5",
    ],
)
async def test_a_request_that_two_could_read_differently_is_refused_and_nothing_behind_it_is_read(head: str) -> None:
    """Request smuggling (RFC 9112 section 11.2): what is hidden behind has the token, but must not be taken."""
    hidden = (
        f"0\r\n\r\nPUT {PUSH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {HS_TOKEN}\r\nConnection: close\r\n"
        'Content-Length: 14\r\n\r\n{"events": []}'
    )
    async with fortress() as standing:
        status, answer = await standing.send(
            f"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n\r\n{hidden}".encode()
        )
        assert status in (0, 200, 400)
        assert answer.count(b"HTTP/1.1 200") <= 1
        assert standing.matrix.untouched


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\r\n\r\n",
    ],
    ids=["nothing", "TLS", "HTTP/2", "HTTP/0.9"],
)
async def test_what_is_no_http_is_told_so(data: bytes) -> None:
    async with fortress() as standing:
        status, _ = await standing.send(data)
        assert status in (0, 400, 404, 405)
