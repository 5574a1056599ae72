"""Trying a homeserver before anything is bridged: the way there, its clock, the registration, the way back, the rooms
(`rialto check`)."""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp import web

from adapters.matrix.client import Client
from adapters.matrix.diagnosis import Facts, Stage, another_bot, diagnose
from adapters.matrix.errors import MatrixError
from adapters.matrix.ids import Namespace
from adapters.matrix.pinging import ping
from adapters.matrix.reaching import reach
from adapters.matrix.server import Server
from adapters.matrix.settings import MatrixSettings
from adapters.matrix.tasks import Tasks
from adapters.matrix.trying import Trial
from bridge.contract import Context, Finding
from bridge.model.room import Member

ANSWER_WITHIN = 10.0
"""Seconds for one answer of the homeserver."""

_HERE_WITHIN = 3.0
"""Seconds for an answer of our own server, or of the Rialto that has its place."""

_V3 = "/_matrix/client/v3"

# What Synapse says of a user within the namespace who does not exist, and of one outside of it (403 M_FORBIDDEN both).
_COVERED = re.compile(r"not registered this user", re.IGNORECASE)
_NOT_COVERED = re.compile(r"cannot masquerade", re.IGNORECASE)


async def probe(
    settings: MatrixSettings, context: Context, members: Sequence[Member], clock: Callable[[], float] = time.time
) -> AsyncIterator[Finding]:
    """See `bridge.contract.Probing`. `clock` gives seconds since the epoch."""
    reached = await reach(settings.homeserver, f"networks.{context.network}.homeserver", clock)
    for finding in reached.findings:
        yield finding
    if not reached.there:
        return
    visit = _Visit(settings, context)
    trial = Trial(visit.client, visit.ours, context.network, members)
    try:
        for step in (visit.identity, visit.bot, visit.puppets, visit.way_back):
            told = await step()
            if told is not None:
                yield told
                if not told.good and step in (visit.identity, visit.bot):
                    return
        async for finding in trial.run():
            yield finding
    finally:
        await trial.leave()
        await visit.client.close()


def answering(settings: MatrixSettings, context: Context) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """What answers the homeserver meanwhile: its pings, if it has our token. What it pushes it has to keep."""

    async def not_now() -> bool:
        return False

    async def nobody(user_id: str) -> bool:
        return False

    async def take(body: Mapping[str, Any]) -> None:
        raise AssertionError("nothing is taken while we are not ready")

    return Server(settings.hs_token.get_secret_value(), take, nobody, not_now, Tasks()).handle


