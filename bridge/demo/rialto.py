"""Rialto itself, run as an operator runs it: a process with a configuration file."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bridge.demo.servers.process import LOOPBACK, Server, ServerError, conversation


class Rialto(Server):
    """One gateway. It answers when all its networks are online. `config` exists when it starts."""

    name = "rialto"
    start_within = 60.0

    def __init__(self, folder: Path, config: Path, port: int) -> None:
        super().__init__(folder)
        self.config = config.absolute()
        self.port = port

    async def registration(self, network: str, output: Path) -> None:
        """Write what the network's server must be told, as ``rialto registration`` does. Raises `ServerError`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge", "registration", network, "-c", str(self.config), "-o", str(output)),
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode != 0:
            raise ServerError(f"rialto registration {network} failed:\n{said.decode(errors='replace').strip()}")

    def _environment(self) -> dict[str, str]:
        # The configuration is the file's alone: what the environment says is meant for another Rialto.
        return {name: value for name, value in os.environ.items() if not name.startswith("RIALTO_")}

    def _command(self) -> Sequence[str]:
        return [sys.executable, "-m", "bridge", "run", "-c", str(self.config)]

    def _prepare(self) -> None:
        if not self.config.exists():
            raise ServerError(f"{self.config} does not exist")

    def _ports(self) -> Sequence[int]:
        return [self.port]

    async def _answers(self) -> None:
        heard = await conversation(self.port, f"GET /readyz HTTP/1.0\r\nHost: {LOOPBACK}\r\n\r\n".encode(), b"\r\n")
        if b" 200 " not in heard.partition(b"\r\n")[0]:
            raise EOFError(f"rialto said {heard[:80]!r}")
