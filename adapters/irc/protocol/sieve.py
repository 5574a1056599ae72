"""Which lines a puppet's session does not even decode (design section 4, observer).

With 50 puppets in a channel every line arrives 50 times. All but the observer's copies are thrown away here, by
looking at bytes. Never thrown away: numerics other than the list of names, errors, what is said to the puppet alone,
kicks, and everything that the puppet itself does.
"""

from collections.abc import Iterable
from typing import Final

_SAID: Final = frozenset({b"PRIVMSG", b"NOTICE"})
_ABOUT_CHANNEL: Final = frozenset({b"JOIN", b"PART", b"MODE"})
_ABOUT_PERSON: Final = frozenset({b"QUIT", b"NICK"})
_NAMES: Final = b"353"


class Sieve:
    """Drops other people's channel traffic, but for the channels that are `watched`.

    Lines by one of the `heeded` nicks are kept: an observer-to-be must see the bot come and go.
    """

    def __init__(self) -> None:
        self._own = b""
        self._heeded: tuple[bytes, ...] = ()
        self._spared_sources: tuple[bytes, ...] = ()
        self._chantypes = b"#&"
        self._status = b""
        self._watched: frozenset[bytes] = frozenset()

    def own(self, nick: str) -> None:
        """Our nick is this now."""
        self._own = f":{nick}!".encode()
        self._spared_sources = (self._own, *self._heeded)

    def heed(self, nicks: Iterable[str]) -> None:
        """Keep what these say of themselves."""
        self._heeded = tuple(f":{nick}!".encode() for nick in nicks)
        self._spared_sources = (self._own, *self._heeded)

    def limits(self, chantypes: str, statusmsg: str) -> None:
        """With what channel names, and names of some of their members, begin."""
        self._chantypes = chantypes.encode()
        self._status = statusmsg.encode()

    def watch(self, channels: Iterable[str]) -> None:
        """Let everything of these channels through."""
        self._watched = frozenset(channel.encode().lower() for channel in channels)

    def drops(self, raw: bytes) -> bool:
        """Whether the line is for nobody here."""
        if raw.startswith(b"@"):
            raw = raw.partition(b" ")[2].lstrip(b" ")
        if not raw.startswith(b":"):
            return False
        source, _, rest = raw.partition(b" ")
        command, _, rest = rest.lstrip(b" ").partition(b" ")
        if command == _NAMES:
            words = rest.split(b" ", 3)
            return len(words) == 4 and words[2].lower() not in self._watched
        if command in _ABOUT_PERSON:
            return not self._watched and not self._spared(source)
        if command in _ABOUT_CHANNEL:
            return self._elsewhere(rest) and not self._spared(source)
        if command in _SAID:
            return self._elsewhere(rest) and not source.startswith(self._own)
        return False

    def _spared(self, source: bytes) -> bool:
        return source.startswith(self._spared_sources)

    def _elsewhere(self, rest: bytes) -> bool:
        """Whether the target is a channel that nobody watches."""
        target = rest.partition(b" ")[0].removeprefix(b":")
        bare = target.lstrip(self._status) if self._status else target
        if bare[:1] and bare[:1] in self._chantypes:
            return bare.lower() not in self._watched
        return target[:1] != b"" and target[:1] in self._chantypes and target.lower() not in self._watched
