"""What people of our network show, put together from the rooms they are in and from the rosters our puppets are on.

Whom we have on a roster is known device by device, so then that counts; what they show in rooms counts for all
others. Who leaves the last room is out of sight, which is not the same as offline.
"""

import hashlib
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace

from bridge.model.address import Address
from bridge.model.presence import Basic, Presence, Tuple

DEVICES = 32
"""Devices of one person that are looked at, for each puppet that follows them."""

_OFFLINE = (Tuple("offline", Basic.CLOSED),)


@dataclass(slots=True)
class _Seen:
    """One person: by room and nick, and by the puppet that follows them and device."""

    in_rooms: dict[tuple[str, str], Tuple] = field(default_factory=dict)
    followed: dict[Address, dict[str, Tuple]] = field(default_factory=dict)
    told: Presence | None = None

    def tuples(self) -> tuple[Tuple, ...]:
        devices = {device: found for by in self.followed.values() for device, found in by.items()}
        if devices:
            return tuple(devices[device] for device in sorted(devices))
        if self.in_rooms:
            return tuple(self.in_rooms[where] for where in sorted(self.in_rooms))
        return _OFFLINE if self.followed else ()


class Sightings:
    """`tell` is `bridge.contract.Core.presence`. Called on the event loop."""

    def __init__(self, tell: Callable[[Presence], None]) -> None:
        self._tell = tell
        self._people: dict[Address, _Seen] = {}
        self._rooms: dict[str, dict[str, Address]] = {}

    # In rooms: `adapters.xmpp.link.Sight`

    def seen(self, room: str, nick: str, address: Address, shown: Tuple) -> None:
        """Somebody is in the room under that nick, and shows this."""
        nicks = self._rooms.setdefault(room, {})
        before = nicks.get(nick)
        if before is not None and before != address:
            self._out(room, nick, before)
        nicks[nick] = address
        seen = self._people.setdefault(address, _Seen())
        seen.in_rooms[room, nick] = replace(shown, id=_id(room, nick))
        self._compose(address, seen)

    def gone(self, room: str, nick: str) -> None:
        """Nobody is in the room under that nick any more."""
        address = self._rooms.get(room, {}).pop(nick, None)
        if address is not None:
            self._out(room, nick, address)

    def renamed(self, room: str, nick: str, new: str) -> None:
        """Who was seen under that nick will be under the new one, and is seen so next."""
        nicks = self._rooms.get(room, {})
        address = nicks.pop(nick, None)
        if address is None:
            return
        if (other := nicks.pop(new, None)) is not None:
            self._out(room, new, other)
        nicks[new] = address
        seen = self._people[address]
        # Not composed until the new nick is seen: to be renamed is not to be out of sight.
        seen.in_rooms[room, new] = seen.in_rooms.pop((room, nick))

    def only(self, room: str, nicks: Container[str]) -> None:
        """Of those who were seen there, these alone are there still."""
        for nick in [known for known in self._rooms.get(room, {}) if known not in nicks]:
            self.gone(room, nick)

    def cleared(self, room: str) -> None:
        """Nothing is known of that room any more."""
        for nick, address in self._rooms.pop(room, {}).items():
            self._out(room, nick, address)

    # By rosters

    def device(self, address: Address, puppet: Address, device: str, shown: Tuple | None) -> None:
        """A device of theirs tells the puppet that follows them what it shows; None: it is offline."""
        seen = self._people.setdefault(address, _Seen())
        devices = seen.followed.setdefault(puppet, {})
        if shown is None:
            devices.pop(device, None)
        elif device in devices or len(devices) < DEVICES:
            devices[device] = shown
        self._compose(address, seen)

    def all_offline(self, address: Address, puppet: Address) -> None:
        """None of their devices is online, as their account itself tells the puppet."""
        seen = self._people.setdefault(address, _Seen())
        seen.followed[puppet] = {}
        self._compose(address, seen)

    def unfollowed(self, address: Address, puppet: Address) -> None:
        """The puppet follows them no more, or nothing is known of them by it."""
        seen = self._people.get(address)
        if seen is not None and seen.followed.pop(puppet, None) is not None:
            self._compose(address, seen)

    def again(self) -> None:
        """The stream goes on, and the core took all for unknown meanwhile: tell everything once more."""
        for seen in self._people.values():
            if seen.told is not None:
                self._tell(seen.told)

    def forget(self) -> None:
        """The stream is gone, and the core takes all for unknown."""
        self._people.clear()
        self._rooms.clear()

    def _out(self, room: str, nick: str, address: Address) -> None:
        seen = self._people.get(address)
        if seen is not None and seen.in_rooms.pop((room, nick), None) is not None:
            self._compose(address, seen)

    def _compose(self, address: Address, seen: _Seen) -> None:
        if not seen.in_rooms and not seen.followed:
            del self._people[address]
        presence = Presence(address, seen.tuples())
        if presence != seen.told:
            seen.told = presence
            self._tell(presence)


def _id(room: str, nick: str) -> str:
    return "muc-" + hashlib.sha256(f"{room}/{nick}".encode(errors="replace")).hexdigest()[:12]
