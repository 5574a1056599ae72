"""Services that know SCRAM-SHA-256, which no packaged ones do: a link to InspIRCd, and GNU SASL behind it.

What is ours here only carries messages: the server's side of the mechanism is gsasl's (Debian: gsasl), the IRC side
InspIRCd's. The link speaks the protocol 1205 (https://docs.inspircd.org/server/messages/).
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.demo.servers import InspIRCd
from bridge.demo.servers.process import find_program

MECHANISM = "SCRAM-SHA-256"
SID = "0SA"
WITHIN = 10.0


class SaslAgent:
    """Logs everybody in who knows `password`, as the account ``ana``.

    `forged`: it says that the login succeeded before it has shown that it knows the password itself.
    """

    def __init__(self, ircd: InspIRCd, password: str, *, forged: bool = False) -> None:
        self._ircd = ircd
        self._password = password
        self._forged = forged
        self._peers: dict[str, asyncio.subprocess.Process] = {}
        self._peer_sid = ""
        self._writer: asyncio.StreamWriter | None = None
        self.ready = asyncio.Event()

    def _send(self, *lines: str) -> None:
        assert self._writer is not None
        self._writer.write(b"".join(line.encode() + b"\r\n" for line in lines))

    async def run(self) -> None:
        """Link, and answer for ever."""
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._ircd.link_port)
        self._send("CAPAB START 1205", "CAPAB CAPABILITIES :NICKMAX=30", "CAPAB END")
        self._send(f"SERVER {self._ircd.services} {self._ircd.link_password} 0 {SID} :SASL")
        try:
            while raw := await reader.readline():
                await self._heard(raw.decode(errors="replace").rstrip())
        finally:
            self._writer.close()
            for process in self._peers.values():
                await _ended(process)

    async def _heard(self, line: str) -> None:
        if line.startswith("@"):
            line = line.partition(" ")[2]
        words = line.split(" ")
        match words:
            case ["SERVER", _, _, _, sid, *_]:
                self._peer_sid = sid
                self._send(f":{SID} BURST {int(time.time())}", f":{SID} METADATA * saslmechlist :{MECHANISM}")
                self._send(f":{SID} ENDBURST")
            case [_, "ENDBURST"]:
                self.ready.set()
            case [_, "PING", *rest]:
                self._send(f":{SID} PONG {rest[0]}")
            case [_, "ENCAP", _, "SASL", who, _, "S", mechanism, *_]:
                assert mechanism.removeprefix(":") == MECHANISM
                await self._begin(who)
            case [_, "ENCAP", _, "SASL", who, _, "C", text]:
                await self._go_on(who, text.removeprefix(":"))
            case [_, "ENCAP", _, "SASL", who, _, "D", *_] if process := self._peers.pop(who, None):
                await _ended(process)

    async def _begin(self, who: str) -> None:
        pipe = asyncio.subprocess.PIPE
        command = ("--server", f"--mechanism={MECHANISM}", f"--password={self._password}", "--quiet")
        self._peers[who] = process = await asyncio.create_subprocess_exec(
            find_program("gsasl"), *command, stdin=pipe, stdout=pipe, stderr=pipe
        )
        # It names the mechanism, and has nothing to say before the client has.
        assert (await self._line(process), await self._line(process)) == (MECHANISM, "")
        self._say(who, "C", "+")

    async def _go_on(self, who: str, text: str) -> None:
        process = self._peers[who]
        assert process.stdin is not None
        if text == "+":
            await self._over(who, good=True)
            return
        process.stdin.write(text.encode() + b"\n")
        answer = await self._line(process)
        if answer is None:
            await self._over(who, good=False)
        elif self._forged:
            await self._over(who, good=True)
        else:
            self._say(who, "C", answer)

    async def _over(self, who: str, *, good: bool) -> None:
        await _ended(self._peers.pop(who))
        if good:
            self._send(f":{SID} METADATA {who} accountname :ana")
        self._say(who, "D", "S" if good else "F")

    def _say(self, who: str, kind: str, text: str) -> None:
        self._send(f":{SID} ENCAP {self._peer_sid} SASL {SID}AAAAAA {who} {kind} {text}")

    async def _line(self, process: asyncio.subprocess.Process) -> str | None:
        """What gsasl says next; None when it has given up."""
        assert process.stdout is not None
        async with asyncio.timeout(WITHIN):
            raw = await process.stdout.readline()
        return raw.decode().rstrip("\n") if raw else None


async def _ended(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.communicate()


@asynccontextmanager
async def sasl_agent(ircd: InspIRCd, password: str, *, forged: bool = False) -> AsyncIterator[SaslAgent]:
    """An agent that is linked to the server."""
    agent = SaslAgent(ircd, password, forged=forged)
    task = asyncio.create_task(agent.run())
    try:
        linked = asyncio.create_task(agent.ready.wait())
        await asyncio.wait({task, linked}, timeout=WITHIN, return_when=asyncio.FIRST_COMPLETED)
        linked.cancel()
        assert agent.ready.is_set(), f"the link did not come: {ircd.log_tail()}"
        yield agent
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
