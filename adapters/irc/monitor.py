"""Whom we follow beyond our channels: by MONITOR where it is offered, by ISON at a slow pace where not. Pure.

Sources: IRCv3 monitor; RFC 2812 section 4.9 (ISON).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Flag, auto
from typing import Final, TypeAlias

from adapters.irc.protocol.casemap import CaseMap, Casemapping

POLL_EVERY: Final = 60.0
"""Seconds between two rounds of ISON."""

CHUNK_BYTES: Final = 350
"""Bytes of nicks in one line. ISON's answer repeats them behind the server's name and ours."""

ANSWER_WITHIN: Final = 600.0
"""Seconds after which an ISON that was not answered is given up, with all before it. Flood control may hold it back for
long, and an answer that came later would be taken for that of another."""

Command: TypeAlias = tuple[str, ...]


class Why(Flag):
    """Why somebody is followed: another network's person wants to see them, or has a conversation with them."""

    PRESENCE = auto()
    TALK = auto()


class Watchlist:
    """The nicks that are followed. Every method gives the commands to send; answers are fed back."""

    def __init__(self, talks: int = 200) -> None:
        self._casemapping = Casemapping.RFC1459
        self._followed: CaseMap[Why] = CaseMap()
        self._talks = talks
        self._monitored: CaseMap[None] = CaseMap()
        self._limit = 0
        self._asked: deque[tuple[float, tuple[str, ...]]] = deque()
        self._polled_at = -POLL_EVERY

    def __contains__(self, nick: object) -> bool:
        return nick in self._followed

    def __iter__(self) -> Iterator[str]:
        return iter(self._followed)

    def begin(self, casemapping: Casemapping, limit: int | None) -> list[Command]:
        """A connection stands. `limit` is how many nicks MONITOR takes; None where there is none."""
        self._casemapping = casemapping
        self._followed.rekey(casemapping)
        self._monitored = CaseMap(casemapping)
        self._limit = limit or 0
        self._asked.clear()
        self._polled_at = -POLL_EVERY
        return self._monitor(self._followed)

    def follow(self, nick: str, why: Why) -> list[Command]:
        """Follow somebody for this reason, too."""
        before = self._followed.get(nick)
        commands: list[Command] = []
        if why is Why.TALK and before is None:
            talks = [each for each, reason in self._followed.items() if reason is Why.TALK]
            if len(talks) >= self._talks:
                commands += self.unfollow(talks[0], Why.TALK)
        self._followed[nick] = before | why if before else why
        return commands + (self._monitor([nick]) if before is None else [])

    def unfollow(self, nick: str, why: Why) -> list[Command]:
        """This reason is none any more."""
        rest = self._followed.get(nick, why) & ~why
        if rest:
            self._followed[nick] = rest
            return []
        self._followed.pop(nick, None)
        if nick not in self._monitored:
            return []
        del self._monitored[nick]
        # There is room for one who found none before.
        waiting = [each for each in self._followed if each not in self._monitored]
        return [("MONITOR", "-", nick), *self._monitor(waiting[:1])]

    def wanted(self, nick: str, why: Why) -> bool:
        """Whether they are followed for this reason."""
        return bool(self._followed.get(nick, Why(0)) & why)

    def refused(self, nicks: Iterable[str]) -> None:
        """The server's list is full (734): these are asked about by ISON."""
        for nick in nicks:
            self._monitored.pop(nick, None)
        self._limit = len(self._monitored)

    def poll(self, now: float, seen: Callable[[str], bool]) -> list[Command]:
        """The next round of ISON, if it is time for one: those who are neither monitored nor seen in a channel."""
        if self._asked and now > self._asked[-1][0] + ANSWER_WITHIN:
            self._asked.clear()
        if now < self._polled_at + POLL_EVERY or self._asked:
            return []
        nicks = [nick for nick in self._followed if nick not in self._monitored and not seen(nick)]
        if nicks:
            self._polled_at = now
        chunks = list(_chunks(nicks, " "))
        self._asked += [(now, tuple(chunk)) for chunk in chunks]
        # As one parameter: servers read no more than fifteen.
        return [("ISON", " ".join(chunk)) for chunk in chunks]

    def answered(self, nicks: Iterable[str]) -> tuple[list[str], list[str]]:
        """Who of those asked about in the earliest ISON is on the network, as spelled there, and who is not."""
        online: CaseMap[None] = CaseMap(self._casemapping)
        for nick in nicks:
            online[nick] = None
        asked = self._asked.popleft()[1] if self._asked else ()
        return list(online), [nick for nick in asked if nick not in online and nick in self._followed]

    def _monitor(self, nicks: Iterable[str]) -> list[Command]:
        room = max(0, self._limit - len(self._monitored))
        some = [nick for nick in nicks if nick not in self._monitored][:room]
        for nick in some:
            self._monitored[nick] = None
        return [("MONITOR", "+", ",".join(chunk)) for chunk in _chunks(some, ",")]


def _chunks(nicks: Iterable[str], joint: str) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for nick in nicks:
        length = len(nick.encode()) + len(joint)
        if chunk and size + length > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(nick)
        size += length
    if chunk:
        yield chunk
