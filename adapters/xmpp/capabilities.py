"""What a MUC room, and a private conversation, can express."""

from bridge.capabilities import Capabilities, Ordering
from bridge.model.message import MessageKind

ME = "/me "
"""What an emote begins with on the wire (XEP-0245)."""

ROOM = Capabilities(
    # Escaped, each byte may become five (&amp;): with the rest of the stanza still below `sanitise.STANZA_BYTES`.
    part_bytes=60_000,
    lines=True,
    # One stream carries everything; the room reflects in the order it received (XEP-0045 section 7.4).
    ordering=Ordering.STREAM,
    emotes=True,
    notices=False,
    emote_bytes=len(ME),
)

PERSON = ROOM
"""The same: one server keeps the order of what it gets for one address (RFC 6120 section 10.1)."""


def body(kind: MessageKind, text: str) -> str:
    """The body of a message of that kind. XMPP knows no notice: it is said plainly."""
    return ME + text if kind is MessageKind.EMOTE else text


def kind_of(text: str) -> tuple[MessageKind, int]:
    """How a body is meant, and how many of its first characters only say so."""
    if text.startswith(ME):
        return MessageKind.EMOTE, len(ME)
    return MessageKind.TEXT, 0
