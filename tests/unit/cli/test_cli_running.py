"""`rialto run` as a process of its own, `rialto status` asking it, and asking what is not Rialto."""

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from rich.console import Console

from bridge.cli.common import UnreachableError, age
from bridge.cli.status import Status, fetch, show
from bridge.cli.story import Story
from bridge.cli.story import show as show_story
from bridge.config import Listen
from bridge.delivery import mint
from bridge.model.event import Origin
from bridge.store import Store, events
from tests.unit.core.bench import person, said
from tests.unit.stores import in_a_file

PATIENCE = 30.0
"""Seconds that a process gets for what it does at once."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def configure(folder: Path, listen: int, more: str = "") -> Path:
    """A configuration whose only network is not there."""
    path = folder / "config.yaml"
    path.write_text(
        f"http: {{listen: '127.0.0.1:{listen}', admin_token: admin-token}}\n"
        f"networks:\n  libera: {{kind: irc, server: 'irc://127.0.0.1:{free_port()}', nick: rialto}}\n"
        "rooms:\n  tea: {libera: ['#tea', '#coffee']}\n" + more
    )
    path.chmod(0o600)
    return path


async def start(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "bridge", *arguments, stdout=PIPE, stderr=PIPE)


async def finish(process: Process) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a process that ends by itself."""
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[tuple[Process, list[str]]]:
    """An instance that has said that it runs, and its lines so far."""
    process = await start("run", "-c", str(path))
    lines: list[str] = []
    try:
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while not lines or "rialto runs" not in lines[-1]:
                line = await process.stderr.readline()
                assert line, f"it ended with {await process.wait()} after\n" + "".join(lines)
                lines.append(line.decode())
        yield process, lines
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_runs_until_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    async with running(configure(tmp_path, free_port(), "log: {format: json}\n")) as (process, lines):
        process.send_signal(number)
        code, out, err = await finish(process)
    assert (code, out) == (0, "")
    entries = [json.loads(line) for line in [*lines, *err.splitlines()]]
    assert entries[0]["event"] == "starting"
    assert (entries[0]["networks"], entries[0]["rooms"]) == (1, 1)
    assert entries[-1]["event"] == "stopped"
    assert "admin-token" not in "".join(lines) + err


STUBBORN = """\
import asyncio, sys
import bridge.service

class Stubborn:
    def __init__(self, config, keeper, store, counts):
        pass

    async def run(self, stop):
        print("rialto runs", file=sys.stderr, flush=True)
        await stop.wait()
        print("asked to stop", file=sys.stderr, flush=True)
        await asyncio.Event().wait()

bridge.service.Service = Stubborn
from bridge.cli import app
app(["run", "-c", sys.argv[1]])
"""


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
async def test_a_second_signal_ends_it_at_once(tmp_path: Path, second: signal.Signals) -> None:
    path = str(configure(tmp_path, free_port()))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", STUBBORN, path, stdout=PIPE, stderr=PIPE)
    assert process.stderr is not None
    for awaited, number in (("rialto runs", signal.SIGTERM), ("asked to stop", second)):
        seen = b""
        try:
            async with asyncio.timeout(PATIENCE):
                while awaited.encode() not in seen:
                    line = await process.stderr.readline()
                    assert line, f"it ended before it said {awaited!r}; it said {seen.decode()}"
                    seen += line
        except BaseException:
            process.kill()
            await process.wait()
            raise
        process.send_signal(number)
    code, _, err = await finish(process)
    assert code == 1
    assert "stopped at once" in err
    assert "Traceback" not in err


async def test_status_of_a_running_instance(tmp_path: Path) -> None:
    path = configure(tmp_path, free_port())
    async with running(path):
        code, out, err = await finish(await start("status", "-c", str(path)))
        assert (code, err) == (1, ""), out  # its network is offline
        assert "libera" in out
        assert "offline" in out
        code, out, _ = await finish(await start("status", "--json", "-c", str(path)))
        answer = json.loads(out)
        assert code == 1
        assert answer["networks"]["libera"]["kind"] == "irc"
        assert Status.model_validate(answer).networks["libera"].online is False
        path.write_text(path.read_text().replace("admin-token", "another-token"))
        code, out, err = await finish(await start("status", "-c", str(path)))
        assert (code, out) == (1, "")
        assert "does not accept http.admin_token; was it changed since Rialto was started?" in err


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = configure(tmp_path, taken.getsockname()[1])
        code, _, err = await finish(await start("run", "-c", str(path)))
    assert code == 1
    assert "cannot run" in err
    assert "http.listen: cannot listen on 127.0.0.1:" in err
    assert "Traceback" not in err


