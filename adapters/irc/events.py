"""What a session tells: the server's lines as typed values. Nothing here knows of the gateway."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from adapters.irc.message import Source


class Manner(StrEnum):
    """How something was said."""

    TEXT = "text"
    ACTION = "action"
    NOTICE = "notice"
    CTCP = "ctcp"
    CTCP_REPLY = "ctcp reply"


@dataclass(frozen=True, slots=True)
class Registered:
    """The server let us in, as `nick`. Limits and case mapping follow in 005, before `Ready`."""

    nick: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The greeting is over: what the server says of itself is known, and channels can be joined."""


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """The server does not let us in. `permanent`: it never will, as we are configured."""

    numeric: str
    text: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody said something to a channel or to us. `text` is without the CTCP wrapping of an action.

    `ctcp` is the command of a CTCP message. `only_some`: it was said to a channel's privileged members.
    `when` is the server's time tag, as it stands there.
    """

    source: Source
    target: str
    manner: Manner
    text: str
    to_channel: bool
    own: bool
    only_some: bool = False
    ctcp: str = ""
    msgid: str = ""
    when: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody, or we ourselves, came into a channel."""

    channel: str
    source: Source
    own: bool


@dataclass(frozen=True, slots=True)
class Parted:
    """Somebody, or we ourselves, left a channel."""

    channel: str
    source: Source
    reason: str
    own: bool


@dataclass(frozen=True, slots=True)
class Kicked:
    """Somebody, or we ourselves, was removed from a channel by `source`."""

    channel: str
    nick: str
    source: Source
    reason: str
    own: bool
    msgid: str = ""
    when: str = ""


@dataclass(frozen=True, slots=True)
class Quit:
    """Somebody left the network; `channels` are those we saw them in."""

    source: Source
    reason: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NickChanged:
    """Somebody, or we ourselves, goes by another nick from now on."""

    source: Source
    nick: str
    channels: tuple[str, ...]
    own: bool


@dataclass(frozen=True, slots=True)
class Members:
    """Everyone who is in the channel now, ourselves too: their nicks, by the prefix symbols they bear."""

    channel: str
    nicks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Topic:
    """The channel's topic is this. Without `source`: it was read, not changed."""

    channel: str
    text: str
    source: Source | None
    own: bool = False


@dataclass(frozen=True, slots=True)
class JoinRefused:
    """We may not come into the channel."""

    channel: str
    numeric: str
    text: str


@dataclass(frozen=True, slots=True)
class NickRefused:
    """We may not bear the nick we asked for after registration."""

    numeric: str
    text: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """The server took the line of `token`; `msgid` is what it calls it, if it does."""

    token: int
    msgid: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server did not take the line of `token`."""

    token: int
    numeric: str
    text: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The line of `token` was never sent, or nobody knows whether it arrived (`sent`)."""

    token: int
    sent: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The server closes the connection, and says why."""

    text: str


@dataclass(frozen=True, slots=True)
class Passed:
    """Something that is not acted upon; `what` is a short stable label."""

    what: str


Event = (
    Registered
    | Ready
    | RegistrationFailed
    | Said
    | Joined
    | Parted
    | Kicked
    | Quit
    | NickChanged
    | Members
    | Topic
    | JoinRefused
    | NickRefused
    | Delivered
    | Refused
    | Dropped
    | Ended
    | Passed
)
