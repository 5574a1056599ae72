"""The life of one server process: prepared, started, found to answer, stopped, nothing left running."""

import abc
import asyncio
import contextlib
import os
import pwd
import random
import re
import shutil
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Self

LOOPBACK = "127.0.0.1"

# Below the range that Linux takes outgoing connections' ports from (ip_local_port_range, 32768 and up): a port that
# waits for its server to come back must be taken neither by a passing client nor by a client that connects to itself.
_PORTS = range(12000, 32000)

_TAIL = 4000  # characters of the log that an error shows


class ServerError(Exception):
    """A server could not be started, or did not do as asked. The text says what to do."""


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports that nobody listens on now. They stay free only as long as nobody else takes them."""
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if is_taken(port):
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise ServerError(f"{count} free ports were not found between {_PORTS.start} and {_PORTS.stop}")


def is_taken(port: int) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as sock:
        # On Linux this lets us past connections in TIME_WAIT, as it will the server, but not past a listener.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def find_program(name: str) -> str:
    """The path of a program, also where an ordinary user's PATH lacks the sbin folders."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
    program = shutil.which(name, path=path)
    if program is None:
        raise ServerError(f"{name} is not installed: run scripts/demo or scripts/setup, or: apt-get install {name}")
    return program


class Server(abc.ABC):
    """One server. Subclasses write its configuration, name its command, and know when it answers.

    `folder` holds all it writes: configuration, data, log. It is made if it does not exist. `start` and `stop` belong
    to one event loop. Ports are chosen when the object is made, and kept.
    """

    name: str
    """What the server is called in messages, and its log file."""
    user: str | None = None
    """Whom it runs as when we are root; None for ourselves."""
    start_within = 30.0
    """Seconds it may take until it answers."""
    stop_signal = signal.SIGTERM
    """What it understands as a wish that it end in good order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._process: asyncio.subprocess.Process | None = None

    @abc.abstractmethod
    def _prepare(self) -> None:
        """Write what the server reads. Called before every start; must keep the data."""

    @abc.abstractmethod
    def _command(self) -> Sequence[str]:
        """Program and arguments, staying in the foreground. Raises `ServerError` where it is not installed."""

    @abc.abstractmethod
    async def _answers(self) -> None:
        """Return when the server speaks its protocol. Raises `OSError` or `EOFError` as long as it does not."""

    @abc.abstractmethod
    def _ports(self) -> Sequence[int]:
        """What the server listens on."""

    def _environment(self) -> dict[str, str] | None:
        """The environment it gets; None for our own."""
        return None

    @property
    def log(self) -> Path:
        """Where the server's output goes."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The process while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def log_tail(self) -> str:
        """The end of the log, for people."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return text[-_TAIL:].strip() or "(the log is empty)"

    async def start(self) -> None:
        """Start the server and wait until it answers. Raises `ServerError` with the end of its log."""
        if self.pid is not None:
            raise ServerError(f"{self.name} runs already")
        command = await asyncio.to_thread(self._made_ready)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.folder,
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C is for us; we stop the server in our own time.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(self.start_within):
                await self._until_it_answers(self._process)
        except TimeoutError:
            await self.stop()
            raise self._failure(f"did not answer within {self.start_within:.0f} s") from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the server and wait until it is gone. Harmless when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        await _end(process, self.stop_signal, 10.0)

    async def kill(self) -> None:
        """End the server as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            await _end(process, signal.SIGKILL, 10.0)

    async def restart(self) -> None:
        """Stop and start; ports and data stay."""
        await self.stop()
        await self.start()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _made_ready(self) -> list[str]:
        command = list(self._command())
        for port in self._ports():
            # Else the stranger's answer could be taken for the server's.
            if is_taken(port):
                raise ServerError(f"{self.name} cannot start: another program listens on port {port}")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._prepare()
        prefix: list[str] = []
        setpriv = shutil.which("setpriv")
        user = self.user if os.geteuid() == 0 else None
        if setpriv is not None:
            # PR_SET_PDEATHSIG: the kernel ends the server when we die, however we die. It has to be set after the
            # change of user, which clears it.
            prefix = [setpriv, "--pdeathsig", "KILL"]
        if user is not None:
            if setpriv is None:
                raise ServerError(f"setpriv is needed to run {self.name} as {user}: apt-get install util-linux")
            prefix += ["--reuid", user, "--regid", str(self._owner(user).pw_gid), "--clear-groups"]
            self._give_to(user)
        return [*prefix, *(["--"] if prefix else []), *command]

    def _owner(self, user: str) -> pwd.struct_passwd:
        try:
            return pwd.getpwnam(user)
        except KeyError:
            raise ServerError(f"the user {user}, whom {self.name} runs as, does not exist") from None

    def _give_to(self, user: str) -> None:
        """Let the server's own user have the folder, and see that it can get there."""
        owner = self._owner(user)
        for parent in self.folder.parents:
            mode = parent.stat()
            if not mode.st_mode & 0o001 and not (mode.st_uid == owner.pw_uid and mode.st_mode & 0o100):
                raise ServerError(
                    f"the user {user}, whom {self.name} runs as, may not enter {parent}: choose a folder elsewhere"
                    " (in tests: the fixture new_folder instead of tmp_path), or run as an ordinary user"
                )
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)

    async def _until_it_answers(self, process: asyncio.subprocess.Process) -> None:
        ended = asyncio.ensure_future(process.wait())
        try:
            while not ended.done():
                try:
                    # Bounded, because a stranger on the port may take the connection and say nothing.
                    async with asyncio.timeout(2.0):
                        await self._answers()
                except (OSError, EOFError):  # TimeoutError is an OSError
                    # Nothing announces that a foreign process has begun to listen: ask again.
                    await asyncio.wait([ended], timeout=0.03)
                else:
                    if ended.done():
                        break
                    return
        finally:
            if not ended.done():
                ended.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await ended
        raise self._failure(f"ended with status {process.returncode} instead of answering")

    def _failure(self, what: str) -> ServerError:
        return ServerError(f"{self.name} {what}. The end of {self.log}:\n{self.log_tail()}")


async def _end(process: asyncio.subprocess.Process, how: signal.Signals, patience: float) -> None:
    """Signal a process of ours until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(how)
    try:
        async with asyncio.timeout(patience):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def conversation(port: int, said: bytes, until: bytes) -> bytes:
    """Connect, say something, and read until `until` appears; for finding out whether a server answers.

    Raises `OSError`, and `EOFError` where the server hangs up first or talks for too long.
    """
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        writer.write(said)
        heard = b""
        while until not in heard:
            data = await reader.read(4096)
            heard += data
            if not data or len(heard) > 65536:
                raise EOFError(f"port {port} said {heard[-200:]!r}")
        return heard
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def safe_word(value: str, what: str, pattern: str = r"[A-Za-z0-9._-]+") -> str:
    """The value, if it can stand in a configuration file as it is. Raises `ValueError`."""
    if not re.fullmatch(pattern, value):
        raise ValueError(f"{value!r} cannot be {what}: it must match {pattern}")
    return value
