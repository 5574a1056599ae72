"""What a session tells: the server's lines as typed values. Nothing here knows of the gateway."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from adapters.irc.protocol.message import Source


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
class Sts:
    """The server wants to be spoken to by TLS only: on `port`, for `duration` seconds (IRCv3 sts).

    On a plain connection nothing follows: it has to be ended, and another one made by TLS.
    """

    port: int | None
    duration: int | None


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """We are logged in to this account of the network's services."""

    account: str


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """We are no longer logged in."""


@dataclass(frozen=True, slots=True)
class LoginFailed:
    """`by` (SASL, NickServ) would not log us in; we go on without."""

    by: str
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody said something to a channel or to us. `text` is without the CTCP wrapping of an action.

    `ctcp` is the command of a CTCP message. `only_some`: it was said to a channel's privileged members.
    `when` is the server's time tag, as it stands there. `account` is the sender's, where the server tells it with each
    line. `bot`: the sender bears the network's bot mode. `hops` is how many gateways it may still pass. `history`:
    it was said before we came, and is repeated to us; `asked` is the token of the request that it answers, None where
    nobody asked. `part` is the id of the part of a delivery that the line is, if a gateway like ours said it.
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
    account: str | None = None
    bot: bool = False
    hops: int | None = None
    history: bool = False
    asked: int | None = None
    part: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody, or we ourselves, came into a channel. `when` is the server's time tag, as it stands there.

    `stayed`: we were in it before this session began, by a keeper or a bouncer. What was said there meanwhile follows,
    if anything was.
    """

    channel: str
    source: Source
    own: bool
    when: str = ""
    stayed: bool = False


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
    """Everyone who is in the channel now, ourselves too: their nicks, by the prefix symbols they bear.

    `sources` are those of whom the server told more than the nick.
    """

    channel: str
    nicks: Mapping[str, str]
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class About:
    """Something became known of a person, whose user and host are now those of `source`, where it has them.

    What was not told is None. An `account` of "" is none; `note` is what they say to being `away`.
    """

    source: Source
    account: str | None = None
    realname: str | None = None
    away: bool | None = None
    note: str | None = None
    bot: bool | None = None


@dataclass(frozen=True, slots=True)
class WhoEnded:
    """The answer to WHO is complete. `mask` is what was asked about."""

    mask: str


@dataclass(frozen=True, slots=True)
class Monitored:
    """People of our MONITOR list are on the network now, or are not."""

    sources: tuple[Source, ...]
    online: bool


@dataclass(frozen=True, slots=True)
class MonitorFull:
    """The server takes no more into our MONITOR list: these are not in it."""

    nicks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ison:
    """Of those we asked about with the earliest ISON that was not answered yet, these are on the network."""

    nicks: tuple[str, ...]


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
    | Sts
    | LoggedIn
    | LoggedOut
    | LoginFailed
    | Said
    | Joined
    | Parted
    | Kicked
    | Quit
    | NickChanged
    | Members
    | About
    | WhoEnded
    | Monitored
    | MonitorFull
    | Ison
    | Topic
    | JoinRefused
    | NickRefused
    | Delivered
    | Refused
    | Dropped
    | Ended
    | Passed
)
