"""One connection of an account: TLS, login, and a session, new or resumed (RFC 6120, XEP-0198).

Of slixmpp this keeps the stream and SASL. TLS, binding and stream management are done here, for each has to end with
words for the operator, and nothing may be written that has not been secured first.
"""

import asyncio
import secrets
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from xml.etree.ElementTree import Element

from slixmpp.clientxmpp import ClientXMPP

from adapters.xmpp.component import STREAM_ERROR
from adapters.xmpp.errors import read_error, read_stream_error
from adapters.xmpp.sanitise import attribute, escape
from adapters.xmpp.wire import Wire, protocol

SM = "urn:xmpp:sm:3"
_FEATURES = "{http://etherx.jabber.org/streams}features"
_TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
_SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
_BIND = "urn:ietf:params:xml:ns:xmpp-bind"
_SESSION = "urn:ietf:params:xml:ns:xmpp-session"
_LIMITS = "{urn:xmpp:stream-limits:0}"
_STANZAS = frozenset({"{jabber:client}message", "{jabber:client}presence", "{jabber:client}iq"})


class Phase(StrEnum):
    """Where the connection stands."""

    LOGIN = "login"
    RESUMING = "resuming"
    BINDING = "binding"
    STARTING = "starting"
    ENABLING = "enabling"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in, and how well that has to be protected. `protected`: only with TLS; `context` is for it.

    `plain`: not even where the server offers it.
    """

    jid: str
    password: str
    resource: str
    domain: str
    context: ssl.SSLContext
    protected: bool
    plain: bool = False

    def __repr__(self) -> str:
        return f"Login({self.jid})"


@dataclass(frozen=True, slots=True)
class Resumption:
    """A session of before that the server may still have: its id, and how many of its stanzas we have received."""

    session: str
    received: int


class Listener(Protocol):
    """Who is told what happens on one connection. None of it may raise."""

    def bound(self, session: str, *, managed: bool, limit: int | None) -> None:
        """A new session. `session` is its id, empty if it cannot be resumed; `managed`: stanzas are acknowledged.

        `limit` is how large a stanza the server takes, in bytes (XEP-0478), where it says so.
        """

    def resumed(self, h: int) -> None:
        """The session of before goes on; of our stanzas the server has handled so many."""

    def not_resumed(self, h: int | None) -> None:
        """There is no session of before any more; so many of our stanzas were handled, if the server knows it."""

    def acked(self, h: int) -> None:
        """The server has handled so many of our stanzas."""

    def asked(self) -> None:
        """The server asks how many of its stanzas are handled."""

    def received(self, stanza: Element) -> None:
        """A stanza came."""


class Connection(Wire, ClientXMPP):
    """See the module and `adapters.xmpp.wire.Wire`. `secure`: the transport that it will get has TLS."""

    def __init__(
        self, login: Login, listener: Listener, resumption: Resumption | None = None, *, secure: bool = False
    ) -> None:
        unprotected = not login.protected
        ClientXMPP.__init__(
            self,
            f"{login.jid}/{login.resource}",
            login.password,
            plugin_config={
                "feature_mechanisms": {"unencrypted_plain": unprotected, "unencrypted_scram": unprotected},
            },
            # Else slixmpp reads all certificates there are, which holds up the event loop for 100 ms.
            ssl_context=login.context,
            loop=asyncio.get_running_loop(),
        )
        self.enable_starttls = False  # it is begun here, or not at all
        self.begin()
        self.phase = Phase.LOGIN
        self._login = login
        self._listener = listener
        self._resumption = resumption
        self._secure = secure
        self._features = Element(_FEATURES)
        self._asked = ""
        self._upgrading: asyncio.Task[None] | None = None
        # Answers, the roster, whitespace to keep alive: none of it is slixmpp's business.
        for name in ("IM", "IMError", "Presence", "Stream Error", "Roster Update"):
            self.remove_handler(name)
        self.add_event_handler("failed_auth", self._auth_failed)
        self.add_event_handler("no_auth", self._no_auth)

    def connection_made(self, transport: Any, send_event: bool = True) -> None:
        """The transport is there, or has become a secure one: the stream begins."""
        self.transport = transport
        # What SASL binds itself to (RFC 5929).
        self.socket = transport.get_extra_info("ssl_object") or transport.get_extra_info("socket")
        self.init_parser()
        self.send_raw(self.stream_header)

    def send(self, data: Any, use_filters: bool = True) -> None:
        """What slixmpp's SASL says: at once, past its queue."""
        self.send_raw(data if isinstance(data, str | bytes) else str(data))

    def disconnect(self, *_: object, **__: object) -> Any:
        """SASL has given up."""
        self.give_up("not-authorized", "no way to log in is left")

    def element(self, element: Element) -> None:
        """Whatever came, by where we stand."""
        tag = element.tag
        if tag == STREAM_ERROR:
            self.failed_with(*read_stream_error(element))
        elif tag.startswith("{" + SM + "}"):
            self._management(element, tag.rpartition("}")[2])
        elif self.phase is Phase.OPEN:
            if tag in _STANZAS:
                self._listener.received(element)
        elif self.phase is not Phase.LOGIN:
            if tag == "{jabber:client}iq" and element.get("id") == self._asked:
                self._answered(element)
        elif tag == _FEATURES:
            self._offered(element)
        elif tag == f"{_TLS}proceed":
            # What was sent behind this without TLS is not to be read.
            self.parser = None
            self._upgrading = asyncio.create_task(self._upgrade(), name=f"TLS {self._login.domain}")
        elif tag == f"{_TLS}failure":
            self.give_up("no-tls", "the server could not begin TLS")
        elif tag.startswith(_SASL) and self._may_login:
            self._spawn_event(element)

    def close(self) -> None:
        """Let go of it."""
        if self._upgrading is not None:
            self._upgrading.cancel()
        self.abort()
        self.ended()

    # TLS and login

    @property
    def _may_login(self) -> bool:
        return self._secure or not self._login.protected

    def _offered(self, features: Element) -> None:
        if self.authenticated:
            self._features = features
            self._begin_session()
        elif not self._secure and not self._login.plain and features.find(f"{_TLS}starttls") is not None:
            self.send_raw(f'<starttls xmlns="{_TLS[1:-1]}"/>')
        elif not self._may_login:
            self.give_up("no-tls", "the server offers no TLS")
        elif features.find(f"{_SASL}mechanisms") is None:
            self.give_up("no-login", "the server offers no way to log in")
        else:
            # slixmpp chooses one of the mechanisms, and talks until there is success or failure.
            self._spawn_event(features)

    async def _upgrade(self) -> None:
        login = self._login
        if self.transport is None:
            return
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self.transport, protocol(self), login.context, server_hostname=login.domain
            )
        except ssl.SSLCertVerificationError as error:
            self._tls_failed("certificate", error.verify_message or str(error))
        except (ssl.SSLError, OSError) as error:
            self._tls_failed("tls", error.strerror or str(error) or "the connection was closed")
        else:
            self._secure = True
            self.connection_made(transport)

    def _tls_failed(self, condition: str, text: str) -> None:
        self.give_up(condition, text)
        self.transport = None
        self.ended()

    def _auth_failed(self, failure: Any) -> None:
        # Another mechanism may follow; the first word counts.
        self.failed_with("not-authorized", f"{failure['condition']} {failure['text']}".strip())

    def _no_auth(self, _: object) -> None:
        self.failed_with("no-login", "the server offers no way to log in that is safe here")

    # The session

    def _begin_session(self) -> None:
        if self._resumption is not None and self._managed:
            self.phase = Phase.RESUMING
            self.send_raw(
                f'<resume xmlns="{SM}" h="{self._resumption.received}" previd="{attribute(self._resumption.session)}"/>'
            )
        else:
            self._bind()

    @property
    def _managed(self) -> bool:
        return self._features.find("{" + SM + "}sm") is not None

    def _bind(self) -> None:
        if self._resumption is not None:
            self._resumption = None
        self.phase = Phase.BINDING
        wanted = f"<resource>{escape(self._login.resource)}</resource>"
        self._ask(f'<bind xmlns="{_BIND}">{wanted}</bind>')

    def _ask(self, payload: str) -> None:
        self._asked = f"rialto-{secrets.token_hex(8)}"
        self.send_raw(f'<iq type="set" id="{self._asked}">{payload}</iq>')

    def _answered(self, answer: Element) -> None:
        if answer.get("type") != "result":
            error = read_error(answer)
            self.give_up("not-bound", f"{error.reason} {error.text}".strip())
            return
        session = self._features.find(f"{{{_SESSION}}}session")
        if self.phase is Phase.BINDING and session is not None and session.find(f"{{{_SESSION}}}optional") is None:
            # RFC 3921 section 3: servers of before 2011 want this, too.
            self.phase = Phase.STARTING
            self._ask(f'<session xmlns="{_SESSION}"/>')
        elif self._managed:
            self.phase = Phase.ENABLING
            self.send_raw(f'<enable xmlns="{SM}" resume="true"/>')
        else:
            self._open("", managed=False)

    def _open(self, session: str, *, managed: bool) -> None:
        self.phase = Phase.OPEN
        found = self._features.findtext(f"{_LIMITS}limits/{_LIMITS}max-bytes", "").strip()
        limit = int(found) if found.isascii() and found.isdigit() and len(found) < 12 else None
        self._listener.bound(session, managed=managed, limit=limit)

    def _management(self, element: Element, name: str) -> None:
        h = element.get("h", "")
        count = int(h) if h.isascii() and h.isdigit() and len(h) < 12 else None
        if self.phase is Phase.OPEN:
            if name == "r":
                self._listener.asked()
            elif name == "a" and count is not None:
                self._listener.acked(count)
        elif self.phase is Phase.RESUMING:
            if name == "resumed" and count is not None:
                self.phase = Phase.OPEN
                self._listener.resumed(count)
            elif name == "failed":
                self._listener.not_resumed(count)
                self._bind()
        elif self.phase is Phase.ENABLING:
            resumable = element.get("resume", "") in ("true", "1")
            self._open(element.get("id", "") if resumable else "", managed=name == "enabled")
