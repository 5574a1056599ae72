"""`rialto demo`: set the stage, play the conversation, show what was seen, stay up until Ctrl-C."""

import asyncio
import contextlib
import logging
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from bridge.demo.clients import ClientError
from bridge.demo.script import STEPS, arrive, converse
from bridge.demo.servers import ServerError
from bridge.demo.stage import Stage, cast
from bridge.demo.table import faults, table

_WIDTH = 120  # columns, where nobody says how wide the screen is


def run_demo(once: bool, folder: Path | None) -> int:
    """See `bridge.demo.run_demo`."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    # The libraries of the clients tell of every reconnection; what matters here is shown.
    logging.getLogger("slixmpp").setLevel(logging.ERROR)
    logging.getLogger("nio").setLevel(logging.ERROR)
    try:
        with _folder(folder) as place:
            return asyncio.run(_until_told(once, place, console))
    except (ServerError, ClientError) as error:
        console.print(f"[bold red]The demonstration failed:[/] {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130


@contextlib.contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        if folder.exists() and any(folder.iterdir()):
            raise ServerError(f"{folder} is not empty: name another folder, or remove what is in it")
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.absolute()
        return
    made = Path(tempfile.mkdtemp(prefix="rialto-demo-"))
    # The servers' own users must pass through it, where we are root; it lists nothing to them.
    made.chmod(0o711)
    try:
        yield made
    finally:
        shutil.rmtree(made)


async def _until_told(once: bool, folder: Path, console: Console) -> int:
    """Play, and stop in good order at Ctrl-C or a signal. Raises `KeyboardInterrupt` if that came too early."""
    playing = asyncio.create_task(_play(once, folder, console))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _play(once: bool, folder: Path, console: Console) -> int:
    stage = Stage(folder)
    with console.status("starting") as status:

        def progress(text: str) -> None:
            # Where it is no terminal, a status line does not show.
            if console.is_terminal:
                status.update(text)
            else:
                console.print(text)

        async with stage.running(progress), cast(stage, progress) as people, stage.rialto_running(progress):
            outcomes = await arrive(people, progress)
            outcomes += await converse(stage, people, progress)
            status.stop()
            console.print(table(outcomes))
            wrong = faults(outcomes)
            if wrong:
                console.print(
                    "[bold red]Not every line reached everyone exactly once:[/]", *map(escape, wrong), sep="\n"
                )
                console.print(f"The end of Rialto's log:\n{escape(stage.rialto.log_tail())}")
                return 1
            console.print(f"Every line reached everyone, once: {len(STEPS)} lines, {len(people.clients)} people.")
            if not once:
                console.print(_invitation(stage))
                # Outside the box, which would break so long a line.
                command = Path(sys.executable).with_name("rialto")
                console.print(escape(f"Try: {command} status -c {stage.rialto.config}"), soft_wrap=True)
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
                console.print("Stopping.")
    return 0


def _invitation(stage: Stage) -> Panel:
    """How to join in by hand."""
    guest, room = stage.guest, stage.muc
    return Panel(
        escape(
            f"XMPP    {guest.user}@{stage.prosody.host}, password {guest.password},"
            f" server 127.0.0.1 port {stage.prosody.c2s_port} without TLS; room {room}\n"
            f"Matrix  {guest.user}, password {guest.password}, homeserver {stage.synapse.url}; room {stage.alias}\n"
            f"IRC     any nick, server 127.0.0.1 port {stage.ngircd.port} without TLS; channel {stage.channel}\n"
            f"The bot rialto@{stage.bridge}, @rialto:{stage.synapse.server_name}, or /msg rialto: say help to it\n"
            f"\nRialto's configuration and log are in {stage.rialto.folder}, the servers' beside it."
        ),
        title="Join in; Ctrl-C ends it all",
        expand=False,
    )
