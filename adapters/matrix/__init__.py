"""Matrix: a homeserver attached as an application service, or through an ordinary account."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from adapters.matrix.account.adapter import AccountAdapter
from adapters.matrix.account.probe import probe as account_probe
from adapters.matrix.account.settings import AccountSettings
from adapters.matrix.adapter import MatrixAdapter
from adapters.matrix.ids import room_reference, user_reference
from adapters.matrix.probe import answering, probe
from adapters.matrix.registration import registration
from adapters.matrix.settings import MatrixSettings
from bridge.contract import Adapter, Context, Factory, Finding
from bridge.model.room import Member


class _Named:
    """What the ways to attach have in common: how rooms and people are written."""

    kind: ClassVar[str] = "matrix"

    def place(self, native: str, settings: Any) -> str:
        """An alias ``#NAME:DOMAIN`` or a room id. Raises `ValueError`."""
        return room_reference(native)

    def person(self, native: str, settings: Any) -> str:
        """A user id. Raises `ValueError` saying what to write instead."""
        return user_reference(native)


class AccountFactory(_Named):
    """Builds attachments through an ordinary account."""

    settings: ClassVar[type[BaseModel]] = AccountSettings

    def create(self, settings: Any, context: Context) -> Adapter:
        """The adapter of one account."""
        return AccountAdapter(settings, context)

    def registration(self, settings: Any, context: Context) -> str:
        """Nothing for the homeserver's administrator to do."""
        return (
            f"# {context.network} is attached through the account {settings.user_id}: nothing is to be registered.\n"
            "# Invite the account to the rooms, or let it join them.\n"
        )

    def probe(self, settings: Any, context: Context, members: Sequence[Member]) -> AsyncIterator[Finding]:
        """Try the homeserver, the token or password, the clock and the rooms."""
        return account_probe(settings, context, members)


class MatrixFactory(_Named):
    """Builds attachments as an application service; knows the other way besides."""

    settings: ClassVar[type[BaseModel]] = MatrixSettings

    def __init__(self) -> None:
        self.modes: Mapping[str, Factory] = {"appservice": self, "user": AccountFactory()}

    def create(self, settings: Any, context: Context) -> Adapter:
        """The adapter of one homeserver."""
        return MatrixAdapter(settings, context)

    def registration(self, settings: Any, context: Context) -> str:
        """The registration file for the homeserver."""
        return registration(settings, context)

    def probe(self, settings: Any, context: Context, members: Sequence[Member]) -> AsyncIterator[Finding]:
        """Try the homeserver, the registration, the way back to us, the clock and the rooms."""
        return probe(settings, context, members)

    def answering(self, settings: Any, context: Context) -> Callable[[Any], Awaitable[Any]]:
        """What answers the homeserver while it is tried."""
        return answering(settings, context)


ADAPTER = MatrixFactory()
