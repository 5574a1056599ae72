"""Lines that tell of other people: who they are, whether they are away, whether they are there. Pure.

Sources: IRCv3 account-notify, account-tag, away-notify, bot-mode, chghost, extended-join, monitor and setname; WHOX as
ircu defined it; RFC 2812 section 5.1 for the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from adapters.irc.protocol import events
from adapters.irc.protocol.errors import RemoteProtocolError
from adapters.irc.protocol.events import Event
from adapters.irc.protocol.message import Line, Source
from adapters.irc.protocol.sender import Sender
from bridge.model.event import HOPS

HOPS_TAG: Final = "rialto-bridge/hops"
"""The client-only tag (written with a ``+``) that says how many gateways a message may still pass."""

PART_TAG: Final = "rialto-bridge/part"
"""The client-only tag by which a line that we sent is found in a channel's history."""

WHO_MARK: Final = "152"
"""What our WHOX requests are marked with; nobody else asks on our connections, but servers may send others unasked."""

WHO_FIELDS: Final = f"%tcuhnfar,{WHO_MARK}"
"""Token, channel, user, host, nick, flags, account, real name: servers answer in this order whatever we write."""

_BOT_TAGS: Final = ("bot", "draft/bot", "inspircd.org/bot")

Handler: TypeAlias = Callable[[Sender, Line], Iterable[Event]]


def bears_bot_tag(line: Line) -> bool:
    """Whether the sender is marked as a bot (IRCv3 bot-mode, and as InspIRCd 3 wrote it before)."""
    return any(tag in line.tags for tag in _BOT_TAGS)


def hops(line: Line) -> int | None:
    """The gateways the message may still pass, as its sender says; None where they do not. Never more than `HOPS`."""
    value = line.tags.get(f"+{HOPS_TAG}", "")
    return min(int(value), HOPS) if value.isascii() and value.isdigit() and len(value) < 6 else None


def newcomer(line: Line, source: Source) -> Iterator[Event]:
    """What a JOIN tells besides: channel, account, real name (IRCv3 extended-join), and the bot tag."""
    bot = True if bears_bot_tag(line) else None
    if len(line.params) > 2:
        yield events.About(source, account=_account(line.params[1]), realname=line.params[2], bot=bot)
    elif bot:
        yield events.About(source, bot=bot)


def _account(text: str) -> str:
    return "" if text in ("*", "0") else text


def _person(line: Line) -> Source:
    if line.source is None or line.source.user is None:
        raise RemoteProtocolError(f"{line.command} from nobody")
    return line.source


def _account_changed(session: Sender, line: Line) -> Iterator[Event]:
    yield events.About(_person(line), account=_account(line.params[0]))


def _away(session: Sender, line: Line) -> Iterator[Event]:
    note = line.param(0)
    yield events.About(_person(line), away=bool(note), note=note)


def host_changed(session: Sender, line: Line) -> Iterator[Event]:
    """CHGHOST, of anybody."""
    yield events.About(Source(_person(line).nick, line.params[0], line.params[1]))


def _real_name(session: Sender, line: Line) -> Iterator[Event]:
    # InspIRCd 3 tells ours before it has let us in.
    yield events.About(_person(line), realname=line.params[0])


def _is_bot(session: Sender, line: Line) -> Iterator[Event]:
    yield events.About(Source(line.params[1]), bot=True)


def _who(session: Sender, line: Line) -> Iterator[Event]:
    # 352: client, channel, user, host, server, nick, flags, "hops real name".
    _, _, user, host, _, nick, flags, last = line.params[:8]
    realname = last.partition(" ")[2]
    away, bot = _flags(session, flags)
    yield events.About(Source(nick, user, host), realname=realname, away=away, bot=bot)


def _whox(session: Sender, line: Line) -> Iterator[Event]:
    if line.params[1] != WHO_MARK:
        yield events.Passed("who")
        return
    _, _, _, user, host, nick, flags, account, realname = line.params[:9]
    away, bot = _flags(session, flags)
    yield events.About(Source(nick, user, host), _account(account), realname, away, bot=bot)


def _flags(session: Sender, flags: str) -> tuple[bool | None, bool | None]:
    """Away, and a bot: H or G for here or gone, then ``*`` for operators, channel prefixes, the bot mode's letter."""
    away = flags[0] == "G" if flags[:1] in ("H", "G") else None
    mode = session.isupport.bot_mode
    return away, mode in flags[1:] if mode else None


def _who_end(session: Sender, line: Line) -> Iterator[Event]:
    yield events.WhoEnded(line.params[1])


def _ison(session: Sender, line: Line) -> Iterator[Event]:
    yield events.Ison(tuple(line.params[1].split()))


def _monitored(session: Sender, line: Line) -> Iterator[Event]:
    sources = tuple(Source.parse(item) for item in line.params[1].split(",") if item)
    yield events.Monitored(sources, line.command == "730")


def _monitor_full(session: Sender, line: Line) -> Iterator[Event]:
    yield events.MonitorFull(tuple(nick for nick in line.params[2].split(",") if nick))


TRACKING: Final[Mapping[str, tuple[int, Handler]]] = {
    "303": (2, _ison),
    "315": (2, _who_end),
    "335": (2, _is_bot),
    "352": (8, _who),
    "354": (9, _whox),
    "730": (2, _monitored),
    "731": (2, _monitored),
    "734": (3, _monitor_full),
    "ACCOUNT": (1, _account_changed),
    "AWAY": (0, _away),
    "SETNAME": (1, _real_name),
}
"""Command, fewest parameters, handler: a part of the session's table."""
