"""Prosody: an XMPP server with a room service (XEP-0045) and external components (XEP-0114)."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from bridge.demo.servers.process import LOOPBACK, Server, ServerError, conversation, find_program, free_ports, safe_word

_CONFIG = """\
-- Everything on loopback and on ports of its own; no TLS, no federation. For trying out only.
data_path = {data}
pidfile = {pidfile}
{prosody_user}log = {{ {{ levels = {{ min = "info" }}, to = "console" }} }}
interfaces = {{ "{loopback}" }}
local_interfaces = {{ "{loopback}" }}
c2s_ports = {{ {c2s_port} }}
c2s_direct_tls_ports = {{ }}
legacy_ssl_ports = {{ }}
component_ports = {{ {component_port} }}
component_interfaces = {{ "{loopback}" }}
http_ports = {{ {http_port} }}
https_ports = {{ }}
modules_enabled = {{
  "roster"; "saslauth"; "disco"; "ping"; "time"; "version"; "pep"; "private"; "blocklist"; "carbons"; "http";
}}
modules_disabled = {{ "s2s"; "tls" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
component_conflict_resolve = {conflict}

VirtualHost {host}

Component {muc} "muc"
  muc_room_locking = {locking}
  restrict_room_creation = false
  max_history_messages = {history}{rooms}
"""

_COMPONENT = """
Component {domain}
  component_secret = {secret}
"""


def _lua(text: str) -> str:
    """A Lua string literal. Raises `ValueError` for control characters, which no value here may hold."""
    if any(ord(char) < 32 for char in text):
        raise ValueError(f"{text!r} holds control characters")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Prosody(Server):
    """`c2s_port` takes clients, `component_port` takes `components` (domain to secret), `muc` is the room service.

    Rooms are as Prosody makes them by itself: semi-anonymous, gone when the last occupant leaves, and locked until
    their creator has configured them (XEP-0045 section 10.1) unless `locking` is false. `conflict` is what happens
    to a component that connects while another connection has its domain: ``kick_new`` (Prosody's default) refuses
    the newcomer, ``kick_old`` puts out the other one. `history` is how many messages a room keeps.
    `archive`: its rooms have one (XEP-0313); may be changed before a start.
    """

    name = "prosody"
    user = "prosody"

    def __init__(
        self,
        folder: Path,
        *,
        components: Mapping[str, str] | None = None,
        host: str = "localhost",
        conflict: Literal["kick_new", "kick_old"] = "kick_new",
        locking: bool = True,
        history: int = 50,
        archive: bool = False,
    ) -> None:
        super().__init__(folder)
        self.components = dict(components or {})
        self.host = safe_word(host, "a host")
        self.muc = f"conference.{host}"
        self.c2s_port, self.component_port, self.http_port = free_ports(3)
        self._conflict = conflict
        self._locking = locking
        self.archive = archive
        self._history = history

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "prosody.cfg.lua"

    async def register(self, user: str, password: str) -> str:
        """Make an account; gives its bare JID. Works whether or not the server runs. Raises `ServerError`."""
        safe_word(user, "an account")
        prosodyctl = await asyncio.to_thread(find_program, "prosodyctl")
        process = await asyncio.create_subprocess_exec(
            *(prosodyctl, "--config", str(self.config), "register", user, self.host, password),
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            raise ServerError(f"prosodyctl register {user} failed:\n{output.decode(errors='replace').strip()}")
        return f"{user}@{self.host}"

    def _command(self) -> Sequence[str]:
        return [find_program("prosody"), "-F", "--config", str(self.config)]

    def _prepare(self) -> None:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        text = _CONFIG.format(
            data=_lua(str(data)),
            pidfile=_lua(str(data / "prosody.pid")),
            # prosodyctl looks for the user whom the server runs as; by default that is prosody, whoever we are.
            prosody_user="" if os.geteuid() == 0 else "prosody_user = nil\n",
            loopback=LOOPBACK,
            c2s_port=self.c2s_port,
            component_port=self.component_port,
            http_port=self.http_port,
            conflict=_lua(self._conflict),
            host=_lua(self.host),
            muc=_lua(self.muc),
            locking="true" if self._locking else "false",
            history=self._history,
            rooms='\n  modules_enabled = { "muc_mam" }' if self.archive else "",
        )
        for domain, secret in self.components.items():
            text += _COMPONENT.format(domain=_lua(safe_word(domain, "a component's domain")), secret=_lua(secret))
        self.config.write_text(text)
        self.config.chmod(0o600)

    def _ports(self) -> Sequence[int]:
        return [self.c2s_port, self.component_port, self.http_port]

    async def _answers(self) -> None:
        await conversation(
            self.c2s_port,
            f"<?xml version='1.0'?><stream:stream to='{self.host}' version='1.0' xmlns='jabber:client'"
            " xmlns:stream='http://etherx.jabber.org/streams'>".encode(),
            b"</stream:features>",
        )
        for domain in list(self.components)[:1]:
            await conversation(
                self.component_port,
                f"<?xml version='1.0'?><stream:stream to='{domain}' xmlns='jabber:component:accept'"
                " xmlns:stream='http://etherx.jabber.org/streams'>".encode(),
                b"<stream:stream",
            )
