"""What people of the network say to one of our connections alone: to a puppet, or to the bot for somebody."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from adapters.irc.conversations import Conversations
from adapters.irc.direct import Direct, answer
from adapters.irc.inbound import Scene, barred, private
from adapters.irc.link.connection import Connection
from adapters.irc.markup import from_irc
from adapters.irc.people import Identity
from adapters.irc.protocol import ctcp, events
from adapters.irc.protocol.events import Manner
from adapters.irc.protocol.flood import TokenBucket
from adapters.irc.puppet import Puppet
from adapters.irc.whereabouts import Whereabouts
from bridge.addressed import addressed, command_name, in_lines, usage
from bridge.contract import Core
from bridge.model.address import Address, Person
from bridge.model.event import Event, State
from bridge.model.message import Span, Text

VERSION: Final = "Rialto gateway"
SOURCE: Final = "rialto-bridge, Apache-2.0"

ANSWERS: Final = (20.0, 2.0)
"""Answers to strangers: so many at once, so many per second. More would let them make us flood."""

ANSWER_LINES: Final = 5
"""Lines of one answer. What is longer ends with a sign of it."""

ANSWERS_EACH: Final = (10.0, 0.5)
"""The same for one of them. Nobody types so fast: who is not understood learns of it, unless they flood."""

EXAMPLE: Final = "bo@example.org"
_REMEMBERED: Final = 1000


class Reception:
    """Takes what is said to one of us alone; gives events to `put` and counts the rest with `ignored`."""

    def __init__(
        self,
        scene: Scene,
        core: Core,
        direct: Direct,
        conversations: Conversations,
        whereabouts: Whereabouts,
        *,
        put: Callable[[Event | State], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        """`spawn` starts an errand that ends with the adapter."""
        self._spawn = spawn
        self._scene = scene
        self._core = core
        self._direct = direct
        self._conversations = conversations
        self._whereabouts = whereabouts
        self._put = put
        self._loop = asyncio.get_running_loop()
        self._answers = TokenBucket(*ANSWERS, self._loop.time())
        self._each: OrderedDict[str, TokenBucket] = OrderedDict()

    def asked(self, connection: Connection, said: events.Said) -> None:
        """Somebody asked the bot something by CTCP, in a channel or alone: answer, within limits."""
        nick = said.source.nick
        if said.source.user is None or self._scene.own(said.source) is not None:
            return
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        text = ctcp.answer(ctcp.Ctcp(said.ctcp, said.text), version=VERSION, source=SOURCE, time=now)
        if text is not None and connection.ready and self._may_answer(nick):
            connection.session.answer_ctcp(nick, text)
            connection.flush()

    def spoken(self, connection: Connection, said: events.Said, puppet: Puppet | None) -> None:
        """Somebody said something to the puppet, or without one to the bot, alone."""
        if why := self._barred(connection, said):
            self._core.ignored(why, said.msgid)
        elif puppet is not None:
            puppet.stay()
            self._heard(connection, puppet.person.address, said, from_irc(said.text))
        else:
            self._addressed(connection, said)

    def _barred(self, connection: Connection, said: events.Said) -> str | None:
        if why := barred(said, self._scene):
            return why
        if not connection.session.is_me(said.target):
            return "not for us"
        match said.manner:
            case Manner.NOTICE:
                return "notice to us alone"
            case Manner.CTCP | Manner.CTCP_REPLY:
                return "ctcp"
        return None if from_irc(said.text).text.strip() else "empty message"

    def _heard(self, connection: Connection, to: Address, said: events.Said, body: Text) -> None:
        nick = said.source.nick
        self._direct.speaks(to, nick)
        self._conversations.heard(to, nick, self._identity(said))
        self._put(private(said, to, body, self._scene.over(secure=connection.session.secure, origin=connection.origin)))

    def _identity(self, said: events.Said) -> Identity:
        account = said.account
        identity = Identity(said.source.user, said.source.host, account)
        known = self._whereabouts.people.identity(said.source.nick)
        if account is None and known is not None and not known.differs(identity):
            identity = replace(identity, account=known.account)
        return identity

    def _addressed(self, connection: Connection, said: events.Said) -> None:
        """A line to the bot is for whom it names. Who named nobody is never brought anywhere by a guess."""
        nick, text = said.source.nick, from_irc(said.text)
        if command_name(text.text) in self._core.commands:
            self._command(connection, said, text.text)
            return
        who, words = addressed(text.text)
        try:
            to = self._core.find(who) if who else None
        except ValueError as error:
            self._refuse(connection, said, f"{error}" if words else usage(EXAMPLE))
            return
        if to is None or not words:
            self._refuse(connection, said, usage(EXAMPLE))
        elif to.network == self._scene.network:
            here = f"{to.native} is on this very network: write to them yourself."
            self._refuse(connection, said, here if ":" in who else usage(EXAMPLE))
        else:
            self._heard(connection, to, said, _rest(text, words))
            conversation = self._conversations.touch(to, nick)
            if not conversation.greeted and self._may_answer(nick):
                conversation.greeted = True
                written = self._core.written(to)
                answer(connection, nick, f'On its way to {written}. Begin each message to them with "{written}".')

    def _command(self, connection: Connection, said: events.Said, text: str) -> None:
        """A word to the bot itself. Who may not be answered is not obeyed either."""
        if self._may_answer(said.source.nick):
            self._spawn(self._obey(connection, said, text), "command")
        else:
            self._core.ignored("too many commands", said.msgid)

    async def _obey(self, connection: Connection, said: events.Said, text: str) -> None:
        nick = said.source.nick
        person = Person(self._scene.address(nick), nick)
        reply = await self._core.command(person, text)
        if reply is None:
            self._refuse(connection, said, usage(EXAMPLE))
            return
        for line in in_lines(reply, connection.session.text_bytes(nick), ANSWER_LINES):
            if not self._answers.take(self._loop.time()):
                return
            answer(connection, nick, line)

    def _refuse(self, connection: Connection, said: events.Said, text: str) -> None:
        self._core.ignored("addressed to nobody", said.msgid)
        if self._may_answer(said.source.nick):
            answer(connection, said.source.nick, text)

    def _may_answer(self, nick: str) -> bool:
        now, key = self._loop.time(), self._scene.fold(nick)
        bucket = self._each.get(key)
        if bucket is None:
            if len(self._each) >= _REMEMBERED:
                self._each.popitem(last=False)
            self._each[key] = bucket = TokenBucket(*ANSWERS_EACH, now)
        return bucket.take(now) and self._answers.take(now)


def _rest(text: Text, words: str) -> Text:
    """The end of a text, with its marks; `words` is that end without white space behind it."""
    start = len(text.text.rstrip()) - len(words)
    end = start + len(words)
    spans = (
        Span(max(span.start, start) - start, min(span.end, end) - start, span.style, span.value)
        for span in text.spans
        if span.end > start and span.start < end
    )
    return Text(words, tuple(spans), text.language)
