"""`rialto check --online` as a command: exit codes, what it prints and when, and a Rialto that runs meanwhile."""

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.demo.clients import IrcClient, Sight
from bridge.demo.servers import InspIRCd, NgIRCd, Prosody, Server, Synapse, free_ports
from tests.networks.check_lab import failures, findings, write_config
from tests.networks.conftest import appservice
from tests.networks.world import DOMAIN, Stage, cast


@pytest_asyncio.fixture(scope="module")
async def home(new_folder: Callable[[str], Path]) -> AsyncIterator[Synapse]:
    """A Synapse that pushes to below the network's own path, as `rialto registration` would have it."""
    async with Synapse(new_folder("synapse-home"), appservice=appservice(path="/home")) as server:
        yield server


def a_stage(folder: Path, unique: str, prosody: Prosody, home: Synapse, ircd: Server) -> Stage:
    extra: dict[str, dict[str, Any]] = {"libera": {"nick": f"r{unique}"}}
    return Stage(folder, unique, prosody, home, ircd, extra=extra)


@pytest.fixture
def stage(tmp_path: Path, unique: str, prosody: Prosody, home: Synapse, ngircd: NgIRCd) -> Stage:
    return a_stage(tmp_path, unique, prosody, home, ngircd)


async def start(path: Path, *options: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge", "check", *options, "-c", str(path), stdout=PIPE, stderr=PIPE
    )


async def check(path: Path, *options: str) -> tuple[int | None, list[str], str]:
    """Exit code, the lines of standard output, and standard error."""
    process = await start(path, *options)
    try:
        async with asyncio.timeout(120):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode().splitlines(), err.decode()


async def test_all_is_well(stage: Stage) -> None:
    async with cast(stage):
        code, lines, err = await check(stage.write_config(), "--online")
    assert (code, err) == (0, ""), lines
    assert lines[0] == "config.yaml is fine: 3 networks, 1 room"
    assert lines[-1] == "all is well"
    assert {line.split()[0] for line in lines[1:-1]} == {"http", "office", "home", "libera"}
    assert {line.split()[1] for line in lines[1:-1]} == {"ok"}
    assert f"libera  ok       #{stage.word}: the bot can join" in lines


async def test_what_is_wrong_is_told_beside_what_is_right(stage: Stage) -> None:
    stage.extra = {"office": {"secret": "not that one"}, "libera": {"nick": f"r{stage.word}"}}
    async with cast(stage):
        code, lines, err = await check(stage.write_config(), "--online")
    assert (code, err) == (1, "")
    failed, *others = [line for line in lines if " failed " in line]
    assert not others, lines
    assert failed.startswith("office  failed   127.0.0.1:")
    assert "refused the component secret: set networks.office.secret to the component_secret of" in failed
    assert f"home    ok       #{stage.word}:localhost: the bot can be in it" in lines
    assert lines[-1] == "failed: office"


async def test_a_file_with_mistakes_is_not_tried(stage: Stage) -> None:
    stage.extra = {"libera": {"nick": "#"}}
    code, lines, err = await check(stage.write_config(), "--online")
    assert (code, lines) == (2, [])
    assert "networks.libera.nick" in err


async def test_lines_come_as_they_are_found(tmp_path: Path, ngircd: NgIRCd, unique: str) -> None:
    """A network that has not answered yet does not hold up what is known of the others."""
    taken: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    async with await asyncio.start_server(lambda _, writer: taken.put_nowait(writer), "127.0.0.1", 0) as waiting:
        slow = {"kind": "irc", "server": f"irc://127.0.0.1:{waiting.sockets[0].getsockname()[1]}", "nick": "rialto"}
        quick = slow | {"server": f"irc://127.0.0.1:{ngircd.port}", "nick": f"r{unique}"}
        process = await start(write_config(tmp_path, {"slow": slow, "quick": quick}), "--online")
        assert process.stdout is not None
        async with asyncio.timeout(120):
            came = ""
            while not came.startswith("quick"):
                came = (await process.stdout.readline()).decode()
                assert came, "it ended"
                assert not came.startswith("slow"), came
            # Only what has been read can be answered: had the line waited for the end, this would come too late.
            writer = await taken.get()
            writer.write(b"ERROR :come back tomorrow\r\n")
            writer.close()
            rest = (await process.stdout.read()).decode()
            await process.wait()
    assert process.returncode == 1
    (said,) = [line for line in rest.splitlines() if line.startswith("slow ")]
    assert "come back tomorrow" in said


