"""Forged tokens: without the homeserver's or the administrator's own, nothing is done and nothing is told.

Application service API, specification v1.19, "Authorization"; RFC 6750 section 2.
"""

import hmac
from io import StringIO

import pytest

from bridge.config import Log
from bridge.log import set_up
from tests.security.fortress import (
    ADMIN_TOKEN,
    BO,
    HS_TOKEN,
    OF_KESTREL,
    PROGRAMS_TOKEN,
    PUSH,
    TO_KESTREL,
    fortress,
)
from tests.web.asking import written

FORGED = [
    (),
    ("Authorization: Bearer",),
    ("Authorization: Bearer  ",),
    ("Authorization: Bearer wrong",),
    ("Authorization: Bearer \udcff\udcfe",),
    ("Authorization: Bearer \u00e4\u20ac",),
    (f"Authorization: Bearer {HS_TOKEN[:-1]}",),
    (f"Authorization: Bearer {HS_TOKEN}x",),
    (f"Authorization: Bearer {HS_TOKEN.upper()}",),
    (f"Authorization: Bearer {HS_TOKEN} {HS_TOKEN}",),
    (f"Authorization: Basic {HS_TOKEN}",),
    (f"Authorization: {HS_TOKEN}",),
    (f"X-Authorization: Bearer {HS_TOKEN}",),
    (f"Cookie: access_token={HS_TOKEN}",),
    ("Authorization: Bearer wrong", f"Authorization: Bearer {HS_TOKEN}"),
    (f"Authorization: Bearer {HS_TOKEN}", "Authorization: Bearer wrong"),
    (f"Authorization: Bearer {ADMIN_TOKEN}",),
]


@pytest.mark.parametrize("headers", FORGED)
async def test_no_homeserver(headers: tuple[str, ...]) -> None:
    async with fortress() as standing:
        for method, target in (
            ("PUT", PUSH),
            ("PUT", "/home/transactions/1"),
            ("POST", "/home/_matrix/app/v1/ping"),
            ("GET", "/home/_matrix/app/v1/users/@_rialto_x:example.org"),
        ):
            status = await standing.ask(method, target, *headers, body=b'{"events": [{"type": "m.forged"}]}')
            assert status in (401, 403), (method, target)
        assert standing.matrix.untouched


@pytest.mark.parametrize(
    "query", [f"?access_token={HS_TOKEN}", f"?access_token={HS_TOKEN}&access_token=x", f"?hs_token={HS_TOKEN}"]
)
async def test_a_token_in_the_address_is_none(query: str) -> None:
    """Addresses end in logs of proxies; Synapse sends the header since 1.81, beside which the query says nothing."""
    async with fortress() as standing:
        assert await standing.ask("PUT", PUSH + query, body=b'{"events": []}') == 401
        assert await standing.ask("PUT", PUSH + query, "Authorization: Bearer wrong", body=b'{"events": []}') == 403
        assert await standing.ask("GET", f"/api/status?access_token={ADMIN_TOKEN}&token={ADMIN_TOKEN}") == 403
        assert standing.matrix.untouched


@pytest.mark.parametrize(
    "headers",
    [*(header for header in FORGED if ADMIN_TOKEN not in str(header)), (f"Authorization: Bearer {ADMIN_TOKEN}x",)],
)
async def test_no_administrator(headers: tuple[str, ...]) -> None:
    async with fortress() as standing:
        assert await standing.ask("GET", "/api/status", *headers) == 403
        assert await standing.ask("GET", "/api/status", token=ADMIN_TOKEN) == 200


@pytest.mark.parametrize(
    "headers", [tuple(line.replace(HS_TOKEN, PROGRAMS_TOKEN) for line in header) for header in FORGED]
)
async def test_no_program(headers: tuple[str, ...]) -> None:
    async with fortress() as standing:
        for method, target in (
            ("GET", OF_KESTREL),
            ("HEAD", OF_KESTREL),
            ("GET", f"{OF_KESTREL}/watchers"),
            ("GET", f"{OF_KESTREL}?access_token={PROGRAMS_TOKEN}"),
            ("POST", TO_KESTREL),
            ("POST", f"{TO_KESTREL}?access_token={PROGRAMS_TOKEN}"),
        ):
            body = written(by=BO) if method == "POST" else b""
            status = await standing.ask(method, target, "Content-Type: message/cpim", *headers, body=body)
            assert status == 401, (method, target)
        assert not standing.hall.taken


async def test_a_program_is_no_homeserver_and_no_administrator() -> None:
    async with fortress() as standing:
        assert await standing.ask("PUT", PUSH, token=PROGRAMS_TOKEN, body=b'{"events": []}') == 403
        assert await standing.ask("GET", "/api/status", token=PROGRAMS_TOKEN) == 403
        for token in (HS_TOKEN, ADMIN_TOKEN):
            assert await standing.ask("GET", OF_KESTREL, token=token) == 401
        assert standing.matrix.untouched


async def test_comparing_takes_as_long_wherever_they_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are compared whole, by the one function of the standard library that is made for it."""
    compared, real = list[tuple[bytes, bytes]](), hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr("bridge.web.bearer.hmac.compare_digest", compare)
    async with fortress() as standing:
        assert await standing.ask("PUT", PUSH, "Authorization: Bearer x", body=b"{}") == 403
        assert await standing.ask("GET", "/api/status", "Authorization: Bearer y") == 403
        assert compared == [(b"x", HS_TOKEN.encode()), (b"y", ADMIN_TOKEN.encode())]


async def test_no_token_reaches_a_log() -> None:
    out = StringIO()
    secret = "SENT-BY-SOMEBODY"
    set_up(Log.model_validate({"level": "debug"}), out)
    async with fortress() as standing:
        for line in (
            f"Authorization: Bearer {secret}",
            f"Authorization : Bearer {secret}",
            f"Authorization: Bearer {secret}\x01",
            f"Authorization\x00: Bearer {secret}",
        ):
            head = f"PUT {PUSH}?access_token={secret} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line}\r\n"
            head += "Content-Length: 2\r\n\r\n{}"
            status, _ = await standing.send(head.encode())
            assert status in (400, 403)
            for method, target in (("GET", OF_KESTREL), ("POST", TO_KESTREL)):
                head = f"{method} {target}?access_token={secret} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                head += f"{line}\r\n\r\n"
                status, _ = await standing.send(head.encode())
                assert status in (400, 401)
        issued = await standing.hall.programs.tokens.issue(BO)
        assert await standing.ask("GET", OF_KESTREL, token=issued) == 200
        object_ = written(by=BO, more="imdn.Message-ID: SENT-BY-SOMEBODY")
        assert await standing.ask("POST", TO_KESTREL, "Content-Type: message/cpim", token=issued, body=object_) == 202
    assert "wrong hs_token" in out.getvalue()
    for told in (secret, issued, HS_TOKEN, ADMIN_TOKEN, PROGRAMS_TOKEN):
        assert told not in out.getvalue()
