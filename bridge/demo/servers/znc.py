"""ZNC: a bouncer, which stays on an IRC network for a client that comes and goes, and repeats to it what it missed."""

from collections.abc import Sequence
from pathlib import Path

from bridge.demo.servers.irc import IrcServer
from bridge.demo.servers.process import LOOPBACK, conversation, find_program, free_ports, safe_word

_CONFIG = """\
// On loopback, on a port of its own. For trying out only.
Version = 1.8.2
AnonIPLimit = 1000
ConnectDelay = 0
ServerThrottle = 0
MaxBufferSize = 5000
<Listener clients>
	Host = {loopback}
	Port = {port}
	IPv4 = true
	IPv6 = false
	SSL = false
	AllowIRC = true
	AllowWeb = false
</Listener>
<User {account}>
	Nick = {nick}
	AltNick = {nick}_
	Ident = {account}
	RealName = Rialto's ZNC
	QuitMsg = bye
	MaxJoins = 0
	AutoClearChanBuffer = {clear}
	AutoClearQueryBuffer = {clear}
	ChanBufferSize = {lines}
	QueryBufferSize = {lines}
	<Pass password>
		Method = plain
		Hash = {password}
	</Pass>
	<Network {network}>
		Server = {loopback} {upstream}
		FloodBurst = 1000
		FloodRate = 0.01
		JoinDelay = 0
	</Network>
</User>
"""


class Znc(IrcServer):
    """`account` with `password` is on the network at port `upstream` as `nick`, as `login` says to PASS.

    Of each channel `lines` lines are kept. With `clear`, which is ZNC's default, only those that nobody was attached
    for, and none once they have been repeated.
    """

    name = "znc"
    account = "someone"
    network = "lab"
    password = "znc-password"

    def __init__(self, folder: Path, *, upstream: int, nick: str, clear: bool = True, lines: int = 500) -> None:
        super().__init__(folder)
        self._upstream = upstream
        self._nick = safe_word(nick, "a nick")
        self._clear = clear
        self._lines = lines
        (self.port,) = free_ports(1)

    @property
    def login(self) -> str:
        """The server's password, as clients of a bouncer say it."""
        return f"{self.account}/{self.network}:{self.password}"

    def _command(self) -> Sequence[str]:
        return [find_program("znc"), "--foreground", "--no-color", "--datadir", str(self.folder)]

    def _prepare(self) -> None:
        configs = self.folder / "configs"
        configs.mkdir(exist_ok=True)
        config = configs / "znc.conf"
        config.write_text(
            _CONFIG.format(
                loopback=LOOPBACK,
                port=self.port,
                account=self.account,
                nick=self._nick,
                clear=str(self._clear).lower(),
                lines=self._lines,
                password=self.password,
                network=self.network,
                upstream=self._upstream,
            )
        )
        config.chmod(0o600)

    async def _answers(self) -> None:
        # Whoever gets in is repeated what the owner missed.
        await conversation(self.port, b"PASS nobody:wrong\r\nNICK rtprobe\r\nUSER rtprobe 0 * :probe\r\n", b" 464 ")
