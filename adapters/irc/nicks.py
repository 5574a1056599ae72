"""Which nick belongs to whom: the winners of allocation, and the nicks that are ours right now."""

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from adapters.irc.protocol.casemap import CaseMap, Casemapping
from adapters.irc.protocol.message import Source
from bridge.model.address import Address, AddressError, Person

KEEP: Final = 90 * 86400.0
"""Seconds for which a nick is never given to somebody else after its owner last used it."""

PREFIX: Final = "nick/"
"""What the keys of remembered nicks begin with; the nick follows, folded."""

CANDIDATES: Final = 200
"""Candidates that are looked at for one person before we give up."""

_GRACE: Final = 30.0
_SERVICES: Final = frozenset(
    f"{name}serv" for name in ("nick", "chan", "oper", "memo", "bot", "host", "sasl", "info", "stat", "group", "help")
) | {"alis", "global"}


def is_service(nick: str) -> bool:
    """Whether the nick is one that networks reserve for their services."""
    return nick.lower() in _SERVICES


@dataclass(frozen=True, slots=True)
class Claim:
    """Who bore a nick, spelled so, under what name, and when (seconds since the epoch) they last did."""

    nick: str
    address: Address
    name: str
    used: float

    def dump(self) -> str:
        """As it is remembered."""
        value = {"nick": self.nick, "who": str(self.address), "name": self.name, "used": int(self.used)}
        return json.dumps(value, ensure_ascii=False)

    @classmethod
    def load(cls, text: str) -> "Claim | None":
        """What `dump` wrote; None for anything else."""
        try:
            data = json.loads(text)
            return cls(str(data["nick"]), Address.parse(data["who"]), str(data["name"]), float(data["used"]))
        except (ValueError, KeyError, TypeError, AddressError):
            return None


class NickBook:
    """The nicks that were given to people of other networks. Values to remember are returned, not stored."""

    def __init__(self, remembered: Mapping[str, str], casemapping: Casemapping = Casemapping.RFC1459) -> None:
        self._claims: CaseMap[Claim] = CaseMap(casemapping)
        self._casemapping = casemapping
        self._trying: set[str] = set()
        for key, value in remembered.items():
            claim = Claim.load(value)
            if key.startswith(PREFIX) and claim is not None:
                self._claims[claim.nick] = claim

    def rekey(self, casemapping: Casemapping) -> None:
        """The network told its case mapping."""
        self._casemapping = casemapping
        self._claims.rekey(casemapping)

    def __contains__(self, nick: str) -> bool:
        """Whether the nick was given to somebody of another network."""
        return self._claims.get(nick) is not None

    def candidates(
        self,
        person: Person,
        names: Iterable[str],
        taken: Callable[[str], bool],
        now: float,
        current: str | None = None,
    ) -> Generator[str, None, None]:
        """Nicks to try for the person, best first: the one they last had under this name, then `names`.

        Left out are nicks that are `taken`, that others had within the last 90 days, and that are being tried for
        somebody else. A nick counts as being tried until the next is asked for, or the iterator is closed. `current`
        is the one they bear.
        """
        mine = self._casemapping.fold(current) if current else None
        tried: set[str] = set()
        for nick in self._sequence(person, names):
            key = self._casemapping.fold(nick)
            claim = self._claims.get(nick)
            others = claim is not None and claim.address != person.address and now < claim.used + KEEP
            if key in tried or (key in self._trying and key != mine) or others or taken(nick):
                continue
            tried.add(key)
            if key in self._trying:
                yield nick  # theirs already
                continue
            self._trying.add(key)
            try:
                yield nick
            finally:
                self._trying.discard(key)

    def _sequence(self, person: Person, names: Iterable[str]) -> Iterator[str]:
        held = [
            (claim.used, nick)
            for nick, claim in self._claims.items()
            if claim.address == person.address and claim.name == person.name
        ]
        yield from (nick for _, nick in sorted(held, reverse=True))
        yield from (nick for nick, _ in zip(names, range(CANDIDATES), strict=False))

    def won(self, nick: str, person: Person, now: float) -> dict[str, str | None]:
        """The person bears the nick: what to remember of it, with what can be forgotten."""
        claim = Claim(nick, person.address, person.name, now)
        values = self._expire(now)
        self._claims[nick] = claim
        return values | {self._key(nick): claim.dump()}

    def used(self, nick: str, now: float) -> dict[str, str | None]:
        """The nick was still borne now: what to remember of that."""
        claim = self._claims.get(nick)
        if claim is None:
            return {}
        self._claims[nick] = claim = replace(claim, used=now)
        return {self._key(nick): claim.dump()}

    def _expire(self, now: float) -> dict[str, str | None]:
        old = [nick for nick, claim in self._claims.items() if now >= claim.used + KEEP]
        for nick in old:
            del self._claims[nick]
        return {self._key(nick): None for nick in old}

    def _key(self, nick: str) -> str:
        return PREFIX + self._casemapping.fold(nick)


@dataclass(frozen=True, slots=True)
class Own:
    """One of our connections behind a nick: a person's puppet, or the bot where there is no address."""

    address: Address | None
    source: Source
    until: float | None = None


class OwnNicks:
    """The nicks that are ours, by which our own doings are known when they come back on another connection.

    That other connection may lag: a nick that was let go stays ours for half a minute, unless somebody with another
    user name or host is seen under it. Times are of one monotonic clock.
    """

    def __init__(self) -> None:
        self._owns: CaseMap[Own] = CaseMap()

    def rekey(self, casemapping: Casemapping) -> None:
        """The network told its case mapping."""
        self._owns.rekey(casemapping)

    def claim(self, source: Source, address: Address | None) -> None:
        """The nick is ours from now on."""
        self._owns[source.nick] = Own(address, source)

    def release(self, nick: str, now: float) -> None:
        """The nick is not ours any more."""
        if own := self._owns.get(nick):
            self._owns[nick] = replace(own, until=now + _GRACE)

    def holds(self, nick: str) -> bool:
        """Whether one of our connections bears the nick now."""
        own = self._owns.get(nick)
        return own is not None and own.until is None

    def find(self, source: Source, now: float) -> Own | None:
        """Which of our connections a line comes from, or speaks of; None for other people."""
        own = self._owns.get(source.nick)
        if own is None or own.until is None:
            return own
        known = (own.source.user, own.source.host)
        if now >= own.until or (source.user is not None and None not in known and (source.user, source.host) != known):
            del self._owns[source.nick]
            return None
        return own


def bot_nicks(nick: str) -> Iterator[str]:
    """What the bot tries: its nick, the nick with a suffix, and, where nicks are short, with its end replaced."""
    yield nick
    yield f"{nick}_"
    yield f"{nick}__"
    for number in range(1, 10):
        yield f"{nick[: max(1, min(len(nick), 9) - 1)]}{number}"
    for number in range(10, 100):
        yield f"{nick[: max(1, min(len(nick), 9) - 2)]}{number}"
