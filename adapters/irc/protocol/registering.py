"""How a session gets in: the introduction, capabilities, SASL, the greeting, and NickServ where there is no SASL.

No I/O. `adapters.irc.protocol.session` adds what is heard afterwards.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, Final, TypeAlias

from adapters.irc.protocol import events, nickserv, numerics, sts
from adapters.irc.protocol.events import Event
from adapters.irc.protocol.flood import Urgency
from adapters.irc.protocol.message import Line, Source
from adapters.irc.protocol.nickserv import NickServLogin
from adapters.irc.protocol.sasl import ABORT, Sasl, SaslError
from adapters.irc.protocol.sender import Profile, Sender
from adapters.irc.protocol.states import State, Trigger

REGISTER_WITHIN: Final = 60.0
"""Seconds a server may take to let us in."""

AUTHENTICATE_WITHIN: Final = 20.0
"""Seconds that logging in by SASL may take; the services behind the server may be hanging."""

GREET_WITHIN: Final = 10.0
"""Seconds after 001 without an end of the greeting (376 or 422), after which there will be none."""

ATTACHING: Final = "attaching"
"""The text of the PING by whose PONG a bouncer shows that it has told in which channels it is. It answers by itself."""

IDENTIFY_WITHIN: Final = 15.0
"""Seconds that NickServ may take to answer."""

_GETTING_IN: Final = frozenset({State.NEGOTIATING, State.AUTHENTICATING, State.REGISTERING})
_PATIENCE: Final[Mapping[State, float]] = {
    State.NEGOTIATING: REGISTER_WITHIN,
    State.AUTHENTICATING: AUTHENTICATE_WITHIN,
    State.REGISTERING: REGISTER_WITHIN,
    State.GREETED: GREET_WITHIN,
    State.IDENTIFYING: IDENTIFY_WITHIN,
}
_NO_ANSWER: Final = "SASL: no answer within {:.0f} seconds; the network's services may be away"

Handler: TypeAlias = Callable[["Registering", Line], Iterable[Event]]


class Registering(Sender):
    """A session until it is `READY`, and its login for as long as it lasts."""

    def __init__(self, profile: Profile, clock: Callable[[], float]) -> None:
        super().__init__(profile, clock)
        self._nicks_tried = 0
        self._sasl: Sasl | None = None
        self._sasl_since = 0.0
        self._sts_told = False
        self._attaching = False
        self.secure = False
        self.account: str | None = None

    # What the owner asks for.

    def start(self, *, secure: bool = False) -> None:
        """The connection stands, `secure` if by TLS: introduce ourselves."""
        self.secure = secure
        self._move(Trigger.START)
        if identity := self._profile.webirc:
            # It must come first of all (https://ircv3.net/docs/specs/extensions/webirc).
            self._now("WEBIRC", identity.password, identity.gateway, identity.host, identity.ip)
        self._now("CAP", "LS", "302")
        if self._profile.password:
            self._now("PASS", self._profile.password)
        self._try_nick()
        self._now("USER", self._profile.username, "0", "*", self._profile.realname)

    @property
    def getting_in(self) -> bool:
        """Whether the server has yet to let us in."""
        return self.state in _GETTING_IN

    # Time.

    def deadline(self) -> float | None:
        """When `tick` must be called, by the clock; None when there is nothing to wait for."""
        times = [super().deadline()]
        if self.state in _PATIENCE:
            times.append(self._since + _PATIENCE[self.state])
        elif self.state is State.READY and self._sasl is not None:
            times.append(self._sasl_since + AUTHENTICATE_WITHIN)
        return min((time for time in times if time is not None), default=None)

    def tick(self) -> list[Event]:
        """Time has passed."""
        now = self._clock()
        under_way = self._sasl is not None and self.state in (State.AUTHENTICATING, State.READY)
        if under_way and now >= self._sasl_since + AUTHENTICATE_WITHIN:
            self._now("AUTHENTICATE", ABORT)
            return list(self._not_logged_in("SASL", _NO_ANSWER.format(AUTHENTICATE_WITHIN), permanent=False))
        if self.state in _PATIENCE and now >= self._since + _PATIENCE[self.state]:
            match self.state:
                case State.GREETED:
                    return list(self._greeting_over())
                case State.IDENTIFYING:
                    return list(self._identified("no answer"))
                case _:
                    return [events.Ended("the server did not let us in within a minute")]
        return super().tick()

    # Capabilities and STS.

    def _cap(self, line: Line) -> Iterator[Event]:
        for names in self.caps.receive(line.params):
            self._now("CAP", "REQ", names)
        if (policy := self._sts()) is not None:
            yield policy
            if not self.secure:
                # Nothing more may be said in clear. The owner comes back by TLS.
                self._outbox.purge()
                return
        if self.state is State.NEGOTIATING and self.caps.settled:
            if self._profile.sasl is None:
                self._caps_over()
            elif "sasl" in self.caps.enabled:
                self._move(Trigger.AUTHENTICATE)
                yield from self._authenticate()
            else:
                yield from self._not_logged_in(numerics.NO_SASL, "the server offers no SASL now", permanent=False)
        elif self._sasl_is_back(line):
            yield from self._authenticate()

    def _sts(self) -> events.Sts | None:
        """What the server said of STS, once it is known whole and if it means anything here."""
        value = self.caps.offered.get("sts")
        if value is None or self._sts_told or not self.caps.listed:
            return None
        told = sts.parse(value)
        # Each kind of connection heeds one key (IRCv3 sts): the port leads to TLS, the duration holds there.
        if (told.duration if self.secure else told.port) is None:
            return None
        self._sts_told = True
        return events.Sts(told.port, told.duration)

    def _caps_over(self) -> None:
        if self.state is State.AUTHENTICATING:
            self._move(Trigger.SASL_OVER)
        else:
            self._move(Trigger.CAPS_SETTLED)
        self._now("CAP", "END")

    def _unsupported(self) -> None:
        """The server knows no CAP, or lets us in without waiting for its end."""
        self.caps.unsupported()

    # SASL.

    def _sasl_is_back(self, line: Line) -> bool:
        """Whether we may log in now, as we could not when we came."""
        if self.state is not State.READY or self._profile.sasl is None or self._sasl is not None or self.account:
            return False
        named = {name.partition("=")[0] for name in line.param(-1).split()}
        return line.param(1).upper() in ("ACK", "NEW") and "sasl" in named & self.caps.enabled

    def _authenticate(self) -> Iterator[Event]:
        credentials = self._profile.sasl
        assert credentials is not None  # noqa: S101 - nobody calls this without
        offered = self.caps.offered.get("sasl", "")
        if offered and credentials.mechanism not in offered.upper().split(","):
            yield from self._not_logged_in("908", _other_mechanisms(credentials.mechanism, offered), permanent=True)
            return
        self._sasl = Sasl(credentials)
        self._sasl_since = self._clock()
        self._now("AUTHENTICATE", credentials.mechanism)

    def _challenged(self, line: Line) -> Iterator[Event]:
        if self._sasl is None:
            yield events.Passed("authenticate")
            return
        try:
            for answer in self._sasl.receive(line.params[0]):
                self._now("AUTHENTICATE", answer)
        except SaslError as error:
            self._now("AUTHENTICATE", ABORT)
            yield from self._not_logged_in("SASL", f"SASL: {error}", permanent=True)

    def _logged_in(self, line: Line) -> Iterator[Event]:
        self.account = line.params[2]
        yield events.LoggedIn(self.account)
        if self.state is State.IDENTIFYING:
            yield from self._identified()

    def _logged_out(self, line: Line) -> Iterator[Event]:
        self.account = None
        yield events.LoggedOut()

    def _sasl_done(self, line: Line) -> Iterator[Event]:
        if self._sasl is None:
            yield events.Passed("numeric")
        elif line.command == "903" and not self._sasl.proven:
            text = "SASL: the server lets us in without having shown that it knows the password"
            yield from self._not_logged_in("SASL", text, permanent=True)
        else:
            self._sasl = None
            # 900 is not promised; that we are logged in is.
            self.account = self.account or (self._profile.sasl.user if self._profile.sasl else "") or "*"
            if self.state is State.AUTHENTICATING:
                self._caps_over()

    def _sasl_refused(self, line: Line) -> Iterator[Event]:
        if self._sasl is None:
            yield events.Passed("numeric")
            return
        text = line.param(-1)
        if line.command == "908" and self._profile.sasl:
            text = _other_mechanisms(self._profile.sasl.mechanism, line.param(1))
        yield from self._not_logged_in(line.command, text, permanent=line.command != "906")

    def _not_logged_in(self, code: str, text: str, *, permanent: bool) -> Iterator[Event]:
        self._sasl, self.account = None, None
        if self.getting_in and self._profile.sasl is not None and self._profile.sasl.required:
            yield events.RegistrationFailed(code, text, permanent)
            return
        yield events.LoginFailed("SASL", text)
        if self.state in (State.NEGOTIATING, State.AUTHENTICATING):
            self._caps_over()

    # The greeting.

    def _welcome(self, line: Line) -> Iterator[Event]:
        if self.getting_in and self._profile.sasl is not None and self._profile.sasl.required and not self.account:
            text = "the server lets us in without SASL"
            yield events.RegistrationFailed(numerics.NO_SASL, text, permanent=False)
            return
        self._move(Trigger.WELCOME)
        self._sasl = None
        self._unsupported()
        mask = Source.parse(line.param(-1).rpartition(" ")[2])
        self.me = mask if mask.nick == line.params[0] and mask.user and mask.host else Source(line.params[0])
        self._sieve.own(self.me.nick)
        yield events.Registered(self.me.nick)

    def _end_of_motd(self, line: Line) -> Iterator[Event]:
        if self.state is State.GREETED:
            yield from self._greeting_over()

    def _greeting_over(self) -> Iterator[Event]:
        login = self._profile.nickserv
        if self.caps.bouncer:
            self._attaching = True
            self._now("PING", ATTACHING)
        if login is None or self.account is not None:
            self._move(Trigger.GREETING_OVER)
            yield events.Ready()
            return
        self._move(Trigger.IDENTIFY)
        self._now("PRIVMSG", login.service, login.identify())

    # NickServ.

    @property
    def nickserv(self) -> NickServLogin | None:
        """The account with the nickname services, if there is one."""
        return self._profile.nickserv

    def ask_service(self, text: str) -> None:
        """Say something to the nickname services; nothing where we have no account with them."""
        self._require_ready()
        if login := self._profile.nickserv:
            self._queue(Urgency.CONTROL, "PRIVMSG", login.service, text)

    def service(self, name: str) -> bool:
        """Whether it is the service that holds our nick's registration: its nick, perhaps with ``@`` and its host."""
        login = self._profile.nickserv
        return login is not None and self.fold(name.partition("@")[0]) == self.fold(login.nick)

    def _service_said(self, text: str) -> Iterator[Event]:
        """NickServ said something while we wait for its answer."""
        match nickserv.verdict(text):
            case True:
                yield from self._identified()
            case False:
                yield from self._identified(text)
            case None:
                yield events.Passed("services notice")

    def _identified(self, refused: str = "") -> Iterator[Event]:
        self._move(Trigger.IDENTIFIED)
        if refused:
            yield events.LoginFailed("NickServ", refused)
        elif self.account is None and self._profile.nickserv is not None:
            # Services that send no 900 tell in words only.
            self.account = self._profile.nickserv.user or self.me.nick
            yield events.LoggedIn(self.account)
        yield events.Ready()

    # Nicks, and refusals.

    def _try_nick(self) -> bool:
        nick = next(self._profile.nicks, None)
        if nick is None:
            return False
        self._nicks_tried += 1
        self.me = Source(nick)
        self._now("NICK", nick)
        return True

    def _registration_error(self, numeric: str, text: str) -> Iterator[Event]:
        first = self._profile.strict and self._nicks_tried == 1
        if numeric in numerics.NICK_TAKEN or (numeric == "432" and not first):
            if not self._try_nick():
                yield events.RegistrationFailed(numeric, "every nick that could be tried is taken", permanent=False)
        elif numeric == "432" or numeric in numerics.PERMANENT:
            yield events.RegistrationFailed(numeric, text, permanent=True)
        elif numeric == "421":
            self._unsupported()
        else:
            yield events.Passed("numeric")

    REGISTRATION: ClassVar[Mapping[str, tuple[int, Handler]]] = {
        "001": (1, _welcome),
        "376": (0, _end_of_motd),
        "422": (0, _end_of_motd),
        "900": (3, _logged_in),
        "901": (0, _logged_out),
        "903": (0, _sasl_done),
        "907": (0, _sasl_done),
        "AUTHENTICATE": (1, _challenged),
        "CAP": (2, _cap),
    } | dict.fromkeys(("902", "904", "905", "906", "908"), (0, _sasl_refused))
    """Command, fewest parameters, handler."""


def _other_mechanisms(ours: str, offered: str) -> str:
    return f"the server takes SASL by {offered[:200]}, not by {ours}"