class _Visit:
    """The steps that need a token. Each tells one thing, or nothing where the homeserver does not let it be known."""

    def __init__(self, settings: MatrixSettings, context: Context) -> None:
        self.ours = Namespace(settings.domain, settings.prefix, settings.bot)
        self.client = Client(settings.homeserver, settings.as_token.get_secret_value(), timeout=ANSWER_WITHIN)
        self.client.open()
        self._network = context.network
        self._here = context.http_url
        self._bot_name = settings.bot_name
        self._hs_token = settings.hs_token.get_secret_value()
        self._facts = Facts(
            context.network,
            settings.homeserver,
            settings.reached_at(context),
            settings.registration_id(context),
            self.ours.bot_id,
        )

    async def identity(self) -> Finding | None:
        """Does it know our token, and whom by that?"""
        try:
            user_id = (await self.client.request("GET", f"{_V3}/account/whoami")).get("user_id")
        except MatrixError as error:
            # Some tell only those who are registered, which comes next.
            return None if error.status == 403 else self._failed(Stage.REACH, error)
        if not isinstance(user_id, str) or user_id == self.ours.bot_id:
            return Finding(True, f"the homeserver knows our as_token, and us as {self.ours.bot_id}")
        bot, _, domain = user_id.removeprefix("@").partition(":")
        key = f"networks.{self._network}"
        differing = [
            f"{key}.{name} is {there} there"
            for name, here, there in (("domain", self.ours.domain, domain), ("bot", self.ours.bot, bot))
            if here != there
        ]
        return Finding(False, f"{another_bot(user_id, self._facts).text} ({', '.join(differing)})")

    async def bot(self) -> Finding | None:
        """Can the bot be made, or is it there? This is all that the check leaves behind, and the start would, too."""
        body = {"type": "m.login.application_service", "username": self.ours.bot, "inhibit_login": True}
        try:
            await self.client.request("POST", f"{_V3}/register", body=body)
        except MatrixError as error:
            if error.errcode != "M_USER_IN_USE":
                return self._failed(Stage.BOT, error)
            return Finding(True, f"the bot {self.ours.bot_id} stands")
        try:
            # People will see it come and go, and homeservers give it a name of their own.
            name = {"displayname": self._bot_name}
            await self.client.request("PUT", f"{_V3}/profile", self.ours.bot_id, "displayname", body=name)
        except MatrixError as error:
            return Finding(True, f"the bot {self.ours.bot_id} stands, but cannot be named as configured: {error.text}")
        return Finding(True, f"the bot {self.ours.bot_id} stands")

    async def puppets(self) -> Finding | None:
        """Does the registration cover the puppets? By speaking as one that is never made."""
        puppet = f"@{self.ours.prefix}check:{self.ours.domain}"
        try:
            await self.client.request("GET", f"{_V3}/account/whoami", user_id=puppet)
        except MatrixError as error:
            if _NOT_COVERED.search(error.text):
                return Finding(
                    False,
                    f"the registration does not cover puppets, which begin with @{self.ours.prefix} ({error.text}): "
                    f"set networks.{self._network}.prefix to what it says, or write the file afresh with "
                    f"`{self._facts.registration}` and restart the homeserver",
                )
            if not _COVERED.search(error.text):
                return None
        return Finding(True, f"the registration covers puppets, @{self.ours.prefix}...")

    async def way_back(self) -> Finding | None:
        """Can it reach us, and has it our hs_token? Application service API, specification v1.19, "Pinging"."""
        accepted = await self._accepted_here()
        try:
            await ping(self.client, self._facts.id)
        except MatrixError as error:
            if error.status == 0:
                # It answers everything else at once: so it is still waiting for us.
                error = MatrixError(504, "M_CONNECTION_TIMEOUT", error.text)
            if accepted is False and error.errcode == "M_BAD_STATUS" and error.detail in (401, 403):
                return Finding(False, f"{self._outdated}, and than the homeserver: restart Rialto, and try again")
            return self._failed(Stage.PING, error)
        if accepted is False:
            return Finding(
                False,
                f"{self._outdated}, but the same as the homeserver: write that one back, or write the registration "
                f"afresh with `{self._facts.registration}`, and restart the homeserver and Rialto",
            )
        if accepted is None:
            return Finding(True, f"the homeserver reaches who answers at {self._facts.url}, as configured there")
        return Finding(True, f"the homeserver reaches us at {self._facts.url}")

    @property
    def _outdated(self) -> str:
        return f"the running Rialto has another hs_token than networks.{self._network}.hs_token"

    async def _accepted_here(self) -> bool | None:
        """Whether our own server takes our hs_token, or the running Rialto, which then answers in its place.

        None where something else answers, or nothing.
        """
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_HERE_WITHIN)) as session,
                session.post(
                    f"{self._here}/_matrix/app/v1/ping",
                    json={},
                    headers={"Authorization": f"Bearer {self._hs_token}"},
                    allow_redirects=False,
                ) as answer,
            ):
                return {200: True, 403: False}.get(answer.status)
        except (aiohttp.ClientError, OSError):
            return None

    def _failed(self, stage: Stage, error: MatrixError) -> Finding:
        return Finding(False, diagnose(stage, error, self._facts).text)
