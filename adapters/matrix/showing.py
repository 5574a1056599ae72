"""The presence that puppets show, kept within a budget of requests.

Synapse takes back what is not told again for 30 seconds ("unavailable" as well as "online"), so that whoever is there
costs a request every `REFRESH` seconds, and Synapse 2 ms of its CPU for each (14 ms for a change that a room of 60 is
told of). There are `RATE` requests a second for all puppets together: changes first,
then what is about to lapse, of both the most recently active first. Beyond `KEPT_UP` puppets, those that were active
longest ago lapse after their change was told; they would only flicker otherwise.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from adapters.matrix.client import Client
from adapters.matrix.errors import MatrixError
from adapters.matrix.hearing import Heard
from adapters.matrix.ids import Namespace
from adapters.matrix.pace import Pace
from adapters.matrix.presence import OFFLINE, Status, status_of
from adapters.matrix.puppets import Puppets
from bridge.contract import Core
from bridge.model.address import Address
from bridge.model.presence import Presence

log = structlog.get_logger(__name__)

RATE = 10.0
"""Requests a second for the presence of all puppets, and for asking after users."""

REFRESH = 20.0
"""Seconds after which a presence that would lapse is told again."""

KEPT_UP = int(RATE * REFRESH * 0.8)
"""Puppets whose presence is kept from lapsing; a fifth of the requests is left for changes."""

PUSHED_WITHIN = 60.0
"""Seconds within which the homeserver should have pushed us what the bot shows."""

ASKED_AT_MOST = 10_000
"""Users that may be waiting to be asked about."""

FOLLOWED_AT_MOST = 100_000
"""Users that may be followed."""

LOOKS = (0.0, 0.5, 2.0)
"""Seconds before each look at whether the homeserver has taken what the bot shows."""

SOON = 1.0
"""Seconds between looks at what is about to lapse."""

_PRESENCE = "/_matrix/client/v3/presence"


@dataclass(slots=True)
class _Shown:
    """What one puppet is to show, and what it was last told to; `active` is when its owner was, by the clock here."""

    user_id: str
    wanted: Status
    told: Status | None = None
    told_at: float = 0.0
    active: float = 0.0


class Showing:
    """Owns what puppets show. One task (`run`) sends it."""

    def __init__(
        self,
        core: Core,
        client: Client,
        ours: Namespace,
        puppets: Puppets,
        heard: Heard,
        placed: Callable[[str], bool],
        partner: Callable[[str], str | None],
        *,
        registration: str,
        rate: float = RATE,
        refresh: float = REFRESH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`placed` tells whether a puppet is anywhere to be seen, `partner` who of ours is in conversation with a user;
        `registration` is how to write that file."""
        self._core = core
        self._client = client
        self._ours = ours
        self._puppets = puppets
        self._heard = heard
        self._placed = placed
        self._partner = partner
        self._registration = registration
        self._refresh = refresh
        self._clock = clock
        self._pace = Pace(rate, rate, clock)
        self._shown: dict[str, _Shown] = {}
        self._followed: set[str] = set()
        self._to_ask: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._up = asyncio.Event()
        self._pushed_by = math.inf
        self._asked_again = False
        self._warned = False
        self.able = False
        """Whether the homeserver has presence."""

    def show(self, presence: Presence) -> None:
        """A foreign person's presence changed."""
        user_id = self._puppets.known(presence.presentity)
        if user_id is not None and (presence.tuples or user_id in self._shown):
            self._want(user_id, status_of(presence))

    def appear(self, address: Address) -> None:
        """The puppet has come to a place: whoever is there should see what its owner shows."""
        if self._puppets.known(address) not in self._shown:
            self.show(self._core.presence_of(address))

    def active(self, address: Address) -> None:
        """The person has just said something. Their puppet's presence is worth more than others'."""
        shown = self._shown.get(self._puppets.known(address) or "")
        if shown is not None:
            shown.active = self._clock()
            if shown.told is not None and shown.told.state == "unavailable":
                shown.told = None  # the homeserver takes whoever speaks to be online

    def follow(self, user: str, *, wanted: bool) -> None:
        """Somebody elsewhere wants, or no longer wants, to know what this user shows."""
        if not wanted:
            self._followed.discard(user)
            self._to_ask.pop(user, None)
        elif len(self._followed) < FOLLOWED_AT_MOST:
            self._followed.add(user)
            self._ask([user])

    def online(self, present: Iterable[Address], users: Iterable[str]) -> None:
        """The homeserver answers; `present` are those whose puppets are in any place, `users` who is with them.

        Nobody knows what the users show until they change it, so they are asked about when there is nothing else to do.
        """
        self._heard.forget()
        for address in present:
            self.show(self._core.presence_of(address))
        self._ask(self._followed)
        self._ask(users)
        self._up.set()

    def offline(self) -> None:
        """The homeserver does not answer; what it knew of our puppets has lapsed when it does again."""
        self._up.clear()
        for shown in self._shown.values():
            shown.told = None

    async def run(self) -> None:
        """Keep telling. Runs until cancelled; while the homeserver has no presence, nothing is told."""
        while True:
            await self._up.wait()
            try:
                self.able = await self._try()
                if not self.able:
                    log.warning("the homeserver has no presence: nobody's is shown there", network=self._core.network)
                while self._up.is_set():
                    await (self._once() if self.able else asyncio.sleep(SOON))
            except MatrixError as error:
                log.info("presence not told", network=self._core.network, error=str(error))
                await asyncio.sleep(error.retry_after if error.retry_after is not None else 10.0)

    async def _try(self) -> bool:
        """Show the bot's presence. Whether the homeserver has such a thing. Raises `MatrixError` if it fails."""
        bot = self._ours.bot_id
        try:
            await self._change()
            told: Mapping[str, Any] = {}
            for pause in LOOKS:
                # Of a homeserver in several processes, the one that answers may not have heard of it yet.
                await asyncio.sleep(pause)
                told = await self._client.request("GET", _PRESENCE, bot, "status", user_id=bot)
                if told.get("presence") == "online":
                    break
        except MatrixError as error:
            if error.temporary:
                raise
            return False
        self._want(bot, Status("online"))
        now = self._clock()
        self._shown[bot].told, self._shown[bot].told_at = Status("online"), now
        self._shown[bot].active = now
        self._pushed_by = now + PUSHED_WITHIN
        # Where presence is switched off, Synapse takes what it is told and says that everybody is offline.
        return told.get("presence") not in (None, "offline")

    async def _change(self) -> None:
        """Have the bot show something else, and then that it is there: whatever it showed before, there is a change
        to push."""
        bot = self._ours.bot_id
        for state in ("unavailable", "online"):
            await self._client.request("PUT", _PRESENCE, bot, "status", user_id=bot, body={"presence": state})

    async def _miss(self) -> None:
        """No presence has been pushed to us in the time for it."""
        if not self._asked_again:
            # The first push may have fallen into the moment in which the homeserver still took us to be down, as after
            # a restart of ours: presence, other than events, is not kept for later.
            self._asked_again = True
            await self._change()
            self._pushed_by = self._clock() + PUSHED_WITHIN
            return
        self._warned = True
        log.warning(
            "the homeserver pushes no presence to us: its registration file may be from before it did",
            network=self._core.network,
            todo=f"write it afresh with `{self._registration}`, and restart the homeserver",
        )

    async def _once(self) -> None:
        """Wait for something to tell, or to ask, and do it."""
        now = self._clock()
        if not self._warned and not self._heard.pushed and now > self._pushed_by:
            await self._miss()
        if (wait := self._pace.wait()) > 0:
            # Before it is looked for: that takes a while where thousands are shown, and may be another by then.
            await asyncio.sleep(wait)
            return
        shown = self._next(now)
        if shown is None and not self._to_ask:
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SOON):
                    await self._woken.wait()
            return
        self._pace.allow()
        if shown is not None:
            await self._tell(shown)
        else:
            user = next(iter(self._to_ask))
            del self._to_ask[user]
            await self._ask_after(user)

    def _want(self, user_id: str, status: Status) -> None:
        shown = self._shown.get(user_id)
        if shown is None:
            shown = self._shown[user_id] = _Shown(user_id, status)
        elif shown.wanted == status:
            return
        shown.wanted, shown.active = status, self._clock()
        self._woken.set()

    def _ask(self, users: Iterable[str]) -> None:
        for user in users:
            if len(self._to_ask) < ASKED_AT_MOST:
                self._to_ask[user] = None
        self._woken.set()

    def _next(self, now: float) -> _Shown | None:
        """The puppet whose turn it is."""
        changed = [shown for shown in self._shown.values() if shown.told != shown.wanted]
        if changed:
            return max(changed, key=lambda shown: shown.active)
        lapsing = [shown for shown in self._shown.values() if shown.wanted.lapses]
        if len(lapsing) > KEPT_UP:
            lapsing = sorted(lapsing, key=lambda shown: shown.active, reverse=True)[:KEPT_UP]
        due = [shown for shown in lapsing if now - shown.told_at >= self._refresh]
        return max(due, key=lambda shown: shown.active) if due else None

    async def _tell(self, shown: _Shown) -> None:
        status = shown.wanted
        if shown.user_id != self._ours.bot_id and not self._placed(shown.user_id):
            # In no place any more, where nobody sees it: what lapses may lapse.
            del self._shown[shown.user_id]
            if shown.told is None or not shown.told.lapses:
                return
            status = OFFLINE
        body = {"presence": status.state}
        if status.message or (shown.told is not None and shown.told.message):
            body["status_msg"] = status.message
        try:
            await self._client.request("PUT", _PRESENCE, shown.user_id, "status", user_id=shown.user_id, body=body)
        except MatrixError as error:
            if error.temporary:
                raise
            log.info("presence refused", puppet=shown.user_id, error=str(error))
            self._shown.pop(shown.user_id, None)
            return
        shown.told, shown.told_at = status, self._clock()
        if status == OFFLINE and shown.wanted == status and self._shown.get(shown.user_id) is shown:
            del self._shown[shown.user_id]  # what is not shown needs no room

    async def _ask_after(self, user: str) -> None:
        try:
            # Only who shares a room with the user may ask: a puppet in conversation, else perhaps the bot.
            told = await self._client.request("GET", _PRESENCE, user, "status", user_id=self._partner(user))
        except MatrixError as error:
            if error.temporary:
                raise
            # Then nothing is known of them, which is not "offline".
            log.debug("presence not told to us", user=user, error=str(error))
            return
        self._heard.tell(user, told)
