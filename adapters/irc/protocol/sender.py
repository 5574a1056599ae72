"""What one IRC connection sends, and when: requests, pace, liveness, what is under way. No I/O."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.irc.protocol import ctcp, events
from adapters.irc.protocol.caps import BOT_WANTS, Caps
from adapters.irc.protocol.casemap import CaseMap
from adapters.irc.protocol.channels import Channels
from adapters.irc.protocol.encoding import FALLBACK
from adapters.irc.protocol.errors import LocalProtocolError
from adapters.irc.protocol.events import Event, Manner
from adapters.irc.protocol.flood import BURST, PER_SECOND, Outbox, Queued, TokenBucket, Urgency
from adapters.irc.protocol.isupport import ISupport
from adapters.irc.protocol.message import Source, serialise
from adapters.irc.protocol.nickserv import NickServLogin
from adapters.irc.protocol.pending import Pending
from adapters.irc.protocol.sasl import Credentials
from adapters.irc.protocol.sieve import Sieve
from adapters.irc.protocol.states import State, Trigger, step
from adapters.irc.protocol.webirc import Identity

SILENCE: Final = 120.0
"""Seconds without an answer before we ask whether the server is there; after as many more, it is not."""

HISTORY: Final = "CHATHISTORY"

JOIN_AT_ONCE: Final = 8
"""Channels named in one JOIN."""

ACTION_BYTES: Final = len(ctcp.build("ACTION", "x")) - 1
"""What an action's text has less room than other text."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How a session introduces itself, and behaves.

    `nicks` are tried in turn while the server says that they are taken. With `strict`, a first nick that is not
    allowed at all ends it; otherwise the next is tried. `quiet` sessions read no channels (see `sieve`).
    `sasl` and `nickserv` are accounts to log in to, the latter only where the former did not; `webirc` has the server
    believe that we come from elsewhere. `silence` is as `SILENCE`.
    """

    nicks: Iterator[str]
    username: str
    realname: str
    password: str | None = field(default=None, repr=False)
    sasl: Credentials | None = None
    nickserv: NickServLogin | None = None
    webirc: Identity | None = None
    strict: bool = False
    quiet: bool = False
    wants: frozenset[str] = BOT_WANTS
    encoding: str = FALLBACK
    burst: float = BURST
    per_second: float = PER_SECOND
    silence: float = SILENCE


class Sender:
    """A third of a session: what is asked for and when it is sent. `registering` adds how we come in, `session` what is
    heard."""

    def __init__(self, profile: Profile, clock: Callable[[], float]) -> None:
        self._profile = profile
        self._clock = clock
        self._outbox = Outbox(TokenBucket(profile.burst, profile.per_second, clock()), clock)
        self._pending = Pending()
        self._sieve = Sieve()
        self._joining: CaseMap[None] = CaseMap()
        self._renaming = False
        self._since = self._answered = clock()
        self._asked = False
        self.state = State.NEW
        self.isupport = ISupport()
        self.caps = Caps(profile.wants | {"sasl"} if profile.sasl else profile.wants)
        self.channels = Channels()
        self.me = Source("*")

    # What the owner asks for.

    def join(self, channels: Iterable[tuple[str, str | None]]) -> None:
        """Ask to come into channels, each with its key or None. Those with a key go first, as the protocol wants."""
        self._require_ready()
        some: list[tuple[str, str | None]] = []
        for item in sorted(channels, key=lambda item: not item[1]):
            if some and (len(some) == JOIN_AT_ONCE or _join_bytes([*some, item]) > self.isupport.line_bytes):
                self._join(some)
                some = []
            some.append(item)
        if some:
            self._join(some)

    def _join(self, some: list[tuple[str, str | None]]) -> None:
        keys = ",".join(key for _, key in some if key)
        self._queue(Urgency.CONTROL, "JOIN", ",".join(name for name, _ in some), *([keys] if keys else []))
        for name, _ in some:
            self._joining[name] = None

    def part(self, channel: str, reason: str) -> None:
        """Leave a channel, after what is said there before."""
        self._require_ready()
        self._queue(Urgency.SPEECH, "PART", channel, reason, target=self.fold(channel))

    def say(
        self,
        token: int,
        target: str,
        manner: Manner,
        text: str,
        urgency: Urgency = Urgency.SPEECH,
        tags: Mapping[str, str] | None = None,
        key: str = "",
    ) -> bool:
        """Say something. `Delivered`, `Refused` or `Dropped` with the token will follow. Returns whether flood
        control holds it back.

        Of the client-only `tags`, whose names are without the ``+``, those go along that the server passes on.
        The text cannot become a CTCP message, unless as the action it is meant to be. Raises `LocalProtocolError`
        for a text that does not fit, and for a manner nobody says anything in.
        """
        self._require_ready()
        text = ctcp.clean(text)
        if manner not in (Manner.TEXT, Manner.ACTION, Manner.NOTICE):
            raise LocalProtocolError(f"nothing is said as {manner}")
        if len(text.encode(errors="replace")) > self.text_bytes(target) - (manner is Manner.ACTION) * ACTION_BYTES:
            raise LocalProtocolError("the text does not fit into one line")
        if manner is Manner.ACTION:
            text = ctcp.build("ACTION", text)
        command = "NOTICE" if manner is Manner.NOTICE else "PRIVMSG"
        tags = self._client_tags(tags or {})
        self._queue(urgency, command, target, text, token=token, target=self.fold(target), tags=tags, key=key)
        return self._outbox.waits(token) and (self._outbox.deadline() or 0) > self._clock()

    def topic(self, token: int, channel: str, text: str) -> None:
        """Set a channel's topic; `Delivered`, `Refused` or `Dropped` will follow."""
        self._require_ready()
        self._queue(Urgency.SPEECH, "TOPIC", channel, text, token=token, target=self.fold(channel))

    def history(self, token: int, which: str, channel: str, selector: str, limit: int) -> None:
        """Ask for lines of a channel's history: those that come AFTER or BEFORE (`which`) what the selector names.

        `Said` with the token follows for each, then `Delivered`; or `Refused` or `Dropped`.
        """
        self._require_ready()
        self._queue(
            Urgency.CONTROL, HISTORY, which, channel, selector, str(limit), token=token, target=self.fold(channel)
        )

    def request(self, command: str, *params: str) -> None:
        """Ask the server something, when there is nothing to be said; the answers are told as they come.

        Raises `LocalProtocolError` for what cannot be one line.
        """
        self._require_ready()
        self._queue(Urgency.REPLY, command, *params)

    def retract(self, target: str) -> list[Event]:
        """Do not send what waits for this target: told as `Dropped`."""
        return [events.Dropped(token, sent=False) for token in self._outbox.purge([self.fold(target)])]

    def withdraw(self, token: int) -> None:
        """Do not send the line of this token, if it was not sent yet. Nothing will be told of it any more."""
        self._outbox.withdraw(token)

    def backlog(self, target: str) -> float:
        """Seconds until something said to the target now could be sent, as far as flood control goes."""
        return max(0, self._outbox.before(self.fold(target)) - self._profile.burst) / self._profile.per_second

    def answer_ctcp(self, nick: str, text: str) -> None:
        """Answer somebody's CTCP query with what `ctcp.answer` made."""
        self._require_ready()
        self._queue(Urgency.REPLY, "NOTICE", nick, text, target=self.fold(nick))

    def rename(self, nick: str) -> None:
        """Ask for another nick: `NickChanged` or `NickRefused` follows."""
        self._require_ready()
        self._queue(Urgency.CONTROL, "NICK", nick)
        self._renaming = True

    def names(self, channel: str) -> None:
        """Ask who is in a channel: `Members` follows."""
        self._require_ready()
        self._queue(Urgency.CONTROL, "NAMES", channel)

    def mode(self, target: str, modes: str) -> None:
        """Set modes without arguments."""
        self._require_ready()
        self._queue(Urgency.CONTROL, "MODE", target, modes)

    def quit(self, reason: str) -> None:
        """Say good-bye, after what is due now. Nothing else can be sent afterwards."""
        self._move(Trigger.QUIT)
        self._now("QUIT", reason)

    def watch(self, channels: Iterable[str]) -> None:
        """For a quiet session: read these channels all the same, and only these."""
        channels = list(channels)
        self._sieve.watch(channels)
        for name in self.channels:
            if name not in channels:
                self.channels.forget_members(name)

    def heed(self, nicks: Iterable[str]) -> None:
        """For a quiet session: tell when these come and go."""
        self._sieve.heed(nicks)

    def lost(self) -> list[Event]:
        """The connection is gone. What was not confirmed is told as `Dropped`."""
        self._move(Trigger.LOST)
        unsent = self._outbox.purge()
        return [
            *(events.Dropped(token, sent=True) for token in self._pending.clear()),
            *(events.Dropped(token, sent=False) for token in unsent),
        ]

    # What the owner may know.

    def fold(self, name: str) -> str:
        """The form under which all spellings of a name are equal on this network."""
        return self.isupport.casemapping.fold(name)

    def sends_tag(self, name: str) -> bool:
        """Whether a client-only tag, whose name is without the ``+``, goes along with what we say."""
        return "message-tags" in self.caps.enabled and self.isupport.takes_client_tag(name)

    def is_me(self, nick: str) -> bool:
        """Whether the nick is ours."""
        return self.fold(nick) == self.fold(self.me.nick)

    def text_bytes(self, target: str) -> int:
        """Bytes of text that fit into one PRIVMSG to the target, as the server passes it on with our prefix. What the
        server has not told of the prefix is reckoned at its longest."""
        user = len(self.me.user.encode()) if self.me.user else self.isupport.user_bytes
        host = len(self.me.host.encode()) if self.me.host else self.isupport.host_bytes
        prefix = len(self.me.nick.encode()) + user + host + len(":!@ ")
        return self.isupport.line_bytes - prefix - len(target.encode(errors="replace")) - len("PRIVMSG  :\r\n")

    @property
    def away_bytes(self) -> int:
        """Bytes of an AWAY that the server keeps and can pass on: 301 and AWAY carry no more than a PRIVMSG."""
        return min(self.isupport.away_bytes, self.text_bytes(self.me.nick))

    def topic_bytes(self, channel: str) -> int:
        """Bytes of a topic that the server keeps and can pass on in one line, which may be less than it announces."""
        return min(self.isupport.topic_bytes, self.text_bytes(channel) + len("PRIVMSG") - len("TOPIC"))

    # Bytes and time.

    def outgoing(self) -> bytes:
        """What is to be written now. A PING follows where nothing else would confirm what was said."""
        return b"".join(data for _, data in self.pieces())

    def pieces(self) -> list[tuple[str, bytes]]:
        """The same line by line, each with its key, which is empty where it has none."""
        now = self._clock()
        due = self._outbox.due()
        for item in due:
            if item.token is not None:
                command = item.wire.split(b" ", 2)[1 if item.wire.startswith(b"@") else 0].decode("ascii")
                self._pending.add(item.token, command, item.target, now)
        pieces: list[tuple[str, bytes]] = [(item.key, item.wire) for item in due]
        if self.state is State.READY and not self.caps.labels and self._pending.unfenced and not self._pending.fenced:
            pieces.append(("", serialise("PING", self._pending.fence())))
        return pieces

    def ask(self) -> None:
        """Have what is under way confirmed now: of some of it we know that no answer of its own will come."""
        if self.state is State.READY and self._pending:
            self._now("PING", self._pending.fence())

    def deadline(self) -> float | None:
        """When `tick` must be called, by the clock; None when there is nothing to wait for."""
        if self.state in (State.NEW, State.CLOSED):
            return None
        times = [self._answered + self._profile.silence * (2 if self._asked else 1), self._outbox.deadline()]
        if self.state is State.READY and not self._pending.fenced:
            times.append(self._pending.impatient_at)
        return min(time for time in times if time is not None)

    def excuse(self) -> None:
        """It is not the server that was silent up to now: it was not listened to, so no answer can be missed."""
        self._answered = self._clock()

    def _alive(self) -> None:
        """The server has answered."""
        self._answered = self._clock()
        self._asked = False

    def tick(self) -> list[Event]:
        """Time has passed."""
        now = self._clock()
        if self.state in (State.NEW, State.CLOSED):
            return []
        silence = self._profile.silence
        if now >= self._answered + 2 * silence:
            return [events.Ended(f"the server has answered nothing for {2 * silence:.0f} seconds")]
        impatient = (
            self.state is State.READY and not self._pending.fenced and (self._pending.impatient_at or now + 1) <= now
        )
        if impatient or (now >= self._answered + silence and not self._asked):
            self._asked = self._asked or not impatient
            self._now("PING", self._pending.fence())
        return []

    # Sending.

    def _move(self, trigger: Trigger) -> None:
        self.state = step(self.state, trigger)
        self._since = self._clock()

    def _require_ready(self) -> None:
        if self.state is not State.READY:
            raise LocalProtocolError(f"nothing can be sent while {self.state.value}")

    def _now(self, command: str, *params: str) -> None:
        self._queue(Urgency.NOW, command, *params)

    def _client_tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        return {f"+{name}": value for name, value in tags.items() if self.sends_tag(name)}

    def _queue(
        self,
        urgency: Urgency,
        command: str,
        *params: str,
        token: int | None = None,
        target: str = "",
        tags: Mapping[str, str] | None = None,
        key: str = "",
    ) -> None:
        label = {"label": str(token)} if token is not None and self.caps.labels else {}
        tags = {**label, **(tags or {})}
        wire = serialise(command, *params, tags=tags, line_bytes=self.isupport.line_bytes)
        self._outbox.put(Queued(wire, token, target, key), urgency)


def _join_bytes(channels: list[tuple[str, str | None]]) -> int:
    """The length of a JOIN line, or a little more."""
    return len("JOIN  \r\n") + sum(len(name.encode()) + len((key or "").encode()) + 2 for name, key in channels)
