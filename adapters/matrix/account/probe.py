"""Trying an ordinary account before anything is bridged: the homeserver, its clock, who we are there, the rooms."""

import time
from collections.abc import AsyncIterator, Callable, Sequence

import structlog

from adapters.matrix.account.diagnosis import Facts, another_account, diagnose
from adapters.matrix.account.ids import Own
from adapters.matrix.account.session import Session
from adapters.matrix.account.settings import AccountSettings
from adapters.matrix.errors import MatrixError
from adapters.matrix.reaching import reach
from adapters.matrix.trying import Trial
from bridge.contract import Context, Finding
from bridge.model.room import Member

log = structlog.get_logger(__name__)

ANSWER_WITHIN = 10.0
"""Seconds for one answer of the homeserver."""


async def probe(
    settings: AccountSettings, context: Context, members: Sequence[Member], clock: Callable[[], float] = time.time
) -> AsyncIterator[Finding]:
    """See `bridge.contract.Probing`. `clock` gives seconds since the epoch."""
    facts = Facts(context.network, settings.homeserver, settings.user_id, settings.password is not None)
    reached = await reach(settings.homeserver, f"{facts.keys}.homeserver", clock)
    for finding in reached.findings:
        yield finding
    if not reached.there:
        return
    session = Session(settings.homeserver, settings.user_id, timeout=ANSWER_WITHIN)
    session.open()
    trial = Trial(session, Own.of(settings.user_id), context.network, members)
    try:
        known = await _identity(session, settings, facts)
        yield known
        if known.good:
            async for finding in trial.run():
                yield finding
    finally:
        await trial.leave()
        if settings.password is not None:
            await _log_out(session)
        await session.close()


async def _identity(session: Session, settings: AccountSettings, facts: Facts) -> Finding:
    """Does the homeserver take the token, or the password, for the account's?"""
    login = False
    try:
        if settings.access_token is not None:
            session.use(settings.access_token.get_secret_value())
        elif settings.password is not None:
            login = True
            await session.login(settings.password.get_secret_value(), "", f"{settings.device_name} (check)")
            login = False
        user_id = (await session.request("GET", "/_matrix/client/v3/account/whoami")).get("user_id")
    except MatrixError as error:
        return Finding(False, diagnose(error, facts, login=login).text)
    if isinstance(user_id, str) and user_id != settings.user_id:
        return Finding(False, another_account(user_id, facts).text)
    return Finding(True, f"the homeserver knows us as {settings.user_id}")


async def _log_out(session: Session) -> None:
    """End the session that the check began."""
    try:
        await session.request("POST", "/_matrix/client/v3/logout", body={})
    except MatrixError as error:
        log.debug("session not ended", error=str(error))
