"""What an IRC channel can express."""

from adapters.irc.sender import ACTION_BYTES
from adapters.irc.session import Session
from bridge.capabilities import Capabilities, Ordering

_LEAST = 64


def capabilities(session: Session, channel: str) -> Capabilities:
    """What the session can say in the channel, with the room that its own prefix leaves (RFC 2812 section 2.3: 512
    bytes hold the line as everybody gets it)."""
    return Capabilities(
        part_bytes=max(_LEAST, session.text_bytes(channel)),
        lines=False,
        ordering=Ordering.SPEAKER,
        emote_bytes=ACTION_BYTES,
    )


def unconnected(channel: str, nick_bytes: int, user_bytes: int, host_bytes: int, line_bytes: int) -> Capabilities:
    """What a puppet will be able to say that is not there yet, with the longest prefix it could have."""
    prefix = nick_bytes + user_bytes + host_bytes + len(":!@ ")
    room = line_bytes - prefix - len(channel.encode()) - len("PRIVMSG  :\r\n")
    return Capabilities(part_bytes=max(_LEAST, room), lines=False, ordering=Ordering.SPEAKER, emote_bytes=ACTION_BYTES)
