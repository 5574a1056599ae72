"""ngIRCd: a small IRC server, with few IRCv3 capabilities."""

from collections.abc import Sequence
from pathlib import Path

from bridge.demo.servers.certificates import Certificate
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
{extra}
[Limits]
	ConnectRetry = 60
	IdleTimeout = 0
	MaxConnections = 0
	MaxConnectionsIP = 0
	MaxJoins = 0
	MaxNickLength = {max_nick_length}
	MaxPenaltyTime = {penalty}
	PingTimeout = {ping_after}
	PongTimeout = {pong_within}

[Options]
	DNS = {dns}
	Ident = no
	PAM = no
	OperCanUseMode = yes
	RequireAuthPing = no
	ScrubCTCP = no
{options}
[Operator]
	Name = oper
	Password = operpw
"""
_TLS = """
[SSL]
	CertFile = {cert}
	KeyFile = {key}
	Ports = {port}
"""
_SERVICES = """
[Server]
	Name = {name}
	MyPassword = {password}
	PeerPassword = {password}
	ServiceMask = *Serv
	Passive = yes
"""


class NgIRCd(IrcServer):
    """`penalties` leaves ngIRCd's own flood control on: each command costs the sender time. `OPER oper operpw` works.

    `password` is what clients must send with PASS, if anything. With `certificate`, TLS is spoken on `tls_port`.
    `webirc` is the password of a WEBIRC gateway. With `services`, a name, services of that name may link to `link_port`
    with `link_password`: see `bridge.demo.servers.services`. After `ping_after` seconds without a word a client is
    asked for one, for which it has `pong_within` seconds.
    """

    name = "ngircd"
    link_password = "linkpw"

    def __init__(
        self,
        folder: Path,
        *,
        network: str = "LabNet",
        server: str = "irc.localhost",
        max_nick_length: int = 30,
        penalties: bool = False,
        password: str | None = None,
        certificate: Certificate | None = None,
        webirc: str | None = None,
        services: str | None = None,
        ping_after: int = 120,
        pong_within: int = 20,
    ) -> None:
        super().__init__(folder)
        self.network = safe_word(network, "a network's name")
        self.server = safe_word(server, "a server's name")
        self._max_nick_length = max_nick_length
        self._pings = {"ping_after": ping_after, "pong_within": pong_within}
        self._penalties = penalties
        self._password = None if password is None else safe_word(password, "a password")
        self._certificate = certificate
        self._webirc = None if webirc is None else safe_word(webirc, "a password")
        self.services = None if services is None else safe_word(services, "a server's name")
        self.port, self.tls_port = free_ports(2)

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "ngircd.conf"

    @property
    def link_port(self) -> int:
        """Where services link: where clients do."""
        return self.port

    def _ports(self) -> Sequence[int]:
        return [self.port, *([self.tls_port] if self._certificate is not None else [])]

    def _command(self) -> Sequence[str]:
        return [find_program("ngircd"), "-n", "-f", str(self.config)]

    def _prepare(self) -> None:
        extra = "" if self._password is None else f"\tPassword = {self._password}\n"
        options = "" if self._webirc is None else f"\tWebircPassword = {self._webirc}\n"
        self.config.write_text(
            _CONFIG.format(
                server=self.server,
                network=self.network,
                loopback=LOOPBACK,
                port=self.port,
                pidfile=self.folder / "ngircd.pid",
                max_nick_length=self._max_nick_length,
                **self._pings,
                penalty=-1 if self._penalties else 0,
                extra=extra,
                options=options,
                # With it off, the host that a gateway tells is overwritten by the address.
                dns="no" if self._webirc is None else "yes",
            )
            + self._more()
        )
        self.config.chmod(0o600)

    def _more(self) -> str:
        """The sections of what not everybody asks for."""
        text = ""
        if (made := self._certificate) is not None:
            text += _TLS.format(cert=made.cert, key=made.key, port=self.tls_port)
        if self.services is not None:
            text += _SERVICES.format(name=self.services, password=self.link_password)
        return text

    def _greeting(self) -> bytes:
        return b"" if self._password is None else f"PASS {self._password}\r\n".encode()
