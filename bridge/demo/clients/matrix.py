"""A Matrix client (matrix-nio): one account on one homeserver, in any number of rooms, without encryption."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Self

import aiohttp
from nio.api import RoomPreset, RoomVisibility
from nio.client.async_client import AsyncClient, AsyncClientConfig
from nio.responses import ErrorResponse, SyncResponse

from bridge.demo.clients.seen import Client, ClientError, Seen, Sight, patience

_SYNC_MILLISECONDS = 30_000
# By default a homeserver gives the last ten events of a room, and silently leaves out those before.
_FILTER = {"room": {"timeline": {"limit": 1000}}}
_KINDS = {"m.text": Sight.TEXT, "m.emote": Sight.EMOTE, "m.notice": Sight.NOTICE}


class MatrixClient(Client):
    """`members` holds, for each room joined, the display names of who is there by user id; `topics` the topics.

    `presences` holds what others show: state and text. Each change is seen as `Sight.OTHER`, of `who` by user id, with
    no place.
    """

    network = "Matrix"

    def __init__(self, homeserver: str, user_id: str, token: str) -> None:
        super().__init__(user_id)
        self.members: dict[str, dict[str, str]] = {}
        self.topics: dict[str, str] = {}
        self.presences: dict[str, str] = {}
        self.nio = AsyncClient(
            homeserver,
            user_id,
            config=AsyncClientConfig(encryption_enabled=False, store_sync_tokens=False, request_timeout=30),
        )
        self.nio.access_token = token
        self.nio.user_id = user_id
        self._invited: set[str] = set()
        self._states: set[str] = set()
        self._presence: str | None = None
        self._syncing: asyncio.Task[None] | None = None

    @property
    def user_id(self) -> str:
        """The account."""
        return self.name

    async def connect(self) -> None:
        """Take in the present state, then follow what happens. Raises `ClientError`."""
        async with patience(f"first sync of {self.name}"):
            self._taken_in(_good(await self.nio.sync(timeout=0, sync_filter=_FILTER)), first=True)
        self._syncing = asyncio.create_task(self._sync(), name=f"sync of {self.name}")

    async def close(self) -> None:
        """Stop following."""
        if self._syncing is not None:
            self._syncing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._syncing
        await self.nio.close()  # type: ignore[no-untyped-call]  # matrix-nio left it so

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def create_room(self, alias: str | None = None, *, name: str | None = None, **more: Any) -> str:
        """Make a public room, with ``#alias:server`` for an alias; gives its id, once we see ourselves in it."""
        settings: dict[str, Any] = {"preset": RoomPreset.public_chat} | more
        room = _good(await self.nio.room_create(alias=alias, name=name, **settings))
        return await self._arrived(room.room_id)

    async def open_private(self, user_id: str) -> str:
        """Begin a conversation with one user as clients do; gives its room, once the other is there."""
        room = await self.create_room(
            is_direct=True, invite=[user_id], visibility=RoomVisibility.private, preset=RoomPreset.trusted_private_chat
        )
        await self.wait_for(lambda seen: user_id in self.members.get(room, {}), place=room)
        return room

    async def come(self, who: str, *, since: int = 0) -> str:
        """Wait for an invitation by `who`, and accept it; gives the room."""
        seen = await self.wait_for(kind=Sight.INVITE, sender=who, since=since)
        return await self.join(seen.place)

    async def decline(self, room: str) -> None:
        """Refuse an invitation."""
        _good(await self.nio.room_leave(room))
        self._invited.discard(room)

    async def show(self, presence: str, status: str | None = None) -> None:
        """Show a presence: online, unavailable or offline, with a text. It is told again with each sync."""
        self._presence = presence
        _good(await self.nio.set_presence(presence, status))

    async def wait_for_presence(self, text: str, who: str, *, since: int = 0) -> Seen:
        """Presence of somebody by user id: its state, and after a space its text."""
        return await self.wait_for(kind=Sight.OTHER, who=who, text=text, place="", since=since)

    async def join(self, room: str) -> str:
        """Join by id or alias; gives the room's id, once we see ourselves in it."""
        return await self._arrived(_good(await self.nio.join(room)).room_id)

    async def until_members(self, room: str, enough: Callable[[set[str]], bool], timeout: float = 60.0) -> None:
        """Wait until the homeserver lists such user ids as who is in the room. Raises `AssertionError`."""
        deadline = asyncio.get_running_loop().time() + timeout
        while not enough(present := {each.user_id for each in _good(await self.nio.joined_members(room)).members}):
            assert asyncio.get_running_loop().time() < deadline, sorted(present)
            await asyncio.sleep(0.1)  # a list is asked for again: nothing tells when it will be right

    async def say(self, room: str, text: str, *, html: str | None = None) -> str:
        """Say something; gives the event's id."""
        return await self.send(room, _content("m.text", text, html))

    async def emote(self, room: str, text: str) -> str:
        """Do something; gives the event's id."""
        return await self.send(room, _content("m.emote", text))

    async def notice(self, room: str, text: str) -> str:
        """Send a notice; gives the event's id."""
        return await self.send(room, _content("m.notice", text))

    async def edit(self, room: str, event_id: str, text: str) -> str:
        """Replace an earlier message."""
        content = _content("m.text", f"* {text}")
        content["m.new_content"] = _content("m.text", text)
        content["m.relates_to"] = {"rel_type": "m.replace", "event_id": event_id}
        return await self.send(room, content)

    async def react(self, room: str, event_id: str, key: str) -> str:
        """Put a mark on a message."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self.send(room, {"m.relates_to": relation}, "m.reaction")

    async def redact(self, room: str, event_id: str, reason: str | None = None) -> None:
        """Take a message back."""
        _good(await self.nio.room_redact(room, event_id, reason))

    async def send(self, room: str, content: dict[str, Any], kind: str = "m.room.message") -> str:
        """Send any event; gives its id."""
        return str(_good(await self.nio.room_send(room, kind, content)).event_id)

    async def set_topic(self, room: str, text: str) -> None:
        """Set the room's topic."""
        _good(await self.nio.room_put_state(room, "m.room.topic", {"topic": text}))

    async def rename(self, name: str) -> None:
        """Show another display name, in all rooms."""
        _good(await self.nio.set_displayname(name))

    async def invite(self, room: str, user_id: str) -> None:
        """Ask somebody in."""
        _good(await self.nio.room_invite(room, user_id))

    async def kick(self, room: str, user_id: str, reason: str | None = None) -> None:
        """Put somebody out."""
        _good(await self.nio.room_kick(room, user_id, reason))

    async def ban(self, room: str, user_id: str, reason: str | None = None) -> None:
        """Put somebody out for good."""
        _good(await self.nio.room_ban(room, user_id, reason))

    async def leave(self, room: str) -> None:
        """Leave the room; returns when we see it."""
        position = len(self.seen)
        _good(await self.nio.room_leave(room))
        await self.wait_for(kind=Sight.LEAVE, own=True, place=room, since=position)

    async def _arrived(self, room: str) -> str:
        if self.user_id not in self.members.get(room, {}):
            await self.wait_for(
                lambda seen: seen.kind is Sight.JOIN and self.user_id in self.members.get(room, {}),
                own=True,
                place=room,
            )
        return room

    async def _sync(self) -> None:
        while True:
            try:
                response = await self.nio.sync(
                    timeout=_SYNC_MILLISECONDS, sync_filter=_FILTER, set_presence=self._presence
                )
            except (aiohttp.ClientError, TimeoutError):
                # The homeserver is being restarted: nothing tells when it is back.
                await asyncio.sleep(0.1)
                continue
            if isinstance(response, SyncResponse):
                self._taken_in(response)
            else:
                self._see(Seen(Sight.ERROR, "", str(response)))
                await asyncio.sleep(0.1)

    def _taken_in(self, response: Any, *, first: bool = False) -> None:
        for room, invitation in response.rooms.invite.items():
            if room not in self._invited:
                self._invited.add(room)
                by = next((event.sender for event in invitation.invite_state if _invites(event, self.user_id)), "")
                self._see(Seen(Sight.INVITE, by, place=room, sender=by))
        for event in response.presence_events:
            self._shown(event.user_id, event.presence, event.status_msg)
        for room, info in response.rooms.join.items():
            self._invited.discard(room)
            # What lies before our own arrival in the timeline, we did not witness.
            arrival = -1 if room in self.members else _arrival(info.timeline.events, self.user_id)
            for event in info.state:
                # Where events were sent side by side, Synapse tells the state before some of them: what has been
                # replaced since, as we have been told already.
                if event.source.get("event_id") not in self._states:
                    self._state(room, event.source)
            for index, event in enumerate(info.timeline.events):
                self._event(room, event.source, history=first or index < arrival)
        for room, info in response.rooms.leave.items():
            for event in info.timeline.events:
                self._event(room, event.source, history=first)
            self.members.pop(room, None)

    def _shown(self, user: str, presence: str, status: str | None) -> None:
        text = f"{presence} {status}" if status else presence
        if user != self.user_id and self.presences.get(user) != text:
            self.presences[user] = text
            self._see(Seen(Sight.OTHER, user, text, sender=user))

    def _state(self, room: str, event: dict[str, Any]) -> None:
        content = event.get("content", {})
        self._states.add(str(event.get("event_id")))
        match event.get("type"):
            case "m.room.member" if content.get("membership") == "join":
                user = event["state_key"]
                self.members.setdefault(room, {})[user] = content.get("displayname") or user
            case "m.room.member":
                self.members.setdefault(room, {}).pop(event["state_key"], None)
            case "m.room.topic":
                self.topics[room] = content.get("topic", "")

    def _event(self, room: str, event: dict[str, Any], *, history: bool) -> None:
        sender = event["sender"]
        before = dict(self.members.get(room, {}))
        if "state_key" in event:
            self._state(room, event)
        # Who joins has no name but in this event, and who leaves has it no more.
        who = before.get(sender) or self.members.get(room, {}).get(sender) or sender
        common: dict[str, Any] = {
            "who": who,
            "place": room,
            "sender": sender,
            "id": event["event_id"],
            "own": sender == self.user_id,
            "history": history,
        }
        content = event.get("content", {})
        match event["type"]:
            case "m.room.message":
                self._message(content, common)
            case "m.reaction":
                relation = content.get("m.relates_to", {})
                self._see(
                    Seen(Sight.REACTION, text=relation.get("key", ""), about=relation.get("event_id", ""), **common)
                )
            case "m.room.redaction":
                about = content.get("redacts") or event.get("redacts", "")
                self._see(Seen(Sight.RETRACTION, text=content.get("reason", ""), about=about, **common))
            case "m.room.topic":
                self._see(Seen(Sight.TOPIC, text=content.get("topic", ""), **common))
            case "m.room.member":
                self._member(event, before, common)
            case kind if "state_key" not in event:
                self._see(Seen(Sight.OTHER, text=kind, **common))

    def _message(self, content: dict[str, Any], common: dict[str, Any]) -> None:
        relation = content.get("m.relates_to", {})
        if relation.get("rel_type") == "m.replace":
            text = content.get("m.new_content", {}).get("body", "")
            self._see(Seen(Sight.EDIT, text=text, about=relation.get("event_id", ""), **common))
            return
        kind = _KINDS.get(content.get("msgtype", ""), Sight.OTHER)
        self._see(Seen(kind, text=content.get("body", ""), **common))

    def _member(self, event: dict[str, Any], before: dict[str, str], common: dict[str, Any]) -> None:
        user, content = event["state_key"], event.get("content", {})
        now = self.members.get(common["place"], {}).get(user)
        was = before.get(user)
        reason = content.get("reason", "")
        match content.get("membership"):
            case "join" if was is None:
                self._see(Seen(Sight.JOIN, **common | {"who": now or user}))
            case "join" if was != now:
                self._see(Seen(Sight.RENAME, text=now or "", **common))
            case "leave" | "ban" if user != event["sender"]:
                whom = was or user
                self._see(Seen(Sight.KICK, text=reason, whom=whom, **common))
            case "leave":
                self._see(Seen(Sight.LEAVE, text=reason, **common))


def _content(kind: str, text: str, html: str | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"msgtype": kind, "body": text}
    if html is not None:
        content |= {"format": "org.matrix.custom.html", "formatted_body": html}
    return content


def _invites(event: Any, user: str) -> bool:
    return bool(event.source.get("type") == "m.room.member" and event.source.get("state_key") == user)


def _arrival(events: list[Any], user: str) -> int:
    for index in range(len(events) - 1, -1, -1):
        source = events[index].source
        if source.get("type") == "m.room.member" and source.get("state_key") == user:
            return index
    return len(events)


def _good(response: Any) -> Any:
    """The response, unless it is an error. Raises `ClientError`."""
    if isinstance(response, ErrorResponse):
        raise ClientError(str(response))
    return response
