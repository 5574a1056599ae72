"""`rialto run` beside one that runs with the same store."""

import asyncio
import sys
from pathlib import Path

from bridge.demo.servers import free_ports

CONFIG = """\
http: {{listen: "127.0.0.1:{port}"}}
networks:
  libera: {{kind: irc, server: "irc://127.0.0.1:{nobody}", nick: rialto}}
"""


async def start(folder: Path, name: str) -> asyncio.subprocess.Process:
    """The two differ in where they listen: it is the store that tells them apart from a restart."""
    port, nobody = free_ports(2)
    file = folder / f"{name}.yaml"
    file.write_text(CONFIG.format(port=port, nobody=nobody))
    file.chmod(0o600)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge", "run", "-c", str(file), stderr=asyncio.subprocess.PIPE
    )


async def read_until(process: asyncio.subprocess.Process, words: bytes) -> bytes:
    """What it logs, up to the line with these words."""
    assert process.stderr is not None
    heard = b""
    while words not in heard:
        line = await asyncio.wait_for(process.stderr.readline(), 60)
        assert line, heard.decode()
        heard += line
    return heard


async def test_a_second_one_is_refused_and_a_kill_makes_way(tmp_path: Path) -> None:
    first = await start(tmp_path, "first")
    try:
        await read_until(first, b"rialto runs")
        second = await start(tmp_path, "second")
        _, said = await asyncio.wait_for(second.communicate(), 60)
        assert second.returncode == 1
        assert "another Rialto uses it since" in said.decode()
        assert f"pid {first.pid} on " in said.decode()
        assert "keeper" not in said.decode(), "the first one's was not waited for"
        assert first.returncode is None
    finally:
        first.kill()
        await first.communicate()
    third = await start(tmp_path, "third")
    try:
        await read_until(third, b"rialto runs")
        third.terminate()
        _, said = await asyncio.wait_for(third.communicate(), 60)
        assert third.returncode == 0, said.decode()
    finally:
        if third.returncode is None:
            third.kill()
            await third.communicate()