async def test_status_where_nothing_runs(tmp_path: Path) -> None:
    port = free_port()
    code, out, err = await finish(await start("status", "-c", str(configure(tmp_path, port))))
    assert (code, out, err) == (1, "", f"nothing listens on 127.0.0.1:{port}; start it with `rialto run`\n")


@asynccontextmanager
async def server(answer: web.Response) -> AsyncIterator[Listen]:
    """An HTTP server that is not Rialto."""

    async def handle(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer admin-token"
        return answer

    app = web.Application()
    app.router.add_get("/api/status", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield Listen("127.0.0.1", port)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (web.Response(status=403), "does not accept http.admin_token"),
        (web.Response(status=404), "answers 404; is it Rialto that listens there?"),
        (web.Response(status=302, headers={"Location": "http://192.0.2.1/"}), "answers 302"),
        (web.Response(text="<html>"), "gives no status"),
        (web.Response(body=b"x" * 16_000_001), "answers without end"),
    ],
    ids=["forbidden", "absent", "redirect", "no json", "endless"],
)
async def test_what_answers_is_not_rialto(answer: web.Response, said: str) -> None:
    async with server(answer) as listen:
        with pytest.raises(UnreachableError, match=said.replace("?", r"\?")):
            await fetch(listen, "admin-token")


async def test_a_status_comes_as_it_is() -> None:
    async with server(web.json_response({"version": "1"})) as listen:
        assert await fetch(listen, "admin-token") == {"version": "1"}


NOW = 1_800_000_000.0


def shown(**changes: Any) -> str:
    status: dict[str, Any] = {"version": "0.1.0", "networks": {}, "lanes": [], "counts": {}} | changes
    out = StringIO()
    show(Status.model_validate(status), Console(file=out, width=200), lambda: NOW)
    return out.getvalue()


def test_status_says_what_is_wrong_with_the_store() -> None:
    text = shown(store={"failure": "disk is full; make room", "since": NOW - 300})
    assert "the store does not work, so nothing is taken in or sent since 2027-01-15 07:55:00 UTC (5 min): " in text
    assert "disk is full; make room" in text
    assert "the store" not in shown(store={"failure": None, "since": None})


def test_status_says_what_cannot_be_recorded_yet() -> None:
    slow = {"office": {"pending": 256, "age": 300.0}, "home": {"pending": 1, "age": 0.01}}
    text = shown(intake=slow)
    assert "256 things that came from office cannot be recorded yet, the oldest for 5 min" in text
    assert "home" not in text


def test_what_status_shows() -> None:
    text = shown(
        networks={
            "home": {"kind": "matrix", "online": True, "since": NOW - 7_200, "failure": None},
            "libera": {"kind": "irc", "online": False, "since": NOW - 30, "failure": "[red]no\x1b[2J answer"},
        },
        lanes=[
            {"place": "libera:#tea", "waiting": 3, "oldest": NOW - 600, "retrying": "refused"},
            {"place": "home:!a:b", "waiting": 0, "oldest": None, "retrying": None},
        ],
        counts={"events_total": 12},
    )
    rows = [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]
    assert "rialto 0.1.0" in rows
    assert "home matrix online 2027-01-15 06:00:00 UTC (2 h)" in rows
    assert r"libera irc offline 2027-01-15 07:59:30 UTC (30 s) [red]no\x1b[2J answer" in rows
    assert "libera:#tea 3 10 min ago refused" in rows
    assert not any("home:!a:b" in row for row in rows)
    assert "events_total 12" in rows


def test_a_place_that_is_not_entered_shows() -> None:
    places = {"#tea:b": None, "#den:b": "the room does not let the bot in: invite @rialto:b"}
    text = shown(networks={"home": {"kind": "matrix", "online": True, "since": NOW, "places": places}})
    rows = [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]
    assert "home #den:b the room does not let the bot in: invite @rialto:b" in rows
    assert "#tea:b" not in text
    assert "not in this place" not in shown(networks={"home": {"kind": "matrix", "online": True, "since": NOW}})


