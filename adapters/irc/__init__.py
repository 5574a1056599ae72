"""IRC: one bot, and a connection of its own for every foreign person that is to be seen.

`protocol` is one client's session without I/O, and `link` brings it to a server; neither knows the rest. Here are the
rooms of every adapter (`adapter`, `inbound`, `outbound`, `ids`, `capabilities`, `markup`, `settings` with `access`,
`probe`), and what IRC needs besides: our connections and how they present themselves (`entry`, `bot`, `puppet`,
`puppets`, `nicks`, `standing`, `away`), which of them reports what is heard (`desk`, `observer`, `netsplit`, `intake`),
private messages (`reception`, `direct`, `conversations`), and the people of the network (`people`, `whereabouts`,
`monitor`, `presence`).
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from adapters.irc.adapter import IrcAdapter
from adapters.irc.entry import examine
from adapters.irc.ids import canonical_channel, canonical_nick
from adapters.irc.probe import probe
from adapters.irc.settings import IrcSettings
from bridge.contract import Adapter, Context, Finding, Remark
from bridge.model.room import Member

__all__ = ["ADAPTER", "IrcFactory", "IrcSettings"]

_REGISTRATION = """\
An IRC network needs nothing to be registered: {nick} and its puppets connect to {server} as ordinary users.
What its operators can do to make it run well:

  * allow {connections} connections from this host (ngIRCd: MaxConnectionsIP; InspIRCd: localmax, globalmax);
  * lift flood control for them, after which `flood: {{burst, per_second}}` may be raised here;
  * give {nick} a place in channels that are locked (an invitation, a key under `rooms`, or an exception from +i).
"""


class IrcFactory:
    """Builds IRC networks from their settings."""

    kind: ClassVar[str] = "irc"
    settings: ClassVar[type[BaseModel]] = IrcSettings

    def create(self, settings: Any, context: Context) -> Adapter:
        """Build the adapter; no I/O."""
        return IrcAdapter(settings, context)

    def place(self, native: str, settings: Any) -> str:
        """A channel's canonical name. Raises `ValueError` saying what to write instead."""
        return canonical_channel(native)

    def person(self, native: str, settings: Any) -> str:
        """A nick, folded as far as every network folds it. Raises `ValueError` saying what to write instead."""
        return canonical_nick(native)

    def registration(self, settings: Any, context: Context) -> str:
        """There is nothing to register; what helps all the same."""
        return _REGISTRATION.format(nick=settings.nick, server=settings.server, connections=settings.puppets + 1)

    def examine(self, settings: Any, context: Context) -> Iterable[Remark]:
        """Look at the files of certificates, and at what is said where others can read it."""
        return examine(settings, context)

    def probe(self, settings: Any, context: Context, members: Sequence[Member]) -> AsyncIterator[Finding]:
        """Try the way to the server, the nick, the account, the clock and the channels."""
        return probe(settings, context, members)


ADAPTER = IrcFactory()
