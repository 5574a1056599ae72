"""ircd-hybrid: an IRC server of the older school, which ends a command at a bare CR.

Debian's package refuses to be installed beside ngircd; scripts/setup installs it under another name.
"""

from collections.abc import Sequence
from pathlib import Path

from bridge.demo.servers.irc import IrcServer
from bridge.demo.servers.process import LOOPBACK, conversation, find_program, free_ports, safe_word

MODULES = Path("/usr/lib/ircd-hybrid/modules")
"""Where Debian's build looks for its modules, whatever the configuration says."""

_CONFIG = """\
serverinfo {{
	name = "{server}";
	sid = "0HY";
	description = "Rialto's ircd-hybrid";
	network_name = "{network}";
	hub = no;
	default_max_clients = 512;
	max_nick_length = {max_nick_length};
	max_topic_length = 300;
}};
admin {{ name = "none"; description = "none"; email = "none@localhost"; }};
class {{
	name = "users";
	ping_time = 120 seconds;
	number_per_ip_local = 500;
	number_per_ip_global = 500;
	max_number = 500;
	max_channels = 500;
	sendq = 4 megabytes;
	recvq = 8000 bytes;
}};
listen {{ port = {port}; host = "{loopback}"; }};
auth {{
	user = "*@*";
	class = "users";
	flags = {flags};
{password}}};
operator {{
	name = "oper";
	user = "*@*";
	password = "operpw";
	encrypted = no;
	class = "users";
	umodes = wallop;
	flags = admin, globops, kill, kline, unkline, module, rehash, set;
}};
channel {{
	disable_fake_channels = no;
	max_channels = 500;
	default_join_flood_count = 0;
	default_join_flood_time = 0;
}};
general {{
	disable_auth = yes;
	ping_cookie = {ping_cookie};
	throttle_count = 500;
	throttle_time = 1 second;
	anti_spam_exit_message_time = 0;
	default_floodcount = 0;
	max_nick_changes = 500;
	max_nick_time = 1 second;
	pace_wait = 0;
	pace_wait_simple = 0;
	invisible_on_connect = no;
	max_targets = 4;
}};
modules {{
	path = "{modules}";
	path = "{modules}/autoload";
}};
log {{ use_logging = yes; file {{ type = user; name = "{folder}/users.log"; size = unlimited; }}; }};
"""


class HybridIrcd(IrcServer):
    """`OPER oper operpw` works. Flood control and clone limits are lifted.

    `password` is what clients must send with PASS, if anything. With `ping_cookie`, a client has to answer a PING
    before it is let in, as on several networks.
    """

    name = "ircd-hybrid"

    def __init__(
        self,
        folder: Path,
        *,
        network: str = "HybridNet",
        server: str = "hybrid.localhost",
        max_nick_length: int = 30,
        password: str | None = None,
        ping_cookie: bool = False,
    ) -> None:
        super().__init__(folder)
        self.network = safe_word(network, "a network's name")
        self._server = safe_word(server, "a server's name")
        self._max_nick_length = max_nick_length
        self._password = None if password is None else safe_word(password, "a password")
        self._ping_cookie = ping_cookie
        (self.port,) = free_ports(1)

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "ircd.conf"

    def _command(self) -> Sequence[str]:
        files = {
            "-configfile": self.config,
            "-pidfile": self.folder / "ircd.pid",
            "-logfile": self.folder / "server.log",
        }
        files |= {f"-{kind}file": self.folder / f"{kind}.db" for kind in ("kline", "dline", "xline", "resv")}
        return [find_program("ircd-hybrid"), "-foreground", *(str(word) for item in files.items() for word in item)]

    def _prepare(self) -> None:
        flags = "exceed_limit, can_flood, no_tilde" + ("" if self._password is None else ", need_password")
        password = "" if self._password is None else f'\tpassword = "{self._password}";\n\tencrypted = no;\n'
        folder = r"[A-Za-z0-9._/-]+"
        self.config.write_text(
            _CONFIG.format(
                server=self._server,
                network=self.network,
                loopback=LOOPBACK,
                port=self.port,
                max_nick_length=self._max_nick_length,
                flags=flags,
                password=password,
                ping_cookie="yes" if self._ping_cookie else "no",
                modules=MODULES,
                folder=safe_word(str(self.folder), "a folder", folder),
            )
        )
        self.config.chmod(0o600)

    async def _answers(self) -> None:
        if self._ping_cookie:
            await conversation(self.port, self._greeting() + b"NICK rtprobe\r\nUSER rtprobe 0 * :probe\r\n", b"PING :")
        else:
            await super()._answers()

    def _greeting(self) -> bytes:
        return b"" if self._password is None else f"PASS {self._password}\r\n".encode()
