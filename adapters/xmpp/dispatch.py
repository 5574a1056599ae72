"""Every stanza that comes in, to who deals with it: one table by tag and type, asked once."""

from collections.abc import Callable, Mapping
from typing import Protocol
from xml.etree.ElementTree import Element

import structlog

from adapters.xmpp import ids
from adapters.xmpp.disco import Responder
from adapters.xmpp.queries import Queries
from adapters.xmpp.rooms import Room
from bridge.contract import SendError

log = structlog.get_logger(__name__)


class Way(Protocol):
    """What stanzas cause besides what rooms do."""

    def write(self, stanza: str) -> None:
        """Give a stanza to the stream. Raises `SendError`."""

    def ignored(self, what: str, native_id: str = "") -> None:
        """As `bridge.contract.Core.ignored`."""


class People(Protocol):
    """Who deals with what does not come from a room as such. May raise `SendError` where an answer cannot be sent."""

    def message(self, stanza: Element) -> None:
        """A message to one of ours alone, of type ``chat``, ``normal`` or none (RFC 6121 section 5.2.2)."""

    def refused(self, stanza: Element) -> bool:
        """A message of type ``error``; tells whether it answers one of ours to a person."""

    def presence(self, stanza: Element) -> None:
        """A presence of whatever type, from somewhere else than a room that we know."""


class Dispatch:
    """`rooms` by bare JID; they may come and go. `people` gets what is no room's."""

    def __init__(
        self,
        rooms: Mapping[str, Room],
        queries: Queries,
        responder: Responder,
        way: Way,
        people: People,
        arrival: Callable[[], tuple[str, float] | None] = lambda: None,
        commands: Callable[[Element], bool] = lambda request: False,
    ) -> None:
        """`arrival` is as of `adapters.xmpp.inbox.Inbox`. `commands` takes requests before the responder, and tells
        whether it did (`adapters.xmpp.adhoc.AdHoc.takes`)."""
        self._commands = commands
        self._arrival = arrival
        self._people = people
        self._rooms = rooms
        self._queries = queries
        self._responder = responder
        self._way = way
        self._table: dict[tuple[str, str | None], Callable[[Element], None]] = {
            ("message", "groupchat"): self._groupchat,
            ("message", "error"): self._message_error,
            ("message", "headline"): self._headline,
            ("iq", "get"): self._request,
            ("iq", "set"): self._request,
            ("iq", "result"): self._answer,
            ("iq", "error"): self._answer,
        }
        self._otherwise: dict[str, Callable[[Element], None]] = {
            "message": self._direct,
            "presence": self._presence,
            "iq": self._malformed_iq,
        }

    def received(self, stanza: Element) -> None:
        """Deal with a stanza. Never raises: one that nobody foresaw must not end the stream for the others."""
        name = stanza.tag.rpartition("}")[2]
        handler = self._table.get((name, stanza.get("type"))) or self._otherwise.get(name)
        if handler is None:
            self._way.ignored("unknown stanza")
            return
        try:
            handler(stanza)
        except SendError as error:
            log.warning("answer not sent", stanza=name, type=stanza.get("type"), error=str(error))
        except Exception:
            # One stanza that we stumble over must not end the stream, on which everybody's words come.
            log.exception("stanza not understood", stanza=name, type=stanza.get("type"), sender=stanza.get("from"))
            self._way.ignored("not understood", stanza.get("id", ""))

    def _groupchat(self, stanza: Element) -> None:
        room = self._rooms.get(stanza.get("from", "").partition("/")[0])
        if room is None:
            self._way.ignored("unknown room")
        elif stanza.get("to") == room.observer_jid:
            room.line(stanza)
        elif room.meanwhile.is_kept and stanza.get("to") == room.owns.bot.jid and (came := self._arrival()) is not None:
            room.meanwhile.take(stanza, room.jid, came[1])
        # Else it is a copy of what the observer gets, too; not even counted, for there are as many as puppets.

    def _presence(self, stanza: Element) -> None:
        room = self._rooms.get(stanza.get("from", "").partition("/")[0])
        if room is None:
            self._people.presence(stanza)
            return
        own = room.owns.get(stanza.get("to", ""))
        if own is not None:
            room.presence(own, stanza)
        # Else it is for a puppet from before a restart, which will be sent away.

    def _message_error(self, stanza: Element) -> None:
        refused = self._people.refused(stanza)
        room = self._rooms.get(stanza.get("from", "").partition("/")[0])
        if room is not None:
            # A refused private message, too, may show that one of ours is not in the room any more.
            room.message_error(room.owns.get(stanza.get("to", "")), stanza)
        elif not refused:
            self._way.ignored("error", stanza.get("id", ""))

    def _headline(self, stanza: Element) -> None:
        self._way.ignored("headline", stanza.get("id", ""))

    def _direct(self, stanza: Element) -> None:
        room = self._rooms.get(stanza.get("from", ""))
        if room is not None and room.pages.add(stanza):
            return
        if room is not None:
            # The room itself: an invitation, a welcome. It takes no answer.
            self._way.ignored("room notice", stanza.get("id", ""))
            return
        self._people.message(stanza)

    def _request(self, stanza: Element) -> None:
        if not ids.bare(stanza.get("from", "")) or not stanza.get("to"):
            self._way.ignored("request from nobody")
            return
        if not self._commands(stanza):
            self._way.write(self._responder.answer(stanza))

    def _answer(self, stanza: Element) -> None:
        if not self._queries.answered(stanza):
            self._way.ignored("late answer", stanza.get("id", ""))

    def _malformed_iq(self, stanza: Element) -> None:
        self._way.ignored("malformed request", stanza.get("id", ""))
