"""The channels we are in, and who else is."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from adapters.irc.protocol.casemap import CaseMap, Casemapping
from adapters.irc.protocol.message import Source


@dataclass(slots=True)
class Channel:
    """One channel. `members` maps nicks to their prefix symbols; `listed` is the list of names while it comes in.

    `sources` are those of the list of whom the server told more than the nick (IRCv3 userhost-in-names).
    `topic_known` becomes true with the first word about the topic after we came in, `named` with the whole list.
    """

    name: str
    members: CaseMap[str]
    listed: CaseMap[str] | None = None
    sources: list[Source] = field(default_factory=list)
    topic_known: bool = False
    named: bool = False


@dataclass(slots=True)
class Channels:
    """All channels of one connection, in the server's case mapping."""

    casemapping: Casemapping = Casemapping.RFC1459
    _channels: CaseMap[Channel] = field(default_factory=CaseMap)

    def rekey(self, casemapping: Casemapping) -> None:
        """The server told its case mapping."""
        self.casemapping = casemapping
        self._channels.rekey(casemapping)
        for channel in self._channels.values():
            channel.members.rekey(casemapping)

    def __contains__(self, name: str) -> bool:
        return name in self._channels

    def __iter__(self) -> Iterator[str]:
        return iter(self._channels)

    def get(self, name: str) -> Channel | None:
        """The channel, if we are in it."""
        return self._channels.get(name)

    def enter(self, name: str) -> Channel:
        """We came in."""
        channel = Channel(name, CaseMap(self.casemapping))
        self._channels[name] = channel
        return channel

    def leave(self, name: str) -> bool:
        """We are out. Whether we were in."""
        return self._channels.pop(name, None) is not None

    def forget_members(self, name: str) -> None:
        """Nobody keeps the list of members current any more."""
        if channel := self._channels.get(name):
            channel.members = CaseMap(self.casemapping)
            channel.named = False

    def add(self, name: str, nick: str) -> None:
        """Somebody came in."""
        if channel := self._channels.get(name):
            channel.members[nick] = ""

    def remove(self, name: str, nick: str) -> None:
        """Somebody is out."""
        if channel := self._channels.get(name):
            channel.members.pop(nick, None)

    def remove_everywhere(self, nick: str) -> tuple[str, ...]:
        """Somebody left the network: the channels they were in."""
        return tuple(channel.name for channel in self._channels.values() if channel.members.pop(nick, None) is not None)

    def rename(self, old: str, new: str) -> tuple[str, ...]:
        """Somebody goes by another nick: the channels they are in."""
        names = []
        for channel in self._channels.values():
            prefix = channel.members.pop(old, None)
            if prefix is not None:
                channel.members[new] = prefix
                names.append(channel.name)
        return tuple(names)

    def of(self, nick: str) -> tuple[str, ...]:
        """The channels that somebody is in, as far as we know the members."""
        return tuple(channel.name for channel in self._channels.values() if nick in channel.members)

    def is_member(self, nick: str) -> bool:
        """Whether they are in any channel we know the members of."""
        return any(nick in channel.members for channel in self._channels.values())

    def list_names(self, name: str, items: Iterable[str], symbols: Mapping[str, str]) -> None:
        """A portion of the list of names: nicks with prefix symbols before and perhaps ``!user@host`` behind."""
        channel = self._channels.get(name)
        if channel is None:
            return
        if channel.listed is None:
            channel.listed = CaseMap(self.casemapping)
            channel.sources.clear()
        known = "".join(symbols)
        for item in items:
            bare = item.lstrip(known) if known else item
            source = Source.parse(bare)
            if source.nick:
                channel.listed[source.nick] = item[: len(item) - len(bare)]
            if source.nick and source.host:
                channel.sources.append(source)

    def end_names(self, name: str) -> Channel | None:
        """The list of names is complete and holds from now on. None if there was none, or the channel is not ours."""
        channel = self._channels.get(name)
        if channel is None or channel.listed is None:
            return None
        channel.members, channel.listed = channel.listed, None
        channel.named = True
        return channel
