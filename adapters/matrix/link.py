"""The link with the homeserver: up when it knows us, our bot stands, the rooms are entered and it can push to us.

One task owns it. Ping: application service API, specification v1.19, "Pinging": besides proving the way back, it makes
Synapse push at once what it has kept for us, which otherwise may take minutes.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from adapters.matrix.client import Client
from adapters.matrix.diagnosis import Facts, Stage, another_bot, diagnose
from adapters.matrix.entering import Entering
from adapters.matrix.errors import MatrixError
from adapters.matrix.ids import Namespace
from adapters.matrix.pinging import ping
from bridge.backoff import HALF, Backoff
from bridge.contract import Core
from bridge.model.result import Failure

log = structlog.get_logger(__name__)

_MEMORY = "bot"


class DownError(Exception):
    """The link cannot be made now."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Link:
    """Makes the link, watches it, makes it again."""

    def __init__(
        self,
        core: Core,
        client: Client,
        ours: Namespace,
        entering: Entering,
        facts: Facts,
        bot_name: str,
        *,
        silence: float = 60.0,
        first_wait: float = 1.0,
        longest_wait: float = 60.0,
    ) -> None:
        """`silence`: seconds between pings while all is well, and that each may take."""
        self._silence = silence
        self._core = core
        self._client = client
        self._ours = ours
        self._entering = entering
        self._facts = facts
        self._bot_name = bot_name
        self._backoff = Backoff(first_wait, longest_wait, least=HALF)
        self._lost = asyncio.Event()
        self._prepared = asyncio.Event()
        self.on_change: Callable[[bool], None] | None = None
        """Called when the network can be spoken to, and when it no longer can, before the core hears of it."""
        self.catch_up: Callable[[], Awaitable[None]] | None = None
        """Called when the rooms have been entered, before anything that is pushed is taken in after a start."""
        self.up = False
        """Whether the network can be spoken to now."""
        self.failure: Failure | None = None
        """Why not."""

    def lost(self, error: MatrixError) -> None:
        """Somebody found that the homeserver does not answer."""
        if self.up:
            log.info("homeserver in doubt", network=self._facts.network, error=str(error))
            self._lost.set()

    def look(self) -> None:
        """Somebody found that the homeserver may rest before it pushes again: it is pinged, which wakes it."""
        self._lost.set()

    async def prepared(self, timeout: float) -> bool:
        """Wait until the rooms have been looked at once, so that what is pushed can be told apart."""
        try:
            async with asyncio.timeout(timeout):
                await self._prepared.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Keep the link. Runs until cancelled."""
        while True:
            try:
                await self._make()
            except DownError as error:
                self.failure = error.failure
                self._core.offline(error.failure)
                wait = self._backoff.next()
                log.warning(
                    "homeserver not ready",
                    network=self._facts.network,
                    todo=str(error.failure),
                    again_in=round(wait, 1),
                )
                await asyncio.sleep(wait)
                continue
            self._backoff.reset()
            self.up, self.failure = True, None
            log.info("homeserver ready", network=self._facts.network, homeserver=self._facts.homeserver)
            self._changed(up=True)
            self._core.online()
            failure = await self._watch()
            self.up, self.failure = False, failure
            self._changed(up=False)
            log.warning("homeserver lost", network=self._facts.network, todo=str(failure))
            self._core.offline(failure)

    async def retrying_rooms(self, entered: Callable[[], None]) -> None:
        """Beside `run`: keep trying the rooms that would not let the bot in."""
        await self._prepared.wait()
        await self._entering.keep_trying(entered)

    def _changed(self, *, up: bool) -> None:
        if self.on_change is not None:
            self.on_change(up)

    async def _make(self) -> None:
        stage = Stage.REACH
        try:
            user_id = await self._who()
            if isinstance(user_id, str) and user_id != self._ours.bot_id:
                raise DownError(another_bot(user_id, self._facts))
            stage = Stage.BOT
            await self._bot()
            stage = Stage.ROOMS
            await self._entering.enter_all()
            if self.catch_up is not None:
                await self.catch_up()
            self._prepared.set()
            stage = Stage.PING
            await ping(self._client, self._facts.id)
        except MatrixError as error:
            raise DownError(diagnose(stage, error, self._facts)) from error

    async def _who(self) -> object:
        """Whom the homeserver takes us for; None where it only tells that to registered users."""
        try:
            return (await self._client.request("GET", "/_matrix/client/v3/account/whoami")).get("user_id")
        except MatrixError as error:
            if error.status == 403:
                return None
            raise

    async def _bot(self) -> None:
        """Register and name the bot, once for all time."""
        if self._core.recall(_MEMORY).get(_MEMORY) == self._bot_name:
            return
        body = {"type": "m.login.application_service", "username": self._ours.bot, "inhibit_login": True}
        try:
            await self._client.request("POST", "/_matrix/client/v3/register", body=body)
        except MatrixError as error:
            if error.errcode != "M_USER_IN_USE":
                raise
        try:
            await self._client.request(
                "PUT",
                "/_matrix/client/v3/profile",
                self._ours.bot_id,
                "displayname",
                body={"displayname": self._bot_name},
            )
        except MatrixError as error:
            if error.temporary:
                raise
            log.warning("the bot could not be named", bot=self._ours.bot_id, error=str(error))
        await self._core.remember({_MEMORY: self._bot_name})

    async def _watch(self) -> Failure:
        """Wait until the link is lost, and say why."""
        while True:
            self._lost.clear()
            with contextlib.suppress(TimeoutError):
                # Not `asyncio.wait_for`: before Python 3.12 it swallows a cancellation that comes with the event.
                async with asyncio.timeout(self._silence):
                    await self._lost.wait()
            try:
                async with asyncio.timeout(self._silence):
                    await ping(self._client, self._facts.id)
            except TimeoutError:
                silent = MatrixError(0, "", f"{self._facts.homeserver} has fallen silent", ambiguous=True)
                return diagnose(Stage.PING, silent, self._facts)
            except MatrixError as error:
                return diagnose(Stage.PING, error, self._facts)
