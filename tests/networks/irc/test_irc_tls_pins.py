"""Whose certificate is believed, and where a server that wants TLS is met: real InspIRCds."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.irc.link.tls import Pin
from bridge.contract import StartError
from bridge.demo.servers import Certificate, InspIRCd, free_ports, make_certificate
from bridge.model.event import Event, Protection
from tests.networks.irc.entering import refusal, trying, whois
from tests.networks.irc.irc_lab import Crowd, member, running, until


@dataclass(frozen=True, slots=True)
class Secure:
    """An InspIRCd with TLS, which also says by STS that it wants nothing else, and who signed its certificate."""

    ircd: InspIRCd
    ca: Certificate
    leaf: Certificate

    def pin(self, algorithm: str = "sha-256") -> str:
        return str(Pin.of(ssl.PEM_cert_to_DER_cert(self.leaf.cert.read_text()), algorithm))

    @property
    def url(self) -> str:
        return f"ircs://localhost:{self.ircd.tls_port}"


@pytest_asyncio.fixture(scope="module")
async def secure(new_folder: Callable[[str], Path]) -> AsyncIterator[Secure]:
    folder = new_folder("certificates")
    ca = await asyncio.to_thread(make_certificate, folder, "ca", ["Rialto's authority of tests"])
    leaf = await asyncio.to_thread(make_certificate, folder, "server", ["localhost"], issuer=ca)
    async with InspIRCd(new_folder("inspircd"), certificate=leaf, sts=3600) as ircd:
        yield Secure(ircd, ca, leaf)


OTHER = "sha-256:" + "ab" * 32


async def test_an_authority_of_ones_own(secure: Secure) -> None:
    async with running(0, server=secure.url, tls={"ca": str(secure.ca.cert)}) as (_, core):
        assert core.is_online


async def test_a_certificate_for_another_name(secure: Secure) -> None:
    text = await refusal(f"ircs://127.0.0.1:{secure.ircd.tls_port}", tls={"ca": str(secure.ca.cert)})
    assert text.startswith("the server's certificate is not trusted (")
    assert text.endswith("; write the name that the certificate is for in `server`")


async def test_an_authority_that_nobody_knows(secure: Secure) -> None:
    text = await refusal(secure.url)
    assert "set `tls: {ca: FILE}` to its authority, or `tls: {pin: sha-256:...}` to its fingerprint" in text


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
async def test_the_pinned_certificate_needs_neither_authority_nor_name(secure: Secure, algorithm: str) -> None:
    pins = [OTHER, secure.pin(algorithm).upper().replace("SHA-", "sha-")]
    async with running(0, server=f"ircs://127.0.0.1:{secure.ircd.tls_port}", tls={"pin": pins}) as (_, core):
        assert core.is_online


async def test_a_pin_besides_an_authority(secure: Secure) -> None:
    tls = {"pin": secure.pin(), "ca": str(secure.ca.cert)}
    text = await refusal(f"ircs://127.0.0.1:{secure.ircd.tls_port}", tls=tls)
    assert "write the name that the certificate is for" in text


async def test_a_certificate_that_is_not_the_pinned_one(secure: Secure, crowd: Crowd) -> None:
    text = await refusal(secure.url, tls={"pin": OTHER})
    assert text.startswith("the server's certificate is not the pinned one: if it is right, set `tls: {pin: sha-256:")
    shown = re.search(r"sha-256:[0-9a-f]{64}", text)
    assert shown is not None
    assert shown[0] == secure.pin()
    async with running(0, server=secure.url, tls={"pin": shown[0]}) as (_, core):
        assert core.is_online


@pytest.mark.parametrize("key", ["ca", "cert"])
async def test_files_that_cannot_be_used(secure: Secure, key: str, tmp_path: Path) -> None:
    file = tmp_path / "no.pem"
    file.write_text("not a certificate")
    with pytest.raises(StartError, match=rf"networks\.libera\.tls\.{key}: "):
        async with trying(secure.url, tls={key: str(file)}):
            pass


async def test_a_server_that_wants_tls_gets_it(secure: Secure, crowd: Crowd) -> None:
    memory: dict[str, str] = {}
    tls = {"ca": str(secure.ca.cert)}
    kim = await crowd.connect(secure.ircd.port, "kim", "#tls")
    there = member("#tls")
    async with running(0, there, server=f"irc://localhost:{secure.ircd.port}", tls=tls, memory=memory) as (_, core):
        assert "671" in await whois(kim, "rialto")
        kim.say("#tls", "in the room")
        kim.say("rialto", "office:ana@example.org in private")
        await until(lambda: len(core.all(Event)) == 2, "both lines", lambda: core.items)
        assert {event.protection for event in core.all(Event)} == {Protection.TRANSPORT}
        assert [failure.text for failure in core.failures] == [
            f"the server is to be spoken to by TLS on port {secure.ircd.tls_port} (STS)"
        ]
    port, duration, _ = memory["sts/localhost"].split()
    assert (port, duration) == (str(secure.ircd.tls_port), "3600")
    # Later nobody even knocks at the plain port.
    (closed,) = free_ports(1)
    async with running(0, server=f"irc://localhost:{closed}", tls=tls, memory=memory) as (_, core):
        assert core.failures == []


async def test_a_server_that_wants_tls_is_never_met_without(secure: Secure) -> None:
    async with trying(f"irc://localhost:{secure.ircd.port}") as core:
        await until(lambda: len(core.failures) >= 2, "refusals", lambda: core.failures)
        assert core.failures[1].text.startswith("the server's certificate is not trusted")
        assert core.failures[1].text.endswith("(the server said that it is to be spoken to by TLS only: STS)")
        assert not core.is_online
