"""Trying an XMPP server by an ordinary account before anything is bridged (`rialto check`)."""

import time
from collections.abc import AsyncIterator, Callable, Sequence

from adapters.xmpp.account.settings import AccountSettings
from adapters.xmpp.account.stream import Stream
from adapters.xmpp.stream import CONNECT_WITHIN
from adapters.xmpp.visit import Visit
from bridge.contract import Context, Finding, StartError
from bridge.model.room import Member

RESOURCE = "rialto-check"
"""Ours among the account's connections: another than Rialto's own, which the server would end for this one."""


async def probe(
    settings: AccountSettings, context: Context, members: Sequence[Member], clock: Callable[[], float] = time.time
) -> AsyncIterator[Finding]:
    """See `bridge.contract.Probing`. `clock` gives seconds since the epoch.

    No presence is ever sent to the server, so that no message comes our way meanwhile.
    """
    jid = f"{settings.bare}/{RESOURCE}"
    visit = Visit(jid, "", settings.nick)
    stream = Stream(settings.model_copy(update={"jid": jid}), context.network, context.folder, visit)
    try:
        await stream.prepare()
    except StartError as error:
        yield Finding(False, str(error))
        return
    try:
        failure = await visit.connect(stream, CONNECT_WITHIN + 2.0)
        if failure is not None:
            yield Finding(False, failure.text)
            return
        yield Finding(True, f"{settings.host} lets us in, as {settings.bare}")
        async for finding in visit.clock(settings.host, clock):
            yield finding
        async for finding in visit.rooms(members):
            yield finding
    finally:
        await visit.end()
