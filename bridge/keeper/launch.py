"""Finding the keeper that a bridge before us left, or starting one."""

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Final

import structlog

from bridge.keeper.client import BusyError, KeeperClient, KeeperError, KeeperGoneError, StrangeError
from bridge.keeper.process import socket_path

log = structlog.get_logger(__name__)

START_WITHIN: Final = 20.0
"""Seconds a keeper that was started has to listen; also for one to see that the bridge before us died."""

PAUSE: Final = 0.05
PATH_BYTES: Final = 100
"""Socket paths are short: 108 bytes on Linux, 104 elsewhere."""


def folder_of(store: str) -> Path:
    """The keeper's folder, beside the store (an SQLAlchemy URL). Raises `KeeperError` where there is no place."""
    path = store.removeprefix("sqlite:///")
    if path == store:
        raise KeeperError("a keeper needs a store in a file, beside which it lives")
    folder = Path(f"{path}.keeper")
    if len(os.fsencode(socket_path(folder))) > PATH_BYTES:
        raise KeeperError(f"the path {socket_path(folder)} is too long for a socket; put the store into another folder")
    return folder


async def attached(folder: Path) -> KeeperClient:
    """The keeper of this folder; if none runs, it is started, and outlives us. Raises `KeeperError`."""
    why: list[str] = []
    try:
        async with asyncio.timeout(START_WITHIN):
            return await _attached(folder, why)
    except TimeoutError:
        told = f" ({why[-1]})" if why else ""
        raise KeeperError(f"no keeper could be had in {folder}{told}; see {folder / 'keeper.log'}") from None
    except OSError as error:
        raise KeeperError(f"no keeper can be had in {folder}: {error.strerror or error}") from error


async def _attached(folder: Path, why: list[str]) -> KeeperClient:
    """Try until it works; `why` gets what is in the way."""
    process: subprocess.Popen[bytes] | None = None
    while True:
        try:
            await asyncio.to_thread(_check, folder)
            client = await KeeperClient.attach(socket_path(folder))
            client.process = process
            return client
        except (FileNotFoundError, ConnectionRefusedError, KeeperGoneError):
            if process is None:
                process = await asyncio.to_thread(_start, folder)
                log.info("keeper started", pid=process.pid, folder=str(folder))
            elif (code := process.poll()) is not None:
                # Another one may just be ending, and have the folder still.
                log.debug("keeper ended", code=code)
                process = None
        except StrangeError as error:
            mend = "end it (SIGTERM) to have a new one at the next start; its connections are closed then"
            raise KeeperError(f"{error}: {mend}") from error
        except BusyError as error:
            why.append(str(error))  # the bridge before us may just be dying
        await asyncio.sleep(PAUSE)


def _check(folder: Path) -> None:
    """Raises `KeeperError` where somebody else could be behind the socket."""
    found = folder.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise KeeperError(f"{folder} is not for our user alone; take it away")


def _start(folder: Path) -> "subprocess.Popen[bytes]":
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "keeper.log").open("wb") as out:
        return subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "bridge", "keeper", "--folder", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            # Neither a signal to our group nor the end of our terminal is for the keeper.
            start_new_session=True,
            close_fds=True,
        )
