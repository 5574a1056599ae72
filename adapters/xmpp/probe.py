"""Trying an XMPP server as a component before anything is bridged (`rialto check`)."""

import time
from collections.abc import AsyncIterator, Callable, Sequence

from adapters.xmpp import ids
from adapters.xmpp.settings import XmppSettings
from adapters.xmpp.stream import CONNECT_WITHIN, Account, Stream, tcp
from adapters.xmpp.visit import Visit
from bridge.contract import Context, Finding
from bridge.model.result import Failure, Reason
from bridge.model.room import Member

_WRONG_PORT = frozenset({Reason.BAD_REQUEST, Reason.UNDEFINED_CONDITION, Reason.REMOTE_SERVER_TIMEOUT})
"""How streams end that something other than a component port was asked for."""


async def probe(
    settings: XmppSettings, context: Context, members: Sequence[Member], clock: Callable[[], float] = time.time
) -> AsyncIterator[Finding]:
    """See `bridge.contract.Probing`. `clock` gives seconds since the epoch."""
    visit = Visit(ids.own_jid(ids.BOT_LOCAL, settings.domain), settings.domain, settings.nick)
    account = Account(context.network, settings.domain, settings.secret.get_secret_value(), settings.server)
    try:
        # The stream gives up by itself, with words; twice, if both connecting and the handshake are slow.
        failure = await visit.connect(Stream(account, visit, tcp(*settings.address)), CONNECT_WITHIN + 2.0)
        if failure is not None:
            held = f"the component {settings.domain}" if failure.reason is Reason.CONFLICT else ""
            yield Finding(False, _words(failure, settings, context), held)
            return
        yield Finding(True, f"{settings.server} takes us for the component {settings.domain}")
        # The server above us in the name; most often the one that we are connected to.
        if host := settings.domain.partition(".")[2]:
            async for finding in visit.clock(host, clock):
                yield finding
        async for finding in visit.rooms(members):
            yield finding
    finally:
        await visit.end()


def _words(failure: Failure, settings: XmppSettings, context: Context) -> str:
    if failure.reason is Reason.CONFLICT:
        return (
            f"another connection has the component {settings.domain}: probably a running Rialto, which tells its own "
            "state by `rialto status`, and has to be stopped for the rest to be tried here"
        )
    key = f"networks.{context.network}.server"
    if failure.reason is Reason.ITEM_NOT_FOUND:
        # A clients' port says the same as a component port that does not know the domain.
        return f"{failure.text}; if it stands there already, {key} is another port than that for components"
    if failure.reason in _WRONG_PORT:
        return f"{failure.text}; check that {key} is the port for components, which is neither clients' nor for TLS"
    return failure.text
