"""ngIRCd: a small IRC server, with few IRCv3 capabilities."""

from collections.abc import Sequence
from pathlib import Path

from bridge.demo.servers.irc import IrcServer
from bridge.demo.servers.process import LOOPBACK, find_program, free_ports, safe_word

_CONFIG = """\
# On loopback, on a port of its own. For trying out only.
[Global]
	Name = {server}
	Info = Rialto's ngIRCd
	AdminInfo1 = none
	AdminInfo2 = none
	AdminEMail = none@localhost
	Network = {network}
	Listen = {loopback}
	Ports = {port}
	MotdPhrase = "Welcome to {network}"
	PidFile = {pidfile}
{password}
[Limits]
	ConnectRetry = 60
	IdleTimeout = 0
	MaxConnections = 0
	MaxConnectionsIP = 0
	MaxJoins = 0
	MaxNickLength = {max_nick_length}
	MaxPenaltyTime = {penalty}
	PingTimeout = 120
	PongTimeout = 20

[Options]
	DNS = no
	Ident = no
	PAM = no
	OperCanUseMode = yes
	RequireAuthPing = no
	ScrubCTCP = no

[Operator]
	Name = oper
	Password = operpw
"""


class NgIRCd(IrcServer):
    """`penalties` leaves ngIRCd's own flood control on: each command costs the sender time. `OPER oper operpw` works.

    `password` is what clients must send with PASS, if anything.
    """

    name = "ngircd"

    def __init__(
        self,
        folder: Path,
        *,
        network: str = "LabNet",
        server: str = "irc.localhost",
        max_nick_length: int = 30,
        penalties: bool = False,
        password: str | None = None,
    ) -> None:
        super().__init__(folder)
        self.network = safe_word(network, "a network's name")
        self._server = safe_word(server, "a server's name")
        self._max_nick_length = max_nick_length
        self._penalties = penalties
        self._password = None if password is None else safe_word(password, "a password")
        (self.port,) = free_ports(1)

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "ngircd.conf"

    def _command(self) -> Sequence[str]:
        return [find_program("ngircd"), "-n", "-f", str(self.config)]

    def _prepare(self) -> None:
        self.config.write_text(
            _CONFIG.format(
                server=self._server,
                network=self.network,
                loopback=LOOPBACK,
                port=self.port,
                pidfile=self.folder / "ngircd.pid",
                max_nick_length=self._max_nick_length,
                penalty=-1 if self._penalties else 0,
                password="" if self._password is None else f"\tPassword = {self._password}\n",
            )
        )
        self.config.chmod(0o600)

    def _greeting(self) -> bytes:
        return b"" if self._password is None else f"PASS {self._password}\r\n".encode()
