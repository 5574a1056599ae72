"""biboumi 9, the peer: one IRC connection for each XMPP user, as a component of an XMPP server."""

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path

from bridge.demo.servers.process import Server, find_program


class Biboumi(Server):
    """Attached to a Prosody's component port; it answers when Prosody has taken its handshake."""

    name = "biboumi"
    user = "_biboumi"

    def __init__(self, folder: Path, *, domain: str, secret: str, port: int, admin: str) -> None:
        super().__init__(folder)
        self._domain = domain
        self._secret = secret
        self._port = port
        self._admin = admin

    def _prepare(self) -> None:
        values = {
            "hostname": self._domain,
            "password": self._secret,
            "xmpp_server_ip": "127.0.0.1",
            "port": self._port,
            "admin": self._admin,
            "db_name": self.folder / f"biboumi-{secrets.token_hex(4)}.sqlite",
            "identd_port": 0,
            "outgoing_bind": "127.0.0.1",
            "log_level": 1,
            "policy_directory": self.folder,
            "persistent_by_default": "false",
            "realname_from_jid": "false",
        }
        (self.folder / "biboumi.cfg").write_text("".join(f"{key}={value}\n" for key, value in values.items()))

    def _command(self) -> Sequence[str]:
        return [find_program("biboumi"), str(self.folder / "biboumi.cfg")]

    async def _answers(self) -> None:
        # It says so in its log and nowhere else.
        if "Authenticated with the XMPP server" not in await asyncio.to_thread(self.log.read_text, errors="replace"):
            raise ConnectionError("biboumi has not been let in yet")

    def _ports(self) -> Sequence[int]:
        return ()
