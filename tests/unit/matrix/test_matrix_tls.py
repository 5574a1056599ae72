"""What a running adapter says when no encrypted connection comes about."""

import re
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from adapters.matrix.account.diagnosis import Facts as AccountFacts
from adapters.matrix.account.diagnosis import diagnose as account_diagnose
from adapters.matrix.client import Client
from adapters.matrix.diagnosis import Facts, Stage, diagnose
from adapters.matrix.errors import MatrixError
from bridge.demo.servers.certificates import make_certificate


@pytest.fixture
def secured(tmp_path: Path) -> ssl.SSLContext:
    made = make_certificate(tmp_path, "stranger")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.cert, made.key)
    return context


@pytest.mark.parametrize(
    ("encrypted", "words"),
    [
        (True, r"the certificate of https://localhost:\d+ is not trusted \(self.signed certificate\): write the name"),
        (False, r"https://localhost:\d+ speaks no TLS that we know: write http:// in `homeserver` if the port"),
    ],
)
async def test_faults_of_tls_are_told_as_such(secured: ssl.SSLContext, encrypted: bool, words: str) -> None:
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=secured if encrypted else None).start()
    url = f"https://localhost:{runner.addresses[0][1]}"
    client = Client(url, "token")
    client.open()
    try:
        with pytest.raises(MatrixError) as told:
            await client.request("GET", "/_matrix/client/v3/account/whoami")
    finally:
        await client.close()
        await runner.cleanup()
    error = told.value
    assert error.temporary  # the operator may mend it there
    assert not error.ambiguous
    for failure in (
        diagnose(Stage.REACH, error, Facts("home", url, "http://us", "rialto", "@rialto:localhost")),
        account_diagnose(error, AccountFacts("home", url, "@rialto:localhost", True)),
    ):
        assert re.match(words, failure.text)
        assert "running" not in failure.text