@pytest.mark.parametrize(("why", "code"), [(None, 0), ("refused", 1)])
async def test_the_exit_code_tells_of_places(tmp_path: Path, why: str | None, code: int) -> None:
    network = {"kind": "matrix", "online": True, "since": NOW, "failure": None, "places": {"#tea:b": why}}
    answer = {"version": "0.1.0", "networks": {"home": network}, "lanes": [], "counts": {}}
    async with server(web.json_response(answer)) as listen:
        got, out, err = await finish(await start("status", "-c", str(configure(tmp_path, listen.port))))
    assert got == code, out + err


def test_nothing_waits() -> None:
    assert "1 lane; nothing waits" in shown(lanes=[{"place": "a:b", "waiting": 0}])


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (864_000, "10 d")]
)
def test_ages(seconds: float, text: str) -> None:
    assert age(seconds) == text


def told(**changes: Any) -> str:
    story: dict[str, Any] = {
        "id": "01m8f2kwgadppk4p9y0vn5h2xm", "network": "home", "native_id": "$one", "place": "#tea:b",
        "sender": "@ana:b", "sender_name": "Ana\x1b[2J", "said": NOW - 90, "received": NOW - 30, "body_kept": True,
        "deliveries": [],
    } | changes  # fmt: skip
    out = StringIO()
    show_story(Story.model_validate(story), Console(file=out, width=200), lambda: NOW)
    return out.getvalue()


def test_what_is_told_of_a_message() -> None:
    libera = {
        "network": "libera", "place": "#tea", "state": "confirmed", "updated": NOW - 28,
        "parts": [{"part": 0, "state": "confirmed", "native_id": "msgid1"}, {"part": 1, "state": "confirmed"}],
    }  # fmt: skip
    office = libera | {
        "network": "office",
        "state": "failed",
        "reason": "forbidden",
        "text": "moderated",
        "told": True,
        "parts": [],
    }
    text = told(deliveries=[libera, office])
    rows = [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]
    assert r"01m8f2kwgadppk4p9y0vn5h2xm: Ana\x1b[2J (@ana:b) in home:#tea:b" in rows
    assert "accepted 2027-01-15 07:59:30 UTC (30 s), $one there; heard 60 s after it was said" in rows
    assert "libera:#tea confirmed 2 s msgid1, no id" in rows
    assert "office:#tea failed 2 s moderated (forbidden); the sender was told" in rows
    assert "it went nowhere" in told()


async def test_of_a_message_the_store_tells_where_nothing_runs(tmp_path: Path) -> None:
    path = configure(tmp_path, free_port())
    code, out, err = await finish(await start("status", "$one", "-c", str(path)))
    assert (code, out) == (1, "")
    assert err.splitlines()[0].startswith("nothing listens on 127.0.0.1:")
    assert err.splitlines()[1].startswith("store: there is none at ")
    assert not (tmp_path / "rialto.db").exists()
    store = Store(in_a_file(tmp_path))
    await store.open()
    one = replace(said("hi", person("Ana"), native_id="$one"), id=mint(1e9))
    one = replace(one, origin=Origin("libera", "$one"))
    await store.write(partial(events.record, events=[one], deliveries=[], received=1e9))
    # Whether somebody holds it or not, and does not listen.
    for held in (True, False):
        if not held:
            await store.close()
        code, out, err = await finish(await start("status", "$one", "-c", str(path)))
        assert code == 0
        assert err.endswith("this is what the store says\n")
        assert "it went nowhere" in out
        assert one.id in out
        code, out, err = await finish(await start("status", "$two", "--json", "-c", str(path)))
        assert (code, json.loads(out)) == (1, [])


async def test_a_message_that_nobody_knows(tmp_path: Path) -> None:
    path = configure(tmp_path, free_port())
    async with running(path):
        code, out, err = await finish(await start("status", "$nothing", "-c", str(path)))
        assert (code, out) == (1, "")
        assert err.startswith("no message with the id $nothing is known")
        code, out, _ = await finish(await start("status", "$nothing", "--json", "-c", str(path)))
        assert (code, json.loads(out)) == (1, [])
