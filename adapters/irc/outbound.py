"""Parts of deliveries, as what a session says."""

from adapters.irc.markup import to_irc
from adapters.irc.protocol.events import Manner
from adapters.irc.protocol.tracking import HOPS_TAG, PART_TAG
from bridge.contract import Part, SendError, Voice
from bridge.model.message import MessageKind
from bridge.model.result import Reason

_MANNERS = {MessageKind.TEXT: Manner.TEXT, MessageKind.EMOTE: Manner.ACTION, MessageKind.NOTICE: Manner.NOTICE}


def spoken(part: Part) -> tuple[Manner, str]:
    """How the part is said, and its text as one line. Raises `SendError` if nothing of it is left to say."""
    text = to_irc(part.text.text)
    if not text.strip():
        raise SendError.permanent(Reason.NOT_ACCEPTABLE, "the message holds nothing that IRC can show")
    return _MANNERS[part.kind], text


def since(part: Part, *, puppets: bool) -> float:
    """Since when the part can have been sent by this voice alone, in seconds since the epoch; 0 if that is not known:
    the bot may speak in place of a puppet that is gone, and that may have said it."""
    return part.accepted if part.voice is Voice.PUPPET or not puppets else 0.0


def tags(part: Part) -> dict[str, str]:
    """The client-only tags that go with the part, where the server passes them on."""
    return {HOPS_TAG: str(part.hops), PART_TAG: part.id}
