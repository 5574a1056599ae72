"""InspIRCd: an IRC server with many IRCv3 capabilities (server-time, msgid, echo-message, labels, batches, ...)."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from bridge.demo.servers.certificates import Certificate
from bridge.demo.servers.irc import IrcServer
from bridge.demo.servers.process import LOOPBACK, find_program, free_ports, safe_word

_CONFIG = """\
{format}<server name="{server}" description="Rialto's InspIRCd" id="97K" network="{network}">
<admin name="none" nick="none" email="none@localhost">
<bind address="{loopback}" port="{port}" type="clients">
<pid file="{folder}/inspircd.pid">
<path datadir="{folder}" logdir="{folder}" runtimedir="{folder}">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="{level}" target="{folder}/server.log">
# Flood control lifted: commandrate counts thousandths of commands a second.
<connect allow="*" name="all" timeout="30" pingfreq="2m" localmax="2000" globalmax="2000"
  commandrate="100000000" fakelag="off" threshold="100000" recvq="8M" softsendq="8M" hardsendq="64M"
  maxchans="500" resolvehostnames="no" useident="no" limit="5000">
<class name="all" commands="*" privs="*" usermodes="*" chanmodes="*">
<type name="all" classes="all" vhost="oper.localhost">
<oper name="oper" password="operpw" host="*@*" type="all">
<dns server="127.0.0.1" timeout="1">
<options prefixquit="Quit: " syntaxhints="yes" announcets="yes" defaultmodes="not">
<performance netbuffersize="65534" somaxconn="128" quietbursts="yes" softlimit="12800" clonesonconnect="yes">
<security announceinvites="dynamic" hidemodes="eI" maxtargets="20" userstats="Pu">
<limits maxnick="{max_nick_length}" maxchan="64" maxmodes="20" maxident="12" maxhost="64" maxquit="255"
  maxtopic="307" maxkick="255" maxreal="128" maxaway="200">
"""

_MODULES = (
    *("cap", "ircv3", "ircv3_accounttag", "ircv3_batch", "ircv3_capnotify", "ircv3_chghost", "ircv3_ctctags"),
    *("ircv3_echomessage", "ircv3_invitenotify", "ircv3_labeledresponse", "ircv3_msgid", "ircv3_servertime"),
    *("monitor", "botmode", "setname", "hostcycle"),
)
_TLS = """\
<module name="ssl_gnutls"><module name="sslinfo">
<sslprofile name="Clients" provider="gnutls" certfile="{cert}" keyfile="{key}" requestclientcert="yes" hash="sha256">
<bind address="{loopback}" port="{port}" type="clients" ssl="Clients" sslprofile="Clients">
"""
_HISTORY = """\
<module name="chanhistory">
<chanhistory maxlines="500" bots="yes" enableumode="no" prefixmsg="no">
"""
_STS = """\
<module name="ircv3_sts">
<sts host="localhost" duration="{duration}" port="{port}" preload="no">
"""
_WEBIRC = """\
<module name="cgiirc">
<cgihost type="webirc" password="{password}" mask="127.0.0.1">
"""
_SERVICES = """\
<module name="spanningtree"><module name="sasl">
<bind address="{loopback}" port="{port}" type="servers">
<link name="{name}" ipaddr="{loopback}" allowmask="127.0.0.1" port="{port}" recvpass="{password}" sendpass="{password}">
<uline server="{name}" silent="yes">
<sasl target="{name}" requiressl="no">
"""
# Release 4 joined two modules to one, and renamed the services' accounts.
_MODULES_3 = ("namesx", "uhnames", "services_account")
_MODULES_4 = ("multiprefix", "account")


class InspIRCd(IrcServer):
    """`OPER oper operpw` works. Releases 3 and 4 are known; `max_nick_length` is NICKLEN.

    With `certificate`, TLS is spoken on `tls_port`; with `sts` (seconds) the server wants nothing else for so long.
    `webirc` is the password of a WEBIRC gateway on loopback. With `services`, a name, services of that name may link to
    `link_port` with `link_password`, and SASL goes through them: see `bridge.demo.servers.services`.
    With `history`, channels may have mode +H: what was said is repeated to newcomers.
    """

    name = "inspircd"
    link_password = "linkpw"

    def __init__(
        self,
        folder: Path,
        *,
        network: str = "InspNet",
        server: str = "insp.localhost",
        max_nick_length: int = 30,
        certificate: Certificate | None = None,
        sts: int | None = None,
        webirc: str | None = None,
        services: str | None = None,
        history: bool = False,
    ) -> None:
        super().__init__(folder)
        self.network = safe_word(network, "a network's name")
        self.server = safe_word(server, "a server's name")
        self._max_nick_length = max_nick_length
        self._certificate = certificate
        self._sts = sts
        self._history = history
        self._webirc = None if webirc is None else safe_word(webirc, "a password")
        self.services = None if services is None else safe_word(services, "a server's name")
        self.port, self.tls_port, self.link_port = free_ports(3)

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "inspircd.conf"

    def _command(self) -> Sequence[str]:
        return [find_program("inspircd"), "--config", str(self.config), "--nofork"]

    def _prepare(self) -> None:
        version = subprocess.run(
            [find_program("inspircd"), "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
        release_3 = "InspIRCd-3" in version
        modules = _MODULES + (_MODULES_3 if release_3 else _MODULES_4)
        self.config.write_text(
            _CONFIG.format(
                format='<config format="xml">\n' if release_3 else "",
                level="default" if release_3 else "normal",
                server=self.server,
                network=self.network,
                loopback=LOOPBACK,
                port=self.port,
                folder=safe_word(str(self.folder), "a folder", r"[A-Za-z0-9._/-]+"),
                max_nick_length=self._max_nick_length,
            )
            + "".join(f'<module name="{module}">\n' for module in modules)
            + self._more()
        )
        self.config.chmod(0o600)

    def _ports(self) -> Sequence[int]:
        more = [self.tls_port] * (self._certificate is not None) + [self.link_port] * (self.services is not None)
        return [self.port, *more]

    def _more(self) -> str:
        """The configuration of what not everybody asks for."""
        path = r"[A-Za-z0-9._/-]+"
        text = _HISTORY if self._history else ""
        if (made := self._certificate) is not None:
            cert, key = (safe_word(str(file), "a file", path) for file in (made.cert, made.key))
            text += _TLS.format(cert=cert, key=key, loopback=LOOPBACK, port=self.tls_port)
        if self._sts is not None:
            text += _STS.format(duration=self._sts, port=self.tls_port)
        if self._webirc is not None:
            text += _WEBIRC.format(password=self._webirc)
        if self.services is not None:
            text += _SERVICES.format(
                name=self.services, loopback=LOOPBACK, port=self.link_port, password=self.link_password
            )
        return text
