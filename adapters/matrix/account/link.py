"""The account's link with its homeserver: a session, the rooms entered, and the stream read. One task owns it."""

import asyncio
import json
from collections.abc import Callable

import structlog

from adapters.matrix.account.diagnosis import Facts, another_account, diagnose
from adapters.matrix.account.reading import Reading
from adapters.matrix.account.session import Session
from adapters.matrix.account.settings import AccountSettings
from adapters.matrix.entering import Entering
from adapters.matrix.errors import MatrixError
from bridge.backoff import HALF, Backoff
from bridge.contract import Core
from bridge.model.result import Failure, Reason

log = structlog.get_logger(__name__)

REFUSED = 60.0
REFUSED_LONGEST = 900.0
"""Seconds between attempts while the homeserver refuses token or password: growing from the one to the other. Too many
wrong passwords lock an account."""

_SESSION = "session"
_ACCOUNT = "account"


class DownError(Exception):
    """The link cannot be made now. `patiently`: not before somebody acts."""

    def __init__(self, failure: Failure, *, patiently: bool = False, retry_after: float | None = None) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.patiently = patiently
        self.retry_after = retry_after


class Link:
    """Makes the link, reads, makes it again."""

    def __init__(
        self,
        core: Core,
        session: Session,
        settings: AccountSettings,
        entering: Entering,
        reading: Reading,
        *,
        first_wait: float = 1.0,
        longest_wait: float = 60.0,
    ) -> None:
        self._core = core
        self._session = session
        self._settings = settings
        self._entering = entering
        self._reading = reading
        self._facts = Facts(core.network, settings.homeserver, settings.user_id, settings.password is not None)
        self._backoff = Backoff(first_wait, longest_wait, least=HALF)
        self._patient = Backoff(REFUSED, REFUSED_LONGEST, least=HALF)
        self._prepared = asyncio.Event()
        self.up = False
        """Whether the network can be spoken to now."""
        self.failure: Failure | None = None
        """Why not."""

    async def run(self) -> None:
        """Keep the link. Runs until cancelled."""
        await self._forget_others()
        while True:
            try:
                await self._hold()
            except DownError as error:
                down = error
            except Exception as error:
                # A fault of ours must be seen: deaf and yet online would be worse. Nothing is lost by it, for the
                # place in the stream has not moved.
                log.exception("reading failed", network=self._core.network)
                text = f"the bridge could not take in what the homeserver told ({type(error).__name__}, see its log)"
                down = DownError(Failure(Reason.INTERNAL_SERVER_ERROR, text))
            self.up, self.failure = False, down.failure
            self._core.offline(down.failure)
            wait = (self._patient if down.patiently else self._backoff).next()
            wait = max(wait, down.retry_after or 0.0)
            log.warning(
                "homeserver not ready", network=self._core.network, todo=str(down.failure), again_in=round(wait, 1)
            )
            await asyncio.sleep(wait)

    async def retrying_rooms(self, entered: Callable[[], None]) -> None:
        """Beside `run`: keep trying the rooms that would not let the account in."""
        await self._prepared.wait()
        await self._entering.keep_trying(entered)

    async def _forget_others(self) -> None:
        """Of another account, session and place in the stream mean nothing."""
        account = self._settings.user_id
        if self._core.recall(_ACCOUNT).get(_ACCOUNT) != account:
            await self._core.remember({_ACCOUNT: account, _SESSION: None, **self._reading.forgetting})

    async def _hold(self) -> None:
        """Make the link, and read until it breaks. Raises `DownError`."""
        try:
            await self._identify()
            await self._reading.begin()
            await self._entering.enter_all()
            self._prepared.set()
            await self._reading.step(0.0)
        except MatrixError as error:
            raise self._down(error) from error
        self._backoff.reset()
        self._patient.reset()
        self.up, self.failure = True, None
        log.info("homeserver ready", network=self._core.network, homeserver=self._facts.homeserver)
        self._core.online()
        await self._read()

    async def _read(self) -> None:
        while True:
            try:
                await self._reading.step()
            except MatrixError as error:
                if not error.limited:
                    raise self._down(error) from error
                await asyncio.sleep(error.retry_after if error.retry_after is not None else self._backoff.next())

    async def _identify(self) -> None:
        """Have a session that the homeserver knows as the configured account's."""
        token = self._settings.access_token
        if token is not None:
            self._session.use(token.get_secret_value())
            await self._who()
            return
        kept, device = self._kept()
        if kept:
            self._session.use(kept)
            try:
                await self._who()
            except MatrixError as error:
                if not error.unknown_token:
                    raise
                log.warning("the session was ended by the homeserver, or by its owner", user=self._facts.user_id)
            else:
                return
        await self._login(device)
        await self._who()

    async def _login(self, device: str) -> None:
        password = self._settings.password
        try:
            token, device = await self._session.login(
                password.get_secret_value() if password is not None else "", device, self._settings.device_name
            )
        except MatrixError as error:
            raise self._down(error, login=True) from error
        await self._core.remember({_SESSION: json.dumps([token, device])})
        log.info("session begun", user=self._facts.user_id, device=device)

    def _kept(self) -> tuple[str, str]:
        """Token and device of the session that was begun before this start; empty where there is none."""
        try:
            token, device = json.loads(self._core.recall(_SESSION).get(_SESSION, '["", ""]'))
        except (ValueError, TypeError):
            log.warning("the remembered session cannot be read", network=self._core.network)
            return "", ""
        return str(token), str(device)

    async def _who(self) -> None:
        told = await self._session.request("GET", "/_matrix/client/v3/account/whoami")
        user_id = told.get("user_id")
        if isinstance(user_id, str) and user_id != self._facts.user_id:
            raise DownError(another_account(user_id, self._facts), patiently=True)

    def _down(self, error: MatrixError, *, login: bool = False) -> DownError:
        refused = error.unknown_token and not self._facts.by_password
        refused |= login and not (error.unreachable or error.limited)
        failure = diagnose(error, self._facts, login=login)
        return DownError(failure, patiently=refused, retry_after=error.retry_after)
