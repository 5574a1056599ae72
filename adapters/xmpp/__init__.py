"""XMPP: a server attached as an external component (XEP-0114) or by an ordinary account, in MUC rooms (XEP-0045)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from adapters.xmpp.account.factory import AccountFactory
from adapters.xmpp.adapter import XmppAdapter
from adapters.xmpp.ids import person_jid, room_jid
from adapters.xmpp.probe import probe
from adapters.xmpp.registration import registration
from adapters.xmpp.settings import XmppSettings
from bridge.contract import Adapter, Context, Factory, Finding
from bridge.model.room import Member


class XmppFactory:
    """Builds attachments to XMPP servers."""

    kind: ClassVar[str] = "xmpp"
    settings: ClassVar[type[BaseModel]] = XmppSettings

    @property
    def modes(self) -> Mapping[str, Factory]:
        """See `bridge.contract.Moded`. By an account, for those who do not run the server."""
        return {"component": self, "client": AccountFactory()}

    def create(self, settings: Any, context: Context) -> Adapter:
        """The adapter of one XMPP server."""
        return XmppAdapter(settings, context)

    def place(self, native: str, settings: Any) -> str:
        """The bare JID of a room. Raises `ValueError` saying what to write instead."""
        return room_jid(native)

    def person(self, native: str, settings: Any) -> str:
        """A person's bare JID. Raises `ValueError` saying what to write instead."""
        return person_jid(native)

    def registration(self, settings: Any, context: Context) -> str:
        """The snippets for Prosody and ejabberd."""
        return registration(settings, context)

    def probe(self, settings: Any, context: Context, members: Sequence[Member]) -> AsyncIterator[Finding]:
        """Try the server, the secret, the clock and the rooms."""
        return probe(settings, context, members)


ADAPTER = XmppFactory()
