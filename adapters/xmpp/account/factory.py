"""Builds attachments by an ordinary account."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from adapters.xmpp.account.adapter import AccountAdapter
from adapters.xmpp.account.certificates import examine
from adapters.xmpp.account.probe import probe
from adapters.xmpp.account.settings import AccountSettings
from adapters.xmpp.ids import person_jid, room_jid
from bridge.contract import Adapter, Context, Finding, Remark
from bridge.model.room import Member


class AccountFactory:
    """``kind: xmpp``, ``mode: client``."""

    kind: ClassVar[str] = "xmpp"
    settings: ClassVar[type[BaseModel]] = AccountSettings

    def create(self, settings: Any, context: Context) -> Adapter:
        """The adapter of one account."""
        return AccountAdapter(settings, context)

    def place(self, native: str, settings: Any) -> str:
        """The bare JID of a room. Raises `ValueError` saying what to write instead."""
        return room_jid(native)

    def person(self, native: str, settings: Any) -> str:
        """A person's bare JID. Raises `ValueError` saying what to write instead."""
        return person_jid(native)

    def registration(self, settings: Any, context: Context) -> str:
        """What the server's operator has to do, or anybody who may make accounts there."""
        return (
            f"# Network {context.network}: nothing has to be added to the server's configuration.\n"
            f"# The account {settings.bare} has to exist, with the password of networks.{context.network}.password:\n"
            "# make it as any other, with a client that can register accounts, or on the server, with\n"
            f"#   prosodyctl adduser {settings.bare}\n"
            f"#   ejabberdctl register {settings.bare.partition('@')[0]} {settings.host} PASSWORD\n"
        )

    def examine(self, settings: Any, context: Context) -> Iterable[Remark]:
        """Look at the file of certificates, and at what others can read."""
        return examine(settings, context.folder)

    def probe(self, settings: Any, context: Context, members: Sequence[Member]) -> AsyncIterator[Finding]:
        """Try the server, the password, the clock and the rooms."""
        return probe(settings, context, members)
