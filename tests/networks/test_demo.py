"""`rialto demo` as a person runs it."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

# Three servers, Rialto, and a conversation: far more than any other test waits for.
pytestmark = pytest.mark.timeout(300)


def _running_in(folder: Path) -> list[str]:
    """Command lines of the processes that have to do with the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has just ended
        if str(folder) in line:
            found.append(line)
    return found


async def _demo(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "demo", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def test_once_shows_every_line_and_leaves_nothing_running(servers_folder: Path) -> None:
    folder = servers_folder / "demo-once"
    process = await _demo("--once", "--folder", str(folder))
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    assert "Every line reached everyone, once" in text
    assert text.count("<ana> What news on the Rialto?") == 3
    assert (folder / "rialto" / "rialto.log").exists()
    assert _running_in(folder) == []


async def test_stays_up_until_it_is_told_to_stop(servers_folder: Path) -> None:
    folder = servers_folder / "demo-stay"
    process = await _demo("--folder", str(folder))
    assert process.stdout is not None
    text = ""
    try:
        while "Ctrl-C ends it all" not in text:
            line = await asyncio.wait_for(process.stdout.readline(), 120)
            assert line, text
            text += line.decode()
        assert len(_running_in(folder)) >= 5  # three servers, Rialto, and the demonstration itself
        process.send_signal(signal.SIGINT)
        output, _ = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, text + output.decode()
    for word in ("visitor@localhost", "#tea:localhost", "channel #tea", "Stopping."):
        assert word in text + output.decode()
    assert _running_in(folder) == []


async def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear to somebody")
    process = await _demo("--once", "--folder", str(tmp_path))
    output, _ = await process.communicate()
    assert process.returncode == 1
    assert "is not empty" in output.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