async def test_a_network_that_never_answers_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"irc://127.0.0.1:{silent.getsockname()[1]}"
        path = write_config(tmp_path, {"slow": {"kind": "irc", "server": server, "nick": "rialto"}})
        code, lines, _ = await check(path, "--online")
    assert code == 1
    assert lines[-1] == "failed: slow"
    assert any("within 15 s" in line for line in lines if line.startswith("slow ")), lines


async def test_a_rialto_that_runs(stage: Stage) -> None:
    """It answers the homeserver, is named where its connections are in the way, and is not disturbed."""
    async with cast(stage) as people, stage.process():
        code, lines, err = await check(stage.config_file, "--online")
        assert (code, err) == (0, ""), lines
        assert lines[1] == (
            f"http    ok       a running Rialto listens on 127.0.0.1:{stage.http_port}: it answers there, and its own "
            "connections may be in the way of those tried here; `rialto status` shows what it says itself"
        )
        assert f"home    ok       the homeserver reaches us at http://127.0.0.1:{stage.http_port}/home" in lines
        assert f"home    ok       #{stage.word}:localhost: the bot can be in it" in lines
        has = "ok       a running Rialto has"
        assert f"office  {has} the component {DOMAIN}; `rialto status` shows its state" in lines
        assert f"libera  {has} the nick r{stage.word}; `rialto status` shows its state" in lines
        assert f"libera  ok       #{stage.word}: the bot can join" in lines
        assert lines[-1] == "all is well"
        await people.say("irc", "still there?")
        await people.xmpp.wait_for(text="still there?")
        await people.matrix.wait_for(text="still there?")


async def test_a_running_rialto_takes_the_bot_for_nobody(
    tmp_path: Path, unique: str, prosody: Prosody, home: Synapse, inspircd: InspIRCd
) -> None:
    """The check comes to the channel beside it, by another nick, and by the real name of a gateway's bot.

    InspIRCd tells real names with JOIN; where a server does not, somebody who comes is a person until WHO has told.
    """
    stage = a_stage(tmp_path, unique, prosody, home, inspircd)
    async with cast(stage) as people, stage.process():
        code, lines, _ = await check(stage.config_file, "--online")
        assert code == 0, lines
        # It was in the channel; whatever became of that elsewhere, was there before what is said later.
        await people.irc.wait_for(kind=Sight.JOIN, who=f"r{unique}_")
        async with IrcClient(f"later{unique}", inspircd.port) as later:
            await later.join(stage.channel())
            later.say(stage.channel(), "and now?")
            for each in (people.xmpp, people.matrix):
                await each.wait_for(text="and now?")
        for each in (people.xmpp, people.matrix):
            assert not [seen for seen in each.seen if f"r{unique}_" in str(seen)], each.seen


async def test_the_running_rialto_has_another_token(stage: Stage, tmp_path: Path) -> None:
    """It answers the homeserver, not the check: so what it is asked with is compared."""
    other = tmp_path / "other.yaml"
    async with cast(stage), stage.process():
        changed = stage.config_file.read_text().replace(stage.synapse.appservice.hs_token, "quite-another-token")
        other.write_text(changed)
        other.chmod(0o600)
        code, lines, _ = await check(other, "--online")
    assert code == 1
    assert [line for line in lines if " failed " in line] == [
        "home    failed   the running Rialto has another hs_token than networks.home.hs_token, but the same as the "
        "homeserver: write that one back, or write the registration afresh with `rialto registration home`, and "
        "restart the homeserver and Rialto"
    ]


async def test_the_port_is_taken_by_another_program(tmp_path: Path) -> None:
    (free,) = free_ports(1)
    network = {"libera": {"kind": "irc", "server": f"irc://127.0.0.1:{free}", "nick": "rialto"}}
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        lines = await findings(write_config(tmp_path, network, port=port))
    assert failures(lines, "http") == [
        f"127.0.0.1:{port} is taken by another program: stop that, or write another port for http.listen"
    ]


async def test_an_address_of_another_machine(tmp_path: Path) -> None:
    path = write_config(tmp_path, {"libera": {"kind": "irc", "server": "irc://127.0.0.1:1", "nick": "rialto"}})
    path.write_text(path.read_text().replace("listen: 127.0.0.1", "listen: 192.0.2.1"))
    (said,) = failures(await findings(path), "http")
    assert said.startswith("cannot listen on 192.0.2.1:")
    assert said.endswith("write an address of this machine for http.listen")


async def test_inspircd_too(tmp_path: Path, inspircd: InspIRCd, unique: str) -> None:
    network = {"libera": {"kind": "irc", "server": f"irc://127.0.0.1:{inspircd.port}", "nick": f"r{unique}"}}
    code, lines, _ = await check(write_config(tmp_path, network), "--online")
    assert (code, lines[-1]) == (0, "all is well"), lines
