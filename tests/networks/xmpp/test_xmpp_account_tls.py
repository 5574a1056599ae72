"""An account and TLS on a real Prosody: STARTTLS and direct, its own authority, names that do not fit."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.demo.servers import free_ports
from bridge.demo.servers.certificates import make_certificate
from bridge.model.result import Reason
from tests.networks.xmpp.client_lab import Server, account, at_work
from tests.networks.xmpp.xmpp_lab import RecordingCore


@dataclass
class Place:
    """Servers with a certificate for their domain, with one for another, and the authority of both."""

    ca: Path
    other_ca: Path
    good: Server
    wrong: Server
    direct_port: int


@pytest_asyncio.fixture(scope="module")
async def place(new_folder: Callable[[str], Path]) -> AsyncIterator[Place]:
    folder = new_folder("certificates")
    ca = make_certificate(folder, "ca", ["authority.example"])
    other = make_certificate(folder, "other", ["other.example"])
    good = make_certificate(folder, "good", ["localhost"], issuer=ca)
    wrong = make_certificate(folder, "wrong", ["elsewhere.example"], issuer=ca)
    (direct_port,) = free_ports(1)
    text = 'ssl = {{ certificate = "{0.cert}"; key = "{0.key}" }}\n'
    direct = f"c2s_direct_tls_ports = {{ {direct_port} }}\n"
    async with (
        Server(new_folder("prosody"), tls=text.format(good), extra=direct) as first,
        Server(new_folder("prosody"), tls=text.format(wrong)) as second,
    ):
        yield Place(ca.cert, other.cert, first, second, direct_port)


@pytest.mark.parametrize("way", ["nearby", "own authority", "unverified", "direct"])
async def test_ways_that_work(place: Place, unique: str, way: str) -> None:
    server = place.good
    changes: dict[str, dict[str, Any]] = {
        "nearby": {},
        "own authority": {"tls": {"ca": place.ca}},
        "unverified": {"tls": {"verify": False}},
        "direct": {"tls": {"ca": place.ca, "direct": True}, "server": f"127.0.0.1:{place.direct_port}"},
    }
    core = RecordingCore()
    settings = account(server, await server.account(f"bot{unique}"), **changes[way])
    async with at_work(settings, core) as adapter:
        connection = adapter._stream._connection
        assert connection is not None
        assert connection.transport is not None
        tls = connection.transport.get_extra_info("ssl_object")
        assert tls is not None
        assert tls.version() in ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize(
    ("which", "changes", "says"),
    [
        ("wrong", {"tls": {"ca": "ca"}}, "Hostname mismatch"),
        ("good", {"tls": {"ca": "other_ca"}}, "unable to get local issuer"),
        ("good", {"tls": {"verify": True}}, "unable to get local issuer"),
        ("good", {"tls": {"ca": "other_ca", "direct": True}}, "unable to get local issuer"),
    ],
)
async def test_a_certificate_that_does_not_hold(
    place: Place, unique: str, which: str, changes: dict[str, Any], says: str
) -> None:
    server: Server = getattr(place, which)
    tls = {key: getattr(place, value) if key == "ca" else value for key, value in changes["tls"].items()}
    more = {"server": f"127.0.0.1:{place.direct_port}"} if tls.get("direct") else {}
    core = RecordingCore()
    values: dict[str, Any] = {"jid": f"bot{unique}@localhost"} | changes | {"tls": tls} | more
    async with at_work(account(server, **values), core, there=False):
        failure = await core.until("a failure", lambda: core.failures and core.failures[0])
    assert failure
    assert failure.reason is Reason.NOT_ACCEPTABLE, failure
    assert "networks.office.tls.ca" in failure.text
    assert says in failure.text
    assert not core.is_online


async def test_a_server_that_wants_tls_where_none_is_to_be(place: Place, unique: str) -> None:
    """With `plain: true` the password would go over the network in the clear; this server does not let it."""
    core = RecordingCore()
    settings = account(place.good, f"bot{unique}@localhost", tls={"plain": True})
    async with at_work(settings, core, there=False):
        failure = await core.until("a failure", lambda: core.failures and core.failures[0])
    assert failure
    assert failure.reason is Reason.FEATURE_NOT_IMPLEMENTED, failure
    assert "networks.office.tls.plain" in failure.text
