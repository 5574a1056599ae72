"""SCRAM-SHA-256 with a server's side that is not ours: GNU SASL, through an InspIRCd."""

import asyncio
import base64
from collections.abc import Awaitable, Callable

import pytest

from adapters.irc.protocol.scram import Scram
from bridge.demo.servers import SERVICES_NAME, InspIRCd
from bridge.demo.servers.process import find_program
from tests.networks.irc.entering import refusal, whois
from tests.networks.irc.irc_lab import Crowd, running
from tests.networks.irc.sasl_agent import sasl_agent

SASL = {"mechanism": "SCRAM-SHA-256", "user": "ana"}


@pytest.mark.parametrize("password", ["secret", "p,=\u00e4 \u2168"])
async def test_a_password(new_inspircd: Callable[..., Awaitable[InspIRCd]], crowd: Crowd, password: str) -> None:
    ircd = await new_inspircd(services=SERVICES_NAME)
    url = f"irc://127.0.0.1:{ircd.port}"
    async with sasl_agent(ircd, password):
        async with running(0, server=url, sasl=SASL | {"password": password}):
            kim = await crowd.connect(ircd.port, "kim")
            assert (await whois(kim, "rialto"))["330"][2] == "ana"
        text = await refusal(url, sasl=SASL | {"password": "wrong"})
        assert "(904): check `sasl.user` and `sasl.password`" in text


async def test_services_that_skip_their_proof_are_not_believed(
    new_inspircd: Callable[..., Awaitable[InspIRCd]],
) -> None:
    ircd = await new_inspircd(services=SERVICES_NAME)
    async with sasl_agent(ircd, "secret", forged=True):
        text = await refusal(f"irc://127.0.0.1:{ircd.port}", sasl=SASL | {"password": "secret"})
    assert "without having shown that it knows the password" in text


@pytest.mark.parametrize(("password", "good"), [("secret", True), ("other", False)])
async def test_gnu_sasl_alone(password: str, good: bool) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(find_program("gsasl"), "--server", "--mechanism=SCRAM-SHA-256", "--password=secret", "--quiet"),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    exchange = Scram("ana", password, "fyko+d2lbbFgONRv9qkxdawL")
    try:
        async with asyncio.timeout(30):
            assert [await process.stdout.readline() for _ in range(2)] == [b"SCRAM-SHA-256\n", b"\n"]
            challenge = b""
            while True:
                process.stdin.write(base64.b64encode(exchange.answer(challenge)) + b"\n")
                if exchange.proven or not (line := await process.stdout.readline()):
                    break
                challenge = base64.b64decode(line)
            # Then it waits for what is to be said under the login, which is nothing.
            process.stdin.close()
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert exchange.proven is good
    assert (process.returncode == 0) is good
