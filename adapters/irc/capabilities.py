"""What an IRC channel, or a person there, can be told."""

from adapters.irc.protocol.isupport import ISupport
from adapters.irc.protocol.sender import ACTION_BYTES
from adapters.irc.protocol.session import Session
from bridge.capabilities import Capabilities, Ordering

_LEAST = 64


def capabilities(session: Session, target: str, lines: int) -> Capabilities:
    """What the session can say to the channel or nick, with the room that its own prefix leaves (RFC 2812 section 2.3:
    512 bytes hold the line as everybody gets it). `lines` is how many one message may become."""
    return _offer(session.text_bytes(target), lines)


def unconnected(target: str, support: ISupport, lines: int) -> Capabilities:
    """What a puppet will be able to say that is not there yet, with the longest prefix it could have."""
    prefix = support.nick_bytes + support.user_bytes + support.host_bytes + len(":!@ ")
    return _offer(support.line_bytes - prefix - len(target.encode()) - len("PRIVMSG  :\r\n"), lines)


def _offer(room: int, lines: int) -> Capabilities:
    return Capabilities(
        part_bytes=max(_LEAST, room),
        lines=False,
        ordering=Ordering.SPEAKER,
        max_parts=lines,
        emote_bytes=ACTION_BYTES,
    )
