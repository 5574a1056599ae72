"""Atheme: the services of an IRC network, that is accounts, NickServ, and SASL (PLAIN and EXTERNAL)."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.demo.servers.inspircd import InspIRCd
from bridge.demo.servers.ngircd import NgIRCd
from bridge.demo.servers.process import LOOPBACK, Server, ServerError, find_program, safe_word

NAME = "services.localhost"
"""What to name as `services` of the IRC server."""

_CONFIG = """\
{modules}serverinfo {{
	name = "{name}";
	desc = "Rialto's services";
	numeric = "00A";
	recontime = 1;
	netname = "{network}";
	hidehostsuffix = "users.localhost";
	adminname = "none";
	adminemail = "none@localhost";
	registeremail = "none@localhost";
	mta = "/bin/false";
	loglevel = {{ error; info; admin; network; wallops; }};
	maxlogins = 50;
	maxusers = 50;
	mdlimit = 30;
	emaillimit = 100;
	emailtime = 300;
	auth = none;
	casemapping = {casemapping};
}};
uplink "{server}" {{
	host = "{loopback}";
	port = {port};
	send_password = "{password}";
	receive_password = "{password}";
}};
nickserv {{ nick = "NickServ"; user = "NickServ"; host = "{name}"; real = "Nickname services"; maxnicks = 50; }};
saslserv {{ nick = "SaslServ"; user = "SaslServ"; host = "{name}"; real = "SASL"; }};
general {{ flood_msgs = 0; commit_interval = 5; default_clone_allowed = 500; }};
"""
_MODULES = (
    *("backend/opensex", "crypto/pbkdf2v2", "nickserv/main", "nickserv/cert", "nickserv/ghost", "nickserv/group"),
    *("nickserv/identify", "nickserv/logout", "nickserv/register", "saslserv/main", "saslserv/plain"),
    "saslserv/external",
)
_WITHIN = 15.0


class Services(Server):
    """Services linked to an IRC server, which must have been made with ``services=NAME`` and run already."""

    name = "atheme"
    user = "irc"

    def __init__(self, folder: Path, ircd: InspIRCd | NgIRCd) -> None:
        super().__init__(folder)
        self._ircd = ircd

    async def register(self, account: str, password: str, fingerprint: str | None = None) -> None:
        """Make an account, for a nick that nobody bears now. `fingerprint` is that of a certificate it may log in by
        (SHA-256, hexadecimal). Raises `EOFError` with what NickServ said instead."""
        account, password = safe_word(account, "an account"), safe_word(password, "a password", r"[!-~]+")
        async with self._client(account) as talk:
            await talk.ask(f"PRIVMSG NickServ :REGISTER {password} {account}@localhost.example", "is now registered")
            if fingerprint is not None:
                await talk.ask(f"PRIVMSG NickServ :CERT ADD {fingerprint}", "[Ff]ingerprint")
            await talk.ask("QUIT", "^ERROR")

    def _ports(self) -> Sequence[int]:
        return []

    def _command(self) -> Sequence[str]:
        folder = str(self.folder)
        files = ("-c", f"{folder}/atheme.conf", "-l", f"{folder}/atheme-debug.log", "-p", f"{folder}/atheme.pid")
        return [find_program("atheme-services"), "-n", *files, "-D", folder]

    def _prepare(self) -> None:
        ircd = self._ircd
        protocol, casemapping = ("inspircd", "rfc1459") if isinstance(ircd, InspIRCd) else ("ngircd", "ascii")
        if ircd.services is None:
            raise ServerError(f"{ircd.name} takes no services: make it with services={NAME!r}")
        config = self.folder / "atheme.conf"
        config.write_text(
            _CONFIG.format(
                modules="".join(f'loadmodule "modules/{word}";\n' for word in (f"protocol/{protocol}", *_MODULES)),
                name=ircd.services,
                network=ircd.network,
                server=ircd.server,
                loopback=LOOPBACK,
                port=ircd.link_port,
                password=ircd.link_password,
                casemapping=casemapping,
            )
        )
        config.chmod(0o600)

    async def _answers(self) -> None:
        async with self._client("rtsvc") as talk:
            await talk.ask("PRIVMSG NickServ :HELP", "NOTICE rtsvc")
            # It answers while the servers are still greeting each other, when SASL is not there yet.
            if isinstance(self._ircd, InspIRCd):
                await talk.ask("CAP LS 302", r"CAP .*\bsasl\b")

    @asynccontextmanager
    async def _client(self, nick: str) -> AsyncIterator["_Talk"]:
        """Somebody on the IRC server. Raises `EOFError` where an answer does not come."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self._ircd.port)
        try:
            async with asyncio.timeout(_WITHIN):
                talk = _Talk(reader, writer)
                await talk.ask(f"NICK {nick}\r\nUSER {nick} 0 * :{nick}", r" (376|422) ")
                yield talk
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class _Talk:
    """Lines to and fro."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, line: str, answer: str) -> None:
        """Say a line, and wait for one that matches. Raises `EOFError` with what was said instead."""
        self._writer.write(line.encode() + b"\r\n")
        # The answer to a PING ends the wait for what will not come.
        token = f"end{id(self)}"
        pinged = False
        said: list[str] = []
        while heard := (await self._reader.readline()).decode(errors="replace").rstrip():
            said.append(heard)
            if heard.startswith("PING"):
                self._writer.write(heard.replace("PING", "PONG", 1).encode() + b"\r\n")
            if re.search(answer, heard):
                return
            if re.search(r" 401 | NOTICE \S+ :(?!\*\*\*)|CAP .* LS ", heard) and not pinged:
                pinged = True
                self._writer.write(f"PING {token}\r\n".encode())
            if token in heard:
                break
        raise EOFError(f"{line.partition(' :')[0]} brought no {answer!r}, but {said[-5:]}")
