"""Puppets on the homeserver: registered once, named, brought into rooms and out of them.

What has been done is remembered, so that a puppet known and present costs no request. Application service API,
specification v1.19, "Server admin style permissions", "Identity assertion".
"""

import asyncio
import json
from collections.abc import Iterable

import structlog

from adapters.matrix.client import Client
from adapters.matrix.errors import MatrixError, send_error
from adapters.matrix.ids import Namespace, localpart
from adapters.matrix.markup import clean, clean_name
from adapters.matrix.rooms import Room, Rooms
from adapters.matrix.standing import PERSON, STAMP, Mark
from bridge.contract import Core, NoPuppetError
from bridge.model.address import Address, AddressError, Person

log = structlog.get_logger(__name__)

PATIENCE = 20.0
"""Seconds for which one step of bringing a puppet in is tried again."""

_MEMORY = "puppet:"
_ROOMS = "/_matrix/client/v3/rooms"


def shown_as(person: Person) -> str:
    """The display name of a person's puppet; never empty."""
    return clean_name(person.name) or clean_name(person.address.native) or "?"


class Puppets:
    """Every puppet that was ever registered here, by user id: whose it is, and the name in its profile."""

    def __init__(self, core: Core, client: Client, ours: Namespace, rooms: Rooms) -> None:
        self._core = core
        self._client = client
        self._ours = ours
        self._rooms = rooms
        self._user_ids: dict[Address, str] = {}
        self._owners: dict[str, Address] = {}
        self._profiles: dict[str, str] = {}
        self._marking: dict[tuple[str, str], asyncio.Future[None]] = {}
        for key, value in core.recall(_MEMORY).items():
            self._recall(key.removeprefix(_MEMORY), value)

    def user_id(self, address: Address) -> str:
        """The user id of this person's puppet."""
        found = self._user_ids.get(address)
        if found is None:
            found = self._user_ids[address] = self._ours.puppet_id(address, self._core.names)
        return found

    def address_of(self, user_id: str) -> Address | None:
        """Whose puppet this is: as remembered, else by its spelling. None for the bot and what we cannot have made."""
        return self._owners.get(user_id) or self._ours.read(user_id, self._core.names)

    def present(self, room: Room) -> Iterable[Person]:
        """Whose puppets are in the room, by the names they show."""
        for user_id, name in room.puppets.items():
            if (address := self.address_of(user_id)) is not None:
                yield Person(address, name)

    async def ensure(self, person: Person, name: str | None = None) -> str:
        """Have the person's puppet registered, and named if it never was. Returns its user id. Raises `MatrixError`."""
        user_id = self.user_id(person.address)
        if user_id not in self._profiles:
            await self.register(user_id)
            await self._name(user_id, person.address, name or shown_as(person))
        return user_id

    def known(self, address: Address) -> str | None:
        """The user id of the person's puppet, if it is registered and named."""
        user_id = self._user_ids.get(address)
        return user_id if user_id in self._profiles else None

    def introduced(self, person: Person) -> bool:
        """Whether nothing is to be done before the puppet speaks under the person's name outside of rooms."""
        shown = self._profiles.get(self.user_id(person.address))
        return shown == shown_as(person) or (
            shown is not None and self._rooms.rooms_of(self.user_id(person.address)) > 0
        )

    async def introduce(self, person: Person) -> str:
        """Have the puppet registered, and shown by the person's name; in rooms, names are those of the rooms.

        Returns its user id. Raises `MatrixError`.
        """
        user_id = await self.ensure(person)
        if not self.introduced(person):
            await self._name(user_id, person.address, shown_as(person))
        return user_id

    async def enter(self, room: Room, person: Person) -> None:
        """Have the puppet in the room, showing the person's name. Raises `MatrixError`, `NoPuppetError`."""
        user_id, name = self.user_id(person.address), shown_as(person)
        if room.puppets.get(user_id) == name:
            return
        if user_id in room.puppets:
            await self.rename(room, person)
            return
        await self.ensure(person)
        if self._profiles[user_id] != name and not self._rooms.rooms_of(user_id):
            await self._name(user_id, person.address, name)
        mark = self._mark(room, person)
        shown = await self._join(room, user_id, name, mark)
        room.removed.discard(user_id)
        room.puppets[user_id] = shown
        if shown != name:
            await self._name_here(room, user_id, name, mark)

    async def rename(self, room: Room, person: Person) -> None:
        """Show the person's name in the room. Raises `MatrixError`."""
        user_id, name = self.user_id(person.address), shown_as(person)
        if room.puppets.get(user_id) == name or user_id not in room.puppets:
            return
        if self._rooms.rooms_of(user_id) > 1:
            # One person may go by different names in different rooms; the profile would change them all.
            await self._name_here(room, user_id, name, self._mark(room, person))
        elif self._profiles.get(user_id) == name:
            await self._name_here(room, user_id, name, self._mark(room, person))
        else:
            # The homeserver brings the name from the profile into the room, without the mark: see `mark_again`.
            await self._name(user_id, person.address, name)
            room.puppets[user_id] = name

    async def leave(self, room: Room, address: Address, reason: str | None) -> None:
        """Have the puppet out of the room. Raises `MatrixError`."""
        user_id = self.user_id(address)
        # Taken off first: its departure, when pushed back, must not look like somebody else's doing.
        shown = room.puppets.pop(user_id, None)
        if shown is None and room.loaded:
            return
        await self._until_marked(room, user_id)
        body = {"reason": clean(reason)} if reason else {}
        # Counted first, too: it may be pushed before it is answered, and long after the puppet has come back.
        room.leaving[user_id] += 1
        try:
            await self._client.request(
                "POST", _ROOMS, room.room_id, "leave", user_id=user_id, body=body, patience=PATIENCE
            )
        except MatrixError as error:
            room.departed(user_id)
            if error.status in (403, 404):
                return
            if shown is not None:
                room.puppets[user_id] = shown
            raise

    async def mark_again(self, room: Room, user_id: str, mark: Mark) -> None:
        """The membership of one of ours has lost its mark: put it there again. Raises `MatrixError`.

        Not needed where the membership has ended, is to end, or has been marked meanwhile. To write a membership is to
        join: whoever leaves waits for it, for else they would be back.
        """
        path = (_ROOMS, room.room_id, "state", "m.room.member", user_id)
        await self._until_marked(room, user_id)
        done = self._marking[room.room_id, user_id] = asyncio.get_running_loop().create_future()
        try:
            content = await self._client.request("GET", *path, user_id=user_id, patience=PATIENCE)
            stays = user_id == self._ours.bot_id or user_id in room.puppets
            if stays and content.get("membership") == "join" and STAMP not in content:
                await self._client.request(
                    "PUT", *path, user_id=user_id, body={**content, **mark.content()}, patience=PATIENCE
                )
        finally:
            del self._marking[room.room_id, user_id]
            done.set_result(None)

    async def _until_marked(self, room: Room, user_id: str) -> None:
        """Return when nobody is about to write this membership for its mark."""
        while (done := self._marking.get((room.room_id, user_id))) is not None:
            await asyncio.wait([done])

    async def revive(self, room: Room, person: Person) -> None:
        """The homeserver says that the puppet may not speak: perhaps it has forgotten it. Register and join afresh.

        Raises `MatrixError`, `NoPuppetError`.
        """
        user_id = self.user_id(person.address)
        if user_id in room.removed:
            raise NoPuppetError("the puppet was removed from the room")
        log.warning("puppet is not where it should be", puppet=user_id, place=room.place.native)
        room.puppets.pop(user_id, None)
        self._profiles.pop(user_id, None)
        await self.enter(room, person)

    async def accept_invitation(self, room: Room, user_id: str) -> None:
        """One of our puppets was invited to a configured room: come. Raises `SendError`, `NoPuppetError`."""
        address = self.address_of(user_id)
        if address is None:
            raise NoPuppetError("nobody has this user id")
        name = self._profiles.get(user_id) or localpart(user_id)
        try:
            await self.enter(room, Person(address, name))
        except MatrixError as error:
            raise send_error(error, "the puppet's join") from error

    async def register(self, user_id: str) -> None:
        """Have an account of this name, made or there already. Raises `MatrixError`."""
        body = {"type": "m.login.application_service", "username": localpart(user_id), "inhibit_login": True}
        try:
            await self._client.request("POST", "/_matrix/client/v3/register", body=body, patience=PATIENCE)
        except MatrixError as error:
            if error.errcode != "M_USER_IN_USE":
                raise

    async def _name(self, user_id: str, address: Address, name: str) -> None:
        """Set the profile's display name, and remember puppet and name."""
        for known in (True, False):
            try:
                await self._client.request(
                    "PUT",
                    "/_matrix/client/v3/profile",
                    user_id,
                    "displayname",
                    user_id=user_id,
                    body={"displayname": name},
                    patience=PATIENCE,
                )
                break
            except MatrixError as error:
                if error.temporary:
                    raise
                if known and error.status == 403:
                    await self.register(user_id)  # a homeserver that lost its accounts
                    continue
                # Some homeservers forbid naming; the puppet can speak all the same.
                log.warning("puppet could not be named", puppet=user_id, error=str(error))
                break
        self._profiles[user_id] = name
        self._owners[user_id] = address
        await self._core.remember({_MEMORY + user_id: json.dumps([str(address), name])})

    def _mark(self, room: Room, person: Person) -> Mark:
        """What the puppet's membership says of whose stand-in it is: what it says already, or what is known."""
        said = room.mark(self.user_id(person.address))
        return Mark(self._core.identity(person)) if said == PERSON else said

    async def _name_here(self, room: Room, user_id: str, name: str, mark: Mark) -> None:
        """Another name in this room only, by the puppet's own member event."""
        await self._put_membership(room, user_id, name, mark)
        room.puppets[user_id] = name

    async def _join(self, room: Room, user_id: str, name: str, mark: Mark) -> str:
        """Have the puppet join. Returns the name it shows then. Raises `MatrixError`, `NoPuppetError`."""
        if room.invites:
            await self._invite(room, user_id)
        try:
            return await self._step_in(room, user_id, name, mark)
        except MatrixError as error:
            if error.status != 403:
                raise
        await self.register(user_id)  # a homeserver that lost its accounts says 403 as well
        await self._invite(room, user_id)
        try:
            shown = await self._last_step(room, user_id, name, mark)
        except MatrixError as again:
            if again.status == 403:
                raise NoPuppetError(f"the room does not let the puppet in: {again.text}") from again
            raise
        room.invites = True
        return shown

    async def _step_in(self, room: Room, user_id: str, name: str, mark: Mark) -> str:
        """Join by the puppet's own member event, which can be marked; by a plain join where that is not taken."""
        if not room.plain and mark.content():
            try:
                await self._put_membership(room, user_id, name, mark)
            except MatrixError as error:
                if error.temporary or error.status == 403:
                    raise
                log.info("no marks are taken here", place=room.place.native, error=str(error))
                room.plain = True
            else:
                return name
        await self._post_join(room, user_id)
        return self._profiles[user_id]

    async def _last_step(self, room: Room, user_id: str, name: str, mark: Mark) -> str:
        try:
            return await self._step_in(room, user_id, name, mark)
        except MatrixError as error:
            if error.status != 403 or room.plain or not mark.content():
                raise
        # In a restricted room, a homeserver may vouch for somebody in answer to a plain join only.
        await self._post_join(room, user_id)
        room.plain = True
        return self._profiles[user_id]

    async def _put_membership(self, room: Room, user_id: str, name: str, mark: Mark) -> None:
        await self._client.request(
            "PUT",
            _ROOMS,
            room.room_id,
            "state",
            "m.room.member",
            user_id,
            user_id=user_id,
            body={"membership": "join", "displayname": name, **mark.content()},
            patience=PATIENCE,
        )

    async def _post_join(self, room: Room, user_id: str) -> None:
        await self._client.request("POST", _ROOMS, room.room_id, "join", user_id=user_id, body={}, patience=PATIENCE)

    async def _invite(self, room: Room, user_id: str) -> None:
        try:
            await self._client.request(
                "POST", _ROOMS, room.room_id, "invite", body={"user_id": user_id}, patience=PATIENCE
            )
        except MatrixError as error:
            if error.temporary:
                raise
            # Invited already, or there already; or the bot may not invite, and then the join says so.
            log.debug("puppet not invited", puppet=user_id, place=room.place.native, error=str(error))

    def _recall(self, user_id: str, value: str) -> None:
        try:
            written, name = json.loads(value)
            address = Address.parse(written)
        except (ValueError, TypeError, AddressError):
            log.warning("a remembered puppet cannot be read", puppet=user_id)
            return
        self._owners[user_id] = address
        self._user_ids[address] = user_id
        self._profiles[user_id] = name
