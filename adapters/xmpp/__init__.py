"""XMPP: a server attached as an external component (XEP-0114), in MUC rooms (XEP-0045)."""

from typing import Any, ClassVar

from pydantic import BaseModel

from adapters.xmpp.adapter import XmppAdapter
from adapters.xmpp.ids import room_jid
from adapters.xmpp.registration import registration
from adapters.xmpp.settings import XmppSettings
from bridge.contract import Adapter, Context


class XmppFactory:
    """Builds attachments to XMPP servers."""

    kind: ClassVar[str] = "xmpp"
    settings: ClassVar[type[BaseModel]] = XmppSettings

    def create(self, settings: Any, context: Context) -> Adapter:
        """The adapter of one XMPP server."""
        return XmppAdapter(settings, context)

    def place(self, native: str, settings: Any) -> str:
        """The bare JID of a room. Raises `ValueError` saying what to write instead."""
        return room_jid(native)

    def registration(self, settings: Any, context: Context) -> str:
        """The snippets for Prosody and ejabberd."""
        return registration(settings, context)


ADAPTER = XmppFactory()
