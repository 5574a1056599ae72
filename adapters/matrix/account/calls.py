"""What the account asks of its homeserver for the sake of conversations. State of no kind.

Client-server API, specification v1.19: "Direct Messaging", "Room membership", "Creation", "Profiles".
"""

import secrets
from collections.abc import Mapping
from typing import Any

import structlog

from adapters.matrix.account.session import Session
from adapters.matrix.errors import MatrixError
from adapters.matrix.ids import Namespace, is_user_id
from adapters.matrix.inbound import identifier, mapping
from adapters.matrix.members import shown_name
from adapters.matrix.outbound import private_notice

log = structlog.get_logger(__name__)

PATIENCE = 20.0
"""Seconds for which a step on the way to somebody is tried again."""

_ROOMS = "/_matrix/client/v3/rooms"
_USER = "/_matrix/client/v3/user"


class Calls:
    """Requests in the account's name. Every method raises `MatrixError` unless it says otherwise."""

    def __init__(self, session: Session, ours: Namespace) -> None:
        self._session = session
        self._ours = ours

    async def members(self, room_id: str) -> dict[str, str]:
        """Who is in the room, and the name each shows."""
        answer = await self._session.request("GET", _ROOMS, room_id, "joined_members", patience=PATIENCE)
        return {
            user: shown_name(user, {"displayname": mapping(profile).get("display_name")})
            for user, profile in mapping(answer.get("joined")).items()
            if is_user_id(user)
        }

    async def state(self, room_id: str, kind: str, key: str = "") -> Mapping[str, Any]:
        """The content of a state event; empty where there is none."""
        try:
            return await self._session.request("GET", _ROOMS, room_id, "state", kind, key, patience=PATIENCE)
        except MatrixError as error:
            if error.status == 404:
                return {}
            raise

    async def profile(self, user: str) -> Mapping[str, Any]:
        """What the user's homeserver tells of them."""
        return await self._session.request("GET", "/_matrix/client/v3/profile", user, patience=PATIENCE)

    async def create(self) -> str:
        """Make a room for two; its id. Not repeated where no answer comes: there might be two of them."""
        body = {"preset": "private_chat", "is_direct": True}
        answer = await self._session.request("POST", "/_matrix/client/v3/createRoom", body=body)
        room_id = identifier(answer.get("room_id"))
        if not room_id:
            raise MatrixError(502, "", "the homeserver made a room without an id")
        return room_id

    async def invite(self, room_id: str, user: str) -> None:
        """Ask the user into the room, as the conversation it is: their client may list it so."""
        content = {"membership": "invite", "is_direct": True}
        await self._session.request("PUT", _ROOMS, room_id, "state", "m.room.member", user, body=content)

    async def join(self, room_id: str) -> None:
        """Come into the room."""
        await self._session.request("POST", _ROOMS, room_id, "join", body={}, patience=PATIENCE)

    async def leave(self, room_id: str, reason: str) -> None:
        """Leave the room, or decline to come. Raises nothing: nothing depends on it."""
        log.info("room left", room=room_id, why=reason)
        try:
            await self._session.request("POST", _ROOMS, room_id, "leave", body={"reason": reason}, patience=PATIENCE)
        except MatrixError as error:
            log.info("room not left", room=room_id, error=str(error))

    async def tell(self, room_id: str, text: str, about: str | None) -> None:
        """A notice, in reply to what was said."""
        await self._session.request(
            "PUT",
            _ROOMS,
            room_id,
            "send",
            "m.room.message",
            f"rialto-{secrets.token_hex(16)}",
            body=private_notice(text, about),
            patience=PATIENCE,
        )

    async def direct_rooms(self) -> dict[str, list[str]]:
        """The account data ``m.direct``: rooms by user."""
        try:
            told = await self._session.request(
                "GET", _USER, self._ours.bot_id, "account_data", "m.direct", patience=PATIENCE
            )
        except MatrixError as error:
            if error.status == 404:
                return {}
            raise
        return {
            user: [room_id for room_id in rooms if identifier(room_id)]
            for user, rooms in told.items()
            if isinstance(rooms, list)
        }

    async def list_direct(self, user: str, room_id: str) -> None:
        """Have the account's other clients show the room as a conversation. Raises nothing: nothing depends on it."""
        try:
            direct = await self.direct_rooms()
            if room_id in direct.setdefault(user, []):
                return
            direct[user].append(room_id)
            await self._session.request("PUT", _USER, self._ours.bot_id, "account_data", "m.direct", body=direct)
        except MatrixError as error:
            log.info("conversation not listed in the account", room=room_id, error=str(error))
