"""Private messages from people of other networks to people of this one, and what we tell those who wrote them."""

import asyncio
from collections.abc import Callable

import structlog

from adapters.irc.bot import Bot
from adapters.irc.conversations import Conversation, Conversations
from adapters.irc.ids import canonical_nick
from adapters.irc.link.connection import Connection
from adapters.irc.markup import to_irc
from adapters.irc.monitor import Why
from adapters.irc.nicks import OwnNicks, is_service
from adapters.irc.outbound import since, spoken, tags
from adapters.irc.protocol.events import Manner
from adapters.irc.protocol.flood import Urgency
from adapters.irc.protocol.message import Source
from adapters.irc.puppet import Puppet
from adapters.irc.puppets import Puppets
from adapters.irc.whereabouts import Whereabouts
from bridge.addressed import how_to_answer
from bridge.contract import Core, Handover, NoPuppetError, Notice, Part, SendError, Voice
from bridge.model.address import Address, Person, Place
from bridge.model.result import Reason, Receipt
from bridge.split import cut

log = structlog.get_logger(__name__)


class Direct:
    """Brings private messages to nicks. `heed` is called when a puppet has a new partner to keep an eye on."""

    def __init__(
        self,
        core: Core,
        bot: Bot,
        puppets: Puppets,
        own: OwnNicks,
        whereabouts: Whereabouts,
        conversations: Conversations,
        *,
        puppets_wanted: bool,
        heed: Callable[[Puppet], None],
    ) -> None:
        self._core = core
        self._bot = bot
        self._puppets = puppets
        self._own = own
        self._whereabouts = whereabouts
        self._conversations = conversations
        self._puppets_wanted = puppets_wanted
        self._heed = heed
        self._loop = asyncio.get_running_loop()

    async def meet(self, place: Place, person: Person) -> Voice:
        """Have somebody's puppet able to write to a nick; without one, the bot does. Raises `SendError`."""
        self._require_person(place)
        if not self._puppets_wanted:
            return Voice.BOT
        try:
            puppet = await self._puppets.come(person)
        except NoPuppetError as error:
            log.debug("the bot speaks", network=place.network, person=str(person.address), error=str(error))
            return Voice.BOT
        puppet.stay()
        return Voice.PUPPET

    def nick(self, place: Place) -> str:
        """The nick that a place stands for, as its bearer spells it."""
        return self._whereabouts.spelled(place.native)

    def send(self, part: Part) -> Handover:
        """Say a part to one person. Raises `SendError`."""
        self._require_person(part.place)
        manner, text = spoken(part)
        nick, speaker = self.nick(part.place), part.speaker.address
        puppet = self._puppets.get(speaker) if part.voice is Voice.PUPPET else None
        connection = puppet.connection if puppet else self._bot.connection if part.voice is Voice.BOT else None
        if connection is None or not connection.ready:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"{part.voice} is not connected")
        if why_not := self._conversations.why_not(speaker, nick, self._whereabouts.people.identity(nick), part.when):
            raise SendError.permanent(Reason.RECIPIENT_UNAVAILABLE, why_not)
        alone = since(part, puppets=self._puppets_wanted)
        handover = connection.say(nick, manner, text, tags=tags(part), key=part.id, since=alone)
        conversation = self.speaks(speaker, nick)
        if puppet is not None:
            puppet.stay()
        handover.confirmation.add_done_callback(lambda done: self._ended(part, nick, conversation, done))
        return handover

    def speaks(self, address: Address, nick: str) -> Conversation:
        """Somebody elsewhere has a conversation with the bearer of a nick: from now on we look who bears it."""
        known = self._conversations.partners(address)
        conversation = self._conversations.touch(address, nick)
        if conversation.identity is None:
            conversation.identity = self._whereabouts.people.identity(nick)
        self._whereabouts.follow(nick, Why.TALK)
        puppet = self._puppets.get(address)
        if puppet is not None and known != self._conversations.partners(address):
            self._heed(puppet)
        return conversation

    def let_go(self, nick: str, now: str = "") -> None:
        """The bearer of the nick goes by another `now`, or left: what still waits for them is not sent."""
        addresses = self._conversations.addresses(nick)
        if not addresses:
            return
        self._conversations.ended(nick, now)
        puppets = filter(None, map(self._puppets.get, addresses))
        for connection in (self._bot.connection, *(puppet.connection for puppet in puppets)):
            if connection is not None:
                connection.retract(nick)

    async def tell(self, notice: Notice) -> None:
        """Tell somebody one line, by the puppet they wrote to if it is connected. Raises `SendError`."""
        puppet = self._puppets.get(notice.to) if notice.to is not None else None
        connection = puppet.connection if puppet is not None and puppet.connection.ready else self._bot.connection
        if connection is None or not connection.ready:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, "the network is not connected")
        nick = self._whereabouts.spelled(notice.person.name)
        identity = self._whereabouts.people.identity(nick)
        if notice.to is not None and self._conversations.with_another(notice.to, nick, identity):
            raise SendError.permanent(Reason.RECIPIENT_UNAVAILABLE, f"{nick} is not who wrote it any more")
        await connection.say(nick, Manner.NOTICE, _fitting(notice.text, connection, nick)).confirmation

    def _ended(self, part: Part, nick: str, conversation: Conversation, done: asyncio.Future[Receipt]) -> None:
        """What was said to a nick arrived, or did not. The bot says once how to answer it."""
        if done.cancelled():
            return
        error = done.exception()
        if isinstance(error, SendError) and error.failure.reason is Reason.ITEM_NOT_FOUND:
            self._conversations.forget(part.speaker.address, nick)
            if not self._conversations.addresses(nick):
                self._whereabouts.follow(nick, Why.TALK, wanted=False)
        elif error is None and part.voice is Voice.BOT and not conversation.taught and self._bot.connection is not None:
            conversation.taught = True
            words = how_to_answer(part.speaker.name, self._core.written(part.speaker.address))
            answer(self._bot.connection, nick, words)

    def _require_person(self, place: Place) -> None:
        """Raises `SendError` where the place can be no person of the network's."""
        nick = place.native
        try:
            canonical_nick(nick)
        except ValueError as error:
            raise SendError.permanent(Reason.JID_MALFORMED, str(error)) from error
        if self._own.find(Source(nick), self._loop.time()) is not None:
            raise SendError.permanent(Reason.ITEM_NOT_FOUND, f"{nick} is this gateway's own: nobody is behind it here")
        if is_service(nick):
            raise SendError.permanent(Reason.NOT_ALLOWED, f"{nick} serves the network's own users only")


def answer(connection: Connection, nick: str, text: str) -> None:
    """Tell somebody something that nobody waits for, when there is time for it."""
    try:
        connection.say(nick, Manner.NOTICE, _fitting(text, connection, nick), Urgency.REPLY)
    except SendError as error:
        log.debug("no answer sent", error=str(error))


def _fitting(text: str, connection: Connection, nick: str) -> str:
    return cut(to_irc(text), connection.session.text_bytes(nick))
