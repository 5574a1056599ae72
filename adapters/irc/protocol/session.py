"""One IRC client session without any I/O: bytes in, events out, with the clock injected.

The owner feeds `Session.receive` and, when `Session.deadline` has come, calls `Session.tick`; after either, and after
asking for something, it writes what `Session.outgoing` gives. Nothing here logs, and nothing here ever sees a socket.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, Final, TypeAlias

from adapters.irc.protocol import ctcp, events, numerics, tracking
from adapters.irc.protocol.errors import LocalProtocolError, RemoteProtocolError
from adapters.irc.protocol.events import Event, Manner
from adapters.irc.protocol.linebuffer import LineBuffer
from adapters.irc.protocol.message import Line, Source, parse
from adapters.irc.protocol.pending import Pending
from adapters.irc.protocol.registering import ATTACHING, Registering
from adapters.irc.protocol.sender import HISTORY, Profile
from adapters.irc.protocol.snapshot import Snapshot
from adapters.irc.protocol.states import State, Trigger

_OPEN_BATCHES: Final = 64
_HISTORIES: Final = frozenset({"chathistory", "znc.in/playback"})
"""The types of batches in which what was said before is repeated (IRCv3 batch/chathistory; ZNC's)."""

_REPEATED: Final = frozenset({"BATCH", "NOTICE", "PRIVMSG"})

NICK_REFUSED: Final = numerics.NICK_TAKEN | {"431", "432", "438", "447", "484"}
"""The nick asked for is taken, or may not be borne, or not now."""

Handler: TypeAlias = Callable[["Session", Line], Iterable[Event]]


class Session(Registering):
    """A connection's protocol state. One owner, one thread; never waits, and no bytes make it raise."""

    def __init__(self, profile: Profile, clock: Callable[[], float]) -> None:
        super().__init__(profile, clock)
        self._lines = LineBuffer()
        self._batches: dict[str, str] = {}
        self._histories: dict[str, None] = {}

    def snapshot(self) -> Snapshot:
        """How things stand, for whoever takes this connection up after us."""
        return Snapshot(
            nick=self.me.nick,
            user=self.me.user,
            host=self.me.host,
            secure=self.secure,
            account=self.account,
            support=self.isupport.tokens,
            offered=dict(self.caps.offered),
            enabled=sorted(self.caps.enabled),
            channels=list(self.channels),
        )

    @property
    def standing(self) -> tuple[object, ...]:
        """What `snapshot` is made of, to see without making one whether another is due."""
        support, caps = self.isupport.tokens, self.caps
        return (self.me, self.account, tuple(self.channels), tuple(support.items()), frozenset(caps.enabled))

    def resume(self, snapshot: Snapshot, mark: str) -> Iterator[Event]:
        """Take up a connection that another process brought to `READY`; what its owner must know of it is told.

        `mark` is another at every such time. Who is in the channels is asked for, where that is not for others to know.
        """
        self._move(Trigger.RESUME)
        self._pending = Pending(mark)
        self.secure, self.account = snapshot.secure, snapshot.account
        self.me = Source(snapshot.nick, snapshot.user, snapshot.host)
        self.isupport.resume(snapshot.support)
        self.caps.resume(snapshot.offered, snapshot.enabled)
        for table in (self.channels, self._joining):
            table.rekey(self.isupport.casemapping)
        self._sieve.own(self.me.nick)
        self._sieve.limits(self.isupport.chantypes, self.isupport.statusmsg)
        for name in snapshot.channels:
            self.channels.enter(name).topic_known = True
        yield events.Registered(self.me.nick)
        yield events.Ready()
        for name in snapshot.channels:
            yield events.Joined(name, self.me, own=True, stayed=True)
            if not self._profile.quiet:
                self.names(name)

    def receive(self, data: bytes) -> Iterator[Event]:
        """Take bytes from the server in any portions. Never raises, whatever they are.

        What they tell has to be iterated over to its end. Each line is read only when all that the one before told has
        been taken: whoever learns from a line that a channel is theirs to `watch` gets the very next line of it, even
        if the server sent both together.
        """
        if self.state is not State.READY:
            # While we come in, every line is an answer. Afterwards others talk: an answer is what we asked for.
            self._alive()
        return self._read(self._lines.feed(data))

    def _read(self, lines: Iterable[bytes]) -> Iterator[Event]:
        for raw in lines:
            if self.state is State.CLOSED:
                break
            if self._profile.quiet and self._sieve.drops(raw):
                continue
            told: list[Event] = []
            try:
                told += self._handle(parse(raw, self._profile.encoding))
            except RemoteProtocolError:
                told.append(events.Passed("malformed line"))
            yield from told
        overlong, self._lines.overlong = self._lines.overlong, 0
        yield from [events.Passed("over-long line")] * overlong

    def _handle(self, line: Line) -> Iterable[Event]:
        command = self.COMMANDS.get(line.command)
        if command is None:
            if numerics.is_error(line.command):
                return self._error(line)
            return (events.Passed("numeric" if line.command.isdigit() else "unknown command"),)
        if self._in_history(line) and line.command not in _REPEATED:
            # It tells how things stood.
            return (events.Passed("repeated event"),)
        least, handler = command
        if len(line.params) < least:
            raise RemoteProtocolError(f"{line.command} with {len(line.params)} parameters")
        return handler(self, line)

    def _source(self, line: Line) -> Source:
        if line.source is None:
            raise RemoteProtocolError(f"{line.command} from nobody")
        return line.source

    def _own(self, line: Line) -> bool:
        return line.source is not None and self.is_me(line.source.nick)

    def _label(self, line: Line) -> str:
        return line.tags.get("label") or self._batches.get(line.tags.get("batch", ""), "")

    def _in_history(self, line: Line) -> bool:
        return bool(self._histories) and line.tags.get("batch", "") in self._histories

    def _ping(self, line: Line) -> Iterator[Event]:
        # All parameters go back, so that a server which sent two gets both.
        try:
            self._now("PONG", *line.params[-2:])
        except LocalProtocolError as error:
            raise RemoteProtocolError("a PING that cannot be answered in one line") from error
        yield from ()

    def _pong(self, line: Line) -> Iterator[Event]:
        if self._pending.is_fence(line.param(-1)):
            self._alive()
        if line.param(-1) == ATTACHING:
            self._attaching = False
        for token in self._pending.pong(line.param(-1)):
            yield events.Delivered(token)

    def _support(self, line: Line) -> Iterator[Event]:
        self.isupport.update(line.params[1:-1])
        self.channels.rekey(self.isupport.casemapping)
        self._joining.rekey(self.isupport.casemapping)
        self._sieve.limits(self.isupport.chantypes, self.isupport.statusmsg)
        yield from ()

    def _host_set(self, line: Line) -> Iterator[Event]:
        # 396 holds a host, or on some servers user@host.
        user, at, host = line.params[1].rpartition("@")
        self.me = Source(self.me.nick, user if at else self.me.user, host)
        yield from ()

    def _chghost(self, line: Line) -> Iterator[Event]:
        if self._own(line):
            self.me = Source(self.me.nick, line.params[0], line.params[1])
        yield from tracking.host_changed(self, line)

    def _said(self, line: Line) -> Iterator[Event]:
        source, target, text = self._source(line), line.params[0], line.params[1]
        own = self._own(line)
        msgid = line.tags.get("msgid", "")
        if self.state is State.IDENTIFYING and line.command == "NOTICE" and self.service(source.nick):
            yield from self._service_said(text)
            return
        history = self._in_history(line)
        if own and not history and (token := self._pending.settle(self._label(line))) is not None:
            yield events.Delivered(token, msgid)
            return
        asked = None
        if history:
            asked = self._pending.asked(HISTORY, self._label(line), self.fold(target), labels=self.caps.labels)
        manner, command = Manner.TEXT, ""
        notice = line.command == "NOTICE"
        if query := ctcp.parse(text):
            text, command = query.text, query.command
            manner = Manner.CTCP_REPLY if notice else Manner.ACTION if command == "ACTION" else Manner.CTCP
        elif notice:
            manner = Manner.NOTICE
        yield events.Said(
            source,
            target,
            manner,
            text,
            to_channel=self.isupport.is_channel(target),
            own=own,
            only_some=self.isupport.status_target(target),
            ctcp=command,
            msgid=msgid,
            when=line.tags.get("time", ""),
            account=line.tags.get("account"),
            bot=tracking.bears_bot_tag(line),
            hops=tracking.hops(line),
            history=history,
            asked=asked,
            part=line.tags.get(f"+{tracking.PART_TAG}", ""),
        )

    def _joined(self, line: Line) -> Iterator[Event]:
        source, own = self._source(line), self._own(line)
        for name in line.params[0].split(","):
            if own:
                if source.user and source.host:
                    self.me = source
                self._joining.pop(name, None)
                self.channels.enter(name)
            self.channels.add(name, source.nick)
        if not own:
            # Whose stand-in they are must be known before they are told of.
            yield from tracking.newcomer(line, source)
        for name in line.params[0].split(","):
            when = line.tags.get("time", "") if own else ""
            yield events.Joined(name, source, own, when, stayed=own and self._attaching)

    def _parted(self, line: Line) -> Iterator[Event]:
        source, own = self._source(line), self._own(line)
        for name in line.params[0].split(","):
            yield from self._gone(name, source.nick, own)
            yield events.Parted(name, source, line.param(1), own)

    def _kicked(self, line: Line) -> Iterator[Event]:
        name, nick = line.params[0], line.params[1]
        own = self.is_me(nick)
        yield from self._gone(name, nick, own)
        source = line.source or Source("")
        reason = line.param(2)
        msgid, when = line.tags.get("msgid", ""), line.tags.get("time", "")
        yield events.Kicked(name, nick, source, reason, own, msgid, when)

    def _gone(self, channel: str, nick: str, own: bool) -> Iterator[Event]:
        self.channels.remove(channel, nick)
        if own:
            self.channels.leave(channel)
            # What waits for a channel we are out of must not reach it later, when we may be back.
            for token in self._outbox.purge([self.fold(channel)]):
                yield events.Dropped(token, sent=False)

    def _quit(self, line: Line) -> Iterator[Event]:
        source = self._source(line)
        yield events.Quit(source, line.param(0), self.channels.remove_everywhere(source.nick))

    def _nick(self, line: Line) -> Iterator[Event]:
        source, nick, own = self._source(line), line.params[0], self._own(line)
        channels = self.channels.rename(source.nick, nick)
        if own:
            self.me = Source(nick, self.me.user, self.me.host)
            self._sieve.own(nick)
            self._renaming = False
        yield events.NickChanged(source, nick, channels, own)

    def _topic(self, line: Line) -> Iterator[Event]:
        if own := self._own(line):
            token = self._pending.settle(self._label(line))
            if token is not None:
                yield events.Delivered(token)
        if channel := self.channels.get(line.params[0]):
            channel.topic_known = True
        yield events.Topic(line.params[0], line.params[1], line.source, own)

    def _topic_is(self, line: Line) -> Iterator[Event]:
        channel = self.channels.get(line.params[1])
        if channel is not None:
            channel.topic_known = True
            yield events.Topic(channel.name, line.param(2) if line.command == "332" else "", None)

    def _names(self, line: Line) -> Iterator[Event]:
        self.channels.list_names(line.params[2], line.params[3].split(), self.isupport.prefixes)
        yield from ()

    def _end_of_names(self, line: Line) -> Iterator[Event]:
        channel = self.channels.end_names(line.params[1])
        if channel is None:
            return
        nicks = {nick: channel.members[nick] for nick in channel.members}
        yield events.Members(channel.name, nicks, tuple(channel.sources))
        if not channel.topic_known:
            # A server tells the topic on entry, if there is one, before the names.
            channel.topic_known = True
            yield events.Topic(channel.name, "", None)

    def _batch(self, line: Line) -> Iterator[Event]:
        sign, reference = line.params[0][:1], line.params[0][1:]
        if sign == "+":
            label = self._label(line)
            if line.param(1) in _HISTORIES:
                if len(self._histories) >= _OPEN_BATCHES:
                    del self._histories[next(iter(self._histories))]
                self._histories[reference] = None
            if label:
                if len(self._batches) >= _OPEN_BATCHES:
                    del self._batches[next(iter(self._batches))]
                self._batches[reference] = label
            return
        self._histories.pop(reference, None)
        if (token := self._pending.settle(self._batches.pop(reference, ""))) is not None:
            yield events.Delivered(token)

    def _ack(self, line: Line) -> Iterator[Event]:
        token = self._pending.settle(self._label(line))
        if token is not None:
            yield events.Delivered(token)

    def _fail(self, line: Line) -> Iterator[Event]:
        label = self._label(line)
        token = self._pending.settle(label)
        if token is None and not label and line.params[0].upper() == HISTORY:
            token = self._pending.refuse("FAIL", HISTORY)
        code, text = line.params[1], line.param(-1)
        if token is not None:
            yield events.Refused(token, code, text)
        elif self.getting_in and code == "ACCOUNT_REQUIRED":
            yield events.RegistrationFailed(code, text, permanent=True)
        else:
            yield events.Passed("standard reply")

    def _error_line(self, line: Line) -> Iterator[Event]:
        text = line.param(0) or "the server closed the connection"
        if self.getting_in and (refusal := numerics.refusal(text)):
            yield events.RegistrationFailed(refusal, text, permanent=True)
        else:
            yield events.Ended(text)

    def _killed(self, line: Line) -> Iterator[Event]:
        if self.is_me(line.params[0]):
            by = line.source.nick if line.source else "the server"
            yield events.Ended(f"killed by {by}: {line.param(1)}")

    def _is_away(self, line: Line) -> Iterator[Event]:
        # 301 is no refusal. With a label and without an echo it is all the answer there is to what was said.
        if (token := self._pending.settle(line.tags.get("label", ""))) is not None:
            yield events.Delivered(token)
        yield events.About(Source(line.params[1]), away=True, note=line.param(2))

    def _passed(self, line: Line) -> Iterator[Event]:
        yield events.Passed(line.command.lower())

    def _error(self, line: Line) -> Iterator[Event]:
        numeric, subject, text = line.command, line.param(1), line.param(-1)
        if self.getting_in:
            yield from self._registration_error(numeric, text)
            return
        if self.state is State.IDENTIFYING and self.service(subject):
            yield from self._identified(f"{text} ({numeric})")
            return
        label = self._label(line)
        token = self._pending.settle(label)
        if token is None and not label:
            token = self._pending.refuse(numeric, self.fold(subject))
        if token is not None:
            yield events.Refused(token, numeric, text, subject)
        elif numeric in numerics.JOIN_REFUSED and subject in self._joining:
            del self._joining[subject]
            yield events.JoinRefused(subject, numerics.join_refusal(numeric, text), text)
        elif self._renaming and numeric in NICK_REFUSED:
            self._renaming = False
            yield events.NickRefused(numeric, text)
        else:
            yield events.Passed("numeric")

    COMMANDS: ClassVar[Mapping[str, tuple[int, Handler]]] = {
        **Registering.REGISTRATION,
        **tracking.TRACKING,
        "005": (2, _support),
        "301": (3, _is_away),
        "331": (2, _topic_is),
        "332": (3, _topic_is),
        "353": (4, _names),
        "366": (2, _end_of_names),
        "396": (2, _host_set),
        "ACK": (0, _ack),
        "BATCH": (1, _batch),
        "CHGHOST": (2, _chghost),
        "ERROR": (0, _error_line),
        "FAIL": (3, _fail),
        "JOIN": (1, _joined),
        "KICK": (2, _kicked),
        "KILL": (1, _killed),
        "NICK": (1, _nick),
        "NOTICE": (2, _said),
        "PART": (1, _parted),
        "PING": (0, _ping),
        "PONG": (0, _pong),
        "PRIVMSG": (2, _said),
        "QUIT": (0, _quit),
        "TOPIC": (2, _topic),
    } | dict.fromkeys(
        ("INVITE", "MODE", "NOTE", "TAGMSG", "WALLOPS", "WARN"),
        (0, _passed),
    )
    """Command, fewest parameters, handler. What is not here is an error numeric, or nothing to us."""
