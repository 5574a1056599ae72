"""Who is who: what the network tells of the people we see, by nick in any spelling."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from adapters.irc.protocol.casemap import CaseMap, Casemapping
from adapters.irc.protocol.message import Source

T = TypeVar("T")

LIMIT: Final = 100_000
"""People known at once; beyond it, those known longest make room. No network's channels hold as many."""


@dataclass(frozen=True, slots=True)
class Identity:
    """By what one bearer of a nick can be told from another. None is what is not known; an account of "" is none."""

    user: str | None = None
    host: str | None = None
    account: str | None = None

    def differs(self, other: "Identity") -> bool:
        """Whether these are two people, as far as can be known. An account tells; without one, user and host do."""
        if self.account and other.account:
            return self.account != other.account
        pairs = ((self.user, other.user), (self.host, other.host))
        return any(mine is not None and yours is not None and mine != yours for mine, yours in pairs)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one person. None is what nobody told; `note` is their words for being away."""

    nick: str
    user: str | None = None
    host: str | None = None
    account: str | None = None
    realname: str | None = None
    away: bool | None = None
    note: str | None = None
    bot: bool = False

    @property
    def identity(self) -> Identity:
        """What tells them from others who bear, or will bear, the nick."""
        return Identity(self.user, self.host, self.account)


class People:
    """The people of one network whom our bot sees or follows."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._known: CaseMap[Known] = CaseMap()
        self._limit = limit

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[Known]:
        return iter(list(self._known.values()))

    def __contains__(self, nick: object) -> bool:
        return nick in self._known

    def rekey(self, casemapping: Casemapping) -> None:
        """The network told its case mapping."""
        self._known.rekey(casemapping)

    def get(self, nick: str) -> Known | None:
        """What is known of whoever bears the nick."""
        return self._known.get(nick)

    def identity(self, nick: str) -> Identity | None:
        """What tells the bearer of the nick from others; None where nothing does."""
        known = self._known.get(nick)
        return known.identity if known else None

    def meet(self, source: Source) -> Known:
        """Somebody is seen. If they are not who bore the nick before, nothing else is known of them."""
        known = self._known.get(source.nick) or Known(source.nick)
        told = (source.user or known.user, source.host or known.host)
        if (known.user or told[0], known.host or told[1]) != told:
            known = Known(source.nick)
        return self._put(replace(known, nick=source.nick, user=told[0], host=told[1]))

    def learn(
        self,
        source: Source,
        *,
        account: str | None = None,
        realname: str | None = None,
        away: bool | None = None,
        note: str | None = None,
        bot: bool | None = None,
    ) -> Known:
        """Something became known of somebody, with their user and host as they are from now on."""
        known = self._known.get(source.nick) or Known(source.nick)
        if away is False:
            note = ""
        elif away and note is None:
            note = known.note if known.away else ""
        return self._put(
            Known(
                source.nick,
                _newer(source.user, known.user),
                _newer(source.host, known.host),
                _newer(account, known.account),
                _newer(realname, known.realname),
                _newer(away, known.away),
                _newer(note, known.note),
                known.bot if bot is None else bot,
            )
        )

    def rename(self, old: str, new: str) -> Known | None:
        """Somebody goes by another nick."""
        known = self._known.pop(old, None)
        return self._put(replace(known, nick=new)) if known else None

    def forget(self, nick: str) -> Known | None:
        """Nothing is known of the nick any more."""
        return self._known.pop(nick, None)

    def keep(self, wanted: Callable[[str], bool]) -> list[Known]:
        """Forget all who are not wanted; these."""
        gone = [known for known in self if not wanted(known.nick)]
        for known in gone:
            del self._known[known.nick]
        return gone

    def clear(self) -> None:
        """Nobody is seen any more."""
        self._known.clear()

    def _put(self, known: Known) -> Known:
        if known.nick not in self._known and len(self._known) >= self._limit:
            del self._known[next(iter(self._known))]
        self._known[known.nick] = known
        return known


def _newer(told: T | None, known: T | None) -> T | None:
    return known if told is None else told
