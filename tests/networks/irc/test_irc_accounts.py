"""Logging in, on real servers: SASL and NickServ of Atheme behind InspIRCd and ngIRCd."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.irc.link.tls import Pin
from bridge.demo.servers import (
    SERVICES_NAME,
    Certificate,
    InspIRCd,
    NgIRCd,
    Server,
    Services,
    make_certificate,
)
from tests.networks.irc.entering import refusal, whois
from tests.networks.irc.irc_lab import BO, Crowd, member, running, until


@dataclass(frozen=True, slots=True)
class Network:
    """An InspIRCd with services, which know the accounts ``ana`` (password ``right``) and ``cert`` (`ours`)."""

    ircd: InspIRCd
    services: Services
    ca: Certificate
    ours: Certificate
    other: Certificate

    @property
    def plain(self) -> str:
        return f"irc://127.0.0.1:{self.ircd.port}"

    @property
    def secure(self) -> str:
        return f"ircs://localhost:{self.ircd.tls_port}"


def fingerprint(certificate: Certificate) -> str:
    """The SHA-256 of a certificate, in hexadecimal."""
    der = ssl.PEM_cert_to_DER_cert(certificate.cert.read_text())
    return str(Pin.of(der)).partition(":")[2]


@pytest_asyncio.fixture(scope="module")
async def network(new_folder: Callable[[str], Path]) -> AsyncIterator[Network]:
    folder = new_folder("certificates")
    ca = await asyncio.to_thread(make_certificate, folder, "ca", ["Rialto's authority of tests"])
    leaf = await asyncio.to_thread(make_certificate, folder, "server", issuer=ca)
    ours, other = [await asyncio.to_thread(make_certificate, folder, word, [word]) for word in ("ours", "other")]
    ircd = InspIRCd(new_folder("inspircd"), certificate=leaf, services=SERVICES_NAME)
    async with ircd:
        services = Services(new_folder("services"), ircd)
        async with services:
            await services.register("ana", "right")
            await services.register("cert", "unused", fingerprint(ours))
            yield Network(ircd, services, ca, ours, other)


ANA = {"user": "ana", "password": "right"}


async def test_a_password_logs_in_before_anything_is_joined(network: Network, crowd: Crowd, unique: str) -> None:
    kim = await crowd.connect(network.ircd.port, "kim", f"#{unique}", caps="extended-join")
    async with running(0, member(f"#{unique}"), server=network.plain, sasl=ANA):
        # With extended-join, the account stands in the JOIN itself.
        joined = await kim.see(lambda line: line.command == "JOIN" and len(line.params) == 3, "JOIN with an account")
        assert joined.params[1] in ("*", "ana"), joined
        joined = await kim.see(
            lambda line: line.command == "JOIN" and line.param(1) == "ana", "JOIN of the account ana"
        )
        assert joined.source is not None
        assert joined.source.nick == "rialto"


@pytest.mark.parametrize(("use", "there"), [("required", False), ("preferred", True), ("off", True)])
async def test_a_wrong_password(network: Network, crowd: Crowd, use: str, there: bool, unique: str) -> None:
    sasl = ANA | {"password": "wrong", "use": use}
    if not there:
        text = await refusal(network.plain, sasl=sasl)
        assert "(904)" in text
        assert "check `sasl.user` and `sasl.password`, or set `sasl.use` to preferred" in text
        return
    kim = await crowd.connect(network.ircd.port, unique)
    async with running(0, server=network.plain, sasl=sasl):
        told = await whois(kim, "rialto")
        assert "311" in told
        assert "330" not in told


async def test_a_mechanism_that_is_not_offered(network: Network) -> None:
    text = await refusal(network.plain, sasl=ANA | {"mechanism": "SCRAM-SHA-256"})
    assert "the server takes SASL by PLAIN,EXTERNAL, not by SCRAM-SHA-256 (908): set `sasl.mechanism`" in text


async def test_a_certificate_logs_in(network: Network, crowd: Crowd, unique: str) -> None:
    tls = {"ca": str(network.ca.cert), "cert": str(network.ours.cert), "key": str(network.ours.key)}
    kim = await crowd.connect(network.ircd.port, unique)
    async with running(0, server=network.secure, tls=tls, sasl={"mechanism": "EXTERNAL"}):
        told = await whois(kim, "rialto")
        assert told["330"][2] == "cert"


async def test_a_certificate_of_nobody(network: Network) -> None:
    tls = {"ca": str(network.ca.cert), "cert": str(network.other.cert), "key": str(network.other.key)}
    assert "(904)" in await refusal(network.secure, tls=tls, sasl={"mechanism": "EXTERNAL"})


async def test_a_puppet_shows_no_certificate_and_no_account(network: Network, crowd: Crowd, unique: str) -> None:
    tls = {"ca": str(network.ca.cert), "cert": str(network.ours.cert), "key": str(network.ours.key)}
    kim = await crowd.connect(network.ircd.port, unique, f"#{unique}")
    place = member(f"#{unique}")
    async with running(0, place, server=network.secure, tls=tls, sasl={"mechanism": "EXTERNAL"}) as (adapter, _):
        await adapter.join(place.place, BO)
        told = await whois(kim, "Bo")
        assert "311" in told
        assert not {"330", "276"} & set(told), told


async def test_services_that_come_later(
    new_inspircd: Callable[..., Awaitable[InspIRCd]],
    new_folder: Callable[[str], Path],
    started: Callable[[Server], Awaitable[None]],
    crowd: Crowd,
) -> None:
    ircd = await new_inspircd(services=SERVICES_NAME)
    services = Services(new_folder("services"), ircd)
    await started(services)
    await services.register("ana", "right")
    await services.stop()
    # InspIRCd announces SASL when it learns of its mechanisms, and does not forget them before it ends.
    await ircd.restart()
    plain = f"irc://127.0.0.1:{ircd.port}"
    assert "offers no SASL now" in await refusal(plain, sasl=ANA)
    async with running(0, member("#tea"), server=plain, sasl=ANA | {"use": "preferred"}):
        kim = await crowd.connect(ircd.port, "kim", "#tea", caps="account-notify")
        assert "330" not in await whois(kim, "rialto")
        await services.start()
        account = await kim.see(lambda line: line.command == "ACCOUNT", "ACCOUNT of the bot")
        assert (str(account.source).partition("!")[0], account.param(0)) == ("rialto", "ana")


@pytest_asyncio.fixture
async def without_sasl(
    new_ngircd: Callable[..., Awaitable[NgIRCd]], new_services: Callable[[NgIRCd], Awaitable[Services]]
) -> NgIRCd:
    """An ngIRCd with services, which know the account of the nick ``rialto``, password ``right``."""
    ircd = await new_ngircd(services=SERVICES_NAME)
    services = await new_services(ircd)
    await services.register("rialto", "right")
    return ircd


async def test_nickserv_before_joining(without_sasl: NgIRCd, crowd: Crowd) -> None:
    # Only people with a registered nick may come in (ngIRCd's mode +R).
    kim = await crowd.connect(without_sasl.port, "kim", "#known")
    kim.send("MODE #known +R")
    await kim.see(lambda line: line.command == "MODE" and line.param(1) == "+R", "MODE +R")
    async with running(without_sasl.port, member("#known"), nickserv={"password": "right"}) as (_, core):
        assert core.places == {"#known": None}
        await kim.see(
            lambda line: line.command == "JOIN" and line.source is not None and line.source.nick == "rialto", "the bot"
        )


async def test_nickserv_refuses(without_sasl: NgIRCd, crowd: Crowd) -> None:
    kim = await crowd.connect(without_sasl.port, "kim", "#known")
    kim.send("MODE #known +R")
    await kim.see(lambda line: line.command == "MODE" and line.param(1) == "+R", "MODE +R")
    async with running(without_sasl.port, member("#known"), nickserv={"password": "wrong"}) as (_, core):
        failure = core.places["#known"]
        assert failure is not None
        assert "for registered nicks only" in failure.text


async def test_no_nickserv_at_all(ngircd: NgIRCd, unique: str) -> None:
    async with running(ngircd.port, member(f"#{unique}"), nick=unique, nickserv={"password": "x"}) as (_, core):
        assert core.places == {f"#{unique}": None}


async def test_who_bears_our_nick_is_put_out(without_sasl: NgIRCd, crowd: Crowd) -> None:
    ghost = await crowd.connect(without_sasl.port, "rialto", "#tea")
    kim = await crowd.connect(without_sasl.port, "kim", "#tea")
    async with running(without_sasl.port, member("#tea"), nickserv={"password": "right", "user": "rialto"}) as (
        _,
        core,
    ):
        await until(lambda: ghost.closed, "end of the ghost", ghost.tail)
        await kim.see(lambda line: line.command == "NICK" and line.param(0) == "rialto", "the nick won back")
        assert core.is_online
