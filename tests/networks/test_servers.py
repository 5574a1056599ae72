"""The launcher itself: servers start, answer, restart with their data, and leave nothing behind."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from bridge.demo.servers import InspIRCd, NgIRCd, Prosody, ServerError, Synapse, free_ports
from bridge.demo.servers.process import conversation


def _alive(pid: int) -> bool:
    """Whether the process runs. One that has ended and that nobody has buried yet (Z) does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_prosody_accepts_a_component_with_its_secret(prosody: Prosody) -> None:
    heard = await conversation(
        prosody.component_port,
        b"<stream:stream to='bridge8.localhost' xmlns='jabber:component:accept'"
        b" xmlns:stream='http://etherx.jabber.org/streams'><handshake>wrong</handshake>",
        b"not-authorized",
    )
    assert b"<stream:stream" in heard


async def test_prosody_keeps_accounts_over_a_restart(new_prosody: Callable[..., Awaitable[Prosody]]) -> None:
    server = await new_prosody()
    assert await server.register("ana", "secret") == "ana@localhost"
    port, pid = server.c2s_port, server.pid
    await server.restart()
    assert server.c2s_port == port
    assert server.pid != pid
    assert list((server.folder / "data").rglob("ana.dat"))


async def test_irc_servers_register_a_client(ngircd: NgIRCd, inspircd: InspIRCd) -> None:
    for server in (ngircd, inspircd):
        heard = await conversation(server.port, b"NICK kestrel\r\nUSER k 0 * :k\r\n", b"NICKLEN=30")
        assert b"NICKLEN=30" in heard
        assert f"NETWORK={server.network}".encode() in heard


async def test_inspircd_offers_the_capabilities_that_ngircd_lacks(inspircd: InspIRCd) -> None:
    heard = await conversation(inspircd.port, b"CAP LS 302\r\n", b"\r\n")
    for capability in (b"server-time", b"echo-message", b"labeled-response", b"batch", b"message-tags"):
        assert capability in heard


async def test_ngircd_with_short_nicks(new_ngircd: Callable[..., Awaitable[NgIRCd]]) -> None:
    server = await new_ngircd(max_nick_length=9, penalties=True, password="sesame")
    heard = await conversation(server.port, b"PASS sesame\r\nNICK kestrel\r\nUSER k 0 * :k\r\n", b" 376 kestrel ")
    assert b"NICKLEN=9" in heard


async def test_synapse_knows_its_application_service_and_accounts_over_a_restart(
    new_synapse: Callable[..., Awaitable[Synapse]],
) -> None:
    server = await new_synapse()
    token = await server.register("ana", "secret")
    await server.restart()
    service = server.appservice
    async with aiohttp.ClientSession(server.url) as session:
        path = "/_matrix/client/v3/account/whoami"
        for bearer, user in ((token, "@ana:localhost"), (service.as_token, "@rialto:localhost")):
            async with session.get(path, headers={"Authorization": f"Bearer {bearer}"}) as response:
                assert (await response.json())["user_id"] == user


async def test_a_port_in_use_is_told(new_folder: Callable[[str], Path]) -> None:
    first = NgIRCd(new_folder("first"))
    second = NgIRCd(new_folder("second"))
    async with first:
        second.port = first.port
        with pytest.raises(ServerError, match=f"another program listens on port {first.port}"):
            await second.start()
    assert second.pid is None


async def test_a_server_that_ends_is_told_with_its_log(new_folder: Callable[[str], Path]) -> None:
    server = NgIRCd(new_folder("ngircd"), max_nick_length=30, server="no-dot")
    with pytest.raises(ServerError, match=r"(?s)ended with status .* The end of .*ngircd\.log:\n.+"):
        await server.start()


async def test_synapse_not_installed_says_what_to_run(new_folder: Callable[[str], Path]) -> None:
    server = Synapse(new_folder("synapse"), python=Path("/nonexistent/python"))
    with pytest.raises(ServerError, match="run scripts/demo"):
        await server.start()


async def test_stop_leaves_no_process(new_folder: Callable[[str], Path]) -> None:
    server = NgIRCd(new_folder("ngircd"))
    await server.start()
    pid = server.pid
    assert pid is not None
    await server.stop()
    await server.stop()
    assert not _alive(pid)


async def test_servers_die_with_their_parent(new_folder: Callable[[str], Path]) -> None:
    """Also when the parent is killed without a word, and although the server runs as another user."""
    script = (
        "import asyncio, pathlib, sys\n"
        "from bridge.demo.servers import NgIRCd\n"
        "async def main():\n"
        "    server = NgIRCd(pathlib.Path(sys.argv[1]))\n"
        "    await server.start()\n"
        "    print(server.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, str(new_folder("orphan"))), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 60))
    assert _alive(pid)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    async with asyncio.timeout(30):
        # A process that is not our child cannot be waited for.
        while _alive(pid):  # noqa: ASYNC110  see above
            await asyncio.sleep(0.02)


def test_free_ports_are_distinct() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
