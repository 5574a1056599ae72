"""Native ids: channels as places, and names for messages that have none."""

import secrets
from collections.abc import Iterable, Iterator

from adapters.irc.protocol.casemap import CaseMap, Casemapping
from bridge.model.address import Place
from bridge.model.room import Member

CHANTYPES = "#&+!"
"""RFC 2811 section 2.1. Which of them a network has is not known before it is spoken to."""

_CHANNEL_BYTES = 200
_NICK_BYTES = 64
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def canonical_channel(name: str) -> str:
    """The canonical native id of a channel. Only ASCII letters are folded, which every case mapping folds alike; the
    rest of a network's rule is known, and applied, once it is connected. Raises `ValueError`."""
    if not name or name[0] not in CHANTYPES:
        raise ValueError(f'{name!r} is no IRC channel; write it with its first character and in quotes, e.g. "#lobby"')
    if len(name) < 2 or len(name.encode()) > _CHANNEL_BYTES:
        raise ValueError(f"{name[:40]!r} is too short or too long for an IRC channel")
    if any(character in " ,:\x07\x7f" or character < " " for character in name):
        raise ValueError(
            f"{name!r} cannot be an IRC channel: it holds a space, a comma, a colon or a control character"
        )
    return name.translate(_LOWER)


def canonical_nick(nick: str) -> str:
    """The native id of a person as it can be known without asking their network: ASCII letters are folded, the rest of
    its case mapping is applied once it is connected. Raises `ValueError`."""
    illegal = any(character in " ,:!@*?#&\x07\x7f" or character < " " for character in nick)
    if not nick or illegal or nick[0] in "+%~$-0123456789" or len(nick.encode()) > _NICK_BYTES:
        raise ValueError(f"{nick[:40]!r} cannot be an IRC nick; write for example kestrel")
    return nick.translate(_LOWER)


class Places:
    """The configured places of one network, found by channel name in any spelling."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._members: CaseMap[Member] = CaseMap(Casemapping.ASCII)
        for member in members:
            self._members[member.place.native] = member

    def rekey(self, casemapping: Casemapping) -> None:
        """The network told its case mapping."""
        self._members.rekey(casemapping)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def find(self, channel: str) -> Place | None:
        """The place of a channel; None for one that is not configured."""
        member = self._members.get(channel)
        return member.place if member else None

    def member(self, place: Place) -> Member | None:
        """What is configured for a place."""
        return self._members.get(place.native)


class Minter:
    """Makes ids for what the network gives none. Each is unique over all runs: of two equal lines neither is the
    other, and nothing is ever deduped by what it says."""

    def __init__(self, now: float) -> None:
        self._run = f"{int(now * 1000):x}-{secrets.token_hex(4)}"
        self._count = 0

    def mint(self) -> str:
        """The next id."""
        self._count += 1
        return f"irc-{self._run}-{self._count:x}"
