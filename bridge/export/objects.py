"""What was kept as ``message/cpim`` objects (RFC 3862)."""

from bridge.model.address import Address
from bridge.model.archive import Envelope, to_cpim
from bridge.model.cpim import CpimError, Mailbox, entity
from bridge.model.event import Origin
from bridge.model.message import Content, Kick, Message, MessageKind, Opaque, Reaction, Retraction, Text
from bridge.store.archive import Kept


def cpim(kept: Kept) -> bytes:
    """One event, from who said it to the room or the person it was for, with the MIME header that names its type.

    Raises `CpimError` where it cannot be written.
    """
    to = kept.recipient or Address(kept.network, kept.place)
    envelope = Envelope(
        Mailbox(kept.sender.uri("im"), kept.sender_name),
        (Mailbox(to.uri("im")),),
        kept.when,
        kept.id,
        Origin(kept.network, kept.native_id),
    )
    try:
        return entity(to_cpim(in_words(kept.content), envelope))
    except CpimError as error:
        raise CpimError(f"{kept.id} cannot be written: {error}") from error


def in_words(content: Content) -> Message:
    """What RFC 3862 has no form for is told in words, as a notice about what it refers to. JSON Lines have it whole."""
    match content:
        case Message():
            return content
        case Reaction(target, key, withdrawn):
            return _notice(f"takes back the reaction {key}" if withdrawn else f"reacts with {key}", target)
        case Retraction(target, reason):
            return _notice("takes back a message" + (f": {reason}" if reason else ""), target)
        case Kick(_, name, reason, banned):
            return _notice(f"{'bans' if banned else 'removes'} {name}" + (f": {reason}" if reason else ""))
        case Opaque(what, detail):
            return _notice(f"sent {what}" + (f": {detail.text}" if detail.text else ""))
    raise CpimError(f"{type(content).__name__} is nothing that somebody said")


def _notice(text: str, about: str | None = None) -> Message:
    return Message(Text(text), MessageKind.NOTICE, reply_to=about)
