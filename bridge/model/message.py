"""What is said: the content of instant messages.

Rich text is one neutral form, a string with spans; HTML, XHTML and mIRC codes never enter the core.
Relations name their target as the source network does (`target`, a native id there): which native id that is on
another network, the lane finds out when it sends.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from bridge.model.address import Address


class Style(StrEnum):
    """What a span of text is marked as."""

    BOLD = "bold"
    ITALIC = "italic"
    UNDERLINE = "underline"
    STRIKE = "strike"
    CODE = "code"
    BLOCK = "block"
    QUOTE = "quote"
    LINK = "link"
    MENTION = "mention"
    COLOUR = "colour"


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]` is of this style. `value` is the target of a link or mention, the name of a colour."""

    start: int
    end: int
    style: Style
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Text in Unicode, with its marks. `language` is an RFC 5646 tag where the network told one."""

    text: str
    spans: tuple[Span, ...] = ()
    language: str | None = None

    def __str__(self) -> str:
        return self.text


class MessageKind(StrEnum):
    """How the sender meant it: said, done (``/me``), or announced, as bots do, never to be answered by one."""

    TEXT = "text"
    EMOTE = "emote"
    NOTICE = "notice"


class MediaKind(StrEnum):
    """What kind of file it is, as far as its sender said."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    STICKER = "sticker"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Media:
    """A file beside the text. `url` is where anyone may fetch it, None where only the source network can.

    `size` is in bytes.
    """

    kind: MediaKind
    name: str
    url: str | None = None
    mime: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """A place on Earth as a ``geo:`` URI (RFC 5870), with words for those who cannot show a map."""

    uri: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """An instant message (RFC 2778 section 2.4). With `replaces`, it is an edit of an earlier one."""

    body: Text
    kind: MessageKind = MessageKind.TEXT
    parts: tuple[Media | Location, ...] = ()
    subject: Text | None = None
    thread: str | None = None
    reply_to: str | None = None
    replaces: str | None = None
    mentions: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Reaction:
    """A mark put on, or with `withdrawn` taken off, the message `target`."""

    target: str
    key: str
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Retraction:
    """Its sender, or a moderator, takes back the message `target`.

    `vouched`: the network saw to it that they may. Without, it is for whoever acts on it to see that it is the sender.
    """

    target: str
    reason: str | None = None
    vouched: bool = False


@dataclass(frozen=True, slots=True)
class Kick:
    """A moderator removed `target` from the place. The absence that follows is state, reported beside this."""

    target: Address
    target_name: str
    reason: str | None = None
    banned: bool = False


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something the model has no word for yet (a poll, an encrypted message, ...). It still crosses, as a line.

    `what` completes the sentence "<name> sent ...", for example ``an encrypted message``.
    """

    what: str
    detail: Text = field(default_factory=lambda: Text(""))


@dataclass(frozen=True, slots=True)
class Gap:
    """From `since` until `until` (seconds since the epoch) nobody of ours heard what was said in the place, and its
    network keeps nothing that could be asked for. The gateway's own word; the event's sender is the place itself."""

    since: float
    until: float


Content = Message | Reaction | Retraction | Kick | Opaque | Gap
