"""Invitations: to configured rooms and to conversations the account comes, any other it declines with a reason."""

import asyncio

import structlog

from adapters.matrix.account.batch import Invitation
from adapters.matrix.account.calls import Calls
from adapters.matrix.account.direct import Correspondence
from adapters.matrix.conversations import ROOMS_OF_ONE
from adapters.matrix.entering import Entering
from adapters.matrix.errors import MatrixError
from adapters.matrix.ids import Namespace
from adapters.matrix.rooms import Rooms
from adapters.matrix.tasks import Tasks

log = structlog.get_logger(__name__)

WAITING = 1000
"""Invitations that may wait; beyond, they are left unanswered."""

WORKERS = 3
"""Invitations followed at once: a homeserver far away may take half a minute to let us in."""

_NOT_OURS = (
    "this is a bridge: it takes part in the rooms its operator has configured, and in conversations of two; "
    "to have this room bridged, ask its operator"
)
_TOO_MANY = "we have enough rooms together: use one of them"


class Invitations:
    """Owns the invitations that have come and are not answered yet."""

    def __init__(
        self,
        calls: Calls,
        ours: Namespace,
        rooms: Rooms,
        entering: Entering,
        correspondence: Correspondence,
    ) -> None:
        self._calls = calls
        self._ours = ours
        self._rooms = rooms
        self._entering = entering
        self._correspondence = correspondence
        self._waiting: asyncio.Queue[Invitation] = asyncio.Queue(WAITING)

    def start(self, tasks: Tasks) -> None:
        """Begin to follow them."""
        for number in range(WORKERS):
            tasks.spawn(self._follow_all(), f"invitations {number}")

    def came(self, invitation: Invitation) -> None:
        """Somebody asks the account into a room. To one that is configured it comes at once."""
        room = self._rooms.by_id(invitation.room_id)
        if room is not None:
            room.removed.discard(self._ours.bot_id)
        natives = {place.native for place in self._rooms.places}
        if room is not None or invitation.room_id in natives or invitation.aliases & natives:
            self._entering.invited()
        elif self._waiting.full():
            log.warning("too many invitations, not answered", room=invitation.room_id, by=invitation.by)
        else:
            self._waiting.put_nowait(invitation)

    async def _follow_all(self) -> None:
        while True:
            invitation = await self._waiting.get()
            try:
                await self._follow(invitation)
            except MatrixError as error:
                log.warning("invitation not followed", room=invitation.room_id, by=invitation.by, error=str(error))
            except Exception:
                # The fault of one must not leave all others unanswered.
                log.exception("invitation not followed", room=invitation.room_id, by=invitation.by)

    async def _follow(self, invitation: Invitation) -> None:
        room_id, by = invitation.room_id, invitation.by
        if self._correspondence.rooms_of(by) >= ROOMS_OF_ONE:
            await self._calls.leave(room_id, _TOO_MANY)
            return
        await self._calls.join(room_id)
        members = await self._calls.members(room_id)
        # An alias of the room may be configured that the invitation did not show.
        await self._entering.enter_all()
        if self._rooms.by_id(room_id) is not None:
            self._entering.invited()
        elif members.keys() == {by, self._ours.bot_id}:
            await self._correspondence.begin(room_id, by, members[by])
        else:
            await self._calls.leave(room_id, _NOT_OURS)
