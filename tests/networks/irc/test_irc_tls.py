"""TLS to a real ngIRCd: the certificate is checked unless somebody says that it need not be."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.contract import StartError
from bridge.demo.servers import NgIRCd, Server, free_ports
from bridge.model.event import Event, Protection
from tests.networks.irc.entering import refusal
from tests.networks.irc.irc_lab import Crowd, member, running, until

_CONFIG = """
[SSL]
	CertFile = {cert}
	KeyFile = {key}
	Ports = {port}
"""


class TlsNgIRCd(NgIRCd):
    """An ngIRCd that also speaks TLS, on `tls_port`, with a certificate for ``localhost`` signed by itself."""

    def __init__(self, folder: Path, cert: Path, key: Path) -> None:
        super().__init__(folder)
        self._cert, self._key = cert, key
        (self.tls_port,) = free_ports(1)

    def _prepare(self) -> None:
        super()._prepare()
        with self.config.open("a") as config:
            config.write(_CONFIG.format(cert=self._cert, key=self._key, port=self.tls_port))


@pytest_asyncio.fixture
async def tls_server(
    new_folder: Callable[[str], Path], started: Callable[[Server], Awaitable[None]]
) -> tuple[TlsNgIRCd, Path]:
    """The server, and the file of the authority to trust."""
    folder = new_folder("certificate")
    cert, key = folder / "cert.pem", folder / "key.pem"
    openssl = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await openssl.communicate()
    assert openssl.returncode == 0, errors.decode()
    for path in (cert, key):
        path.chmod(0o644)
    server = TlsNgIRCd(new_folder("ngircd-tls"), cert, key)
    await started(server)
    return server, cert


@pytest.mark.conforms(
    "RFC2779:2.5.1",
    "RFC2779:2.5.3",
    "RFC2779:5.2.1",
    "RFC2779:5.4.6",
    "RFC2779:5.4.7",
    "RFC2779:5.1.4",
    "RFC2779:5.3.1",
)
async def test_a_trusted_certificate(tls_server: tuple[TlsNgIRCd, Path], crowd: Crowd) -> None:
    server, cert = tls_server
    async with running(0, member("#tls"), server=f"ircs://localhost:{server.tls_port}", tls={"ca": str(cert)}) as (
        _,
        core,
    ):
        kim = await crowd.connect(server.port, "kim", "#tls")
        kim.say("#tls", "over TLS")
        await until(core.said, "line", lambda: core.items)
        (event,) = core.all(Event)
        assert event.protection is Protection.TRANSPORT


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.conforms(
    "RFC2779:2.5.1",
    "RFC2779:2.5.3",
    "RFC2779:5.2.1",
    "RFC2779:5.4.6",
    "RFC2779:5.4.7",
    "RFC2779:5.1.4",
    "RFC2779:5.3.1",
)
async def test_an_untrusted_certificate_or_name(tls_server: tuple[TlsNgIRCd, Path], host: str) -> None:
    server, cert = tls_server
    tls = {"ca": str(cert)} if host == "127.0.0.1" else {}
    assert "certificate is not trusted" in await refusal(f"ircs://{host}:{server.tls_port}", member("#tls"), tls=tls)


@pytest.mark.conforms("RFC2779:2.5.4")
async def test_a_certificate_that_is_not_looked_at(tls_server: tuple[TlsNgIRCd, Path]) -> None:
    server, _ = tls_server
    address = f"ircs://127.0.0.1:{server.tls_port}"
    async with running(0, member("#tls"), server=address, tls={"verify": False}) as (_, core):
        assert core.is_online


async def test_certificates_that_cannot_be_read(tls_server: tuple[TlsNgIRCd, Path], tmp_path: Path) -> None:
    server, _ = tls_server
    with pytest.raises(StartError, match=r"tls\.ca: "):
        async with running(
            0, member("#tls"), server=f"ircs://localhost:{server.tls_port}", tls={"ca": str(tmp_path / "none.pem")}
        ):
            pass
